"""Python imports this at its start wherever the folder is on PYTHONPATH: puts the gate of `helpers.gate` in place."""

import sys
from pathlib import Path

TESTS = str(Path(__file__).parents[2])
sys.path.insert(0, TESTS)
from helpers import gate_point  # noqa: E402

sys.path.remove(TESTS)
gate_point.install()

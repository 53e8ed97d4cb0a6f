"""Start-up time: whole processes, from the start of Python to its end, compared with an import of NumPy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial

import pytest

COMMAND = "import sys; from gptool.cli import main; sys.argv[1:] = {}.split(); main(prog_name='gptool')"
BASELINE = "import numpy"
PROGRAMS = {
    "python -c pass": "pass",
    BASELINE: BASELINE,
    "import gptool": "import gptool",
    "import gptool; gptool.export_tiles": "import gptool; gptool.export_tiles",
    "gptool --help": COMMAND.format("'--help'"),
    "gptool export-tiles --help": COMMAND.format("'export-tiles --help'"),
}
GOALS = dict.fromkeys(("import gptool", "gptool --help"), "<= 2.5")


def start(program: str) -> None:
    subprocess.run([sys.executable, "-P", "-c", program], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("name", PROGRAMS)
def bench_start(name: str, measure: Callable[..., None]) -> None:
    measure(
        partial(start, PROGRAMS[name]),
        partial(start, PROGRAMS[BASELINE]),
        group="starting, whole processes, wall time",
        baseline_name=BASELINE,
        name=name,
        goal=GOALS.get(name, ""),
    )

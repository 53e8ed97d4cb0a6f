"""The command line as a program of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

GPTOOL = [sys.executable, "-c", "from gptool.cli import main; main(prog_name='gptool')"]


def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*GPTOOL, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False)

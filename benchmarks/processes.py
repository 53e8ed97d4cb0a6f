"""Programs in separate processes, their results and their peak memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

PEAK = """\
import re
from pathlib import Path

def peak_mib():
    # Not getrusage: its peak includes that of the parent process.
    return int(re.search(r"VmHWM:\\s+([0-9]+)", Path("/proc/self/status").read_text())[1]) / 1024
"""
"""Source to be put before programs that call `peak_mib`."""

needs_peak = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")


def run(program: str, *arguments: object) -> dict[str, Any]:
    """Run a program that prints JSON."""
    command = [sys.executable, "-P", "-c", program, *map(str, arguments)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def memory_line(what: str, found: Mapping[str, float], maximum: float | None = None) -> dict[str, str]:
    """Return the line of a table: the result of a program, and the limit of its peak memory in MiB."""
    return {
        "what": what,
        "tiles": f"{found['tiles']:,}",
        "peak, MiB": f"{found['peak']:.0f}",
        "goal": f"< {maximum:.0f}" if maximum else "",
        "s": f"{found['seconds']:.1f}",
    }

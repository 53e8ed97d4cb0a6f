"""Programs in processes of their own, what they found, and the memory they took at most."""

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
    # Not getrusage: its peak is that of the process that started this one, when that was larger.
    return int(re.search(r"VmHWM:\\s+([0-9]+)", Path("/proc/self/status").read_text())[1]) / 1024
"""
"""Goes in front of programs that call `peak_mib`."""

needs_peak = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is asked of /proc")


def run(program: str, *arguments: object) -> dict[str, Any]:
    """Run a program that prints JSON."""
    command = [sys.executable, "-P", "-c", program, *map(str, arguments)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def memory_line(what: str, found: Mapping[str, float], most: float | None = None) -> dict[str, str]:
    """Return the line of a table: what a program found, and the MiB that its peak has to stay below."""
    return {
        "what": what,
        "tiles": f"{found['tiles']:,}",
        "peak, MiB": f"{found['peak']:.0f}",
        "goal": f"< {most:.0f}" if most else "",
        "s": f"{found['seconds']:.1f}",
    }

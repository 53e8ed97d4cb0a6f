"""The memory of another process, on Linux."""

from __future__ import annotations

import re
from pathlib import Path


def peak_memory(pid: int) -> int:
    """Return the largest resident set of a process since the last `reset_peak_memory`, bytes (proc(5), VmHWM)."""
    found = re.search(r"VmHWM:\s+([0-9]+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return 1024 * int(found[1])


def reset_peak_memory(pid: int) -> int:
    """Begin anew to measure the peak of a process, and return its present memory, bytes."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return peak_memory(pid)

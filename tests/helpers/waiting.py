"""Waiting for what other threads, processes or the event loop do. The timeout is a bound of failures only."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

TIMEOUT = 60.0
"""Seconds after which what has not happened counts as stuck, on the slowest of machines."""

POLL_INTERVAL = 0.01
"""Seconds."""

T = TypeVar("T")


def wait_until(condition: Callable[[], T], explain: Callable[[], object] = str) -> T:
    """Wait until a condition is true, and return its value.

    Parameters
    ----------
    condition : callable
    explain : callable
        Returns what the error message states if the condition stays false.

    Raises
    ------
    AssertionError
        If it is false after `TIMEOUT`, or the condition raises it.
    """
    deadline = time.monotonic() + TIMEOUT
    while not (value := condition()):
        assert time.monotonic() < deadline, explain()
        time.sleep(POLL_INTERVAL)
    return value


async def wait_in_loop_until(condition: Callable[[], T], explain: Callable[[], object] = str) -> T:
    """Wait like `wait_until`, while the event loop runs other tasks."""
    deadline = time.monotonic() + TIMEOUT
    while not (value := condition()):
        assert time.monotonic() < deadline, explain()
        await asyncio.sleep(POLL_INTERVAL)
    return value


def wait_until_delivered(process: int) -> None:
    """Wait until no signal is pending for a process: the main thread, which waits for batches, is interrupted."""
    status = Path(f"/proc/{process}/status")
    wait_until(lambda: not re.search("^(Sig|Shd)Pnd:.*[1-9a-f]", status.read_text(), re.MULTILINE))

"""A lock against a second run of a batch while the first is running."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gptool import system
from gptool.errors import GptoolError, translate_os_errors

SUFFIX = ".lock"
"""What the lock file's name adds to that of the batch."""

MAX_PID_LENGTH = 20


@contextmanager
def lock_batch(path: Path) -> Iterator[None]:
    """Hold the lock of a batch: of an empty file beside it, which stays, and names the process that runs it.

    The operating system releases the lock when the process ends, however it ends. The file of the batch itself is not
    locked: editors replace files.

    Raises
    ------
    GptoolError
        If another process holds the lock.
    OutputError
        If the lock file cannot be written.
    """
    place = path.with_name(path.name + SUFFIX)
    with translate_os_errors(place):
        file = os.open(place, system.LOCK, 0o644)
    try:
        with translate_os_errors(place):
            if not system.try_lock(file):
                raise _locked_error(path, file)
            os.ftruncate(file, 0)
            os.write(file, str(os.getpid()).encode())
        yield
    finally:
        os.close(file)


def _locked_error(path: Path, file: int) -> GptoolError:
    process = os.read(file, MAX_PID_LENGTH).decode("ascii", "replace")
    running = f"process {process}" if process.isdigit() else "another process"
    return GptoolError("is already running", where=path, found=running, expected="one run of the file at a time")

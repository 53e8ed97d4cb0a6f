"""What differs between operating systems: files, locks, processes and signals.

No other Python module asks which system it runs on; `native/system.c` is the counterpart in C. Functions that differ
as a whole are in `posix` and `windows`, under the same names.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

if sys.platform == "win32":
    from gptool.system.windows import (
        allow_open_files,
        close_lock,
        end_with_this_process,
        is_own,
        keep_lock,
        library_path,
        limit_arenas,
        limit_memory,
        lower_priority,
        open_shared,
        release_lock,
        remove_lock,
        set_binary,
        try_lock,
        worker_options,
    )
else:
    from gptool.system.posix import (
        allow_open_files,
        close_lock,
        end_with_this_process,
        is_own,
        keep_lock,
        library_path,
        limit_arenas,
        limit_memory,
        lower_priority,
        open_shared,
        release_lock,
        remove_lock,
        set_binary,
        try_lock,
        worker_options,
    )

__all__ = (
    "HANGUP_SIGNALS",
    "IS_WINDOWS",
    "LOCK",
    "STOP_SIGNALS",
    "allow_open_files",
    "end_with_this_process",
    "flush",
    "foreign_path",
    "is_own",
    "is_url",
    "library_path",
    "limit_arenas",
    "limit_memory",
    "lock_file",
    "lower_priority",
    "open_shared",
    "processors",
    "read_resident",
    "real_path",
    "release_lock",
    "remove_folder",
    "remove_lock",
    "rename",
    "replace",
    "replace_private",
    "set_binary",
    "try_lock",
    "worker_options",
)

IS_WINDOWS = sys.platform == "win32"

LOCK = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
"""Flags of `os.open` for a lock file, which is no link."""

STOP_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name))
"""The signals that ask a program to stop; Ctrl-Break sends SIGBREAK on Windows."""

HANGUP_SIGNALS = tuple(getattr(signal, name) for name in ("SIGHUP",) if hasattr(signal, name))
"""The signals that the end of a terminal sends."""

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:[\\/]")
"""The start of a URL; that of a Path has lost its second slash, and has a backslash on Windows."""

DRIVE = re.compile(r"[A-Za-z]:[\\/]")

RETRY_SECONDS, PAUSE_SECONDS = 2.0, 0.05
"""How long files are waited for that another program, such as a virus scanner, has opened on Windows."""

IN_USE = frozenset({5, 32, 33})
"""Error codes of Windows if a file is open: ERROR_ACCESS_DENIED, _SHARING_VIOLATION and _LOCK_VIOLATION."""


def processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def real_path(path: Path) -> Path:
    """Return a path without symbolic links. Path.resolve raises for a cycle of links."""
    return Path(os.path.realpath(path))


def is_url(path: str | os.PathLike[str]) -> bool:
    """Return True if a text or path is that of a URL."""
    return URL.match(os.fspath(path).lstrip()) is not None


def foreign_path(path: str | os.PathLike[str]) -> tuple[str, str] | None:
    """Return what is wrong with a path of another system or a URL, and what is expected; None for other paths."""
    text = os.fspath(path)
    if is_url(path):
        return "is a URL, not a path", "the path of a file or folder"
    if IS_WINDOWS:
        return None
    if text.startswith("\\\\"):
        return "is the path of a share of Windows", "the folder in which the share is mounted"
    return ("is a path of Windows", "the path on this system") if DRIVE.match(text) else None


def lock_file(path: Path) -> int | None:
    """Open a file, which is made if it is missing, and lock it. Return None if another program has locked it.

    Processes that are forked do not inherit the lock. End it with `release_lock` or `remove_lock`.

    Raises
    ------
    OSError
        If the file cannot be opened, or the file system has no locks.
    """
    while True:
        file = os.open(path, LOCK, 0o600)
        keep_lock(file)
        is_locked = False
        try:
            is_locked = try_lock(file)
            # Another program may have removed the file between the two calls.
            if not is_locked or IS_WINDOWS or (path.exists() and os.path.samestat(os.fstat(file), path.stat())):
                return file if is_locked else None
            is_locked = False
        finally:
            if not is_locked:
                close_lock(file)


def read_resident(file: int, offset: int, size: int) -> bytes | None:
    """Return bytes of an open file that are in the system's memory.

    None means that reading them may have to wait for a disk, or that the system cannot tell (preadv2(2), RWF_NOWAIT).
    """
    if sys.platform != "linux":
        return None
    data = bytearray(size)
    try:
        count = os.preadv(file, [data], offset, os.RWF_NOWAIT)
    except OSError:
        return None
    return bytes(data) if count == size else None


def rename(source: Path, target: Path) -> None:
    """Move a file or folder to a name that is free, unless the system replaces it.

    Raises
    ------
    OSError
        If it cannot be moved. If a program has opened it, the reason says so.
    """
    _when_closed(lambda: source.rename(target), target)


def replace(source: Path, target: Path) -> None:
    """Move a file to the place of another one.

    Raises
    ------
    OSError
        If it cannot be moved. If a program has opened one of them, the reason says so.
    """
    _when_closed(lambda: source.replace(target), target)


def replace_private(path: Path, data: bytes) -> None:
    """Write a file that others may not read, in one step: it has its old content or the new one.

    A new file has mode 0600. An existing one keeps its owner and the permissions of its group, if it has any.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    target = path.resolve()
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with os.fdopen(file, "wb") as output:
            output.write(data)
            output.flush()
            os.fsync(file)
        if target.exists() and not IS_WINDOWS:
            status = target.stat()
            with suppress(PermissionError):
                os.chown(temporary, status.st_uid, status.st_gid)
                temporary.chmod(status.st_mode & 0o760 | 0o600)
        replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_folder(folder: Path) -> None:
    """Remove a folder and what it contains, as far as possible."""
    deadline = time.monotonic() + RETRY_SECONDS
    shutil.rmtree(folder, ignore_errors=True)
    while IS_WINDOWS and folder.exists() and time.monotonic() < deadline:
        time.sleep(PAUSE_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


def flush(path: Path) -> None:
    """Flush a file to the disk, or the entries of a folder; Windows has no call for the latter.

    Raises
    ------
    OSError
        If it cannot be flushed.
    """
    if IS_WINDOWS and path.is_dir():
        return
    file = os.open(path, os.O_RDWR if IS_WINDOWS else os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _when_closed(move: Callable[[], object], target: Path) -> None:
    deadline = time.monotonic() + RETRY_SECONDS
    while True:
        try:
            move()
        except OSError as error:
            if getattr(error, "winerror", None) not in IN_USE:
                raise
            if time.monotonic() > deadline:
                reason = "it is open in another program, or write-protected"
                raise PermissionError(errno.EACCES, reason, str(target)) from error
            time.sleep(PAUSE_SECONDS)
        else:
            return

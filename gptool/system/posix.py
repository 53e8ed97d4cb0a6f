"""Locks, processes and libraries on Linux and macOS; the counterpart of `windows`."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import resource
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

READ = os.O_RDONLY | os.O_NONBLOCK
"""Flags of `os.open` for reading bytes; opening a pipe does not block."""

NICE = 10
"""Increment of the nice value of a worker."""

M_ARENA_MAX, MAX_ARENAS = -8, 2
"""The parameter of mallopt(3) for the number of arenas, by malloc.h of glibc, and its value."""


def try_lock(file: int) -> bool:
    """Lock an open file until it is closed. Return False if another process has locked it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def release_lock(file: int) -> None:
    """Release the lock of an open file and close it; a process that was forked meanwhile does not keep the lock."""
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_UN)
    close_lock(file)


def remove_lock(file: int, path: Path) -> None:
    """Remove a lock file, and then release its lock: who locks the path now makes a new file."""
    with suppress(OSError):
        path.unlink()
    release_lock(file)


_own_locks: set[int] = set()
"""Locks that processes which are forked must not inherit: they would keep the lock if this process is killed."""


def keep_lock(file: int) -> None:
    """Let no process that is forked from now on inherit a lock."""
    _own_locks.add(file)


def close_lock(file: int) -> None:
    """Close the file of a lock."""
    _own_locks.discard(file)
    os.close(file)


def _close_inherited_locks() -> None:
    for file in list(_own_locks):
        with suppress(OSError):
            close_lock(file)


os.register_at_fork(after_in_child=_close_inherited_locks)


def is_own(path: Path) -> bool:
    """Return True if a folder, which is no link, belongs to this user."""
    status = path.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def open_shared(path: str | os.PathLike[str]) -> int:
    """Open a file for reading, which other programs may replace or remove meanwhile.

    Raises
    ------
    OSError
        If it cannot be opened.
    """
    return os.open(path, READ)


def lower_priority() -> None:
    """Let other processes go first: a service answers requests while its workers work."""
    with suppress(OSError):
        os.nice(NICE)


def set_binary(_descriptor: int) -> None:
    """Do nothing: the system does not change bytes."""


def worker_options(inherited: tuple[int, ...]) -> dict[str, Any]:
    """Return the options for a worker that inherits descriptors.

    It is in a process group of its own, so that Ctrl-C at a terminal reaches the service alone. It stays in the
    service's session: Linux shares processors among sessions first (autogroup), and nice values count only within
    a session.
    """
    return {"pass_fds": inherited, "process_group": 0}


def end_with_this_process() -> None:
    """Do nothing: a worker ends when its standard input does."""


def limit_memory(size: int) -> None:
    """Let allocations of this process fail beyond a size in bytes.

    On Linux the limit is on the memory of data, not on mapped files (getrlimit(2), RLIMIT_DATA); macOS ignores it.

    Raises
    ------
    OSError
        If the system refuses.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (size if hard == resource.RLIM_INFINITY else min(size, hard), hard))


def limit_arenas() -> None:
    """Let the threads of this process allocate from few arenas, as far as the C library is glibc.

    By default each thread keeps what it has freed in an arena of its own (mallopt(3)): with a thread for each request
    in flight, these are large.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        library.mallopt(M_ARENA_MAX, MAX_ARENAS)


def allow_open_files(count: int) -> int:
    """Let this process open so many files, if the hard limit allows it; return how many it may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= count:
        return count
    allowed = count if hard == resource.RLIM_INFINITY else min(count, hard)
    with suppress(OSError, ValueError):  # macOS has another limit below an infinite one
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        return allowed
    return soft


class _SymbolInfo(ctypes.Structure):
    """`Dl_info` of dladdr(3)."""

    _fields_ = (
        ("file", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
    )


def library_path(function: Any) -> Path:
    """Return the path of the library that a C function of ctypes is in.

    Raises
    ------
    OSError
        If it is not found.
    """
    symbol = _SymbolInfo()
    if not ctypes.CDLL(None).dladdr(ctypes.cast(function, ctypes.c_void_p), ctypes.byref(symbol)):
        raise OSError(errno.ENOENT, "the library of a function was not found")
    return Path(symbol.file.decode()).resolve()

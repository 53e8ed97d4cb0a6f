"""Locks, processes and libraries on Windows; the counterpart of `posix`."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

assert sys.platform == "win32", "imported on Windows only"

import msvcrt  # noqa: E402 - type checkers take what follows as code of Windows

READ = os.O_RDONLY | os.O_BINARY
"""Flags of `os.open` for reading bytes."""

LOCKED_BYTE = 1 << 30
"""The byte that is locked: far behind the content of a lock file, which others could not read otherwise."""

KILL_ON_CLOSE, PROCESS_MEMORY = 0x2000, 0x100
"""JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE and JOB_OBJECT_LIMIT_PROCESS_MEMORY, limits of a job object."""

NEW_PROCESS = {"creationflags": 0x00000200 | 0x00004000}
"""CREATE_NEW_PROCESS_GROUP and BELOW_NORMAL_PRIORITY_CLASS of CreateProcess."""


def try_lock(file: int) -> bool:
    """Lock an open file until it is closed. Return False if another process has locked it."""
    os.lseek(file, LOCKED_BYTE, os.SEEK_SET)
    try:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    finally:
        os.lseek(file, 0, os.SEEK_SET)
    return True


def release_lock(file: int) -> None:
    """Release the lock of an open file and close it."""
    os.close(file)


close_lock = release_lock


def remove_lock(file: int, path: Path) -> None:
    """Release a lock, and then remove its file, which is impossible before, and if another process has opened it."""
    os.close(file)
    with suppress(OSError):
        path.unlink()


def keep_lock(_file: int) -> None:
    """Do nothing: processes do not inherit files."""


def is_own(path: Path) -> bool:
    """Return True if a path is that of a folder, and no link."""
    return stat.S_ISDIR(path.lstat().st_mode)


def open_shared(path: str | os.PathLike[str]) -> int:
    """Open a file for reading, which other programs may replace or remove meanwhile.

    Raises
    ------
    OSError
        If it cannot be opened.
    """
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.CreateFileW.restype = ctypes.c_void_p
    if "\0" in os.fspath(path):
        raise ValueError("embedded null character in path")
    read_write_delete, open_existing, normal = 1 | 2 | 4, 3, 0x80
    handle = kernel.CreateFileW(
        ctypes.c_wchar_p(os.fspath(path)), ctypes.c_uint32(0x80000000), read_write_delete, None, open_existing,
        normal, None,
    )  # fmt: skip
    if handle in (None, ctypes.c_void_p(-1).value):
        failure = ctypes.WinError(ctypes.get_last_error()).errno or errno.EIO
        raise OSError(failure, os.strerror(failure), os.fspath(path))
    return msvcrt.open_osfhandle(handle, READ)


def lower_priority() -> None:
    """Do nothing: a worker is started with a lower priority."""


def limit_arenas() -> None:
    """Do nothing: threads share their memory."""


def set_binary(descriptor: int) -> None:
    """Keep the C runtime from changing the ends of lines."""
    msvcrt.setmode(descriptor, os.O_BINARY)


def worker_options(_inherited: tuple[int, ...]) -> dict[str, Any]:
    """Return the options for a worker: Ctrl-C does not reach it. Nothing is inherited: it ends with the service."""
    return NEW_PROCESS


def end_with_this_process() -> None:
    """Let the system end the processes that this one starts from now on when it ends, however it ends.

    The job object of this process, of which they become members, is closed by its end ("Job Objects" in Microsoft's
    documentation).

    Raises
    ------
    OSError
        If the system refuses.
    """
    _enter_job(_ExtendedLimits(flags=KILL_ON_CLOSE))


def limit_memory(size: int) -> None:
    """Let allocations of this process fail beyond a size in bytes.

    Raises
    ------
    OSError
        If the system refuses.
    """
    limits = _ExtendedLimits(flags=PROCESS_MEMORY)
    limits.memory[0] = size
    _enter_job(limits)


def _enter_job(limits: _ExtendedLimits) -> None:
    """Make this process a member of a new job object, whose only handle is closed by the end of the process."""
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.CreateJobObjectW.restype = ctypes.c_void_p
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    job = ctypes.c_void_p(kernel.CreateJobObjectW(None, None))
    process = ctypes.c_void_p(kernel.GetCurrentProcess())
    if not (
        job
        and kernel.SetInformationJobObject(job, 9, ctypes.byref(limits), ctypes.sizeof(limits))
        and kernel.AssignProcessToJobObject(job, process)
    ):
        raise ctypes.WinError(ctypes.get_last_error())


class _ExtendedLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION, with flags and ProcessMemoryLimit, the first memory."""

    _fields_ = (
        ("times", ctypes.c_int64 * 2),
        ("flags", ctypes.c_uint32),
        ("sizes", ctypes.c_size_t * 2),
        ("processes", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("classes", ctypes.c_uint32 * 2),
        ("counters", ctypes.c_uint64 * 6),
        ("memory", ctypes.c_size_t * 4),
    )


def allow_open_files(count: int) -> int:
    """Return the count: sockets and files that Python opens here have no limit of their own."""
    return count


def library_path(function: Any) -> Path:
    """Return the path of the library that a C function of ctypes is in.

    Raises
    ------
    OSError
        If it is not found.
    """
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    module, name = ctypes.c_void_p(), ctypes.create_unicode_buffer(32_768)
    address = ctypes.cast(function, ctypes.c_void_p)
    by_address_unchanged = 4 | 2  # GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, _UNCHANGED_REFCOUNT
    if not (
        kernel.GetModuleHandleExW(by_address_unchanged, address, ctypes.byref(module))
        and kernel.GetModuleFileNameW(module, name, len(name))
    ):
        raise ctypes.WinError(ctypes.get_last_error())
    return Path(name.value)

"""What differs between operating systems: files, locks, processes and signals.

No other Python module asks which system it runs on; `native/system.c` is the counterpart in C.
"""

from __future__ import annotations

import ctypes
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
from typing import Any

IS_WINDOWS = sys.platform == "win32"

READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Flags of `os.open` for reading bytes; opening a pipe does not block."""

LOCK = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
"""Flags of `os.open` for a lock file, which is no link."""

STOP_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name))
"""The signals that ask a program to stop; Ctrl-Break sends SIGBREAK on Windows."""

HANGUP_SIGNALS = tuple(getattr(signal, name) for name in ("SIGHUP",) if hasattr(signal, name))
"""The signals that the end of a terminal sends."""

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""The start of a URL; that of a Path has lost its second slash."""

DRIVE = re.compile(r"[A-Za-z]:[\\/]")

LOCKED_BYTE = 1 << 30
"""The byte that is locked on Windows: far behind the content of a lock file, which others could not read otherwise."""

RETRY_SECONDS, PAUSE_SECONDS = 2.0, 0.05
"""How long files are waited for that another program, such as a virus scanner, has opened on Windows."""

IN_USE = frozenset({5, 32, 33})
"""Error codes of Windows if a file is open: ERROR_ACCESS_DENIED, _SHARING_VIOLATION and _LOCK_VIOLATION."""


def processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def foreign_path(path: str | os.PathLike[str]) -> tuple[str, str] | None:
    """Return what is wrong with a path of another system or a URL, and what is expected; None for other paths."""
    text = os.fspath(path)
    if URL.match(text):
        return "is a URL, not a path", "the path of a file or folder"
    if IS_WINDOWS:
        return None
    if text.startswith("\\\\"):
        return "is the path of a share of Windows", "the folder in which the share is mounted"
    return ("is a path of Windows", "the path on this system") if DRIVE.match(text) else None


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


if sys.platform == "win32":
    import msvcrt

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

    def set_binary(descriptor: int) -> None:
        """Keep the C runtime from changing the ends of lines."""
        msvcrt.setmode(descriptor, os.O_BINARY)

    def worker_options(_inherited: tuple[int, ...]) -> dict[str, Any]:
        """Return the options for a worker: Ctrl-C does not reach it. Nothing is inherited: it ends with the service."""
        return NEW_PROCESS

    def end_with_this_process() -> None:
        """Let the system end the processes that this one starts from now on when it ends, however it ends.

        The job object of this process, of which they become members, has the limit JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
        ("Job Objects" in Microsoft's documentation). Its only handle is never closed but by the end of the process.

        Raises
        ------
        OSError
            If the system refuses.
        """
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.CreateJobObjectW.restype = ctypes.c_void_p
        kernel.GetCurrentProcess.restype = ctypes.c_void_p
        job = ctypes.c_void_p(kernel.CreateJobObjectW(None, None))
        limits = _ExtendedLimits(flags=0x2000)
        process = ctypes.c_void_p(kernel.GetCurrentProcess())
        if not (
            job
            and kernel.SetInformationJobObject(job, 9, ctypes.byref(limits), ctypes.sizeof(limits))
            and kernel.AssignProcessToJobObject(job, process)
        ):
            raise ctypes.WinError(ctypes.get_last_error())

    class _ExtendedLimits(ctypes.Structure):
        """JOBOBJECT_EXTENDED_LIMIT_INFORMATION, of which only the flags are used."""

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

else:
    import fcntl
    import resource

    NICE = 10
    """Increment of the nice value of a worker."""

    def try_lock(file: int) -> bool:
        """Lock an open file until it is closed. Return False if another process has locked it."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

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

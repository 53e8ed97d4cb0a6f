"""The store of a cache in an SQLite database, and connections to it, which never change the file.

Each connection is used in one thread, for one bundle or question, and is closed then.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from gptool import system
from gptool.cache.byte_source import ByteSource
from gptool.cache.file_store import CACHE_DESCRIPTION, FileStore
from gptool.errors import BundleError, CacheError, CacheNotFoundError, CacheUnavailableError
from gptool.model import MAX_TILE_BYTES

MAGIC = b"SQLite format 3\0"
"""The first bytes of an SQLite database (File Format, 1.3)."""

VERSIONS_OFFSET, WAL_VERSION = 18, 2
"""Where the header states how the file is written, and the value for a write-ahead log (File Format, 1.3.3)."""

LOCK_SECONDS = 5.0
"""How long a database is waited for that another program has locked."""

STEP_COUNT, MIN_STEPS, STEPS_PER_BYTE = 1_000_000, 100_000_000, 64
"""How often a connection counts the steps of SQLite's virtual machine; how many it may take, whatever the size of the
file, and for each byte of it: only a damaged or hostile file needs more.
"""

State = tuple[int, int, int, int]
"""Size and time of modification (nanoseconds) of a database, and of its write-ahead log."""

LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
NOT_OPENED = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
PRIMARY_CODE = 0xFF
"""The part of an extended result code that is the primary one."""


class Database:
    """An open connection to a file that may hold anything: memory, time and functions are bounded."""

    def __init__(self, connection: sqlite3.Connection, where: Path, file_bytes: int) -> None:
        self._connection, self.where = connection, where
        self._counts = (MIN_STEPS + STEPS_PER_BYTE * file_bytes) // STEP_COUNT
        connection.text_factory = lambda data: data.decode(errors="replace")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_TILE_BYTES)
        connection.set_progress_handler(self._count, STEP_COUNT)
        for setting in ("trusted_schema = OFF", "cell_size_check = ON"):
            self.run(f"PRAGMA {setting}")

    def _count(self) -> bool:
        """Count steps. Return True if there were too many, which interrupts the statement."""
        self._counts -= 1
        return self._counts < 0

    def rows(self, statement: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a statement.

        Raises
        ------
        BundleError
            If the database is damaged.
        CacheError
            If it cannot be read.
        """
        try:
            yield from self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise _as_cache_error(error, self.where) from error
        except UnicodeDecodeError:  # of a message of SQLite, which repeats what is in the file
            raise BundleError("database is damaged: its schema is not valid text", where=self.where) from None

    def run(self, statement: str) -> None:
        """Run a statement to its end. Raises as `rows`."""
        for _ in self.rows(statement):
            pass

    def row(self, statement: str, *values: object) -> tuple[Any, ...] | None:
        """Return the first row of a statement; None if it has none. Raises as `rows`."""
        return next(self.rows(statement, *values), None)

    def value(self, statement: str, *values: object) -> Any:
        """Return the first value of the first row of a statement; None if it has none. Raises as `rows`."""
        found = self.row(statement, *values)
        return found[0] if found else None


@dataclass(frozen=True)
class DatabaseStore(FileStore):
    """The store of a database, in which there are no files.

    Attributes
    ----------
    state : State
        The state of the database when it was opened.
    """

    location: Path
    state: State

    @property
    def package_bytes(self) -> int | None:
        """The size of the database."""
        return self.state[0]

    def signature(self, folder: str) -> tuple[int, ...]:
        """Return the state of the database now. See `FileStore.signature`."""
        return current_state(self.location)

    @contextmanager
    def connect(self) -> Iterator[Database]:
        """Open a connection, for this thread.

        Raises
        ------
        BundleError
            If the file is damaged.
        CacheError
            If it cannot be opened.
        """
        state = current_state(self.location)
        try:
            connection = sqlite3.connect(_uri(self.location, state), LOCK_SECONDS, isolation_level=None, uri=True)
        except sqlite3.Error as error:
            raise _as_cache_error(error, self.location) from error
        with closing(connection):
            yield Database(connection, self.location, state[0])

    def check_unchanged(self) -> None:
        """Raise CacheError if the database was modified or replaced since it was opened."""
        if current_state(self.location) != self.state:
            raise CacheError("file was modified or replaced while it was read", where=self.location)

    def list_names(self, folder: str) -> Sequence[str]:
        """Return no names."""
        return ()

    def is_folder(self, path: str) -> bool:
        """Return False."""
        return False

    def is_file(self, path: str) -> bool:
        """Return False."""
        return False

    def folder_stamp(self, folder: str) -> int | None:
        """Return None: there are no folders."""
        return None

    def file_states(self, paths: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Raise CacheError: there are no files."""
        raise self._no_file_error()

    def file_stamp(self, path: str) -> tuple[int, ...] | None:
        """Return None: there are no files."""
        return None

    def read_files(self, paths: Sequence[str], sizes: NDArray[np.uint32]) -> NDArray[np.uint8]:
        """Raise CacheError: there are no files."""
        raise self._no_file_error()

    @contextmanager
    def open(self, path: str) -> Iterator[ByteSource]:
        """Raise CacheError: there are no files."""
        raise self._no_file_error()
        yield

    def _check_crc32(self, path: str, crc32: int) -> None:
        pass

    def _no_file_error(self) -> CacheError:
        return CacheError("is a database, in which there are no files", where=self.location)


def open_database(location: Path) -> DatabaseStore:
    """Return the store of a database.

    Raises
    ------
    CacheNotFoundError
        If the file does not exist.
    CacheError
        If it cannot be opened, or is not an SQLite database.
    """
    state = current_state(location)
    head = _read_head(location)
    if not head.startswith(MAGIC):
        found = f"a file that starts with {head[:8].hex(' ')}" if head else "an empty file"
        raise CacheError(
            "is not an SQLite database", where=location, found=found, expected="an MBTiles file, which is one"
        )
    return DatabaseStore(location, state)


def current_state(location: Path) -> State:
    """Return the state of a database. An empty write-ahead log is as none: it holds no changes.

    Raises
    ------
    CacheNotFoundError
        If the file does not exist.
    CacheError
        If it cannot be opened.
    """
    log = (0, 0)
    try:
        status = location.stat()
        with suppress(FileNotFoundError):
            of_log = _log_path(location).stat()
            log = (of_log.st_size, of_log.st_mtime_ns) if of_log.st_size else (0, 0)
    except FileNotFoundError:
        raise CacheNotFoundError("cache not found", where=location, expected=CACHE_DESCRIPTION) from None
    except OSError as error:
        raise CacheError(f"cannot be opened: {error.strerror}", where=location) from error
    return status.st_size, status.st_mtime_ns, *log


def _log_path(location: Path) -> Path:
    return location.with_name(f"{location.name}-wal")


def _read_head(location: Path) -> bytes:
    try:
        file = system.open_shared(location)
        try:
            return os.read(file, VERSIONS_OFFSET + 2)
        finally:
            os.close(file)
    except OSError as error:
        raise CacheError(f"cannot be opened: {error.strerror}", where=location) from error


def _uri(location: Path, state: State) -> str:
    """Return the URI that opens a database for reading (SQLite, "Uniform Resource Identifiers").

    Beside a database with a write-ahead log SQLite creates files, which is impossible on a read-only share, and changes
    the folder of others. Without changes in a log, no program is writing: it is then opened as immutable, which needs
    no such files; `DatabaseStore.check_unchanged` finds out if one has begun to write since.
    """
    head = _read_head(location)
    is_logged = WAL_VERSION in head[VERSIONS_OFFSET : VERSIONS_OFFSET + 2]
    return f"{file_uri(location)}?mode=ro{'&immutable=1' if is_logged and not state[2] else ''}"


def file_uri(location: Path) -> str:
    """Return the URI of a file, without parameters; it has no quotes."""
    path = location.absolute().as_posix()
    root = "file://" if path.startswith("/") else "file:///"  # a drive, C:/, has no slash before it, a share has two
    return f"{root}{quote(os.fsencode(path), safe='/:')}"


def _as_cache_error(error: sqlite3.Error, where: Path) -> CacheError:
    """Return the error of a database that SQLite cannot read."""
    code = getattr(error, "sqlite_errorcode", 0) & PRIMARY_CODE
    if code in LOCKED:
        expected = "the program that writes it to finish"
        return CacheUnavailableError("is locked by another program", where=where, expected=expected)
    if code in DAMAGED:
        return BundleError(f"database is damaged: {error}", where=where)
    if code == sqlite3.SQLITE_TOOBIG:
        what, expected = "a value in the database is too large", f"at most {MAX_TILE_BYTES} bytes"
        return BundleError(what, where=where, expected=expected)
    if code == sqlite3.SQLITE_INTERRUPT:
        return BundleError("database is damaged: it has more entries than its file can hold", where=where)
    if code in NOT_OPENED:
        expected = "a database that was closed by the program that wrote it, without a -wal or -journal file beside it"
        return CacheError(f"cannot be opened: {error}", where=where, expected=expected)
    return CacheError(f"cannot be read by SQLite: {error}", where=where)

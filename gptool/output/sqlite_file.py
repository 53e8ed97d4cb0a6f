"""Results that are SQLite databases: written in one transaction, reproducible, and how large they become.

The database appears only when it is complete, so it is written without a journal and without flushing. Its bytes depend
on the rows and their order. The version of the SQLite library, which the header states at offset 96 (Database File
Format, section 1.3), is replaced by a constant.
"""

from __future__ import annotations

import errno
import math
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gptool.plan import BundlePlan

PAGE_SIZE = 4096
"""Bytes. Smaller pages make a smaller file that is written many times as slowly, larger ones waste up to 30 %."""

CACHE_KIB = 32 * 1024
"""Memory for pages."""

PRAGMAS = (
    f"PRAGMA page_size = {PAGE_SIZE}",
    "PRAGMA encoding = 'UTF-8'",
    "PRAGMA journal_mode = OFF",
    "PRAGMA synchronous = OFF",
    "PRAGMA locking_mode = EXCLUSIVE",
    f"PRAGMA cache_size = -{CACHE_KIB}",
)

VERSION_OFFSET, VERSION_NUMBER = 96, 3_007_000
"""The version that the header states: the first that writes the size of the database into the header."""

ERRORS = {"SQLITE_FULL": errno.ENOSPC, "SQLITE_READONLY": errno.EROFS, "SQLITE_CANTOPEN": errno.EACCES}
"""Errors of the operating system by those of SQLite; others are EIO."""

FIXED_PAGES = 10
ROW_BYTES, INDEX_ROW_BYTES = 24, 28
"""Pages of metadata and of roots, and bytes of a tile's row and of its entry in the index, which is partly filled."""

MAX_LOCAL = PAGE_SIZE - 35
"""The largest row that is in one page; a part of a larger one is in pages of its own (section 1.6)."""

MEAN_WASTE, MAX_WASTE = 0.19 * PAGE_SIZE, 0.5 * PAGE_SIZE
"""Bytes of a page that a large tile leaves unused: the mean over all sizes, and the most."""


class SqliteFile:
    """A database that is being written; used by one thread.

    Parameters
    ----------
    path : Path
        A file, which is replaced.
    application_id : int
    user_version : int
    schema : sequence of str
        Statements that create the tables.

    Raises
    ------
    OSError
        If it cannot be written.
    """

    def __init__(self, path: Path, application_id: int, user_version: int, schema: Sequence[str]) -> None:
        self.path = path
        path.unlink(missing_ok=True)
        settings = f"PRAGMA application_id = {application_id}", f"PRAGMA user_version = {user_version}"
        with self._as_os_errors():
            self._connection = sqlite3.connect(path, isolation_level=None)
            try:
                for statement in (*PRAGMAS, "BEGIN", *settings, *schema):
                    self._connection.execute(statement)
            except BaseException:
                self.discard()
                raise

    def insert(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Execute a statement for each row. Raises OSError if the database cannot be written."""
        with self._as_os_errors():
            self._connection.executemany(statement, rows)

    def finish(self) -> int:
        """Complete the database and return its size, bytes. Raises OSError if it cannot be written."""
        with self._as_os_errors():
            self._connection.execute("COMMIT")
            self._connection.close()
        with self.path.open("r+b") as file:
            file.seek(VERSION_OFFSET)
            file.write(VERSION_NUMBER.to_bytes(4, "big"))
        return self.path.stat().st_size

    def discard(self) -> None:
        """Close the database and remove it, as far as possible."""
        with suppress(sqlite3.Error):
            self._connection.close()
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    @contextmanager
    def _as_os_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            number = ERRORS.get(getattr(error, "sqlite_errorname", ""), errno.EIO)
            raise OSError(number, str(error), str(self.path)) from error


def encodable(text: str) -> str:
    """Return a text with `?` for lone surrogates, which stand for undecodable bytes of a file name."""
    return text.encode(errors="replace").decode()


def database_size(bundles: Iterable[BundlePlan]) -> tuple[int, int, int]:
    """Return the least, the expected and the greatest size of a database of tiles, bytes.

    The size depends on how the tiles fill pages, and so on the size of each tile and their order.
    """
    least = expected = greatest = float(FIXED_PAGES * PAGE_SIZE)
    for _, tiles, tile_bytes in bundles:
        if tiles == 0:
            continue
        row = tile_bytes / tiles + ROW_BYTES
        waste = MEAN_WASTE if row > MAX_LOCAL else min(row * row / 2 / PAGE_SIZE, MEAN_WASTE)
        own = tile_bytes + tiles * ROW_BYTES
        least += own
        expected += own + tiles * (INDEX_ROW_BYTES + waste)
        greatest += own + tiles * (INDEX_ROW_BYTES + min(row, MAX_WASTE)) + PAGE_SIZE
    return math.floor(least) - FIXED_PAGES * PAGE_SIZE, math.ceil(expected), math.ceil(greatest)

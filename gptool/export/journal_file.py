"""An append-only file of JSON lines, each with a checksum of its own.

A line is `{"crc32":"89abcdef","value":...}`; the checksum is that of the JSON of the value. A process that is killed
leaves at most its last line incomplete, a power loss anything from some byte on: lines count up to the first one that
is not valid.
"""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from isal import isal_zlib

JOURNAL = "journal.jsonl"
"""The name of the journal of an export in its staging folder."""

HEAD, MIDDLE, END = b'{"crc32":"', b'","value":', b"}\n"
VALUE_START = len(HEAD) + 8 + len(MIDDLE)
"""Offset of the value in a line, bytes."""

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class Line(NamedTuple):
    """A valid line: its value, and the offset and length of the value's JSON in the file, bytes."""

    value: dict[str, Any]
    offset: int
    length: int


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a file, which may not exist, up to the first one that is not valid.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    start = 0
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        for line in file:
            text = line[VALUE_START : -len(END)]
            if line != _to_line(text):
                return
            yield Line(json.loads(text), start + VALUE_START, len(text))
            start += len(line)


def _to_line(text: bytes) -> bytes:
    return HEAD + b"%08x" % isal_zlib.crc32(text) + MIDDLE + text + END


class JournalFile:
    """A file of lines that is being written. Thread-safe.

    Parameters
    ----------
    path : Path
    end : int
        The end of its valid lines, bytes; what follows is cut off.

    Raises
    ------
    OSError
        If the file cannot be opened.
    """

    def __init__(self, path: Path, end: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self.path, self._file = path, os.open(path, flags, 0o600)
        self._lock, self._is_torn = threading.Lock(), False
        os.ftruncate(self._file, end)

    def append(self, value: dict[str, Any]) -> None:
        """Append a line.

        Raises
        ------
        OSError
            If it cannot be written. Then no other line can be, since those behind an incomplete one do not count.
        """
        data = memoryview(_to_line(_encode(value).encode()))
        with self._lock:
            if self._is_torn:
                raise OSError(errno.EIO, "the journal cannot be written")
            self._is_torn = True
            while data:
                data = data[os.write(self._file, data) :]
            self._is_torn = False

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

"""The tiles of a .pmtiles while it is written: different contents once, and the entries that refer to them.

What grows with the number of tiles is in files beside the result, of which the system keeps in memory what it has room
for: a hash table of contents, 32 to 64 bytes for each tile, and 24 bytes for each entry.
"""

from __future__ import annotations

import io
import mmap
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from gptool.output.bundle import write_all
from gptool.output.pmtiles_directory import ENTRY

SLOT_NUMBERS = 2
"""Numbers of a slot of the table: the key of a content, 0 if there is none, and its offset."""

MIN_SLOTS_BITS = 10
SCATTER = 0x9E3779B97F4A7C15
"""2^64 by the golden ratio: the upper bits of its multiples spread keys that are alike (Knuth, section 6.4)."""

UINT64 = (1 << 64) - 1

ZEROS_BYTES = 1 << 20


class ContentStore:
    """The section of tiles at the end of a file, with each content once.

    Contents are looked up by their CRC-32 and size, and are equal only if their bytes are.

    Parameters
    ----------
    path : Path
        The file.
    start : int
        The offset of the section, to which the file is extended.
    table : Path
        A file for the table.
    tiles : int
        The greatest number of tiles.

    Attributes
    ----------
    size : int
        Bytes of the section.
    count : int
        Different contents.
    """

    def __init__(self, path: Path, start: int, table: Path, tiles: int) -> None:
        self.size = self.count = 0
        self._start = start
        self._bits = max((2 * tiles - 1).bit_length(), MIN_SLOTS_BITS)
        self._last: tuple[int, bytes] | None = None
        with table.open("w+b") as file:
            _write_zeros(file, 8 * SLOT_NUMBERS << self._bits)
            self._map = mmap.mmap(file.fileno(), 0)
        self._slots = memoryview(self._map).cast("Q")
        self._file = io.FileIO(path, "w+")
        self.append(bytes(start))

    def add(self, tile: memoryview) -> int:
        """Return the offset of a tile's content in the section; it is appended if it is new.

        Raises
        ------
        OSError
            If the file cannot be read or written.
        """
        size = len(tile)
        key = isal_zlib.crc32(tile) << 32 | size
        mask, slots = (1 << self._bits) - 1, self._slots
        slot = (key * SCATTER & UINT64) >> 64 - self._bits
        while found := slots[SLOT_NUMBERS * slot]:
            offset = slots[SLOT_NUMBERS * slot + 1]
            if found == key and self._content(offset, size) == tile:
                return offset
            slot = slot + 1 & mask
        offset = self.size
        slots[SLOT_NUMBERS * slot], slots[SLOT_NUMBERS * slot + 1] = key, offset
        write_all(self._file, tile)
        self.size, self.count = offset + size, self.count + 1
        return offset

    def _content(self, offset: int, size: int) -> bytes:
        """Return the bytes of a content; the last one is kept, since equal tiles often follow each other."""
        if self._last is None or self._last[0] != offset:
            self._file.seek(self._start + offset)
            self._last = offset, self._file.read(size)
            self._file.seek(self._start + self.size)
        return self._last[1]

    def append(self, data: bytes) -> None:
        """Append bytes behind the section."""
        write_all(self._file, memoryview(data))

    def truncate(self) -> None:
        """Remove what was appended behind the section."""
        self._file.truncate(self._file.seek(self._start + self.size))

    def finish(self, first: bytes) -> None:
        """Write the first bytes of the file, and close it."""
        self._file.seek(0)
        write_all(self._file, memoryview(first))
        self.close()

    def close(self) -> None:
        """Close the files."""
        with suppress(ValueError):  # it is closed
            self._slots.release()
            self._map.close()
        self._file.close()


def _write_zeros(file: BinaryIO, size: int) -> None:
    """Write zeros to a file: a page of a hole in it could not be written on a full disk, which ends the process."""
    for first in range(0, size, ZEROS_BYTES):
        file.write(bytes(min(ZEROS_BYTES, size - first)))
    file.flush()


class EntryList:
    """Entries of tiles, which are added in the order of their ids.

    Attributes
    ----------
    tiles, count : int
        The tiles, and the entries when `flush` was called.
    """

    def __init__(self, path: Path) -> None:
        self.tiles = self.count = 0
        self._path, self._entries = path, list[tuple[int, int, int, int]]()
        path.unlink(missing_ok=True)

    def add(self, tile_id: int, offset: int, length: int) -> None:
        """Add a tile: equal tiles that follow each other share an entry."""
        self.tiles += 1
        if self._entries:
            first, last_offset, last_length, run = self._entries[-1]
            if (tile_id, offset, length) == (first + run, last_offset, last_length):
                self._entries[-1] = first, offset, length, run + 1
                return
        self._entries.append((tile_id, offset, length, 1))

    def flush(self, *, is_end: bool = False) -> None:
        """Write entries to the file; the last one is kept until the end, since it may go on."""
        kept = [] if is_end else self._entries[-1:]
        done = self._entries[: len(self._entries) - len(kept)]
        with self._path.open("ab") as file:
            file.write(np.array(done, ENTRY).tobytes())
        self.count, self._entries = self.count + len(done), kept

    def parts(self, size: int) -> Iterator[NDArray[np.void]]:
        """Yield the entries of the file, `size` at a time."""
        with self._path.open("rb") as file:
            while data := file.read(size * ENTRY.itemsize):
                yield np.frombuffer(data, ENTRY)

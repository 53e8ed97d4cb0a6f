"""Exploded caches: a file for each tile, `Lzz/Rxxxxxxxx/Cxxxxxxxx.jpg` (or .jpeg, .png), row and column hexadecimal."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.cache.base import BATCH_BYTES, Bundle, OpenTiles, TileBatch, TileCache
from gptool.cache.byte_source import ReadBuffer
from gptool.cache.file_store import FileStore
from gptool.errors import BundleError, CacheError
from gptool.model import MAX_TILE_BYTES, PACKET_SIZE, PACKET_TILES, BundleAddress, Lod, TileAddress, TileWindow

ROW = re.compile(r"R([0-9a-f]{1,8})", re.IGNORECASE)
TILE = re.compile(r"C([0-9a-f]{1,8})\.(?:jpg|jpeg|png)", re.IGNORECASE)

NAME_TYPE = "S16"
"""The longest name that `TILE` matches has 14 characters."""

WIDTH = 8
"""Hexadecimal digits of the usual names."""


class NumberedNames(NamedTuple):
    """Numbers of rows or columns, and the names that state them.

    Attributes
    ----------
    numbers : uint32[n]
        Ascending.
    style : str or None
        The format of all names, as in `C{:08x}.jpg`, if there is one: caches have millions of names.
    names : S16[n] or None
        The names otherwise.
    """

    numbers: NDArray[np.uint32]
    style: str | None
    names: NDArray[np.bytes_] | None

    def select(self, first: int, end: int) -> tuple[NDArray[np.int64], list[str]]:
        """Return the numbers from `first` up to but not including `end`, and the names that state them."""
        low, high = np.array((first, end - 1), np.uint32)  # of their type, or all of them would be converted
        part = slice(np.searchsorted(self.numbers, low), np.searchsorted(self.numbers, high, "right"))
        numbers = self.numbers[part].astype(np.int64)
        if self.names is None:
            return numbers, list(map(str(self.style).format, numbers.tolist()))
        return numbers, [name.decode() for name in self.names[part].tolist()]

    @property
    def nbytes(self) -> int:
        """The memory of the numbers and names, bytes."""
        return self.numbers.nbytes + (0 if self.names is None else self.names.nbytes)


class ExplodedCache(TileCache):
    """A cache of single files. The files of 128 x 128 tiles are treated as a bundle."""

    square_size = 1

    def bundles(self, lod: Lod, window: TileWindow | None = None) -> list[BundleAddress]:
        """Return the sorted addresses of bundles. See `TileCache.bundles`."""
        found: set[BundleAddress] = set()
        first, end = 0, 1 << 32
        if window is not None:
            first, end = (row // PACKET_SIZE * PACKET_SIZE for row in (window.row_min, window.row_max + PACKET_SIZE))
        for (row, _), listing in self._list_rows(lod.level, first, end):
            first_row = row // PACKET_SIZE * PACKET_SIZE
            for packet in np.unique(listing.numbers // PACKET_SIZE).tolist():
                found.add(BundleAddress(lod.level, first_row, packet * PACKET_SIZE))
        return sorted(address for address in found if window is None or window.intersects_bundle(address))

    @contextmanager
    def open_bundle(self, address: BundleAddress, wanted: NDArray[np.bool_] | None = None) -> Iterator[Bundle]:
        """Find the tiles of a bundle. See `TileCache.open_bundle`."""
        bundle = ExplodedBundle(self.files, address)
        for (row, folder), listing in self._list_rows(address.level, address.row, address.row + PACKET_SIZE):
            bundle.add_row(row, folder, *listing.select(address.column, address.column + PACKET_SIZE))
        yield bundle

    def square_stamp(self, first: TileAddress) -> tuple[int, ...] | None:
        """Return numbers that change with the file of a tile. See `TileCache.square_stamp`."""
        path = self.find_tile(first)
        return None if path is None else self.files.file_stamp(path)

    @contextmanager
    def open_square(self, first: TileAddress) -> Iterator[OpenTiles]:
        """Open the file of a tile. See `TileCache.open_square`."""
        path = self.find_tile(first)
        if path is None:
            raise CacheError(
                f"tile of row {first.row}, column {first.column} was removed while it was read",
                where=self.files.where(self.level_folder(first.level)),
            )
        with self.files.open(path) as source:
            if source.size > MAX_TILE_BYTES:
                raise _size_error(self.files, path, first, source.size)
            yield OpenTiles(source, np.zeros(1, np.uint64), np.array([source.size], np.uint32))

    def find_tile(self, tile: TileAddress) -> str | None:
        """Return the path of the file of a tile, or None if there is none."""
        for _, folder in self._row_folders(tile.level, tile.row, tile.row + 1):
            for name in _list_numbered(self.files, folder, TILE).select(tile.column, tile.column + 1)[1]:
                return f"{folder}/{name}"
        return None

    def find_row(self, level: int, row: int) -> str:
        """Return the path of the folder of a row, whether or not it exists."""
        found = [folder for _, folder in self._row_folders(level, row, row + 1)]
        return found[0] if found else f"{self.level_folder(level)}/R{row:0{WIDTH}x}"

    def _list_rows(self, level: int, first: int, end: int) -> Iterator[tuple[tuple[int, str], NumberedNames]]:
        """Yield the rows of `_row_folders`, each with the listing of its tiles."""
        rows = list(self._row_folders(level, first, end))
        listings = self.files.map(lambda row: _list_numbered(self.files, row[1], TILE), rows)
        return zip(rows, listings, strict=True)

    def _row_folders(self, level: int, first: int, end: int) -> Iterator[tuple[int, str]]:
        """Yield the rows from `first` up to but not including `end`, each with its folder."""
        folder = self.level_folder(level)
        rows, names = _list_numbered(self.files, folder, ROW).select(first, end)
        for row, name in zip(rows.tolist(), names, strict=True):
            yield row, f"{folder}/{name}"


class ExplodedBundle(Bundle):
    """The files of 128 x 128 tiles."""

    def __init__(self, files: FileStore, address: BundleAddress) -> None:
        self._files, self._address = files, address
        self._folders = [""] * PACKET_SIZE
        self._names = np.zeros(PACKET_TILES, NAME_TYPE)
        self.sizes = np.zeros(PACKET_TILES, np.uint32)
        self.empty: NDArray[np.bool_] = np.zeros(PACKET_TILES, np.bool_)
        self.stamp = (0, 0)

    def add_row(self, row: int, folder: str, columns: NDArray[np.int64], names: list[str]) -> None:
        """Add the tiles of a row by their columns and file names.

        Raises
        ------
        BundleError
            If a file is too large for a tile.
        CacheError
            If a path is not that of a file.
        """
        positions = (row - self._address.row) * PACKET_SIZE + columns - self._address.column
        self._folders[row - self._address.row] = folder
        self._names[positions] = np.array(names, NAME_TYPE)
        sizes, times = self._files.file_states(self._paths(positions))
        if (sizes > MAX_TILE_BYTES).any():
            largest = int(sizes.argmax())
            path = self._paths(positions[largest : largest + 1])[0]
            tile = TileAddress(self._address.level, row, int(columns[largest]))
            raise _size_error(self._files, path, tile, int(sizes[largest]))
        self.sizes[positions] = sizes
        self.empty[positions] = sizes == 0
        count, checksum = self.stamp
        self.stamp = count + len(sizes), zlib.crc32(np.stack((sizes, times)).tobytes(), checksum)

    def _paths(self, positions: NDArray[np.int64]) -> list[str]:
        # Made when they are needed: the paths of all tiles would take more memory than a batch of tiles.
        rows, names = (positions // PACKET_SIZE).tolist(), self._names[positions].tolist()
        return [f"{self._folders[row]}/{name.decode()}" for row, name in zip(rows, names, strict=True)]

    def batches(self, positions: NDArray[np.int64], buffer: ReadBuffer | None = None) -> Iterator[TileBatch]:
        """Read tiles row by row; the buffer is not used. See `Bundle.batches`."""
        if len(positions) == 0:
            return
        positions = np.sort(positions)
        sizes = self.sizes[positions]
        filled = np.cumsum(sizes, dtype=np.int64) // BATCH_BYTES
        bounds = [0, *(np.flatnonzero(np.diff(filled)) + 1).tolist(), len(positions)]
        for first, last in pairwise(bounds):
            selected = positions[first:last]
            data = self._files.read_files(self._paths(selected), sizes[first:last])
            yield TileBatch.contiguous(selected, data, sizes[first:last])


def _size_error(files: FileStore, path: str, tile: TileAddress, size: int) -> BundleError:
    return BundleError(
        f"tile at level {tile.level}, row {tile.row}, column {tile.column} is too large",
        where=files.where(path),
        found=f"{size} bytes",
        expected=f"at most {MAX_TILE_BYTES} bytes",
    )


def _list_numbered(files: FileStore, folder: str, pattern: re.Pattern[str]) -> NumberedNames:
    """Return the names in a folder that match the pattern, and their numbers; none if the folder does not exist."""
    absent = NumberedNames(np.empty(0, np.uint32), "", None)
    return files.cached_listing(folder, partial(_make_listing, files, folder, pattern), absent)


def _make_listing(files: FileStore, folder: str, pattern: re.Pattern[str]) -> tuple[NumberedNames, int]:
    """Return the listing for `_list_numbered`, and the memory that it takes."""
    matches = [match for match in map(pattern.fullmatch, files.list_names(folder)) if match]
    numbers = np.array([int(match[1], 16) for match in matches], np.int64)
    names = np.array([match[0].encode() for match in matches], NAME_TYPE)
    order = np.argsort(numbers, kind="stable")
    numbers, names = numbers[order], names[order]
    duplicates = np.flatnonzero(np.diff(numbers) == 0)
    if len(duplicates):
        first, second = (names[duplicates[0] + i].decode() for i in (0, 1))
        raise BundleError(
            "two names state the same row or column",
            where=files.where(folder),
            found=f"{first} and {second}",
            expected="one",
        )
    style = _find_style(numbers, names)
    listing = NumberedNames(numbers.astype(np.uint32), style, None if style else names)
    return listing, listing.nbytes


def _find_style(numbers: NDArray[np.int64], names: NDArray[np.bytes_]) -> str | None:
    """Return the format that all names have, or None."""
    if len(names) == 0:
        return ""
    texts = [name.decode() for name in names.tolist()]
    start, suffix = texts[0][0], texts[0][1 + WIDTH :]
    for digits in "xX":
        style = f"{start}{{:0{WIDTH}{digits}}}{suffix}"
        if texts == list(map(style.format, numbers.tolist())):
            return style
    return None

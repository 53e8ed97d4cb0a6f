"""A result that is put together of staged bundles: its format has no place for a bundle as a whole."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from gptool.cache.compact import bundle_path
from gptool.model import BundleAddress
from gptool.output.bundle import BundleWriter, FileRegion, WrittenBundle, WrittenFile, bundle_regions, write_all
from gptool.output.kind import ResultWriter

ENTRY = np.dtype([("position", "<u2"), ("size", "<u4"), ("offset", "<u8")])
"""A tile in the index of a staged bundle: its position, 0..16383, and its place in the file, bytes."""

COUNT_BYTES = 4
"""Bytes of the number of entries, which follows them at the end of the file."""

CHUNK_BYTES = 4 << 20
"""Bytes of tiles that are read at a time; a larger tile is read alone."""


class StagedBundleWriter(BundleWriter):
    """A writer of staged bundles: the tiles, then an index of these tiles only, as many bundles may have few."""

    first_tile = 0

    def _complete(self) -> tuple[WrittenFile, ...]:
        positions = np.flatnonzero(self._sizes)
        entries = np.empty(len(positions), ENTRY)
        entries["position"], entries["size"] = positions, self._sizes[positions]
        entries["offset"] = self._offsets[positions]
        index = entries.tobytes() + len(entries).to_bytes(COUNT_BYTES, "little")
        write_all(self._file, memoryview(index))
        crc32 = isal_zlib.crc32(index, self._crc32)
        return (WrittenFile(bundle_path(self._address), self._regions[0], self._size + len(index), crc32),)


class StagedTiles(NamedTuple):
    """Tiles of a staged bundle, in memory until the next ones are read.

    Attributes
    ----------
    positions : int64[n]
        Position of each tile in the bundle, 0..16383, row-major.
    tiles : list of memoryview
        The bytes of each tile.
    """

    positions: NDArray[np.int64]
    tiles: list[memoryview]

    def first_bytes(self) -> NDArray[np.uint8]:
        """Return the first byte of each tile, which tells JPEG and PNG apart."""
        return np.fromiter((tile[0] for tile in self.tiles), np.uint8, len(self.tiles))


class StagedBundle:
    """A staged bundle that is open for reading.

    Attributes
    ----------
    positions : int64[n]
        Positions of its tiles, 0..16383, row-major, in ascending order.
    sizes : int64[n]
        Their sizes, bytes.
    """

    def __init__(self, file: io.FileIO, size: int) -> None:
        self._file, self._buffer = file, memoryview(bytearray(CHUNK_BYTES))
        count = int.from_bytes(self._read(size - COUNT_BYTES, COUNT_BYTES), "little")
        length = count * ENTRY.itemsize
        entries = np.frombuffer(bytes(self._read(size - COUNT_BYTES - length, length)), ENTRY)
        self.positions, self.sizes, self._offsets = (
            entries[name].astype(np.int64) for name in ("position", "size", "offset")
        )

    def in_file_order(self) -> Iterator[StagedTiles]:
        """Yield all tiles in the order in which they were written, with few reads."""
        order = np.argsort(self._offsets)
        positions, offsets, sizes = self.positions[order], self._offsets[order], self.sizes[order]
        first = 0
        while first < len(order):
            end = max(int(np.searchsorted(offsets + sizes, offsets[first] + CHUNK_BYTES, "right")), first + 1)
            start = int(offsets[first])
            data = self._read(start, int(offsets[end - 1] + sizes[end - 1]) - start)
            bounds = zip((offsets[first:end] - start).tolist(), sizes[first:end].tolist(), strict=True)
            yield StagedTiles(positions[first:end], [data[begin : begin + size] for begin, size in bounds])
            first = end

    def read(self, i: int) -> memoryview:
        """Return the bytes of the i-th tile of `positions`."""
        return self._read(int(self._offsets[i]), int(self.sizes[i]))

    def _read(self, start: int, size: int) -> memoryview:
        """Return bytes of the file. Raises OSError if it is shorter."""
        if size > len(self._buffer):
            self._buffer = memoryview(bytearray(size))
        data, done = self._buffer[:size], 0
        self._file.seek(start)
        while done < size:
            count = self._file.readinto(data[done:])
            if not count:
                raise OSError(f"{self._file.name}: the staged bundle is too short")
            done += count
        return data


@contextmanager
def open_staged(bundle: WrittenBundle) -> Iterator[StagedBundle]:
    """Open a staged bundle. Raises OSError if it cannot be read."""
    [written] = bundle.files
    with written.region.path.open("rb", buffering=0) as file:
        yield StagedBundle(file, written.size)


class StagedWriter(ResultWriter):
    """A result that is put together of staged bundles.

    The staged files stay until the result is in place: an interrupted run leaves no result, only these files, and the
    next one puts the result together from them anew. So the disk holds the tiles twice while the result is written.
    """

    def __init__(self, staging: Path) -> None:
        self._staged = staging / "tiles"
        self._staged.mkdir(parents=True, exist_ok=True)

    def allocate(
        self, address: BundleAddress, sizes: Sequence[int] | None, *, separate: bool
    ) -> tuple[FileRegion, ...]:
        """Return the region of a staged file."""
        return bundle_regions(self._staged, StagedBundleWriter, address)

    def places(self, address: BundleAddress) -> tuple[tuple[FileRegion, ...], ...]:
        """Return the only place of a bundle."""
        return (bundle_regions(self._staged, StagedBundleWriter, address),)

"""Writers of compact bundles.

A writer reserves the bytes of header and index, appends each tile behind its size, and writes header and index last.
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, NamedTuple, Self

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from gptool import _bundle
from gptool.cache import TileBatch, compact_v1, compact_v2
from gptool.cache.compact import SIZE_FIELD_BYTES, bundle_path
from gptool.model import PACKET_SIZE, PACKET_TILES, BundleAddress


class BundleFile(NamedTuple):
    """A file of a bundle: its path relative to the folder of the tiles, and its size in bytes."""

    name: str
    size: int


class FileRegion(NamedTuple):
    """A part of a file to write to: a file of its own if `start` is 0, else bytes of another one from `start` on."""

    path: Path
    start: int

    def open(self) -> io.FileIO:
        """Open the region for writing, unbuffered. A file of its own is emptied, or created with its folder."""
        if self.start == 0:
            self.path.parent.mkdir(exist_ok=True)
        file = io.FileIO(self.path, "r+" if self.start else "w")
        file.seek(self.start)
        return file


class WrittenFile(NamedTuple):
    """A finished file of a bundle.

    Attributes
    ----------
    name : str
        Its path relative to the folder of the tiles.
    region : FileRegion
    size : int
        Bytes.
    crc32 : int
        The CRC-32 of its bytes.
    """

    name: str
    region: FileRegion
    size: int
    crc32: int


class WrittenBundle(NamedTuple):
    """A finished bundle and its files."""

    address: BundleAddress
    files: tuple[WrittenFile, ...]


class BundleWriter(ABC):
    """A bundle that is being written: tiles come in batches, and leaving the context completes the bundle.

    Parameters
    ----------
    address : BundleAddress
    regions : sequence of FileRegion
        The regions to write to, one for each of `bundle_files`.

    Attributes
    ----------
    files : tuple of WrittenFile
        The finished files; set when the context is left without an error.
    """

    files: tuple[WrittenFile, ...]
    first_tile: int

    def __init__(self, address: BundleAddress, regions: Sequence[FileRegion]) -> None:
        self._address, self._regions = address, regions
        self._offsets, self._sizes = np.zeros(PACKET_TILES, np.uint64), np.zeros(PACKET_TILES, np.uint64)
        self._size, self._crc32 = self.first_tile, 0

    def __enter__(self) -> Self:
        self._file = self._regions[0].open()
        self._file.seek(self.first_tile, io.SEEK_CUR)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._file:
            if kind is None:
                self.files = self._complete()

    def append(self, batch: TileBatch) -> None:
        """Append tiles that are not in the bundle yet."""
        packed = _bundle.pack(batch.source, batch.offsets, batch.sizes).data
        self._crc32 = isal_zlib.crc32(packed, self._crc32)
        sizes = batch.sizes.astype(np.uint64)
        self._offsets[batch.positions] = self._size + np.cumsum(sizes + np.uint64(SIZE_FIELD_BYTES)) - sizes
        self._sizes[batch.positions] = sizes
        self._size += len(packed)
        write_all(self._file, packed)

    @abstractmethod
    def _complete(self) -> tuple[WrittenFile, ...]:
        """Write what depends on the tiles' sizes and offsets, the header and the index; return the finished files."""

    def _write_preamble(self, preamble: bytes) -> WrittenFile:
        """Write the bytes in front of the first tile; return the finished file of tiles."""
        self._file.seek(self._regions[0].start)
        write_all(self._file, memoryview(preamble))
        crc32 = isal_zlib.crc32_combine(isal_zlib.crc32(preamble), self._crc32, self._size - len(preamble))
        return WrittenFile(bundle_path(self._address), self._regions[0], self._size, crc32)


class CompactV2Writer(BundleWriter):
    """A writer of compact V2 bundles (Esri's CompactCacheV2 specification): one file.

    Its header and index are those of ArcGIS Server's cache folders. GDAL reads nothing from folders whose bundles state
    another record count.
    """

    first_tile = compact_v2.TILES_OFFSET

    record_count: ClassVar[int] = PACKET_TILES
    legacy: ClassVar[int] = 16
    min_largest: ClassVar[int] = 0
    """The least size of the largest tile that the header states, bytes."""

    absent_entry: ClassVar[int] = 0
    """The index entry of a tile that is not there."""

    def _complete(self) -> tuple[WrittenFile, ...]:
        user_header_size = 20 + compact_v2.INDEX_BYTES
        legacy = 3, self.legacy, PACKET_TILES, compact_v2.OFFSET_BYTES
        header = compact_v2.HEADER.pack(
            compact_v2.VERSION,
            self.record_count,
            max(int(self._sizes.max()), self.min_largest),
            compact_v2.OFFSET_BYTES,
            0,
            self._size,
            compact_v2.USER_HEADER_OFFSET,
            user_header_size,
            *legacy,
            compact_v2.INDEX_BYTES,
        )
        entries = self._sizes << np.uint64(8 * compact_v2.OFFSET_BYTES) | self._offsets
        index = np.where(self._sizes > 0, entries, np.uint64(self.absent_entry))
        return (self._write_preamble(header + index.astype("<u8").tobytes()),)


class PackagedV2Writer(CompactV2Writer):
    """A writer of compact V2 bundles as in the packages of Esri's programs, from which clients read."""

    record_count = 0
    legacy = 0
    min_largest = 20 + compact_v2.INDEX_BYTES
    absent_entry = 4


class CompactV1Writer(BundleWriter):
    """A writer of compact V1 bundles as of ArcGIS Server 10.x: a file of tiles and a file of the index."""

    first_tile = compact_v1.TILES_OFFSET

    def _complete(self) -> tuple[WrittenFile, ...]:
        row, column = self._address.row, self._address.column
        header = compact_v1.HEADER.pack(
            compact_v1.VERSION,
            PACKET_TILES,
            int(self._sizes.max()),
            compact_v1.OFFSET_BYTES,
            SIZE_FIELD_BYTES * int(np.count_nonzero(self._sizes)),
            self._size,
            *compact_v1.LEGACY,
            *(row, row + PACKET_SIZE - 1, column, column + PACKET_SIZE - 1),
        )
        return self._write_preamble(header + bytes(SIZE_FIELD_BYTES * PACKET_TILES)), self._write_index()

    def _write_index(self) -> WrittenFile:
        offsets = self._offsets.reshape(PACKET_SIZE, PACKET_SIZE).T.ravel()  # column by column
        # The entry of an absent tile points to its own zero word between the header and the tiles.
        absent = compact_v1.HEADER.size + np.arange(
            0, SIZE_FIELD_BYTES * PACKET_TILES, SIZE_FIELD_BYTES, dtype=np.uint64
        )
        entries = np.where(offsets > 0, offsets - np.uint64(SIZE_FIELD_BYTES), absent)
        data = compact_v1.INDEX_HEADER.pack(*compact_v1.INDEX_FIELDS) + _to_40_bits(entries) + compact_v1.INDEX_TAIL
        with self._regions[1].open() as file:
            write_all(file, memoryview(data))
        return WrittenFile(
            bundle_path(self._address, compact_v1.INDEX_SUFFIX), self._regions[1], len(data), isal_zlib.crc32(data)
        )


class UnwrittenBundle(BundleWriter):
    """A writer that writes nothing, for exports whose size alone is wanted."""

    first_tile = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.files = self._complete()

    def append(self, batch: TileBatch) -> None:
        """Do nothing."""

    def _complete(self) -> tuple[WrittenFile, ...]:
        return ()


def write_all(file: io.FileIO, data: memoryview) -> None:
    """Write all bytes: on network drives and near quotas one call may write only some of them."""
    while len(data):
        data = data[file.write(data) :]


def _to_40_bits(entries: NDArray[np.uint64]) -> bytes:
    """Return the entries as little-endian integers of 5 bytes."""
    return entries.astype("<u8").view(np.uint8).reshape(PACKET_TILES, 8)[:, :5].tobytes()


def bundle_regions(folder: Path, writer: type[BundleWriter], address: BundleAddress) -> tuple[FileRegion, ...]:
    """Return regions for a bundle's files as files of their own in the folder of the tiles, which must exist."""
    return tuple(FileRegion(folder / file.name, 0) for file in bundle_files(writer, address, 0, 0))


def bundle_files(writer: type[BundleWriter], address: BundleAddress, tiles: int, tile_bytes: int) -> list[BundleFile]:
    """Return the files of a bundle with that many tiles and bytes of tiles, sorted by name."""
    size = writer.first_tile + SIZE_FIELD_BYTES * tiles + tile_bytes
    files = [BundleFile(bundle_path(address), size)]
    if issubclass(writer, CompactV1Writer):
        index = compact_v1.INDEX_END + len(compact_v1.INDEX_TAIL)
        files.append(BundleFile(bundle_path(address, compact_v1.INDEX_SUFFIX), index))
    return files

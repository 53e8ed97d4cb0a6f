"""Writing compact bundles: room for header and index, each tile behind its size, then what stands in front of them."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from gptool import _bundle
from gptool.cache import TileBatch, compact, compact_v1
from gptool.cache.compact import WORD, bundle_name
from gptool.model import PACKET_SIZE, PACKET_TILES, BundleAddress, StorageFormat


class BundleFile(NamedTuple):
    """A file of a bundle: its path below the folder of the tiles, and its bytes."""

    name: str
    size: int


class FileRegion(NamedTuple):
    """Where a file is written: a new one when `start` is 0, else from that byte on of one that is there."""

    path: Path
    start: int

    def open(self) -> io.FileIO:
        """Open it for writing; a new file's folder is made."""
        if self.start == 0:
            self.path.parent.mkdir(exist_ok=True)
        file = io.FileIO(self.path, "r+" if self.start else "x")
        file.seek(self.start)
        return file


class WrittenFile(NamedTuple):
    """A finished file of a bundle. `crc32`: 0 where nobody needs it."""

    name: str
    region: FileRegion
    size: int
    crc32: int


class WrittenBundle(NamedTuple):
    """A finished bundle."""

    address: BundleAddress
    files: tuple[WrittenFile, ...]


class BundleWriter(ABC):
    """A bundle in the making. Tiles come in batches; leaving the context completes it.

    Attributes
    ----------
    files : tuple of WrittenFile
        What was written; there when the context was left.
    """

    files: tuple[WrittenFile, ...]
    first_tile: int

    def __init__(self, address: BundleAddress, regions: Sequence[FileRegion], *, checksums: bool) -> None:
        """Write to these regions, one for each of `bundle_files`; `checksums`: whether anyone needs a CRC-32."""
        self._address, self._regions, self._checksums = address, regions, checksums
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
        """Add tiles; none may be there already."""
        packed = _bundle.pack(batch.source, batch.offsets, batch.sizes).data
        if self._checksums:
            self._crc32 = isal_zlib.crc32(packed, self._crc32)
        sizes = batch.sizes.astype(np.uint64)
        self._offsets[batch.positions] = self._size + np.cumsum(sizes + np.uint64(WORD)) - sizes
        self._sizes[batch.positions] = sizes
        self._size += len(packed)
        write_all(self._file, packed)

    @abstractmethod
    def _complete(self) -> tuple[WrittenFile, ...]:
        """Write what the tiles' offsets, those of their first bytes, and sizes decide."""

    def _write_head(self, head: bytes) -> WrittenFile:
        self._file.seek(self._regions[0].start)
        write_all(self._file, memoryview(head))
        crc32 = (
            isal_zlib.crc32_combine(isal_zlib.crc32(head), self._crc32, self._size - len(head))
            if self._checksums
            else 0
        )
        return WrittenFile(bundle_name(self._address), self._regions[0], self._size, crc32)


class CompactV2Writer(BundleWriter):
    """A compact V2 bundle (Esri's CompactCacheV2): one file."""

    first_tile = compact.FIRST_TILE

    def _complete(self) -> tuple[WrittenFile, ...]:
        # The specification's own values; GDAL reads zeros from a folder whose bundles state another record count.
        record_count, user_header_size = PACKET_TILES, 20 + compact.INDEX_BYTES
        legacy = 3, 16, PACKET_TILES, compact.OFFSET_BYTES
        head = compact.HEADER.pack(
            compact.VERSION,
            record_count,
            int(self._sizes.max()),
            compact.OFFSET_BYTES,
            0,
            self._size,
            compact.USER_HEADER_OFFSET,
            user_header_size,
            *legacy,
            compact.INDEX_BYTES,
        )
        index = self._sizes << np.uint64(8 * compact.OFFSET_BYTES) | self._offsets
        return (self._write_head(head + index.astype("<u8").tobytes()),)


class CompactV1Writer(BundleWriter):
    """A compact V1 bundle, as ArcGIS Server 10.x writes it: an index beside the tiles."""

    first_tile = compact_v1.FIRST_TILE

    def _complete(self) -> tuple[WrittenFile, ...]:
        row, column = self._address.row, self._address.column
        head = compact_v1.HEADER.pack(
            compact_v1.VERSION,
            PACKET_TILES,
            int(self._sizes.max()),
            compact_v1.OFFSET_BYTES,
            WORD * int(np.count_nonzero(self._sizes)),
            self._size,
            *compact_v1.LEGACY,
            *(row, row + PACKET_SIZE - 1, column, column + PACKET_SIZE - 1),
        )
        return self._write_head(head + bytes(WORD * PACKET_TILES)), self._write_index()

    def _write_index(self) -> WrittenFile:
        offsets = self._offsets.reshape(PACKET_SIZE, PACKET_SIZE).T.ravel()  # column by column
        absent = compact_v1.HEADER.size + np.arange(0, WORD * PACKET_TILES, WORD, dtype=np.uint64)
        entries = np.where(offsets > 0, offsets - np.uint64(WORD), absent)
        data = compact_v1.INDEX_HEADER.pack(*compact_v1.INDEX_FIELDS) + _five_bytes(entries) + compact_v1.INDEX_TAIL
        with self._regions[1].open() as file:
            write_all(file, memoryview(data))
        return WrittenFile(
            bundle_name(self._address, compact_v1.INDEX), self._regions[1], len(data), isal_zlib.crc32(data)
        )


def write_all(file: io.FileIO, data: memoryview) -> None:
    """Write all of it: network drives and quotas take a little at a time."""
    while len(data):
        data = data[file.write(data) :]


def _five_bytes(entries: NDArray[np.uint64]) -> bytes:
    return entries.astype("<u8").view(np.uint8).reshape(PACKET_TILES, 8)[:, :5].tobytes()


BUNDLE_WRITERS: dict[StorageFormat, type[BundleWriter]] = {
    StorageFormat.COMPACT: CompactV1Writer,
    StorageFormat.COMPACT_V2: CompactV2Writer,
}


def bundle_regions(tiles: Path, storage: StorageFormat, address: BundleAddress) -> tuple[FileRegion, ...]:
    """Return the places of a bundle's files below the folder of the tiles, which must exist."""
    return tuple(FileRegion(tiles / file.name, 0) for file in bundle_files(storage, address, 0, 0))


def bundle_files(storage: StorageFormat, address: BundleAddress, tiles: int, tile_bytes: int) -> list[BundleFile]:
    """Return the files of a bundle with that many tiles of that many bytes together, in the order of their names."""
    size = BUNDLE_WRITERS[storage].first_tile + WORD * tiles + tile_bytes
    files = [BundleFile(bundle_name(address), size)]
    if storage is StorageFormat.COMPACT:
        index = compact_v1.INDEX_END + len(compact_v1.INDEX_TAIL)
        files.append(BundleFile(bundle_name(address, compact_v1.INDEX), index))
    return files

"""Writing a compact V2 bundle (Esri's CompactCacheV2): header and index, then each tile behind its size."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from gptool import _bundle
from gptool.cache import TileBatch
from gptool.cache.compact import FIRST_TILE, HEADER, INDEX_BYTES, OFFSET_BYTES, USER_HEADER_OFFSET, VERSION
from gptool.model import PACKET_SIZE

TILES = PACKET_SIZE * PACKET_SIZE
# The specification's own values; GDAL reads zeros from a folder whose bundles state another record count.
RECORD_COUNT, USER_HEADER_SIZE, LEGACY = TILES, 20 + INDEX_BYTES, (3, 16, TILES, OFFSET_BYTES)
TILE_OVERHEAD = 4
"""Bytes that a tile takes besides its own: the size in front of it."""


def bundle_size(tiles: int, tile_bytes: int) -> int:
    """Return the bytes of a bundle with that many tiles of that many bytes together."""
    return FIRST_TILE + TILE_OVERHEAD * tiles + tile_bytes


class BundleWriter:
    """A compact V2 bundle in the making. Tiles come in batches; leaving the context completes header and index."""

    def __init__(self, path: Path) -> None:
        self._path, self._size, self._largest = path, FIRST_TILE, 0
        self._index = np.zeros(TILES, np.uint64)

    def __enter__(self) -> Self:
        self._file = self._path.open("w+b", buffering=0)
        self._file.seek(FIRST_TILE)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._file:
            if kind is None:
                self._write_head()
                self.crc32 = self._checksum()

    @property
    def size(self) -> int:
        """Bytes of the file so far."""
        return self._size

    def append(self, batch: TileBatch) -> None:
        """Add tiles; none may be there already."""
        packed = _bundle.pack(batch.source, batch.offsets, batch.sizes).data
        sizes = batch.sizes.astype(np.uint64)
        offsets = self._size + np.cumsum(sizes + np.uint64(TILE_OVERHEAD)) - sizes
        self._index[batch.positions] = sizes << np.uint64(8 * OFFSET_BYTES) | offsets
        self._size += len(packed)
        self._largest = max(self._largest, int(batch.sizes.max(initial=0)))
        while len(packed):
            packed = packed[self._file.write(packed) :]

    def _write_head(self) -> None:
        fields = (VERSION, RECORD_COUNT, self._largest, OFFSET_BYTES, 0, self._size, USER_HEADER_OFFSET)
        head = HEADER.pack(*fields, USER_HEADER_SIZE, *LEGACY, INDEX_BYTES)
        os.pwrite(self._file.fileno(), head + self._index.astype("<u8").tobytes(), 0)

    def _checksum(self) -> int:
        """Return the CRC-32 of the whole file. It is read back: head and index are known last but come first."""
        self._file.seek(0)
        crc32 = 0
        while chunk := self._file.read(1 << 20):
            crc32 = zlib.crc32(chunk, crc32)
        return crc32

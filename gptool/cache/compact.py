"""Compact V2 caches: folders Lzz of bundles, each one file with a header, an index and the tiles of 128 x 128 places.

The layout follows Esri's CompactCacheV2 specification. All integers are little-endian.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gptool import _bundle
from gptool.cache.base import Bundle, TileBatch, TileCache
from gptool.errors import BundleError, CacheError
from gptool.model import PACKET_SIZE, BundleAddress, Lod

HEADER = struct.Struct("<4I3Q6I")
"""version, record count, largest tile, offset bytes, slack, file size, user header offset, user header size,
legacy 1-4, index size. Writers differ in record count, largest tile and legacy fields, so readers skip them."""

VERSION, OFFSET_BYTES, USER_HEADER_OFFSET = 3, 5, 40
INDEX_BYTES = 8 * PACKET_SIZE * PACKET_SIZE
FIRST_TILE = HEADER.size + INDEX_BYTES

BATCH_BYTES = 1024 * 1024
"""Tiles are read, and worked on, together: as many as start in the same stretch of this many bytes and have no more
bytes between them. Both matter: a hostile index can let all tiles share one place, or lie far apart."""

LARGEST_GAP = 64 * 1024
"""Bytes of dead space that are cheaper to read along than to skip."""

NAME = re.compile(r"R([0-9a-f]{4,8})C([0-9a-f]{4,8})\.bundle", re.IGNORECASE)


def bundle_name(address: BundleAddress) -> str:
    """Return a bundle's path below the folder of the tiles, as in `L03/R0080C0100.bundle`."""
    return f"L{address.level:02d}/R{address.row:04x}C{address.column:04x}.bundle"


@dataclass(frozen=True)
class CompactV2Cache(TileCache):
    """A folder of compact V2 bundles.

    Attributes
    ----------
    tiles : Path
        The folder of the level folders, _alllayers.
    """

    tiles: Path

    def bundles(self, lod: Lod) -> list[BundleAddress]:
        """Return the addresses of a level's bundles, sorted. Raises as `TileCache.bundles`."""
        folder = self.tiles / f"L{lod.level:02d}"
        try:
            names = [path.name for path in folder.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise CacheError(f"can't be listed: {error.strerror}", where=folder) from error
        found: dict[BundleAddress, str] = {}
        for name, match in ((name, NAME.fullmatch(name)) for name in names):
            if match is None:
                continue
            address = BundleAddress(lod.level, int(match[1], 16), int(match[2], 16))
            if address.row % PACKET_SIZE or address.column % PACKET_SIZE:
                raise BundleError(
                    "a bundle's name", where=folder / name, expected="row and column in multiples of 0080"
                )
            if found.setdefault(address, name) != name:
                raise BundleError("two bundles of one place", where=folder, found=f"{found[address]} and {name}")
        return sorted(found)

    @contextmanager
    def open_bundle(self, address: BundleAddress) -> Iterator[CompactV2Bundle]:
        """Open a bundle and read its index. Raises as `TileCache.open_bundle`."""
        path = self._path(address)
        try:
            file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a pipe must not make us wait
        except OSError as error:
            raise CacheError(f"can't be opened: {error.strerror}", where=path) from error
        try:
            yield CompactV2Bundle(file, path, address)
        finally:
            os.close(file)

    def _path(self, address: BundleAddress) -> Path:
        path = self.tiles / bundle_name(address)
        if path.exists():
            return path
        # Names in capitals, or with more digits than they need.
        for other in path.parent.iterdir() if path.parent.is_dir() else ():
            match = NAME.fullmatch(other.name)
            if match and (int(match[1], 16), int(match[2], 16)) == (address.row, address.column):
                return other
        return path


class CompactV2Bundle(Bundle):
    """One open bundle file. It does not own the file."""

    def __init__(self, file: int, path: Path, address: BundleAddress) -> None:
        self._file, self._path = file, path
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise BundleError("not a file", where=path)
        file_size = status.st_size
        if file_size < FIRST_TILE:
            raise BundleError(
                "shorter than header and index",
                where=path,
                found=f"{file_size} bytes",
                expected=f"{FIRST_TILE} or more",
            )
        head = self._read(0, FIRST_TILE)
        fields = HEADER.unpack_from(head.data)
        found = fields[0], fields[3], fields[6], fields[12]
        expected = VERSION, OFFSET_BYTES, USER_HEADER_OFFSET, INDEX_BYTES
        if found != expected:
            raise BundleError(
                "the header's version, offset bytes, user header offset and index size",
                where=path,
                found=found,
                expected=f"{expected} of a compact V2 bundle",
            )
        self._offsets, self.sizes, bad = _bundle.read_index_v2(head[HEADER.size :], file_size)
        if bad >= 0:
            raise self._bad_entry(int.from_bytes(head[HEADER.size + 8 * bad :][:8], "little"), bad, file_size, address)

    def batches(self, positions: NDArray[np.int64]) -> Iterator[TileBatch]:
        """Read the tiles at these positions in the order of their offsets. Raises as `Bundle.batches`."""
        positions = positions[np.argsort(self._offsets[positions], kind="stable")]
        if len(positions) == 0:
            return
        starts, sizes = self._offsets[positions].astype(np.int64), self.sizes[positions]
        ends = np.maximum.accumulate(starts + sizes)
        apart = starts[1:] - ends[:-1] > LARGEST_GAP
        apart |= np.diff(starts // BATCH_BYTES) > 0
        apart |= np.diff(np.cumsum(sizes, dtype=np.int64) // BATCH_BYTES) > 0
        bounds = [0, *(np.flatnonzero(apart) + 1).tolist(), len(positions)]
        for first, last in pairwise(bounds):
            begin = int(starts[first])
            source = self._read(begin, int((starts[first:last] + sizes[first:last]).max()) - begin)
            offsets = (starts[first:last] - begin).astype(np.uint64)
            yield TileBatch(positions[first:last], source, offsets, sizes[first:last])

    def _read(self, offset: int, size: int) -> NDArray[np.uint8]:
        # Read, not mapped: a file that shrinks under a mapping kills the process.
        buffer = np.empty(size, np.uint8)
        view, done = buffer.data, 0
        while done < size:
            try:
                count = os.preadv(self._file, [view[done:]], offset + done)
            except OSError as error:
                raise CacheError(
                    f"can't be read at byte {offset + done}: {error.strerror}", where=self._path
                ) from error
            if count == 0:
                raise BundleError(
                    "became shorter while it was read",
                    where=self._path,
                    found=f"{offset + done} bytes",
                    expected=f"{offset + size}",
                )
            done += count
        return buffer

    def _bad_entry(self, entry: int, position: int, file_size: int, address: BundleAddress) -> BundleError:
        tile = address.tile(position)
        offset, size = entry & (1 << 40) - 1, entry >> 40
        return BundleError(
            f"the index entry of level {tile.level}, row {tile.row}, column {tile.column}",
            where=self._path,
            found=f"{size} bytes at offset {offset}",
            expected=f"a place between bytes {FIRST_TILE} and {file_size}",
        )

"""Compact V2 caches: each bundle is one file with a header, an index and the tiles.

The layout follows Esri's CompactCacheV2 specification.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from gptool import _bundle
from gptool.cache.byte_source import ByteSource
from gptool.cache.compact import BUNDLE_SUFFIX, CompactBundle, CompactCache, index_entry_error, select_bundles
from gptool.errors import BundleError
from gptool.model import PACKET_TILES, BundleAddress, Lod, TileWindow

HEADER = struct.Struct("<4I3Q6I")
"""version, record count, maximum tile size, offset byte count, slack space, file size, user header offset, user header
size, legacy 1-4, index size.

Writers differ in record count, maximum tile size and legacy fields, so these are not checked.
"""

VERSION, OFFSET_BYTES, USER_HEADER_OFFSET = 3, 5, 40
INDEX_BYTES = 8 * PACKET_TILES
TILES_OFFSET = HEADER.size + INDEX_BYTES
"""Offset of the first tile's size field, just after the index, bytes."""


class CompactV2Cache(CompactCache):
    """A cache of compact V2 bundles."""

    def bundles(self, lod: Lod, window: TileWindow | None = None) -> list[BundleAddress]:
        """Return the sorted addresses of bundles. See `TileCache.bundles`."""
        return select_bundles(self.bundle_paths(lod.level, BUNDLE_SUFFIX), window)

    @contextmanager
    def open_bundle(self, address: BundleAddress, wanted: NDArray[np.bool_] | None = None) -> Iterator[CompactBundle]:
        """Open a bundle and read its index. See `TileCache.open_bundle`."""
        with self.files.open(self.find_bundle(address, BUNDLE_SUFFIX)) as source:
            yield CompactBundle(source, *read_index(source, address))


def read_index(source: ByteSource, address: BundleAddress) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """Read the index of a compact V2 bundle.

    Returns
    -------
    offsets : uint64[16384]
        Offset of each tile in the file, bytes, row-major.
    sizes : uint32[16384]
        Size of each tile, bytes; 0 where there is no tile.

    Raises
    ------
    BundleError
        If the header or the index is corrupt.
    """
    if source.size < TILES_OFFSET:
        raise BundleError(
            "file is too short for the header and index of a bundle",
            where=source.where,
            found=f"{source.size} bytes",
            expected=f"at least {TILES_OFFSET} bytes",
        )
    head = source.read_head(TILES_OFFSET)
    fields = HEADER.unpack_from(head.data)
    found = fields[0], fields[3], fields[6], fields[12]
    expected = VERSION, OFFSET_BYTES, USER_HEADER_OFFSET, INDEX_BYTES
    if found != expected:
        raise BundleError(
            "bundle header is corrupt",
            where=source.where,
            found=f"version, offset byte count, user header offset and index size {found}",
            expected=f"{expected} of a compact V2 bundle",
        )
    offsets, sizes, bad = _bundle.read_index_v2(head[HEADER.size :], source.size)
    if bad >= 0:
        entry = int.from_bytes(head[HEADER.size + 8 * bad :][:8], "little")
        raise index_entry_error(source, address.tile(bad), entry & (1 << 40) - 1, entry >> 40, TILES_OFFSET)
    return offsets, sizes

"""Compact V1 caches: each bundle is a pair of files, an index (.bundlx) and the tiles behind their sizes (.bundle).

There is no public specification; the layout is that of bundles by ArcGIS Server 10.x and MapProxy. All integers are
little-endian. The index counts column by column: entry `128 * column + row`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from gptool import _bundle
from gptool.cache.base import Bundle
from gptool.cache.compact import BUNDLE, WORD, CompactBundle, CompactCache, bad_entry, within
from gptool.cache.content import Content
from gptool.errors import BundleError
from gptool.model import MAX_TILE_BYTES, PACKET_TILES, BundleAddress, Lod, TileWindow

INDEX = ".bundlx"

INDEX_HEADER = struct.Struct("<4I")
"""version, bytes of this header, entries, bytes of an entry"""

VERSION, OFFSET_BYTES, LEGACY = 3, 5, (40, 16)
INDEX_FIELDS = VERSION, INDEX_HEADER.size, PACKET_TILES, OFFSET_BYTES
INDEX_END = INDEX_HEADER.size + OFFSET_BYTES * PACKET_TILES
"""Where the entries end; only the tail follows."""

INDEX_TAIL = struct.pack("<4I", 0, 16, 16, 0)
"""Nothing of it is needed to read."""

HEADER = struct.Struct("<4I3Q5I")
"""version, tiles that fit, largest tile, offset bytes, 4 bytes for each tile, file size, 40, 16, first row, last row,
first column, last column. None of it is needed to read."""

FIRST_TILE = HEADER.size + WORD * PACKET_TILES
"""Between header and tiles stands a word of 0 for each place: absent tiles point there."""


class CompactV1Cache(CompactCache):
    """A cache of compact V1 bundles."""

    def bundles(self, lod: Lod, window: TileWindow | None = None) -> list[BundleAddress]:
        """Return the addresses of a level's whole bundles, sorted. Raises as `TileCache.bundles`."""
        return within(self.named(lod.level, BUNDLE).keys() & self.named(lod.level, INDEX).keys(), window)

    def left_out(self, lod: Lod, window: TileWindow | None = None) -> list[str]:
        """Tell of the bundles of which one file is missing. Raises as `TileCache.bundles`."""
        data, index = self.named(lod.level, BUNDLE), self.named(lod.level, INDEX)
        halves = [
            (data[address], INDEX) if address in data else (index[address], BUNDLE)
            for address in within(data.keys() ^ index.keys(), window)
        ]
        return [
            f"{self.files.where(path)}: the bundle's {missing} file is missing, its tiles are left out"
            for path, missing in halves
        ]

    @contextmanager
    def open_bundle(self, address: BundleAddress) -> Iterator[Bundle]:
        """Open a bundle and read its index. Raises as `TileCache.open_bundle`."""
        with self.files.open(self.path(address, INDEX)) as index:
            entries = _read_entries(index)
        with self.files.open(self.path(address, BUNDLE)) as content:
            yield CompactBundle(content, *_read_places(content, entries, address))


def _read_entries(index: Content) -> NDArray[np.uint8]:
    if index.size < INDEX_END:
        raise BundleError(
            "shorter than an index", where=index.where, found=f"{index.size} bytes", expected=f"{INDEX_END} or more"
        )
    data = index.read(0, INDEX_END)
    found = INDEX_HEADER.unpack_from(data.data)
    if found != INDEX_FIELDS:
        raise BundleError(
            "the header's version, size, entries and bytes of an entry",
            where=index.where,
            found=found,
            expected=f"{INDEX_FIELDS} of a compact V1 index",
        )
    return data[INDEX_HEADER.size :]


def _read_places(
    content: Content, entries: NDArray[np.uint8], address: BundleAddress
) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """Return the offsets and the sizes of the tiles, each [16384], row-major."""
    offsets, bad = _bundle.read_index_v1(entries, content.size)
    if bad >= 0:
        raise bad_entry(content, address, bad, int(offsets[bad]), WORD, HEADER.size)
    places = np.flatnonzero(offsets)
    places = places[np.argsort(offsets[places], kind="stable")]
    sizes = np.zeros(len(offsets), np.uint32)
    sizes[places] = content.read_words(offsets[places])
    offsets[places] += np.uint64(WORD)
    wrong = np.flatnonzero((sizes > MAX_TILE_BYTES) | ((sizes > 0) & (offsets + sizes > content.size)))
    if len(wrong):
        bad = int(wrong[0])
        raise bad_entry(content, address, bad, int(offsets[bad]), int(sizes[bad]), FIRST_TILE)
    return offsets, sizes

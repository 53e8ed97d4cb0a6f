"""Compact V2 caches: folders Lzz of bundles, each one file with a header, an index and the tiles of 128 x 128 places.

The layout follows Esri's CompactCacheV2 specification. All integers are little-endian.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gptool import _bundle
from gptool.cache.base import BATCH_BYTES, Bundle, TileBatch, TileCache
from gptool.cache.content import Content, Room
from gptool.errors import BundleError
from gptool.model import PACKET_SIZE, PACKET_TILES, BundleAddress, Lod, TileWindow

HEADER = struct.Struct("<4I3Q6I")
"""version, record count, largest tile, offset bytes, slack, file size, user header offset, user header size,
legacy 1-4, index size. Writers differ in record count, largest tile and legacy fields, so readers skip them."""

VERSION, OFFSET_BYTES, USER_HEADER_OFFSET = 3, 5, 40
INDEX_BYTES = 8 * PACKET_TILES
FIRST_TILE = HEADER.size + INDEX_BYTES

ROOM_BYTES = 4 * BATCH_BYTES
"""As `BATCH_BYTES`, where tiles are only looked at and copied: each batch costs the same work in Python then."""

LARGEST_GAP = 64 * 1024
"""Bytes of dead space that are cheaper to read along than to skip."""

MOST_SHARING, HARMLESS_BYTES = 16, 1 << 30
"""Entries may share bytes; but 16,384 of 16 MB each would come to 256 GiB. How many times the file's own bytes its
tiles may come to, and what no file needs to be asked about."""

BUNDLE = ".bundle"
BYTES_OF_NAMED = 320
"""About what an address and a path take in memory."""

WORD = 4
"""Bytes of the size in front of each tile."""


def file_name(address: BundleAddress, suffix: str) -> str:
    """Return the name of a bundle's file, as in `R0080C0100.bundle`."""
    return f"R{address.row:04x}C{address.column:04x}{suffix}"


def bundle_name(address: BundleAddress, suffix: str = BUNDLE) -> str:
    """Return the path of a bundle's file below the folder of the tiles, as in `L03/R0080C0100.bundle`."""
    return f"L{address.level:02d}/{file_name(address, suffix)}"


class CompactCache(TileCache):
    """Level folders of bundles, whatever is in them."""

    def named(self, level: int, suffix: str) -> Mapping[BundleAddress, str]:
        """Return the paths of a level's files of bundles with that suffix, in any letter case.

        Raises
        ------
        CacheError
            When the level can't be listed.
        BundleError
            When a name has no place in the grid, or two have the same.
        """
        folder = self.folder(level)
        return self.files.remembered(folder, partial(self._named, level, folder, suffix), {}, suffix)

    def _named(self, level: int, folder: str, suffix: str) -> tuple[dict[BundleAddress, str], int]:
        """List a level; tell about the memory that it takes."""
        pattern = re.compile(rf"R([0-9a-f]{{4,8}})C([0-9a-f]{{4,8}}){re.escape(suffix)}", re.IGNORECASE)
        found: dict[BundleAddress, str] = {}
        for name, match in ((name, pattern.fullmatch(name)) for name in self.files.names(folder)):
            if match is None:
                continue
            address, path = BundleAddress(level, int(match[1], 16), int(match[2], 16)), f"{folder}/{name}"
            if address.row % PACKET_SIZE or address.column % PACKET_SIZE:
                raise BundleError(
                    "a bundle's name", where=self.files.where(path), expected="row and column in multiples of 0080"
                )
            if found.setdefault(address, path) != path:
                raise BundleError(
                    "two bundles of one place", where=self.files.where(folder), found=f"{found[address]} and {path}"
                )
        return found, BYTES_OF_NAMED * len(found)

    def path(self, address: BundleAddress, suffix: str) -> str:
        """Return the path of a bundle's file; names in capitals, or with more digits than they need, are looked for.

        Raises as `named`.
        """
        path = f"{self.folder(address.level)}/{file_name(address, suffix)}"
        return path if self.files.is_file(path) else self.named(address.level, suffix).get(address, path)


def within(addresses: Iterable[BundleAddress], window: TileWindow | None) -> list[BundleAddress]:
    """Return the addresses that meet the window, sorted."""
    return sorted(address for address in addresses if window is None or window.meets_bundle(address))


class CompactV2Cache(CompactCache):
    """A cache of compact V2 bundles."""

    def bundles(self, lod: Lod, window: TileWindow | None = None) -> list[BundleAddress]:
        """Return the addresses of a level's bundles, sorted. Raises as `TileCache.bundles`."""
        return within(self.named(lod.level, BUNDLE), window)

    @contextmanager
    def open_bundle(self, address: BundleAddress) -> Iterator[Bundle]:
        """Open a bundle and read its index. Raises as `TileCache.open_bundle`."""
        with self.files.open(self.path(address, BUNDLE)) as content:
            yield CompactBundle(content, *read_index(content, address))


class CompactBundle(Bundle):
    """An open bundle whose tiles lie in one file, which it does not own.

    Raises BundleError when its index would make a small file a result without end.
    """

    def __init__(self, content: Content, offsets: NDArray[np.uint64], sizes: NDArray[np.uint32]) -> None:
        self._content, self._offsets, self.sizes = content, offsets, sizes
        together, most = int(sizes.sum(dtype=np.int64)), max(MOST_SHARING * content.size, HARMLESS_BYTES)
        if together > most:
            raise BundleError(
                "its tiles share bytes and come to too many together",
                where=content.where,
                found=f"{together} bytes",
                expected=f"{most} at most for a file of {content.size}",
            )

    def batches(self, positions: NDArray[np.int64], room: Room | None = None) -> Iterator[TileBatch]:
        """Read the tiles at these positions in the order of their offsets. Raises as `Bundle.batches`."""
        positions = positions[np.argsort(self._offsets[positions], kind="stable")]
        if len(positions) == 0:
            return
        starts, sizes = self._offsets[positions], self.sizes[positions]
        ends = starts + sizes
        together = BATCH_BYTES if room is None else ROOM_BYTES
        for first, last in pairwise(_bounds(starts.astype(np.int64), sizes, together)):
            begin = int(starts[first]) - WORD  # with the size in front, as other bundles want the tile
            source = self._content.read(begin, int(ends[first:last].max()) - begin, room)
            yield TileBatch(positions[first:last], source, starts[first:last] - np.uint64(begin), sizes[first:last])


def _bounds(starts: NDArray[np.int64], sizes: NDArray[np.uint32], together: int) -> list[int]:
    """Return where batches of tiles, in the order of their offsets, begin, and where the last ends.

    The tiles of a batch start within so many bytes of each other, and have no more together, but for one. Both matter:
    a hostile index can let all tiles share one place, or lie far apart.
    """
    ends, filled = np.maximum.accumulate(starts + sizes), np.cumsum(sizes, dtype=np.int64)
    gaps = [*(np.flatnonzero(starts[1:] - ends[:-1] > LARGEST_GAP) + 1).tolist(), len(starts)]
    bounds = [0]
    for gap in gaps:
        while bounds[-1] < gap:
            first = bounds[-1]
            near = np.searchsorted(starts, starts[first] + together)
            few = np.searchsorted(filled, filled[first] - sizes[first] + together)
            bounds.append(max(min(int(near), int(few), gap), first + 1))
    return bounds


def read_index(content: Content, address: BundleAddress) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """Return the offsets and the sizes of a compact V2 bundle's tiles, each [16384], row-major.

    Raises
    ------
    BundleError
        When header or index can't be true.
    """
    if content.size < FIRST_TILE:
        raise BundleError(
            "shorter than header and index",
            where=content.where,
            found=f"{content.size} bytes",
            expected=f"{FIRST_TILE} or more",
        )
    head = content.read(0, FIRST_TILE)
    fields = HEADER.unpack_from(head.data)
    found = fields[0], fields[3], fields[6], fields[12]
    expected = VERSION, OFFSET_BYTES, USER_HEADER_OFFSET, INDEX_BYTES
    if found != expected:
        raise BundleError(
            "the header's version, offset bytes, user header offset and index size",
            where=content.where,
            found=found,
            expected=f"{expected} of a compact V2 bundle",
        )
    offsets, sizes, bad = _bundle.read_index_v2(head[HEADER.size :], content.size)
    if bad >= 0:
        entry = int.from_bytes(head[HEADER.size + 8 * bad :][:8], "little")
        raise bad_entry(content, address, bad, entry & (1 << 40) - 1, entry >> 40, FIRST_TILE)
    return offsets, sizes


def bad_entry(
    content: Content, address: BundleAddress, position: int, offset: int, size: int, first: int
) -> BundleError:
    """Return the error of an index entry that does not lie between byte `first` and the bundle's end."""
    tile = address.tile(position)
    return BundleError(
        f"the index entry of level {tile.level}, row {tile.row}, column {tile.column}",
        where=content.where,
        found=f"{size} bytes at offset {offset}",
        expected=f"a place between bytes {first} and {content.size}",
    )

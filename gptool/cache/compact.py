"""What compact V1 and V2 caches share: folders Lzz of bundles of 128 x 128 tiles, each tile after its size.

All integers are little-endian.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import pairwise
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gptool.cache.base import BATCH_BYTES, Bundle, OpenTiles, TileBatch, TileCache
from gptool.cache.byte_source import ByteSource, ReadBuffer
from gptool.errors import BundleError
from gptool.model import MAX_TILE_BYTES, PACKET_SIZE, BundleAddress, TileAddress, TileWindow
from gptool.system.store_url import Location

BUNDLE_SUFFIX = ".bundle"

SIZE_FIELD_BYTES = 4
"""Size of the field in front of each tile that states the size of the tile, bytes."""

BUFFERED_BATCH_BYTES = 4 * BATCH_BYTES
"""As `BATCH_BYTES`, for tiles that are only copied: the time per batch is then mostly that of Python."""

MAX_OVERLAP_FACTOR, MIN_OVERLAP_BYTES = 16, 1 << 30
"""Limits of tiles that share bytes: total size of a bundle's tiles as a multiple of the size of its file, and total
size that is always accepted, bytes.

Index entries may share bytes, but 16,384 entries that share 16 MB would make a result of 256 GiB.
"""

LISTING_ENTRY_BYTES = 320
"""Approximate memory used by an address and a path in a listing, bytes."""


def bundle_file_name(address: BundleAddress, suffix: str) -> str:
    """Return the name of a file of a bundle, such as `R0080C0100.bundle`."""
    return f"R{address.row:04x}C{address.column:04x}{suffix}"


def bundle_path(address: BundleAddress, suffix: str = BUNDLE_SUFFIX) -> str:
    """Return the path of a file of a bundle in the folder of level folders, such as `L03/R0080C0100.bundle`."""
    return f"L{address.level:02d}/{bundle_file_name(address, suffix)}"


class CompactCache(TileCache):
    """A cache whose level folders contain bundles, of either version."""

    suffixes: ClassVar[tuple[str, ...]] = (BUNDLE_SUFFIX,)
    """The suffixes of the files of a bundle."""

    @abstractmethod
    def open_bundle(
        self, address: BundleAddress, wanted: NDArray[np.bool_] | None = None
    ) -> AbstractContextManager[CompactBundle]:
        """Open a bundle and read its index. See `TileCache.open_bundle`."""

    def square_stamp(self, first: TileAddress) -> tuple[int, ...] | None:
        """Return numbers that change with the files of a bundle. See `TileCache.square_stamp`."""
        paths = [self.find_bundle(BundleAddress(*first), suffix) for suffix in self.suffixes]
        stamps = [stamp for stamp in map(self.files.file_stamp, paths) if stamp is not None]
        return sum(stamps, ()) if len(stamps) == len(paths) else None

    @contextmanager
    def open_square(self, first: TileAddress) -> Iterator[OpenTiles]:
        """Open the file of a bundle. See `TileCache.open_square`."""
        with self.open_bundle(BundleAddress(*first)) as bundle:
            yield bundle.tiles

    def bundle_paths(self, level: int, suffix: str) -> Mapping[BundleAddress, str]:
        """Return the paths of the files of a level with that suffix, in any letter case, by the bundle's address.

        Raises
        ------
        CacheError
            If the level cannot be listed.
        BundleError
            If a name is not on the grid of bundles, or two names state the same bundle.
        """
        folder = self.level_folder(level)
        return self.files.cached_listing(folder, partial(self._list_bundles, level, folder, suffix), {}, suffix)

    def _list_bundles(self, level: int, folder: str, suffix: str) -> tuple[dict[BundleAddress, str], int]:
        """Return the listing for `bundle_paths`, and the memory that it takes."""
        pattern = re.compile(rf"R([0-9a-f]{{4,8}})C([0-9a-f]{{4,8}}){re.escape(suffix)}", re.IGNORECASE)
        found: dict[BundleAddress, str] = {}
        for name, match in ((name, pattern.fullmatch(name)) for name in self.files.list_names(folder)):
            if match is None:
                continue
            address, path = BundleAddress(level, int(match[1], 16), int(match[2], 16)), f"{folder}/{name}"
            if address.row % PACKET_SIZE or address.column % PACKET_SIZE:
                raise BundleError(
                    "bundle name is not on the grid of bundles",
                    where=self.files.where(path),
                    expected="row and column to be multiples of 0080 (hexadecimal)",
                )
            if found.setdefault(address, path) != path:
                raise BundleError(
                    "bundle has more than one file",
                    where=self.files.where(folder),
                    found=f"{found[address]} and {path}",
                    expected="one",
                )
        return found, LISTING_ENTRY_BYTES * len(found)

    def find_bundle(self, address: BundleAddress, suffix: str) -> str:
        """Return the path of a file of a bundle.

        The level is listed only if the usual name does not exist: names may be in capitals or have leading zeros.
        Raises as `bundle_paths`.
        """
        path = f"{self.level_folder(address.level)}/{bundle_file_name(address, suffix)}"
        return path if self.files.is_file(path) else self.bundle_paths(address.level, suffix).get(address, path)


def select_bundles(addresses: Iterable[BundleAddress], window: TileWindow | None) -> list[BundleAddress]:
    """Return the sorted addresses of the bundles that intersect the window."""
    return sorted(address for address in addresses if window is None or window.intersects_bundle(address))


class CompactBundle(Bundle):
    """An open bundle, whose file it does not close.

    Parameters
    ----------
    source : ByteSource
        The file.
    offsets : uint64[16384]
        Offset of each tile in the file, bytes, row-major.
    sizes : uint32[16384]
        Size of each tile, bytes; 0 where there is no tile.

    Raises
    ------
    BundleError
        If so many tiles share bytes that a small file would make a huge result.
    """

    def __init__(self, source: ByteSource, offsets: NDArray[np.uint64], sizes: NDArray[np.uint32]) -> None:
        self._source, self._offsets, self.sizes = source, offsets, sizes
        self.tiles, self.stamp = OpenTiles(source, offsets, sizes), source.stamp
        check_total_size(int(sizes.sum(dtype=np.int64)), source.size, source.where)

    def batches(self, positions: NDArray[np.int64], buffer: ReadBuffer | None = None) -> Iterator[TileBatch]:
        """Read tiles in the order of their offsets. See `Bundle.batches`."""
        positions = positions[np.argsort(self._offsets[positions], kind="stable")]
        if len(positions) == 0:
            return
        starts, sizes = self._offsets[positions], self.sizes[positions]
        ends = starts + sizes
        batch_bytes = BATCH_BYTES if buffer is None else BUFFERED_BATCH_BYTES
        read_bytes = max(batch_bytes, self._source.request_bytes)
        bounds = list(pairwise(_batch_bounds(self._source, starts.astype(np.int64), sizes, read_bytes)))
        # With the size field of the first tile, which bundles are written with.
        begins = [int(starts[first]) - SIZE_FIELD_BYTES for first, _ in bounds]
        ranges = ((begin, int(ends[slice(*part)].max()) - begin) for begin, part in zip(begins, bounds, strict=True))
        for begin, (first, last), data in zip(begins, bounds, self._source.read_ranges(ranges, buffer), strict=True):
            batch = TileBatch(positions[first:last], data, starts[first:last] - np.uint64(begin), sizes[first:last])
            if read_bytes > batch_bytes:
                yield from batch.split(max((last - first) * batch_bytes // len(data), 1))
            else:
                yield batch


def _batch_bounds(
    source: ByteSource, starts: NDArray[np.int64], sizes: NDArray[np.uint32], batch_bytes: int
) -> list[int]:
    """Return the indices where batches of tiles begin, and where the last one ends.

    The tiles, in the order of their offsets, of a batch start within `batch_bytes` of each other, and their total size
    is at most `batch_bytes` unless it is a single tile. Both limits are necessary: the index of a hostile file can make
    all tiles share the same bytes, or be far apart.
    """
    ends, filled = np.maximum.accumulate(starts + sizes), np.cumsum(sizes, dtype=np.int64)
    distances = starts[1:] - ends[:-1]
    max_gap = source.max_gap(distances, int(filled[-1]))
    gaps = [*(np.flatnonzero(distances > max_gap) + 1).tolist(), len(starts)]
    bounds = [0]
    for gap in gaps:
        while bounds[-1] < gap:
            first = bounds[-1]
            last_near = np.searchsorted(starts, starts[first] + batch_bytes)
            last_small = np.searchsorted(filled, filled[first] - sizes[first] + batch_bytes)
            bounds.append(max(min(int(last_near), int(last_small), gap), first + 1))
    return bounds


def max_total_size(file_bytes: int) -> int:
    """Return the greatest total size of a bundle's tiles, bytes: that of its file, unless many tiles share bytes."""
    return max(MAX_OVERLAP_FACTOR * file_bytes, MIN_OVERLAP_BYTES)


def check_total_size(total: int, file_bytes: int, where: Location) -> None:
    """Raise BundleError if the tiles of a bundle share so many bytes that a small file would make a huge result."""
    limit = max_total_size(file_bytes)
    if total > limit:
        raise BundleError(
            "tiles share bytes and their total size exceeds the limit",
            where=where,
            found=f"{total} bytes",
            expected=f"at most {limit} bytes for a file of {file_bytes} bytes",
        )


def index_entry_error(source: ByteSource, tile: TileAddress, offset: int, size: int, begin: int) -> BundleError:
    """Return the error of an index entry that is not within the range of tiles, from byte `begin` to the end."""
    expected = f"a range within bytes {begin} to {source.size}"
    if offset < begin:
        problem = "points into the header or index"
    elif offset + size > source.size:
        problem = "points past the end of the file"
    else:
        problem, expected = "states a tile that is too large", f"at most {MAX_TILE_BYTES} bytes"
    return BundleError(
        f"index entry of level {tile.level}, row {tile.row}, column {tile.column} {problem}",
        where=source.where,
        found=f"{size} bytes at offset {offset}",
        expected=expected,
    )

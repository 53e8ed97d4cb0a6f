"""Compact V1 caches: each bundle is a pair of files, an index (.bundlx) and the tiles (.bundle).

There is no public specification; the layout is that of bundles by ArcGIS Server 10.x and MapProxy. The index counts
column by column: a tile's entry is number `128 * column + row`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gptool import _bundle
from gptool.cache.base import TileBatch
from gptool.cache.byte_source import ByteSource, ReadBuffer
from gptool.cache.compact import (
    BUNDLE_SUFFIX,
    SIZE_FIELD_BYTES,
    CompactBundle,
    CompactCache,
    check_total_size,
    index_entry_error,
    max_total_size,
    select_bundles,
)
from gptool.errors import BundleError
from gptool.model import MAX_TILE_BYTES, PACKET_TILES, BundleAddress, Lod, TileWindow

INDEX_SUFFIX = ".bundlx"

INDEX_HEADER = struct.Struct("<4I")
"""version, size of this header, number of entries, size of an entry"""

VERSION, OFFSET_BYTES, LEGACY = 3, 5, (40, 16)
INDEX_FIELDS = VERSION, INDEX_HEADER.size, PACKET_TILES, OFFSET_BYTES
INDEX_END = INDEX_HEADER.size + OFFSET_BYTES * PACKET_TILES
"""Offset of the end of the entries, bytes; only the tail follows."""

INDEX_TAIL = struct.pack("<4I", 0, 16, 16, 0)
"""The end of an index, which readers do not need."""

HEADER = struct.Struct("<4I3Q5I")
"""version, number of tiles that fit, maximum tile size, offset byte count, 4 bytes for each tile, file size, 40, 16,
first row, last row, first column, last column. Readers need none of it."""

TILES_OFFSET = HEADER.size + SIZE_FIELD_BYTES * PACKET_TILES
"""Offset of the first tile's size field, bytes.

Between the header and the tiles is a size field of 0 for each position, to which the entries of absent tiles point.
"""


class CompactV1Cache(CompactCache):
    """A cache of compact V1 bundles."""

    suffixes = BUNDLE_SUFFIX, INDEX_SUFFIX

    def bundles(self, lod: Lod, window: TileWindow | None = None) -> list[BundleAddress]:
        """Return the sorted addresses of complete bundles. See `TileCache.bundles`."""
        data, index = (self.bundle_paths(lod.level, suffix) for suffix in (BUNDLE_SUFFIX, INDEX_SUFFIX))
        return select_bundles(data.keys() & index.keys(), window)

    def skipped_bundles(self, lod: Lod, window: TileWindow | None = None) -> list[str]:
        """Return a message for each bundle of which one file is missing. Raises as `TileCache.bundles`."""
        data, index = (self.bundle_paths(lod.level, suffix) for suffix in (BUNDLE_SUFFIX, INDEX_SUFFIX))
        incomplete = [
            (data[address], INDEX_SUFFIX) if address in data else (index[address], BUNDLE_SUFFIX)
            for address in select_bundles(data.keys() ^ index.keys(), window)
        ]
        return [
            f"{self.files.where(path)}: {missing} file of the bundle is missing; its tiles are skipped"
            for path, missing in incomplete
        ]

    def by_index(self) -> CompactV1Cache:
        """Return the cache that reads sizes with tiles, if it is in a store. See `TileCache.by_index`."""
        return replace(self, is_by_index=True) if self.files.concurrency > 1 else self

    @contextmanager
    def open_bundle(self, address: BundleAddress, wanted: NDArray[np.bool_] | None = None) -> Iterator[CompactBundle]:
        """Open a bundle and read its index. See `TileCache.open_bundle`."""
        with self.files.open(self.find_bundle(address, INDEX_SUFFIX)) as index:
            entries = _read_entries(index)
        with self.files.open(self.find_bundle(address, BUNDLE_SUFFIX)) as source:
            offsets, present = _read_offsets(source, entries, address)
            bundle: CompactBundle | None = None
            if self.is_by_index and source.request_bytes:
                bounds = size_bounds(source, offsets, present)
                if bounds.any():
                    offsets[present] += np.uint64(SIZE_FIELD_BYTES)
                    bundle = BoundedBundle(source, address, offsets, bounds)
            bundle = bundle or CompactBundle(source, *_read_sizes(source, address, offsets, present, wanted))
            bundle.stamp += index.stamp
            yield bundle


class BoundedBundle(CompactBundle):
    """An open bundle in a store, whose `sizes` are bounds; those of its batches are the sizes themselves.

    So its tiles are read once: their sizes stand before them. As long as tiles share no bytes, each ends where the size
    of the next one begins. A tile whose size turns out to be 0 does not exist, and is in no batch.

    Parameters
    ----------
    source : ByteSource
        The file.
    address : BundleAddress
    offsets : uint64[16384]
        Offset of each tile in the file, bytes, row-major.
    bounds : uint32[16384]
        Greatest size of each tile, bytes; 0 where there is no tile. See `size_bounds`.
    """

    def __init__(
        self, source: ByteSource, address: BundleAddress, offsets: NDArray[np.uint64], bounds: NDArray[np.uint32]
    ) -> None:
        super().__init__(source, offsets, bounds)
        self._address = address

    def batches(self, positions: NDArray[np.int64], buffer: ReadBuffer | None = None) -> Iterator[TileBatch]:
        """Read tiles with their sizes. See `Bundle.batches`."""
        total = 0
        for batch in super().batches(positions, buffer):
            sized = self._with_sizes(batch)
            total += int(sized.sizes.sum(dtype=np.int64))
            check_total_size(total, self._source.size, self._source.where)
            # Tiles that share bytes may be far more than the batch was to have.
            yield from sized.split(1 if sized.source is not batch.source else max(len(sized.sizes), 1))

    def _with_sizes(self, batch: TileBatch) -> TileBatch:
        """Return the tiles of a batch, whose sizes are bounds, that exist, with their sizes."""
        positions, source, offsets, bounds = batch
        fields = source[(offsets - np.uint64(SIZE_FIELD_BYTES))[:, None] + np.arange(SIZE_FIELD_BYTES, dtype=np.uint64)]
        sizes, starts = fields.view("<u4").ravel(), self._offsets[positions]
        _check_sizes(self._source, self._address, positions, starts, sizes)
        if (sizes > bounds).any():  # the tiles share bytes
            begin = starts.min()
            source = self._source.read(int(begin), int((starts + sizes).max() - begin))
            offsets = starts - begin
        exists = sizes > 0
        return TileBatch(positions[exists], source, offsets[exists], sizes[exists])


def _read_entries(index: ByteSource) -> NDArray[np.uint8]:
    """Return the bytes of the index entries. Raises BundleError if the index is truncated or its header corrupt."""
    if index.size < INDEX_END:
        raise BundleError(
            "file is too short for the index of a bundle",
            where=index.where,
            found=f"{index.size} bytes",
            expected=f"at least {INDEX_END} bytes",
        )
    data = index.read_head(INDEX_END)
    found = INDEX_HEADER.unpack_from(data.data)
    if found != INDEX_FIELDS:
        raise BundleError(
            "index header is corrupt",
            where=index.where,
            found=f"version, header size, number of entries and entry size {found}",
            expected=f"{INDEX_FIELDS} of a compact V1 index",
        )
    return data[INDEX_HEADER.size :]


def _read_offsets(
    source: ByteSource, entries: NDArray[np.uint8], address: BundleAddress
) -> tuple[NDArray[np.uint64], NDArray[np.uint16]]:
    """Return the offsets of the tiles' sizes, [16384], row-major, and the positions of the tiles that the index has.

    Raises BundleError if an offset is not within the file.
    """
    has_fields = source.size >= TILES_OFFSET
    if has_fields and source.request_bytes:  # a request takes longer than to look through the entries twice
        offsets, present, _ = _bundle.read_index_v1(entries, source.size)
        has_fields = bool((offsets[present] < TILES_OFFSET).any())
    fields = source.read_head(TILES_OFFSET)[HEADER.size :] if has_fields else b""
    offsets, present, bad = _bundle.read_index_v1(entries, source.size, fields)
    if bad >= 0:
        raise index_entry_error(source, address.tile(bad), int(offsets[bad]), SIZE_FIELD_BYTES, HEADER.size)
    return offsets, present


def _read_sizes(
    source: ByteSource,
    address: BundleAddress,
    offsets: NDArray[np.uint64],
    present: NDArray[np.uint16],
    wanted: NDArray[np.bool_] | None,
) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """Return the offsets and the sizes of the tiles, each [16384], row-major. Raises as `read_index` of V2."""
    if wanted is not None and source.request_bytes:
        present = present[wanted[present]]
    fields_at = offsets[present]
    if (fields_at[1:] < fields_at[:-1]).any():  # writers lay tiles out in the order of the index, or as they come
        order = np.argsort(fields_at, kind="stable")
        present, fields_at = present[order], fields_at[order]
    found = source.read_uint32(fields_at)
    starts = fields_at + np.uint64(SIZE_FIELD_BYTES)
    _check_sizes(source, address, present, starts, found)
    sizes = np.zeros(len(offsets), np.uint32)
    offsets[present], sizes[present] = starts, found
    return offsets, sizes


def size_bounds(source: ByteSource, offsets: NDArray[np.uint64], present: NDArray[np.integer]) -> NDArray[np.uint32]:
    """Return the greatest size that each tile can have if no two tiles share bytes.

    Parameters
    ----------
    source : ByteSource
        The file of the bundle.
    offsets : uint64[16384]
        Offset of the size of each tile, bytes, row-major.
    present : integer[n]
        The positions of the tiles.

    Returns
    -------
    uint32[16384]
        Bytes; 0 where there is no tile. All are 0 if that cannot be told by the index: two sizes are so near each other
        that there is no tile between them, or so many tiles have the same offset that they may be too many bytes.
    """
    bounds = np.zeros(PACKET_TILES, np.uint32)
    fields_at = offsets[present].astype(np.int64)
    ends = np.append(np.unique(fields_at), source.size)
    room = ends[np.searchsorted(ends, fields_at, "right")] - fields_at - SIZE_FIELD_BYTES
    found = np.minimum(room, MAX_TILE_BYTES)
    if (found > 0).all() and int(found.sum()) <= max_total_size(source.size):
        bounds[present] = found
    return bounds


def _check_sizes(
    source: ByteSource,
    address: BundleAddress,
    positions: NDArray[np.integer],
    starts: NDArray[np.uint64],
    sizes: NDArray[np.uint32],
) -> None:
    """Check the sizes that are stated before tiles.

    Parameters
    ----------
    source : ByteSource
        The file of the bundle.
    address : BundleAddress
    positions : integer[n]
        The positions of the tiles.
    starts : uint64[n]
        Their offsets, bytes.
    sizes : uint32[n]
        Bytes.

    Raises
    ------
    BundleError
        If a size is too large, or goes beyond the end of the file.
    """
    is_invalid = (sizes > MAX_TILE_BYTES) | ((sizes > 0) & (starts + sizes > source.size))
    if is_invalid.any():
        bad = int(positions[is_invalid].min())
        first = positions == bad
        raise index_entry_error(source, address.tile(bad), int(starts[first][0]), int(sizes[first][0]), HEADER.size)

"""Compact V1 bundles in a store, whose tiles are read once: their sizes, which stand before them, come with them.

Until a tile is read, only a bound of its size is known: as long as tiles share no bytes, it ends where the size of the
next one begins.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gptool.cache.base import TileBatch
from gptool.cache.byte_source import ByteSource, ReadBuffer
from gptool.cache.compact import SIZE_FIELD_BYTES, CompactBundle, check_total_size, index_entry_error, max_total_size
from gptool.model import MAX_TILE_BYTES, PACKET_TILES, BundleAddress

FIRST_TILE_OFFSET = 60
"""The least offset of a tile's size in a compact V1 bundle, behind the header, bytes."""


class BoundedBundle(CompactBundle):
    """An open bundle whose `sizes` are bounds; those of its batches are the sizes themselves.

    A tile whose size turns out to be 0 does not exist, and is in no batch.

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
        check_sizes(self._source, self._address, positions, starts, sizes)
        if (sizes > bounds).any():  # the tiles share bytes
            begin = starts.min()
            source = self._source.read(int(begin), int((starts + sizes).max() - begin))
            offsets = starts - begin
        exists = sizes > 0
        return TileBatch(positions[exists], source, offsets[exists], sizes[exists])


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
    found = ends[np.searchsorted(ends, fields_at, "right")] - fields_at - SIZE_FIELD_BYTES
    if (found > 0).all() and int(np.minimum(found, MAX_TILE_BYTES).sum()) <= max_total_size(source.size):
        bounds[present] = np.minimum(found, MAX_TILE_BYTES)
    return bounds


def check_sizes(
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
        raise index_entry_error(
            source, address.tile(bad), int(starts[first][0]), int(sizes[first][0]), FIRST_TILE_OFFSET
        )

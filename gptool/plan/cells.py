"""The tiles and bytes below each cell of a coarse grid, counted from the indexes of the bundles."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.model import EDGE_TOLERANCE, PACKET_SIZE, Lod, Phase, Progress, TileWindow
from gptool.plan.part_limits import PartLimits, PartSizes
from gptool.plan.tile_plan import BundlePlan, LevelPlan, Plan


class Grid(NamedTuple):
    """A grid of cells, each of which has `block` x `block` tiles of a level: often, a tile of a coarser level."""

    lod: Lod
    block: int

    def tiles(self, cells: TileWindow) -> TileWindow:
        """Return the tiles of the level that a window of cells has."""
        rows = cells.row_min * self.block, (cells.row_max + 1) * self.block - 1
        return TileWindow(*rows, cells.column_min * self.block, (cells.column_max + 1) * self.block - 1)


class CellTooLargeError(Exception):
    """Raised if a cell exceeds the limits of a part. It never leaves the division."""


class Cells(NamedTuple):
    """Cells with their tiles, one line for each bundle that a cell has tiles in.

    Attributes
    ----------
    rows, columns : int64[n]
        The cell.
    bundles : int64[n]
        The number of the bundle.
    tiles : int64[n]
    sizes : float64[n]
        Estimated bytes of the tiles in the result.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    bundles: NDArray[np.int64]
    tiles: NDArray[np.int64]
    sizes: NDArray[np.float64]

    @property
    def window(self) -> TileWindow:
        """The smallest window that contains all cells."""
        rows, columns = self.rows, self.columns
        return TileWindow(int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max()))

    def select(self, mask: NDArray[np.bool_]) -> Cells:
        """Return the lines of a mask, bool[n]."""
        return Cells(self.rows[mask], self.columns[mask], self.bundles[mask], self.tiles[mask], self.sizes[mask])


def count_cells(
    plan: Plan,
    levels: Sequence[LevelPlan],
    block: int,
    limits: PartLimits,
    sizes: PartSizes,
    progress: Progress | None,
) -> Cells:
    """Return the tiles of levels by the cell that they share area with: a block of tiles of the first level.

    A cell of a single tile cannot be too large: it is a part, whatever its size.

    Raises
    ------
    CellTooLargeError
        If a cell exceeds the limits.
    CacheError
        If a bundle is corrupt.
    """
    found: list[Cells] = []
    tiles_of, size_of = defaultdict[tuple[int, int], int](int), defaultdict[tuple[int, int], float](float)
    grid, counted = Grid(levels[0].lod, block), 0
    is_tile = block == 1 and len(levels) == 1
    for level in reversed(levels):  # the deepest has most tiles
        for bundle in level.bundles:
            rows, columns, tiles, stored = _cells_of(plan, grid, level.lod, bundle)
            own = sizes.of_tiles(level.lod.level, tiles, stored)
            found.append(Cells(rows, columns, np.full(len(rows), len(found)), tiles, own))
            for row, column, count, size in zip(*(each.tolist() for each in (rows, columns, tiles, own)), strict=True):
                cell = row, column
                tiles_of[cell] += count
                size_of[cell] += size + sizes.bundle
                whole = sizes.metadata + size_of[cell]
                if not is_tile and (tiles_of[cell] > (limits.tiles or math.inf) or whole > (limits.size or math.inf)):
                    raise CellTooLargeError
            counted += bundle.tiles
            if progress:
                progress(Phase.COUNTING, counted, 0)
    return Cells(*map(np.concatenate, zip(*found, strict=True)))


def _cells_of(plan: Plan, grid: Grid, lod: Lod, bundle: BundlePlan) -> tuple[NDArray[np.int64], ...]:
    """Return the rows and columns of the cells that a bundle has tiles in, the tiles, and their bytes in the cache."""
    scheme, address, last = plan.cache.scheme, bundle.address, PACKET_SIZE - 1
    own = TileWindow(address.row, address.row + last, address.column, address.column + last)
    window = TileWindow(*(side // grid.block for side in scheme.window(grid.lod, scheme.extent(lod, own))))
    if (window.row_min, window.column_min) == (window.row_max, window.column_max):
        values = window.row_min, window.column_min, bundle.tiles, bundle.bytes
        return tuple(np.array([value], np.int64) for value in values)
    with plan.cache.open_bundle(address) as opened:
        stored = np.where(plan.selection.selected(lod, address), opened.sizes, 0)
    ratio = grid.block * grid.lod.resolution.value / lod.resolution.value
    rows = _tile_ranges(window.row_min, window.row_max, ratio, address.row)
    columns = _tile_ranges(window.column_min, window.column_max, ratio, address.column)
    tiles, sizes = _sums(stored > 0, rows, columns), _sums(stored, rows, columns)
    found = np.nonzero(tiles)
    return found[0] + window.row_min, found[1] + window.column_min, tiles[found], sizes[found]


def _tile_ranges(first: int, last: int, ratio: float, start: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which of the 128 rows or columns of tiles from `start` on share area with each row or column of cells.

    Parameters
    ----------
    first, last : int
        The rows or columns of cells.
    ratio : float
        Tiles along the side of a cell.

    Returns
    -------
    tuple of (int64[n], int64[n])
        The first tile and the one after the last, from 0 to 128. As in `TilingScheme.window`, a tile is not counted
        that overlaps a cell by at most `EDGE_TOLERANCE`.
    """
    edges = np.arange(first, last + 2) * ratio
    starts, ends = np.floor(edges[:-1] + EDGE_TOLERANCE), np.ceil(edges[1:] - EDGE_TOLERANCE)
    return tuple(np.clip(side - start, 0, PACKET_SIZE).astype(np.int64) for side in (starts, ends))


def _sums(
    values: NDArray[np.generic],
    rows: tuple[NDArray[np.int64], NDArray[np.int64]],
    columns: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> NDArray[np.int64]:
    """Return the sums of a bundle's values over ranges of rows and of columns: int64[rows, columns]."""
    sums = np.zeros((PACKET_SIZE + 1, PACKET_SIZE + 1), np.int64)
    grid = values.reshape(PACKET_SIZE, PACKET_SIZE)
    np.cumsum(np.cumsum(grid, axis=0, dtype=np.int64), axis=1, out=sums[1:, 1:])
    by_rows = sums[rows[1]] - sums[rows[0]]
    return by_rows[:, columns[1]] - by_rows[:, columns[0]]

"""The division of a plan into parts along the grid of a coarse level, so that each part is below a limit.

The levels of a plan are divided into tiers, from the deepest level upwards. A tier has the coarsest grid each of whose
cells, with all that the tier has below it, is within the limit; it begins with the level of that grid. Neighbouring
cells make a part: the box of all cells is cut in two across its longer side, and so on, until each box is within the
limit. The levels above a tier are divided likewise, until all that are left fit into one part, the overview.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gptool.errors import ParameterError
from gptool.model import EDGE_TOLERANCE, Extent, Lod, Progress, TileWindow, TilingScheme
from gptool.plan.cells import Cells, CellTooLargeError, Grid, count_cells
from gptool.plan.counting import plan_level
from gptool.plan.part_limits import NO_SIZES, PartLimits, PartSizes
from gptool.plan.tile_plan import LevelPlan, Plan
from gptool.text import format_bytes

MAX_PARTS = 10_000
"""More parts than people can handle, and than a manifest should list."""


class PartArea(NamedTuple):
    """What belongs to a part: levels, and the tiles of the first of them below which its other tiles are.

    Attributes
    ----------
    lods : tuple of Lod
        Coarsest first.
    window : TileWindow
        The tiles of the first of these levels, as far as they exist.
    is_overview : bool
        Whether it has the coarse levels of the whole selection, and others have the levels below them.
    """

    lods: tuple[Lod, ...]
    window: TileWindow
    is_overview: bool

    @property
    def label(self) -> str:
        """A name, unique among all parts of a plan: the level, row and column of its first tile."""
        if self.is_overview:
            return "overview"
        return f"L{self.lods[0].level:02}-R{self.window.row_min:05}-C{self.window.column_min:05}"

    def extent(self, scheme: TilingScheme) -> Extent:
        """Return its extent, that of these tiles."""
        return scheme.extent(self.lods[0], self.window)


def divide(
    plan: Plan,
    limits: PartLimits,
    sizes: PartSizes = NO_SIZES,
    *,
    has_overview: bool = True,
    progress: Progress | None = None,
) -> list[PartArea]:
    """Return the parts of a plan, coarse levels first: together they have all of its tiles.

    A part with a single tile may exceed the size. Where the grids of levels are nested, each tile is in one part;
    elsewhere, tiles across an edge are in both parts.

    Parameters
    ----------
    limits : PartLimits
    sizes : PartSizes
        How large parts are estimated to be.
    has_overview : bool
        Whether the coarsest levels are an overview of the whole selection: not if the plan is a part that turned out
        too large.
    progress : Progress or None
        Called after each bundle with `Phase.COUNTING`.

    Raises
    ------
    ParameterError
        If there are more than `MAX_PARTS` parts, or no part is as small as the limit.
    CacheError
        If a bundle is corrupt.
    """
    levels, areas = plan.filled_levels, list[PartArea]()
    if limits.size is not None and limits.size < sizes.metadata + sizes.bundle:
        raise ParameterError(
            "limit is smaller than the indexes and metadata of a part",
            where="maxPartSize",
            found=f"{limits.size:,} bytes",
            expected=f"at least {format_bytes(sizes.metadata + sizes.bundle)}",
        )
    least = _load(plan.tiles, sizes.of_levels(levels), limits)
    if least > MAX_PARTS:
        raise _too_many_error(math.ceil(least), limits)
    while levels:
        lods = tuple(level.lod for level in levels)
        if _load(sum(level.tiles for level in levels), sizes.of_levels(levels), limits) <= 1:
            return [PartArea(lods, _enclosing_window(plan, levels), has_overview and bool(areas)), *areas]
        first, grid, cells = _coarsest_grid(plan, levels, limits, sizes, progress)
        windows = map(grid.tiles, _cut(cells, limits, sizes))
        areas[:0] = [PartArea(lods[first:], window, is_overview=False) for window in windows]
        if len(areas) > MAX_PARTS:
            raise _too_many_error(len(areas), limits)
        levels = levels[:first]
    return areas


def select_part(plan: Plan, area: PartArea) -> Plan:
    """Return the plan of a part, without what is said about the whole: messages, and empty files.

    Raises
    ------
    CacheError
        If a bundle is corrupt.
    """
    extent, clip = area.extent(plan.cache.scheme), plan.selection.clip
    selection = replace(plan.selection, lods=area.lods, clip=(clip and extent.intersection(clip)) or extent)
    levels = (plan_level(plan.cache, selection, lod, 0, None) for lod in area.lods)
    return Plan(plan.cache, selection, tuple(LevelPlan(level.lod, level.window, level.bundles) for level in levels))


def _load(tiles: int, size: float, limits: PartLimits) -> float:
    """Return how much of a part tiles and bytes take; more than 1 if they do not fit."""
    return max(tiles / limits.tiles if limits.tiles else 0.0, size / limits.size if limits.size else 0.0)


def _enclosing_window(plan: Plan, levels: Sequence[LevelPlan]) -> TileWindow:
    """Return the tiles of the first of some levels that share area with tiles of any of them."""
    scheme, first = plan.cache.scheme, levels[0].lod
    extents = [scheme.extent(level.lod, level.window) for level in levels if level.window]
    extent = extents[0]
    for other in extents[1:]:
        extent = extent.union(other)
    return scheme.window(first, extent)


def _coarsest_grid(
    plan: Plan, levels: Sequence[LevelPlan], limits: PartLimits, sizes: PartSizes, progress: Progress | None
) -> tuple[int, Grid, Cells]:
    """Return the coarsest grid with cells within the limits: the index of its level among the levels, and its cells."""
    for first, block in _grids(plan, levels):
        try:
            cells = count_cells(plan, levels[first:], block, limits, sizes, progress)
        except CellTooLargeError:
            continue
        return first, Grid(levels[first].lod, block), cells
    raise AssertionError("a single tile is never too large")


def _grids(plan: Plan, levels: Sequence[LevelPlan]) -> Iterator[tuple[int, int]]:
    """Yield the grids to consider, coarsest first: the index of a level, and the tiles along the side of a cell."""
    window = _enclosing_window(plan, levels)
    block = 2 ** max(max(window) - min(window), 1).bit_length()
    for first, level in enumerate(levels):
        if first:
            ratio = levels[first - 1].lod.resolution.value / level.lod.resolution.value
            block = 2 ** math.floor(math.log2(ratio) + EDGE_TOLERANCE)
        while block:
            yield first, block
            block //= 2


def _cut(cells: Cells, limits: PartLimits, sizes: PartSizes) -> Iterator[TileWindow]:
    """Yield boxes of cells that are within the limits, by cutting the box of all of them as often as necessary."""
    window = cells.window
    height, width = window.row_max - window.row_min, window.column_max - window.column_min
    tiles = int(cells.tiles.sum())
    load = _load(tiles, sizes.of_cells(cells.bundles, cells.sizes), limits)
    if load <= 1 or not (height or width):
        yield window
        return
    by_tiles = limits.tiles is not None and tiles / limits.tiles == load
    lines, first = (cells.rows, window.row_min) if height > width else (cells.columns, window.column_min)
    # Both sides get a share of whole parts, so that the last boxes are as full as possible.
    count = math.ceil(load)
    ends = np.cumsum(np.bincount(lines - first, cells.tiles if by_tiles else cells.sizes))
    cut = int(np.abs(ends[:-1] - ends[-1] * (count // 2) / count).argmin())
    is_before = lines - first <= cut
    yield from _cut(cells.select(is_before), limits, sizes)
    yield from _cut(cells.select(~is_before), limits, sizes)


def _too_many_error(parts: int, limits: PartLimits) -> ParameterError:
    counts = [f"{limits.tiles:,} tiles"] if limits.tiles is not None else []
    sizes = [format_bytes(limits.size)] if limits.size is not None else []
    return ParameterError(
        "makes too many parts",
        where="maxPartTiles" if limits.size is None else "maxPartSize",
        found=f"at least {parts:,} parts of at most {' and '.join(counts + sizes)}",
        expected=f"at most {MAX_PARTS:,}: a higher limit, fewer levels or a smaller exportExtent or areaOfInterest",
    )

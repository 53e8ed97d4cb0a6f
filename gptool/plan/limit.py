"""The limit on the number of tiles of an export, and the advice if a request exceeds it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from gptool.errors import ParameterError, TooManyTilesError
from gptool.model import Progress
from gptool.plan.division import divide
from gptool.plan.part_limits import PartLimits
from gptool.plan.tile_plan import LevelPlan, Plan
from gptool.text import format_count

TILE_OVERHEAD = 4
"""Bytes before each tile of a bundle: its size (compact V2)."""

BUNDLE_OVERHEAD = 160 * 1024
"""Bytes of a bundle besides its tiles: header and index, of any storage format."""

METADATA_OVERHEAD = 1024 * 1024
"""Bytes of a result besides its bundles: metadata, thumbnail and report."""


def reserved_bytes(plan: Plan) -> int:
    """Return the disk space to reserve for the result of a plan: an upper bound for every kind of result."""
    bundles = sum(len(level.bundles) for level in plan.levels)
    return plan.bytes + TILE_OVERHEAD * plan.tiles + BUNDLE_OVERHEAD * bundles + METADATA_OVERHEAD


def check_count(plan: Plan, limit: int | None, service: str | None = None, progress: Progress | None = None) -> None:
    """Check that a plan does not exceed the tile limit.

    Parameters
    ----------
    plan : Plan
    limit : int or None
        The maximum number of tiles; None for no limit.
    service : str, optional
        The service that sets the limit, for the message; by default the name of the cache.
    progress : Progress or None
        Called while tiles are counted for the number of parts that would do.

    Raises
    ------
    TooManyTilesError
        If it does. The message is that of ArcGIS Server (error 001564), which clients look for.
    """
    if limit is None or plan.tiles <= limit:
        return
    raise TooManyTilesError(
        f"ERROR 001564: Requested tile count({plan.tiles}) exceeds the maximum allowed number of tiles({limit}) "
        f"to be exported for service {service or plan.cache.name}.",
        advice=(_tiles_per_level(plan), _fitting_levels(plan, limit), *_fitting_parts(plan, limit, progress)),
    )


def _tiles_per_level(plan: Plan) -> str:
    counts = ", ".join(f"{level.lod.level}: {level.tiles}" for level in plan.filled_levels)
    return f"Tiles per level: {counts}."


def _fitting_levels(plan: Plan, limit: int) -> str:
    """Return a sentence that names the levels which together stay within the limit."""
    levels = plan.filled_levels
    deepest = deepest_fitting(levels, limit)
    if not deepest:
        return "No single level is within the limit: request a smaller exportExtent or areaOfInterest."
    text = f"The deepest levels within the limit are {levels_parameter(plan, deepest)}"
    coarsest = levels[: sum(1 for tiles in accumulate(level.tiles for level in levels) if tiles <= limit)]
    if deepest[0] is not levels[0] and coarsest:
        text += f", the coarsest are {levels_parameter(plan, coarsest)}"
    return f"{text}; deeper levels require a smaller exportExtent or areaOfInterest."


def _fitting_parts(plan: Plan, limit: int, progress: Progress | None) -> list[str]:
    """Return a sentence that says how many parts within the limit have all tiles, unless there would be too many."""
    if not limit:
        return []
    try:
        parts = len(divide(plan, PartLimits(limit), progress=progress))
    except ParameterError:
        return []
    return [f"All tiles fit into {format_count(parts, 'tile package')} with maxPartTiles={limit}."]


def levels_parameter(plan: Plan, levels: Sequence[LevelPlan]) -> str:
    """Return the parameter that selects exactly these levels, and the number of their tiles."""
    text = ",".join(plan.cache.scheme.level_ranges([level.lod for level in levels]))
    return f"levels={text} (exportBy=LevelID) with {format_count(sum(level.tiles for level in levels), 'tile')}"


def deepest_fitting(levels: Sequence[LevelPlan], limit: int) -> Sequence[LevelPlan]:
    """Return the run of consecutive levels that reaches deepest within the limit, extended upwards as far as it fits.

    Parameters
    ----------
    levels : sequence of LevelPlan
        The requested levels, coarsest first.
    limit : int
        The maximum number of tiles of the run.
    """
    last = next((i for i in reversed(range(len(levels))) if levels[i].tiles <= limit), -1)
    first, tiles = last + 1, 0
    while first > 0 and tiles + levels[first - 1].tiles <= limit:
        first -= 1
        tiles += levels[first].tiles
    return levels[first : last + 1]

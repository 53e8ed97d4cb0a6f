"""The limit on the tiles of one export, and what to ask for instead."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from gptool.errors import TooManyTilesError
from gptool.plan.plan import LevelPlan, Plan

TILE_ROOM, BUNDLE_ROOM, METADATA_ROOM = 4, 160 * 1024, 1024 * 1024
"""Bytes in a result besides those of its tiles: the size before each; a bundle's header and index; metadata, a picture
and the report."""


def room_for(plan: Plan) -> int:
    """Return the bytes to set aside for a plan's result, of whichever kind it is."""
    bundles = sum(len(level.bundles) for level in plan.levels)
    return plan.bytes + TILE_ROOM * plan.tiles + BUNDLE_ROOM * bundles + METADATA_ROOM


def check_count(plan: Plan, limit: int | None, service: str | None = None) -> None:
    """Make sure that a plan keeps to a limit, which is that of a service or, when None, of the cache.

    Raises
    ------
    TooManyTilesError
        When it does not. The line is that of ArcGIS Server, which clients look for; advice follows it.
    """
    if limit is None or plan.tiles <= limit:
        return
    raise TooManyTilesError(
        f"ERROR 001564: Requested tile count({plan.tiles}) exceeds the maximum allowed number of tiles({limit}) "
        f"to be exported for service {service or plan.cache.name}.",
        advice=(_tiles_per_level(plan), _what_would_fit(plan, limit)),
    )


def _tiles_per_level(plan: Plan) -> str:
    counts = ", ".join(f"{level.lod.level}: {level.tiles}" for level in plan.filled_levels)
    return f"Tiles per level: {counts}."


def _what_would_fit(plan: Plan, limit: int) -> str:
    levels = plan.filled_levels
    fitting = deepest_fitting(levels, limit)
    if not fitting:
        return "No level fits alone: ask for a smaller exportExtent or areaOfInterest."
    text = f"The deepest levels that fit are {_request(plan, fitting)}"
    coarsest = levels[: sum(1 for tiles in accumulate(level.tiles for level in levels) if tiles <= limit)]
    if fitting[0] is not levels[0] and coarsest:
        text += f", from the coarsest on {_request(plan, coarsest)}"
    return f"{text}; deeper ones need a smaller exportExtent or areaOfInterest."


def _request(plan: Plan, levels: Sequence[LevelPlan]) -> str:
    """Return the parameter that asks for these levels and no others, and how many tiles it takes."""
    text = ",".join(plan.cache.scheme.level_ranges([level.lod for level in levels]))
    return f"levels={text} (exportBy=LevelID) with {sum(level.tiles for level in levels)} tiles"


def deepest_fitting(levels: tuple[LevelPlan, ...], limit: int) -> tuple[LevelPlan, ...]:
    """Return the run of levels that reaches deepest within the limit, and from there up as far as it can.

    Parameters
    ----------
    levels : tuple of LevelPlan
        Coarsest first, as asked for.
    limit : int
        Tiles that they may have together.
    """
    last = next((i for i in reversed(range(len(levels))) if levels[i].tiles <= limit), -1)
    first, tiles = last + 1, 0
    while first > 0 and tiles + levels[first - 1].tiles <= limit:
        first -= 1
        tiles += levels[first].tiles
    return levels[first : last + 1]

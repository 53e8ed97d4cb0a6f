"""Counting of the selected tiles, from the indexes of the bundles alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.cache import TileCache, as_tile_cache
from gptool.errors import CacheError, GptoolError, ParameterError
from gptool.model import BundleAddress, Lod, Message, Phase, Progress, TileAddress, TileWindow
from gptool.plan.tile_plan import MAX_LISTED_TILES, BundlePlan, LevelPlan, Plan, enclosing_window
from gptool.request import (
    Request,
    RequestedBox,
    Selection,
    check_degrees,
    degree_warnings,
    format_extent,
    reference_text,
    requested_boxes,
    select,
)
from gptool.system.store_url import AnyLocation
from gptool.text import format_levels

MAX_REASONS = 3
"""Reasons for missing tiles that an error states."""


def count_tiles(cache: TileCache | AnyLocation, request: Request, progress: Progress | None = None) -> Plan:
    """Return the plan of a request, which may select no tile.

    Only the indexes of bundles that intersect the selection are read.

    Parameters
    ----------
    cache : TileCache or path
    request : Request
    progress : Progress, optional
        Called after each bundle with `Phase.COUNTING` and the tiles counted so far.

    Raises
    ------
    ParameterError
        If the request names a level, spatial reference or area that the tiling scheme does not have.
    CacheError
        If the cache cannot be read, or a bundle is corrupt.
    """
    tile_cache = as_tile_cache(cache)
    boxes = requested_boxes(request)
    beyond = check_degrees(boxes, tile_cache.scheme)
    selection, notices = select(request, tile_cache.scheme, lambda lod: bool(tile_cache.bundles(lod)))
    levels = _plan_levels(tile_cache, selection, progress)
    unknown = [] if request.levels else tile_cache.unknown_levels()  # requested levels are in the tiling scheme
    skipped = (*tile_cache.warnings, *unknown, *_skipped_bundles(tile_cache, selection))
    notices += [Message("Warning", text) for text in (*beyond, *_degree_warnings(tile_cache, boxes))]
    return Plan(tile_cache, selection, levels, skipped, tuple(notices))


def read_sizes(plan: Plan, progress: Progress | None = None) -> Plan:
    """Return a plan by indexes (see `TileCache.by_index`) with the tiles that exist, whose sizes are read.

    Raises
    ------
    CacheError
        If the cache cannot be read, or none of the tiles exists.
    """
    cache = replace(plan.cache, is_by_index=False)
    levels = _plan_levels(cache, plan.selection, progress)
    if not any(level.tiles for level in levels):
        raise CacheError("the selected tiles have no bytes", where=cache.location)
    return replace(plan, cache=cache, levels=levels)


def make_plan(cache: TileCache | AnyLocation, request: Request, progress: Progress | None = None) -> Plan:
    """Return the plan of a request as `count_tiles` does, and check that it selects at least one tile.

    Raises
    ------
    ParameterError
        If the request names a level, spatial reference or area that the tiling scheme does not have, or selects no
        tile.
    CacheError
        If the cache cannot be read, a bundle is corrupt, or the request is the whole cache and that has no tiles.
    """
    plan = count_tiles(cache, request, progress)
    if plan.tiles == 0:
        raise _empty_selection_error(plan, request)
    return plan


def _empty_selection_error(plan: Plan, request: Request) -> GptoolError:
    """Return the error for a request that selects no tile: what was requested, and what the cache has."""
    cache, boxes = plan.cache, requested_boxes(request)
    requested = {
        "levels": _format_requested_levels(request),
        **{box.parameter: " and ".join(map(str, boxes)) for box in boxes},
    }
    filled = cache.scheme.level_ranges([lod for lod in cache.scheme.lods if cache.bundles(lod)])
    within = cache.declared_extent and f" within the extent {format_extent(cache.declared_extent)}"
    if within and any(box.reference for box in boxes):
        within += f" in {reference_text(cache.scheme.reference)}"
    empty = [f"empty tiles at level {level.lod.level}: {level.empty}" for level in plan.levels if level.empty]
    reasons = [*plan.skipped, *empty]
    if len(reasons) > MAX_REASONS:
        reasons[MAX_REASONS:] = [f"and {len(reasons) - MAX_REASONS} more reasons, which gptool info lists"]
    if not any(requested.values()):
        return CacheError("; ".join(("cache contains no tiles", *reasons)), where=cache.location)
    return ParameterError(
        "; ".join(("selection contains no tiles", *reasons, *_degree_warnings(cache, boxes))),
        where=", ".join(name for name, value in requested.items() if value) or None,
        found=", ".join(value for value in requested.values() if value) or None,
        expected=f"tiles of {cache.name}, which has {format_levels(filled) if filled else 'no tiles'}{within or ''}",
    )


def _format_requested_levels(request: Request) -> str:
    if not request.levels:
        return ""
    texts = [levels.text for levels in request.levels]
    return format_levels(texts, ",") if request.export_by == "LevelID" else f"{request.export_by} {','.join(texts)}"


def _degree_warnings(cache: TileCache, boxes: Sequence[RequestedBox]) -> list[str]:
    return degree_warnings(boxes, cache.scheme, cache.declared_extent)


def _skipped_bundles(cache: TileCache, selection: Selection) -> list[str]:
    """Return a warning for each selected bundle that cannot be read."""
    return [warning for lod in selection.lods for warning in cache.skipped_bundles(lod, selection.window(lod))]


class _Counted(NamedTuple):
    """The selected tiles of a bundle.

    Attributes
    ----------
    plan : BundlePlan
    window : TileWindow or None
        The smallest window that contains the tiles; None if there are none.
    empty : int64[n]
        Positions of selected tiles that have no bytes.
    """

    plan: BundlePlan
    window: TileWindow | None
    empty: NDArray[np.int64]


def _count_bundle(cache: TileCache, candidate: tuple[BundleAddress, NDArray[np.bool_]]) -> _Counted:
    """Count the tiles of a bundle that are selected."""
    address, selected = candidate
    empty = np.empty(0, np.int64)
    with cache.open_bundle(address, selected) as bundle:
        present = selected & (bundle.sizes > 0)
        if bundle.empty is not None:
            empty = np.flatnonzero(selected & bundle.empty)
    tiles = int(np.count_nonzero(present))
    window = enclosing_window(present, address) if tiles else None
    return _Counted(BundlePlan(address, tiles, int(bundle.sizes[present].sum(dtype=np.int64))), window, empty)


def _plan_levels(cache: TileCache, selection: Selection, progress: Progress | None) -> tuple[LevelPlan, ...]:
    """Return the plans of all levels of a selection. Raises as `plan_level`."""
    levels: list[LevelPlan] = []
    for lod in selection.lods:
        levels.append(plan_level(cache, selection, lod, sum(level.tiles for level in levels), progress))
    return tuple(levels)


def plan_level(
    cache: TileCache, selection: Selection, lod: Lod, tiles_before: int, progress: Progress | None
) -> LevelPlan:
    """Return the plan of one level.

    Parameters
    ----------
    tiles_before : int
        The tiles of the levels that are counted already, for the progress.

    Raises
    ------
    CacheError
        If a bundle is corrupt.
    """
    window: TileWindow | None = None
    bundles: list[BundlePlan] = []
    empty, empty_listed = 0, list[TileAddress]()
    counted = tiles_before
    selected = ((address, selection.selected(lod, address)) for address in cache.bundles(lod, selection.window(lod)))
    candidates = (candidate for candidate in selected if candidate[1].any())
    for found in cache.files.map(partial(_count_bundle, cache), candidates):
        empty += len(found.empty)
        empty_listed += map(found.plan.address.tile, found.empty[: MAX_LISTED_TILES - len(empty_listed)].tolist())
        counted += found.plan.tiles
        if progress:
            progress(Phase.COUNTING, counted, 0)
        if found.window is None:
            continue
        window = found.window if window is None else window.union(found.window)
        bundles.append(found.plan)
    return LevelPlan(lod, window, tuple(bundles), empty, tuple(empty_listed))

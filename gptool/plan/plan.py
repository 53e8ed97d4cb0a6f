"""Request x cache: per level the tiles that will be exported, counted from the indexes alone."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.cache import TileCache, open_cache
from gptool.cache.paths import join_path
from gptool.errors import ParameterError
from gptool.model import PACKET_SIZE, BundleAddress, Extent, Lod, Message, TileAddress, TileWindow
from gptool.request import Request, Selection, select

MOST_LISTED = 10_000
"""Tiles of a level with something wrong about them that are listed; all are counted."""

LEVEL = re.compile("L[0-9]+", re.IGNORECASE)

Counting = Callable[[int], None]
"""Called after each bundle with the tiles counted so far. What it raises ends the count."""


class BundlePlan(NamedTuple):
    """What a request takes of one bundle: tiles, and their bytes in the cache."""

    address: BundleAddress
    tiles: int
    bytes: int


@dataclass(frozen=True, slots=True)
class LevelPlan:
    """What a request takes of one level.

    Attributes
    ----------
    window : TileWindow or None
        The smallest window around them; None when there are none.
    bundles : tuple of BundlePlan
        The bundles they lie in.
    empty : int
        Tiles that are meant and are there, without a byte: there is nothing of them to export.
    empty_listed : tuple of TileAddress
        The first of them.
    tiles : int
        Tiles that are meant and exist.
    bytes : int
        Their size in the cache.
    """

    lod: Lod
    window: TileWindow | None
    bundles: tuple[BundlePlan, ...]
    empty: int = 0
    empty_listed: tuple[TileAddress, ...] = ()
    tiles: int = field(init=False)
    bytes: int = field(init=False)

    def __post_init__(self) -> None:
        """Add up the bundles: there may be many, and their sums are asked for often."""
        object.__setattr__(self, "tiles", sum(bundle.tiles for bundle in self.bundles))
        object.__setattr__(self, "bytes", sum(bundle.bytes for bundle in self.bundles))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a request takes of a cache.

    Attributes
    ----------
    left_out : tuple of str
        What there is besides and can't be read, in words.
    said : tuple of Message
        What there was to say about the selection.
    """

    cache: TileCache
    selection: Selection
    levels: tuple[LevelPlan, ...]
    left_out: tuple[str, ...] = ()
    said: tuple[Message, ...] = ()

    @property
    def tiles(self) -> int:
        """Tiles of all levels."""
        return sum(level.tiles for level in self.levels)

    @property
    def bytes(self) -> int:
        """Bytes of those tiles in the cache."""
        return sum(level.bytes for level in self.levels)

    @property
    def filled_levels(self) -> tuple[LevelPlan, ...]:
        """The levels that give tiles, coarsest first."""
        return tuple(level for level in self.levels if level.tiles)

    def extent(self) -> Extent:
        """Return the full extent of the result: the box of its tiles, within the one the cache declares.

        Tiles of a coarse level reach far beyond what they show, so the box is that of the deepest level's tiles. A
        coarser level adds to it only where its tiles are more than those that the box already touches: then it shows
        places that the deeper levels don't.
        """
        scheme = self.cache.scheme
        box: Extent | None = None
        for level in reversed(self.levels):
            if level.window is None:
                continue
            if box is None:
                box = scheme.extent(level.lod, level.window)
            elif not scheme.window(level.lod, box).contains(level.window):
                box = box.union(scheme.extent(level.lod, level.window))
        assert box is not None, "there are no tiles"
        declared = self.cache.declared_extent
        return (box.intersection(declared) or box) if declared else box


def count_tiles(cache: TileCache | str | os.PathLike[str], request: Request, counting: Counting | None = None) -> Plan:
    """Count the tiles that a request takes, reading no more than the indexes of the bundles it meets.

    Parameters
    ----------
    cache : TileCache or path
    request : Request
    counting : callable or None
        See `Counting`.

    Raises
    ------
    ParameterError
        When the request asks for what the tiling scheme does not have.
    CacheError
        When the cache can't be read, or a bundle's index can't be true.
    """
    opened = cache if isinstance(cache, TileCache) else open_cache(cache)
    selection, said = select(request, opened.scheme, lambda lod: bool(opened.bundles(lod)))
    planned: list[LevelPlan] = []
    for lod in selection.lods:
        planned.append(_plan_level(opened, selection, lod, sum(level.tiles for level in planned), counting))
    left_out = (*_strangers(opened), *_left_out(opened, selection))
    return Plan(opened, selection, tuple(planned), left_out, tuple(said))


def make_plan(cache: TileCache | str | os.PathLike[str], request: Request, counting: Counting | None = None) -> Plan:
    """Count as `count_tiles` does, and make sure that there is something to export.

    Raises
    ------
    ParameterError
        When the request asks for what the tiling scheme does not have, or no tile is meant.
    CacheError
        When the cache can't be read, or a bundle's index can't be true.
    """
    plan = count_tiles(cache, request, counting)
    if plan.tiles == 0:
        raise _nothing_meant(plan, request)
    return plan


def _nothing_meant(plan: Plan, request: Request) -> ParameterError:
    """Return the error of a request that selects no tile: what was asked, and what there is."""
    cache, selection = plan.cache, plan.selection
    box = selection.area.bounds if selection.area else selection.extent
    asked = {
        "levels": request.levels and "levels " + ",".join(span.text for span in request.levels),
        "areaOfInterest" if request.shapes else "exportExtent": box and f"{','.join(map(repr, box))} in its reference",
    }
    there = ", ".join(cache.scheme.level_ranges([lod for lod in cache.scheme.lods if cache.bundles(lod)]))
    within = cache.declared_extent and f" within {','.join(map(repr, cache.declared_extent))}"
    empty = [f"empty files at level {level.lod.level}: {level.empty}" for level in plan.levels if level.empty]
    return ParameterError(
        "; ".join(("the selection holds no tiles", *plan.left_out, *empty)),
        where=", ".join(name for name, value in asked.items() if value) or None,
        found=", ".join(value for value in asked.values() if value) or None,
        expected=f"tiles of {cache.name}, which has levels {there or 'none'}{within or ''}",
    )


def _strangers(cache: TileCache) -> list[str]:
    """Tell of level folders whose level is not in the scheme: nobody knows where their tiles belong."""
    files, known = cache.files, {cache.level_folder(lod.level) for lod in cache.scheme.lods}
    folders = sorted(
        join_path(cache.tiles_folder, name) for name in files.list_names(cache.tiles_folder) if LEVEL.fullmatch(name)
    )
    return [
        f"{files.where(path)}: stands for no level of the tiling scheme, its tiles are left out"
        for path in folders
        if path not in known
        and files.is_folder(path)
        and any(not name.startswith(".") for name in files.list_names(path))
    ]


def _left_out(cache: TileCache, selection: Selection) -> list[str]:
    """Tell of bundles that are meant and can't be read."""
    return [why for lod in selection.lods for why in cache.skipped_bundles(lod, selection.window(lod))]


def _plan_level(cache: TileCache, selection: Selection, lod: Lod, before: int, counting: Counting | None) -> LevelPlan:
    window: TileWindow | None = None
    meant = selection.window(lod)
    bundles: list[BundlePlan] = []
    empty, listed = 0, list[TileAddress]()
    for address in cache.bundles(lod, meant):
        wanted = selection.wanted(lod, address)
        if not wanted.any():
            continue
        with cache.open_bundle(address) as bundle:
            there = wanted & (bundle.sizes > 0)
            if bundle.empty is not None:
                found = np.flatnonzero(wanted & bundle.empty)
                empty += len(found)
                listed += map(address.tile, found[: MOST_LISTED - len(listed)].tolist())
        tiles = int(np.count_nonzero(there))
        before += tiles
        if counting:
            counting(before)
        if tiles == 0:
            continue
        here = window_around(there, address)
        window = here if window is None else window.union(here)
        bundles.append(BundlePlan(address, tiles, int(bundle.sizes[there].sum(dtype=np.int64))))
    return LevelPlan(lod, window, tuple(bundles), empty, tuple(listed))


def window_around(there: NDArray[np.bool_], address: BundleAddress) -> TileWindow:
    """Return the smallest window around a bundle's tiles, [16384], of which there is one at least."""
    grid = there.reshape(PACKET_SIZE, PACKET_SIZE)
    rows, columns = np.flatnonzero(grid.any(axis=1)), np.flatnonzero(grid.any(axis=0))
    row, column = address.row, address.column
    return TileWindow(row + int(rows[0]), row + int(rows[-1]), column + int(columns[0]), column + int(columns[-1]))

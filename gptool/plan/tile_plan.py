"""The plan of an export: the selected tiles that exist, and their bytes, per bundle and level."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gptool.model import PACKET_SIZE, BundleAddress, Extent, Lod, Message, TileAddress, TileWindow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gptool.cache import TileCache
    from gptool.request import Selection

MAX_LISTED_TILES = 10_000
"""Damaged or empty tiles that are listed per level; all of them are counted."""


class BundlePlan(NamedTuple):
    """The selected tiles of one bundle.

    Attributes
    ----------
    address : BundleAddress
    tiles : int
        Selected tiles that exist.
    bytes : int
        Their total size in the cache, or its bound in a plan by indexes, see `TileCache.by_index`.
    """

    address: BundleAddress
    tiles: int
    bytes: int


@dataclass(frozen=True, slots=True)
class LevelPlan:
    """The selected tiles of one level.

    Attributes
    ----------
    lod : Lod
    window : TileWindow or None
        The smallest window that contains them, or None if there are none.
    bundles : tuple of BundlePlan
        The bundles that contain them, in the order of their addresses.
    empty : int
        Selected tiles that are stored without bytes, and so cannot be exported.
    empty_listed : tuple of TileAddress
        The first `MAX_LISTED_TILES` of them.
    tiles : int
        Selected tiles that exist.
    bytes : int
        Their total size in the cache.
    """

    lod: Lod
    window: TileWindow | None
    bundles: tuple[BundlePlan, ...]
    empty: int = 0
    empty_listed: tuple[TileAddress, ...] = ()
    tiles: int = field(init=False)
    bytes: int = field(init=False)

    def __post_init__(self) -> None:
        """Compute the sums once: there may be many bundles, and the sums are used often."""
        object.__setattr__(self, "tiles", sum(bundle.tiles for bundle in self.bundles))
        object.__setattr__(self, "bytes", sum(bundle.bytes for bundle in self.bundles))


@dataclass(frozen=True, slots=True)
class Plan:
    """The tiles that a request selects from a cache.

    Attributes
    ----------
    cache : TileCache
    selection : Selection
    levels : tuple of LevelPlan
        All requested levels, coarsest first.
    skipped : tuple of str
        Warnings about parts of the cache that cannot be read and are therefore skipped.
    notices : tuple of Message
        Messages about the selection, such as repaired polygons.
    """

    cache: TileCache
    selection: Selection
    levels: tuple[LevelPlan, ...]
    skipped: tuple[str, ...] = ()
    notices: tuple[Message, ...] = ()

    @property
    def tiles(self) -> int:
        """Number of tiles of all levels."""
        return sum(level.tiles for level in self.levels)

    @property
    def bytes(self) -> int:
        """Total size of these tiles in the cache."""
        return sum(level.bytes for level in self.levels)

    @property
    def filled_levels(self) -> tuple[LevelPlan, ...]:
        """The levels with at least one tile, coarsest first."""
        return tuple(level for level in self.levels if level.tiles)

    def extent(self) -> Extent:
        """Return the full extent of the result: that of its tiles, clipped to the extent that the cache declares.

        Tiles of a coarse level extend far beyond the area that has content, so the extent is that of the deepest
        level's tiles. A coarser level enlarges it only if it has tiles that do not intersect it: such tiles show places
        that the deeper levels do not, but not beyond the tiles of the deepest level that are selected, whether they
        exist or not. That of a part of a selection is clipped to the extent of the part, too.
        """
        scheme = self.cache.scheme
        extent: Extent | None = None
        for level in reversed(self.levels):
            if level.window is None:
                continue
            if extent is None:
                extent = scheme.extent(level.lod, level.window)
            elif not scheme.window(level.lod, extent).contains(level.window):
                extent = extent.union(scheme.extent(level.lod, level.window))
        assert extent is not None, "the plan has no tiles"
        deepest = self.filled_levels[-1].lod
        selected = self.selection.window(deepest)
        within = selected and scheme.extent(deepest, selected)
        for clip in (self.cache.declared_extent, self.selection.clip, within):
            extent = (clip and extent.intersection(clip)) or extent
        return extent


def enclosing_window(present: NDArray[np.bool_], address: BundleAddress) -> TileWindow:
    """Return the smallest window that contains a bundle's tiles.

    Parameters
    ----------
    present : bool[16384]
        The tiles of the bundle, row-major; at least one is True.
    address : BundleAddress
    """
    grid = present.reshape(PACKET_SIZE, PACKET_SIZE)
    rows, columns = np.flatnonzero(grid.any(axis=1)), np.flatnonzero(grid.any(axis=0))
    row, column = address.row, address.column
    return TileWindow(row + int(rows[0]), row + int(rows[-1]), column + int(columns[0]), column + int(columns[-1]))

"""The tiles of a tiling scheme that a request selects, whether they exist or not."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gptool import _area
from gptool.model import EDGE_TOLERANCE, PACKET_SIZE, PACKET_TILES, BundleAddress, Extent, Lod, TileWindow, TilingScheme

if TYPE_CHECKING:
    from shapely import MultiPolygon

ALL_TILES, NO_TILES = np.ones(PACKET_TILES, bool), np.zeros(PACKET_TILES, bool)
for mask in (ALL_TILES, NO_TILES):
    mask.flags.writeable = False


MIN_SHARED_EDGES = 1000
"""Fewer edges are compared with each bundle by itself."""

BUNDLES_AT_ONCE, KEPT_MASKS = 64, 8
"""Neighbouring bundles of a row whose masks are made in one go, and how often: threads work on several rows."""


class Masks:
    """The masks of the bundles that were asked for last, and of their neighbours. Thread-safe. Pickling empties it."""

    def __init__(self) -> None:
        self._masks: OrderedDict[tuple[int, ...], NDArray[np.bool_]] = OrderedDict()
        self._lock = Lock()

    def __reduce__(self) -> tuple[type[Masks], tuple[()]]:
        return Masks, ()

    def get(self, key: tuple[int, ...], make: Callable[[], NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """Return the masks of a key, which are made if they are not kept."""
        with self._lock:
            if key not in self._masks:
                self._masks[key] = make()
                if len(self._masks) > KEPT_MASKS:
                    self._masks.popitem(last=False)
            return self._masks[key]


@dataclass(frozen=True, slots=True, eq=False)
class Area:
    """A valid polygon of any number of parts and holes, in the spatial reference of the cache. It can be pickled.

    Attributes
    ----------
    edges : float64[n, 4]
        x, y of the start and the end of each edge of all rings.
    part_widths : float64[n]
        For each edge, the width of its part: the shorter side of the part's bounding box.
    min_part_width : float
        The smallest of the widths.
    bounds : Extent
    masks : Masks
    """

    edges: NDArray[np.float64]
    part_widths: NDArray[np.float64]
    min_part_width: float
    bounds: Extent
    masks: Masks = field(default_factory=Masks, repr=False)

    @classmethod
    def from_polygon(cls, polygon: MultiPolygon) -> Area:
        """Return the area of a polygon that is not empty."""
        import shapely

        parts = shapely.get_parts(polygon)
        rings, part_of_ring = shapely.get_rings(parts, return_index=True)
        points, ring_of_point = shapely.get_coordinates(rings, return_index=True)
        is_edge = ring_of_point[:-1] == ring_of_point[1:]
        boxes = shapely.bounds(parts)
        widths = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
        edges = np.hstack((points[:-1], points[1:]))[is_edge]
        part_widths = widths[part_of_ring[ring_of_point[:-1][is_edge]]]
        return cls(edges, part_widths, float(widths.min()), Extent(*polygon.bounds))

    def covered_tiles(self, scheme: TilingScheme, lod: Lod, bundle: BundleAddress) -> NDArray[np.bool_]:
        """Return a mask of the bundle's tiles that share area with the polygon: bool[16384], row-major.

        As with extents, an overlap of at most `EDGE_TOLERANCE` of a tile's side does not select the tile, nor does one
        of at most a quarter of the part's width: so a part of any size, anywhere, selects at least one tile.
        """
        if len(self.edges) < MIN_SHARED_EDGES:
            return self._covered(scheme, lod, bundle, 1)
        window = scheme.window(lod, self.bounds, tolerance=0)
        group = bundle.column // (PACKET_SIZE * BUNDLES_AT_ONCE) * PACKET_SIZE * BUNDLES_AT_ONCE
        first = min(max(group, window.column_min // PACKET_SIZE * PACKET_SIZE), bundle.column)
        last = max(min(group + PACKET_SIZE * (BUNDLES_AT_ONCE - 1), window.column_max), bundle.column)
        count = (last - first) // PACKET_SIZE + 1
        key = (lod.level, bundle.row, first, count)
        masks = self.masks.get(key, lambda: self._covered(scheme, lod, bundle._replace(column=first), count))
        start = (bundle.column - first) // PACKET_SIZE * PACKET_TILES
        return masks[start : start + PACKET_TILES]

    def _covered(self, scheme: TilingScheme, lod: Lod, first: BundleAddress, count: int) -> NDArray[np.bool_]:
        """Return the masks of bundles side by side, bool[count * 16384]."""
        width, height = scheme.tile_size(lod)
        grid = scheme.origin_x.value, scheme.origin_y.value, width, height, first.row, first.column
        scale = 4 * max(width, height)
        tolerance = self.min_part_width / scale
        if tolerance >= EDGE_TOLERANCE:
            return _area.covered(self.edges, *grid, EDGE_TOLERANCE, count)
        is_narrow = self.part_widths / scale < EDGE_TOLERANCE
        by_narrow_parts = _area.covered(self.edges[is_narrow], *grid, tolerance, count)
        return by_narrow_parts | _area.covered(self.edges[~is_narrow], *grid, EDGE_TOLERANCE, count)


@dataclass(frozen=True, slots=True)
class Selection:
    """Levels, and at each level the tiles that share area with an area or an extent; without either, all tiles.

    Attributes
    ----------
    scheme : TilingScheme
    lods : tuple of Lod
    extent : Extent or None
    area : Area or None
    clip : Extent or None
        The extent of a part of the selection: of the tiles, only those that share area with it.
    """

    scheme: TilingScheme
    lods: tuple[Lod, ...]
    extent: Extent | None = None
    area: Area | None = None
    clip: Extent | None = None

    def window(self, lod: Lod) -> TileWindow | None:
        """Return a window that contains the selected tiles of a level, or None if all tiles are selected.

        The first row or column of the window is greater than the last one if no tiles are selected.
        """
        window = None
        if self.area is not None:
            window = self.scheme.window(lod, self.area.bounds, tolerance=0)
        elif self.extent is not None:
            window = self.scheme.window(lod, self.extent)
        if self.clip is None:
            return window
        clip = self.scheme.window(lod, self.clip)
        return clip if window is None else window.intersection(clip)

    def selected(self, lod: Lod, bundle: BundleAddress) -> NDArray[np.bool_]:
        """Return a mask of the selected tiles of a bundle, whether they exist or not: bool[16384], row-major."""
        window = self.window(lod)
        if window is None:
            return ALL_TILES
        if not window.intersects_bundle(bundle):
            return NO_TILES
        if self.area is None:
            return _within(window, bundle)
        covered = self.area.covered_tiles(self.scheme, lod, bundle)
        return covered if self.clip is None else covered & _within(window, bundle)


def _within(window: TileWindow, bundle: BundleAddress) -> NDArray[np.bool_]:
    """Return a mask of the tiles of a bundle that lie in a window: bool[16384], row-major."""
    inside = np.zeros((PACKET_SIZE, PACKET_SIZE), bool)
    rows = slice(max(window.row_min - bundle.row, 0), max(window.row_max - bundle.row + 1, 0))
    columns = slice(max(window.column_min - bundle.column, 0), max(window.column_max - bundle.column + 1, 0))
    inside[rows, columns] = True
    return inside.ravel()

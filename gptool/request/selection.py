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
    points : float64[n, 2]
        x, y of the vertices of all rings, one ring after the other; the last vertex of a ring equals its first.
        Between rings is a row of NaN.
    part_sizes : int64[parts]
        The number of rows of each part, with the row of NaN after it.
    part_widths : float64[parts]
        The width of each part: the shorter side of its bounding box.
    bounds : Extent
    masks : Masks
    """

    points: NDArray[np.float64]
    part_sizes: NDArray[np.int64]
    part_widths: NDArray[np.float64]
    bounds: Extent
    masks: Masks = field(default_factory=Masks, repr=False)

    @classmethod
    def from_polygon(cls, polygon: MultiPolygon) -> Area:
        """Return the area of a polygon that is not empty."""
        import shapely

        parts = shapely.get_parts(polygon)
        boxes = shapely.bounds(parts)
        sizes, part_of_ring = _ring_sizes(parts)
        del parts  # a copy of the polygon, which may be large
        points, ends = shapely.get_coordinates(polygon), np.cumsum(sizes)
        if len(ends) > 1:
            points = np.insert(points, ends[:-1], np.nan, axis=0)
        ends += np.arange(len(ends))
        part_ends = ends[np.searchsorted(part_of_ring, np.arange(1, len(boxes) + 1)) - 1] + 1
        part_ends[-1] -= 1
        widths = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
        return cls(points, np.diff(part_ends, prepend=0), widths, Extent(*polygon.bounds))

    def covered_tiles(self, scheme: TilingScheme, lod: Lod, bundle: BundleAddress) -> NDArray[np.bool_]:
        """Return a mask of the bundle's tiles that share area with the polygon: bool[16384], row-major.

        As with extents, an overlap of at most `EDGE_TOLERANCE` of a tile's side does not select the tile, nor does one
        of at most a quarter of the part's width: so a part of any size, anywhere, selects at least one tile.
        """
        if len(self.points) < MIN_SHARED_EDGES:
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
        is_narrow = self.part_widths / scale < EDGE_TOLERANCE
        if not is_narrow.any():
            return _area.covered(_edges(self.points), *grid, EDGE_TOLERANCE, count)
        tolerance = float(self.part_widths.min()) / scale
        in_narrow = np.repeat(is_narrow, self.part_sizes)
        by_narrow_parts = _area.covered(_edges(self.points[in_narrow]), *grid, tolerance, count)
        return by_narrow_parts | _area.covered(_edges(self.points[~in_narrow]), *grid, EDGE_TOLERANCE, count)


def _ring_sizes(parts: NDArray[np.object_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of vertices of all rings of polygons, and for each ring the index of its polygon."""
    import shapely

    if not shapely.get_num_interior_rings(parts).any():
        return shapely.get_num_coordinates(parts), np.arange(len(parts))  # rings are copies, which may be large
    rings, part_of_ring = shapely.get_rings(parts, return_index=True)
    return shapely.get_num_coordinates(rings), part_of_ring


def _edges(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a view of vertices as edges, float64[n - 1, 4], of which those from and to a row of NaN are none."""
    step = points.itemsize
    return np.lib.stride_tricks.as_strided(points, (max(len(points) - 1, 0), 4), (2 * step, step), writeable=False)


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

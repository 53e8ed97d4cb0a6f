"""The tiles of a tiling scheme that a request selects, whether they exist or not."""

from __future__ import annotations

from collections import OrderedDict
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


BAND_MARGIN = 2
"""Rows of tiles above and below a row of bundles whose edges are near it: the limits of tiles are rounded."""

MIN_SORTED_EDGES = 1000
"""Fewer edges are compared with each bundle in less time than it takes to choose some of them."""

KEPT_BANDS = 8
"""Threads work on neighbouring rows of bundles."""

Edges = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Edges, and the widths of their parts."""


class EdgeBands:
    """The edges of an area near rows of bundles, of which each has many bundles. Thread-safe. Pickling empties it."""

    def __init__(self) -> None:
        self._bands: OrderedDict[tuple[float, float], Edges] = OrderedDict()
        self._lock = Lock()

    def __reduce__(self) -> tuple[type[EdgeBands], tuple[()]]:
        return EdgeBands, ()

    def near(self, area: Area, low: float, high: float) -> Edges:
        """Return the edges that have a point from y = low to high, and maybe others."""
        if len(area.edges) < MIN_SORTED_EDGES:
            return area.edges, area.part_widths
        with self._lock:
            found = self._bands.get((low, high))
            if found is None:
                near = _area.edges_between(area.edges, low, high)
                found = self._bands[low, high] = area.edges[near], area.part_widths[near]
                if len(self._bands) > KEPT_BANDS:
                    self._bands.popitem(last=False)
        return found


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
    bands : EdgeBands
        The edges near the rows of bundles that were asked for last.
    """

    edges: NDArray[np.float64]
    part_widths: NDArray[np.float64]
    min_part_width: float
    bounds: Extent
    bands: EdgeBands = field(default_factory=EdgeBands, repr=False)

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
        width, height = scheme.tile_size(lod)
        grid = scheme.origin_x.value, scheme.origin_y.value, width, height, bundle.row, bundle.column
        scale = 4 * max(width, height)
        tolerance = self.min_part_width / scale
        top = scheme.origin_y.value - bundle.row * height
        bottom, margin = top - PACKET_SIZE * height, BAND_MARGIN * height
        edges, part_widths = self.bands.near(self, bottom - margin, top + margin)
        if tolerance >= EDGE_TOLERANCE:
            return _area.covered(edges, *grid, EDGE_TOLERANCE)
        is_narrow = part_widths / scale < EDGE_TOLERANCE
        by_narrow_parts = _area.covered(edges[is_narrow], *grid, tolerance)
        return by_narrow_parts | _area.covered(edges[~is_narrow], *grid, EDGE_TOLERANCE)


@dataclass(frozen=True, slots=True)
class Selection:
    """Levels, and at each level the tiles that share area with an area or an extent; without either, all tiles."""

    scheme: TilingScheme
    lods: tuple[Lod, ...]
    extent: Extent | None = None
    area: Area | None = None

    def window(self, lod: Lod) -> TileWindow | None:
        """Return a window that contains the selected tiles of a level, or None if all tiles are selected."""
        if self.area is not None:
            return self.scheme.window(lod, self.area.bounds, tolerance=0)
        return None if self.extent is None else self.scheme.window(lod, self.extent)

    def selected(self, lod: Lod, bundle: BundleAddress) -> NDArray[np.bool_]:
        """Return a mask of the selected tiles of a bundle, whether they exist or not: bool[16384], row-major."""
        window = self.window(lod)
        if window is None:
            return ALL_TILES
        if not window.intersects_bundle(bundle):
            return NO_TILES
        if self.area is not None:
            return self.area.covered_tiles(self.scheme, lod, bundle)
        selected = np.zeros((PACKET_SIZE, PACKET_SIZE), bool)
        rows = slice(max(window.row_min - bundle.row, 0), window.row_max - bundle.row + 1)
        columns = slice(max(window.column_min - bundle.column, 0), window.column_max - bundle.column + 1)
        selected[rows, columns] = True
        return selected.ravel()

    def positions(self, lod: Lod, bundle: BundleAddress, sizes: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return the positions in the bundle, 0..16383, of the selected tiles that exist (size above 0)."""
        return np.flatnonzero(self.selected(lod, bundle) & (sizes > 0))

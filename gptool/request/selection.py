"""Which of a cache's tiles are meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gptool import _area
from gptool.model import EDGE_TOLERANCE, PACKET_SIZE, PACKET_TILES, BundleAddress, Extent, Lod, TileWindow, TilingScheme

if TYPE_CHECKING:
    from shapely import MultiPolygon

EVERY_PLACE, NO_PLACE = np.ones(PACKET_TILES, bool), np.zeros(PACKET_TILES, bool)
for places in (EVERY_PLACE, NO_PLACE):
    places.flags.writeable = False


@dataclass(frozen=True, slots=True, eq=False)
class Area:
    """A valid polygon of any number of parts and holes, in the cache's reference, as its edges. It pickles.

    Attributes
    ----------
    edges : float64[n, 4]
        x, y of the start and of the end of each edge of all rings.
    thinnest : float64[n]
        The shorter side of the box of the part that each edge belongs to.
    thinnest_part : float
        The least of them: it is asked for with every bundle.
    bounds : Extent
    """

    edges: NDArray[np.float64]
    thinnest: NDArray[np.float64]
    thinnest_part: float
    bounds: Extent

    @classmethod
    def of(cls, polygon: MultiPolygon) -> Area:
        """Return the area of a polygon that is not empty."""
        import shapely

        parts = shapely.get_parts(polygon)
        rings, part = shapely.get_rings(parts, return_index=True)
        points, ring = shapely.get_coordinates(rings, return_index=True)
        same = ring[:-1] == ring[1:]
        boxes = shapely.bounds(parts)
        thinnest = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
        edges, of_edges = np.hstack((points[:-1], points[1:]))[same], thinnest[part[ring[:-1][same]]]
        return cls(edges, of_edges, float(thinnest.min()), Extent(*polygon.bounds))

    def covered(self, scheme: TilingScheme, lod: Lod, bundle: BundleAddress) -> NDArray[np.bool_]:
        """Return which of the bundle's tiles share area with it, [16384], row-major.

        As with boxes, reaching over a tile's edge by no more than `EDGE_TOLERANCE` of a tile does not count, nor by
        more than a quarter of a part that is thinner than that: wherever it lies, it is in a tile.
        """
        width, height = scheme.tile_size(lod)
        place = scheme.origin_x.value, scheme.origin_y.value, width, height, bundle.row, bundle.column
        longest = 4 * max(width, height)
        least = self.thinnest_part / longest
        if least >= EDGE_TOLERANCE:
            return _area.covered(self.edges, *place, EDGE_TOLERANCE)
        thin = self.thinnest / longest < EDGE_TOLERANCE
        tiny = _area.covered(self.edges[thin], *place, least)
        return tiny | _area.covered(self.edges[~thin], *place, EDGE_TOLERANCE)


@dataclass(frozen=True, slots=True)
class Selection:
    """Levels, and at each the tiles that share area with an area, or with an extent; all tiles without either."""

    scheme: TilingScheme
    lods: tuple[Lod, ...]
    extent: Extent | None = None
    area: Area | None = None

    def window(self, lod: Lod) -> TileWindow | None:
        """Return a window that holds the tiles that are meant at a level, None for all."""
        if self.area is not None:
            return self.scheme.window(lod, self.area.bounds, tolerance=0)
        return None if self.extent is None else self.scheme.window(lod, self.extent)

    def wanted(self, lod: Lod, bundle: BundleAddress) -> NDArray[np.bool_]:
        """Return which places of the bundle are meant, whether there is a tile or not: [16384], row-major."""
        window = self.window(lod)
        if window is None:
            return EVERY_PLACE
        if not window.meets_bundle(bundle):
            return NO_PLACE
        if self.area is not None:
            return self.area.covered(self.scheme, lod, bundle)
        wanted = np.zeros((PACKET_SIZE, PACKET_SIZE), bool)
        rows = slice(max(window.row_min - bundle.row, 0), window.row_max - bundle.row + 1)
        columns = slice(max(window.column_min - bundle.column, 0), window.column_max - bundle.column + 1)
        wanted[rows, columns] = True
        return wanted.ravel()

    def positions(self, lod: Lod, bundle: BundleAddress, sizes: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return the positions in the bundle, 0..16383, of the tiles that are meant and exist (size above 0)."""
        return np.flatnonzero(self.wanted(lod, bundle) & (sizes > 0))

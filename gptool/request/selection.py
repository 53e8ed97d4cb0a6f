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
    bounds : Extent
    thinnest : float
        The shortest side of its parts' boxes.
    """

    edges: NDArray[np.float64]
    bounds: Extent
    thinnest: float

    @classmethod
    def of(cls, polygon: MultiPolygon) -> Area:
        """Return the area of a polygon that is not empty."""
        import shapely

        points, rings = shapely.get_coordinates(shapely.get_rings(shapely.get_parts(polygon)), return_index=True)
        edges = np.hstack((points[:-1], points[1:]))[rings[:-1] == rings[1:]]
        boxes = shapely.bounds(shapely.get_parts(polygon))
        thinnest = min((boxes[:, 2] - boxes[:, 0]).min(), (boxes[:, 3] - boxes[:, 1]).min())
        return cls(edges, Extent(*polygon.bounds), float(thinnest))

    def covered(self, scheme: TilingScheme, lod: Lod, bundle: BundleAddress) -> NDArray[np.bool_]:
        """Return which of the bundle's tiles share area with it, [16384], row-major.

        As with boxes, reaching over a tile's edge by no more than `EDGE_TOLERANCE` of a tile, nor by more than a
        quarter of the thinnest part, does not count.
        """
        width, height = scheme.tile_size(lod)
        tolerance = min(EDGE_TOLERANCE, self.thinnest / 4 / max(width, height))
        origin = scheme.origin_x.value, scheme.origin_y.value
        return _area.covered(self.edges, *origin, width, height, bundle.row, bundle.column, tolerance)


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

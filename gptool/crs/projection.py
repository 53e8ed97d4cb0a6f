"""Map projections of PROJ as functions of longitude and latitude: their world width, seam, and valid area.

Longitudes and latitudes are in degrees, on the datum and from the prime meridian of the projection's own geographic
coordinate system, so that projecting involves no change of datum. `Transform` provides the change of datum.
"""

from __future__ import annotations

import math
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gptool.crs.reference import CACHE_SIZE, to_crs

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyproj import CRS, Transformer

    from gptool.model import SpatialReference

    Points = NDArray[np.float64]
    """[n, 2]: x, y, or longitude, latitude."""

AREA_OF_USE_MARGIN = 20.0
"""Degrees by which caches may extend beyond the formal area of use of their coordinate reference system."""

MAX_LATITUDE = 89.9
"""Degrees: the valid area of a cylindrical projection that does not reach the poles, far beyond any grid of tiles."""

MAX_STRETCH = 1e4
"""Maximum length of a degree of latitude, relative to one at the equator, of a projection that reaches the pole: one
that stretches more tends to infinity there."""

ROUND_TRIP_TOLERANCE = 1e-4
"""Degrees by which points may differ after projection and its inverse: some inverses are approximations."""

SEAM_MARGIN = 1e-4
"""Degrees to keep from the seam opposite to the central meridian, where PROJ may return the point on the other side of
the map, or none."""

BATCH = 1 << 16
"""Points whose round trip is computed at once: it needs memory for several copies of them."""

PROBES = 25
"""Meridians, and parallels, along which the validity of a projection is probed."""


def load_libraries() -> None:
    """Import pyproj and shapely, which is done at first use otherwise, in one thread before there are several."""
    import pyproj  # noqa: F401
    import shapely  # noqa: F401


class LonLatBox(NamedTuple):
    """A box in longitude and latitude, degrees from the projection's prime meridian; `east` may exceed 180."""

    west: float
    south: float
    east: float
    north: float

    def __str__(self) -> str:
        return f"longitude {self.west:g} to {self.east:g} and latitude {self.south:g} to {self.north:g}"

    @property
    def centre(self) -> tuple[float, float]:
        """The longitude and latitude of the centre."""
        return (self.west + self.east) / 2, (self.south + self.north) / 2

    @property
    def spans_world(self) -> bool:
        """True if east meets west, up to rounding."""
        return round(self.east - self.west, 6) >= 360


class Projection:
    """A coordinate reference system as a projection of longitude and latitude.

    Attributes
    ----------
    crs : pyproj.CRS
        The coordinate reference system, horizontal part only.
    geographic : pyproj.CRS
        The geographic coordinate system that it is based on.
    degrees_per_unit : float
        Degrees per unit of `geographic`: 1, or 0.9 for gradians.
    central_meridian : float
        Its longitude, degrees from the prime meridian of `geographic`. The seam of the map is opposite to it.
    world_width : float or None
        The period of x if x is proportional to longitude and y depends on latitude only, as in normal cylindrical
        projections and in geographic coordinate systems; else None.
    central_x : float
        x of the central meridian if `world_width` is not None.

    Raises
    ------
    ValueError
        If there is no geographic coordinate system: heights, or geocentric coordinates.
    """

    def __init__(self, crs: CRS) -> None:
        from pyproj import Transformer

        self.crs = crs.to_2d()
        self._unbound = self.crs.source_crs if self.crs.is_bound and self.crs.source_crs else self.crs
        self.geographic = _geographic(self.crs)
        axis = self.geographic.axis_info[0]
        self.degrees_per_unit = round(math.degrees(axis.unit_conversion_factor), 12)
        self.central_meridian = _central_meridian(self._unbound)
        self._transformer = Transformer.from_crs(self.geographic, self.crs, always_xy=True)
        self.world_width, self.central_x = self._measure_world()

    def _measure_world(self) -> tuple[float | None, float]:
        """Return `world_width` and `central_x`, determined from three parallels."""
        lons, lats = np.meshgrid(np.arange(-170.0, 180, 10), [-40.0, 0.0, 40.0])
        lonlat = np.stack([self.central_meridian + lons.ravel(), lats.ravel()], axis=1)
        x, y = (values.reshape(lons.shape) for values in self._project(lonlat).T)
        if not np.isfinite(x + y).all():
            return None, 0.0
        central_x, width = float(x[1, 17]), 2 * float(x[1, 26] - x[1, 8])
        has_straight_parallels = np.ptp(y, axis=1).max() <= 1e-9 * abs(width)
        has_even_meridians = np.abs(x - central_x - width * lons / 360).max() <= 1e-9 * abs(width)
        return (width if width > 0 and has_straight_parallels and has_even_meridians else None), central_x

    def _project(self, lonlat: Points) -> Points:
        return apply_transformer(self._transformer, lonlat / self.degrees_per_unit)

    def forward(self, lonlat: Points) -> Points:
        """Return the coordinates of points within `domain`, infinite if the projection is not defined there."""
        if self.world_width is None:
            return self._project(lonlat)
        # PROJ may map the eastern edge of the world to the western one, so x is computed here.
        x = self.central_x + (lonlat[:, 0] - self.central_meridian) * (self.world_width / 360)
        y = self._project(np.stack([np.full(len(lonlat), self.central_meridian), lonlat[:, 1]], axis=1))[:, 1]
        return np.stack([x, y], axis=1)

    def inverse(self, xy: Points) -> Points:
        """Return longitudes and latitudes, infinite for points that are not on the map."""
        if self.world_width is None:
            return apply_transformer(self._transformer, xy, inverse=True) * self.degrees_per_unit
        lons = self.central_meridian + (xy[:, 0] - self.central_x) * (360 / self.world_width)
        central = np.stack([np.full(len(xy), self.central_x), xy[:, 1]], axis=1)
        lats = apply_transformer(self._transformer, central, inverse=True)[:, 1] * self.degrees_per_unit
        return np.stack([lons, lats], axis=1)

    def is_invertible(self, lonlat: Points) -> NDArray[np.bool_]:
        """Return True for points that the inverse restores: beyond its edge a projection fails, or folds over."""
        batches = np.split(lonlat, range(BATCH, len(lonlat), BATCH))
        return np.concatenate([self._is_invertible(batch) for batch in batches])

    def _is_invertible(self, lonlat: Points) -> NDArray[np.bool_]:
        xy = self.forward(lonlat)
        finite = is_finite(xy)
        restored = self.inverse(np.where(finite[:, None], xy, 0))
        return np.asarray(finite & (distance(lonlat, restored) <= ROUND_TRIP_TOLERANCE))

    def is_on_map(self, xy: Points) -> NDArray[np.bool_]:
        """Return True for coordinates that projecting their longitude and latitude restores."""
        lonlat = self.inverse(xy)
        finite = is_finite(lonlat)
        restored = self._project(np.where(finite[:, None], lonlat, [self.central_meridian, 0]))
        difference = np.abs(restored - xy).max(axis=1)
        return np.asarray(finite & (difference <= 1e-6 * max(1.0, float(np.abs(xy).max()))))

    def _has_seam(self) -> bool:
        """Return True if the map has two edges at the meridian opposite to the central one."""
        offset = 180 - SEAM_MARGIN / 10
        lons = self.central_meridian + np.array([-offset, offset, 0.0])
        west, east, central = self._project(np.stack([lons, np.full(3, 45.0)], axis=1))
        return not math.dist(west, east) <= 1e-6 * math.dist(west, central)

    @cached_property
    def domain(self) -> LonLatBox | None:
        """The valid area of the projection, about its area of use and a margin; None if it is nowhere valid."""
        west, east = self.central_meridian - 180, self.central_meridian + 180
        if self.world_width is not None:
            return LonLatBox(west, -self._max_latitude(-90), east, self._max_latitude(90))
        area = self._unbound.area_of_use
        if area is None:
            return self._world_domain(-90.0, 90.0)
        prime = self._unbound.prime_meridian
        prime_longitude = math.degrees(prime.longitude * float(prime.unit_conversion_factor)) if prime else 0.0
        south, north = max(area.south - AREA_OF_USE_MARGIN, -90), min(area.north + AREA_OF_USE_MARGIN, 90)
        width = (area.east - area.west) % 360 or 360.0
        # The margin in degrees of longitude grows towards the poles, since meridians converge.
        convergence = math.cos(math.radians(max(abs(area.south), abs(area.north))))
        half_width = width / 2 + AREA_OF_USE_MARGIN / max(convergence, 0.25)
        if half_width >= 180:
            return self._world_domain(south, north)
        centre = area.west + width / 2 - prime_longitude
        centre -= 360 * round((centre - self.central_meridian) / 360)
        return self._valid_part(LonLatBox(max(centre - half_width, west), south, min(centre + half_width, east), north))

    def _world_domain(self, south: float, north: float) -> LonLatBox | None:
        margin = SEAM_MARGIN if self._has_seam() else 0.0
        west, east = self.central_meridian - 180 + margin, self.central_meridian + 180 - margin
        return self._valid_part(LonLatBox(west, max(south, margin - 90), east, min(north, 90 - margin)))

    def _max_latitude(self, pole: float) -> float:
        """Return the absolute latitude up to which a cylindrical projection is valid towards a pole."""
        lats = np.array([0.0, math.copysign(1, pole), pole - math.copysign(0.01, pole), pole])
        y = self._project(np.stack([np.full(4, self.central_meridian), lats], axis=1))[:, 1]
        reaches_pole = np.isfinite(y).all() and abs(y[3] - y[2]) <= 0.01 * MAX_STRETCH * abs(y[1] - y[0])
        return 90.0 if reaches_pole else MAX_LATITUDE

    def _valid_part(self, box: LonLatBox) -> LonLatBox | None:
        """Return the largest part of a box around its centre in which the projection is invertible, or None.

        The box is probed on a grid, and the valid part is grown from the centre by whole rows and columns.
        """
        lons, lats = np.linspace(box.west, box.east, PROBES), np.linspace(box.south, box.north, PROBES)
        probes = np.stack(np.meshgrid(lons, lats), axis=-1).reshape(-1, 2)
        is_valid = self.is_invertible(probes).reshape(PROBES, PROBES)
        west = east = PROBES // 2
        rows = np.flatnonzero(is_valid[:, west])
        if not rows.size:
            return None
        south = north = int(rows[rows.size // 2])
        has_grown = True
        while has_grown:
            has_grown = False
            if south > 0 and is_valid[south - 1, west : east + 1].all():
                south, has_grown = south - 1, True
            if north < PROBES - 1 and is_valid[north + 1, west : east + 1].all():
                north, has_grown = north + 1, True
            if west > 0 and is_valid[south : north + 1, west - 1].all():
                west, has_grown = west - 1, True
            if east < PROBES - 1 and is_valid[south : north + 1, east + 1].all():
                east, has_grown = east + 1, True
        if south == north or west == east:
            return None
        return LonLatBox(float(lons[west]), float(lats[south]), float(lons[east]), float(lats[north]))


@lru_cache(maxsize=CACHE_SIZE)
def projection_of(reference: SpatialReference) -> Projection | None:
    """Return the projection of a spatial reference, or None if PROJ does not know it or it is not horizontal."""
    from pyproj.exceptions import ProjError

    crs = to_crs(reference)
    try:
        return Projection(crs) if crs else None
    except (ProjError, ValueError):
        return None


def apply_transformer(transformer: Transformer, points: Points, *, inverse: bool = False) -> Points:
    """Return transformed points, infinite where PROJ fails."""
    direction = "INVERSE" if inverse else "FORWARD"
    # pyproj tries to take a single point for two numbers, of which NumPy 1.25 to 2.3 warn.
    x, y = (np.repeat(points, 2, axis=0) if len(points) == 1 else points).T
    return np.stack(transformer.transform(x, y, direction=direction), axis=1)[: len(points)]


def is_finite(points: Points) -> NDArray[np.bool_]:
    """Return True for points whose two coordinates are finite."""
    return np.asarray(np.isfinite(points).all(axis=1))


def distance(points: Points, others: Points) -> NDArray[np.float64]:
    """Return the approximate distances in degrees of points from others, which may be infinite."""
    difference = np.where(np.isfinite(others), others, 1e6) - points
    eastwards = np.abs((difference[:, 0] + 180) % 360 - 180) * np.cos(np.radians(points[:, 1]))
    return np.asarray(np.maximum(eastwards, np.abs(difference[:, 1])))


def _geographic(crs: CRS) -> CRS:
    """Return the geographic coordinate system of a CRS, with the CRS's own transformation to WGS 84 if it states one.

    Such a CRS is a "bound CRS" in PROJ's terms: WKT 1 with TOWGS84, for example.
    """
    from pyproj.crs import BoundCRS

    geographic = crs.geodetic_crs
    if geographic is None or not geographic.is_geographic:
        raise ValueError(f"{crs.name} is not based on a geographic coordinate system")
    geographic = geographic.to_2d()
    return BoundCRS(geographic, crs.target_crs, crs.coordinate_operation) if crs.is_bound else geographic


def _central_meridian(crs: CRS) -> float:
    """Return the longitude of the central meridian, degrees from the prime meridian of the CRS; 0 if none is stated."""
    operation = crs.coordinate_operation
    for parameter in operation.params if operation else []:
        if parameter.name.lower().startswith(("longitude", "central_meridian")):
            return round(math.degrees(float(parameter.value) * float(parameter.unit_conversion_factor)), 10)
    return 0.0

"""Map projections as PROJ knows them, seen from degrees: where they go round the world, and where they hold."""

from __future__ import annotations

import math
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gptool.crs.reference import MOST_REMEMBERED, to_crs

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyproj import CRS, Transformer

    from gptool.model import SpatialReference

    Points = NDArray[np.float64]
    """Places, n x 2: x or longitude, y or latitude."""

MARGIN = 20.0
"""Degrees by which caches reach beyond the formal area of use of their reference."""

NEAR_POLE = 89.9
"""Degrees: as far as a cylinder that never reaches the pole is followed, and far beyond any grid of tiles."""

STEEPEST = 1e4
"""Times the length of a degree at the equator: projections that stretch more run off to infinity."""

HOLDS = 1e-4
"""Degrees by which places may come back from a map elsewhere: some are inverted by approximation."""

SEAM = 1e-4
"""Degrees within which a map torn at its seam may answer with the other side's place, or with none."""

SAME_PLACE = 0.1
"""Degrees: more than any two changes of datum differ by."""

GRID = 25
"""Meridians, and parallels, along which a projection is tried."""

SHIFT_LIMIT = 89.9
"""Degrees beyond which a change of datum, which moves the pole, would tear a polygon that reaches it."""


class Box(NamedTuple):
    """Longitudes and latitudes from a projection's own prime meridian; `east` may pass 180."""

    west: float
    south: float
    east: float
    north: float

    @property
    def centre(self) -> tuple[float, float]:
        """The longitude and latitude of the middle."""
        return (self.west + self.east) / 2, (self.south + self.north) / 2

    @property
    def goes_round(self) -> bool:
        """Tell whether east meets west, which rounding may leave a little apart."""
        return round(self.east - self.west, 6) >= 360


class Projection:
    """One reference, between its coordinates and the degrees of its own datum and prime meridian.

    Raises
    ------
    ValueError
        When the reference has no longitudes and latitudes beneath it: heights, or geocentric coordinates.
    """

    def __init__(self, crs: CRS) -> None:
        from pyproj import Transformer

        self.crs = crs.to_2d()
        self.base = self.crs.source_crs if self.crs.is_bound and self.crs.source_crs else self.crs
        self.geodetic = _geodetic(self.crs)
        axis = self.geodetic.axis_info[0]
        self.degree = round(math.degrees(axis.unit_conversion_factor), 12)
        self.meridian = _central_meridian(self.base)
        self._transformer = Transformer.from_crs(self.geodetic, self.crs, always_xy=True)
        self.turn, self.middle = self._round_the_world()

    def _round_the_world(self) -> tuple[float | None, float]:
        """Return how far x goes once round the world, None where it does not, and x at the central meridian."""
        lons, lats = np.meshgrid(np.arange(-170.0, 180, 10), [-40.0, 0.0, 40.0])
        places = np.stack([self.meridian + lons.ravel(), lats.ravel()], axis=1)
        x, y = (values.reshape(lons.shape) for values in self._project(places).T)
        if not np.isfinite(x + y).all():
            return None, 0.0
        middle, turn = float(x[1, 17]), 2 * float(x[1, 26] - x[1, 8])
        level = np.ptp(y, axis=1).max() <= 1e-9 * abs(turn)
        even = np.abs(x - middle - turn * lons / 360).max() <= 1e-9 * abs(turn)
        return (turn if turn > 0 and level and even else None), middle

    def _project(self, lonlat: Points) -> Points:
        return _transformed(self._transformer, lonlat / self.degree)

    def forward(self, lonlat: Points) -> Points:
        """Return the coordinates of places within `box`, infinite where the projection has none."""
        if self.turn is None:
            return self._project(lonlat)
        # PROJ may take the eastern edge for the western one; x is known without it.
        x = self.middle + (lonlat[:, 0] - self.meridian) * (self.turn / 360)
        y = self._project(np.stack([np.full(len(lonlat), self.meridian), lonlat[:, 1]], axis=1))[:, 1]
        return np.stack([x, y], axis=1)

    def inverse(self, xy: Points) -> Points:
        """Return longitudes and latitudes, infinite where there are none."""
        if self.turn is None:
            return _transformed(self._transformer, xy, back=True) * self.degree
        lons = self.meridian + (xy[:, 0] - self.middle) * (360 / self.turn)
        middle = np.stack([np.full(len(xy), self.middle), xy[:, 1]], axis=1)
        return np.stack([lons, _transformed(self._transformer, middle, back=True)[:, 1] * self.degree], axis=1)

    def holds(self, lonlat: Points) -> NDArray[np.bool_]:
        """Tell which places come back from their coordinates: beyond its edge a projection fails, or folds."""
        xy = self.forward(lonlat)
        finite = _finite(xy)
        return np.asarray(finite & (_distance(lonlat, self.inverse(np.where(finite[:, None], xy, 0))) <= HOLDS))

    def returns(self, xy: Points) -> NDArray[np.bool_]:
        """Tell which coordinates come back from degrees: those that lie on the map."""
        lonlat = self.inverse(xy)
        finite = _finite(lonlat)
        off = np.abs(self._project(np.where(finite[:, None], lonlat, [self.meridian, 0])) - xy).max(axis=1)
        return np.asarray(finite & (off <= 1e-6 * max(1.0, float(np.abs(xy).max()))))

    def _torn(self) -> bool:
        """Tell whether the map ends at the meridian opposite the central one."""
        sides = self.meridian + np.array([SEAM / 10 - 180, 180 - SEAM / 10, 0.0])
        west, east, middle = self._project(np.stack([sides, np.full(3, 45.0)], axis=1))
        return not math.dist(west, east) <= 1e-6 * math.dist(west, middle)

    @cached_property
    def box(self) -> Box | None:
        """Where the projection can be relied on: about its area of use, None where it can't be relied on at all."""
        west, east = self.meridian - 180, self.meridian + 180
        if self.turn is not None:
            return Box(west, -self._reach(-90), east, self._reach(90))
        area = self.base.area_of_use
        if area is None:
            return self._world(-90.0, 90.0)
        prime = self.base.prime_meridian
        zero = math.degrees(prime.longitude * float(prime.unit_conversion_factor)) if prime else 0.0
        south, north = max(area.south - MARGIN, -90), min(area.north + MARGIN, 90)
        wide = (area.east - area.west) % 360 or 360.0
        # A map's corners lie further round the world the nearer to the pole they are.
        narrowest = math.cos(math.radians(max(abs(area.south), abs(area.north))))
        half = wide / 2 + MARGIN / max(narrowest, 0.25)
        if half >= 180:
            return self._world(south, north)
        centre = area.west + wide / 2 - zero
        centre -= 360 * round((centre - self.meridian) / 360)
        return self._trimmed(Box(max(centre - half, west), south, min(centre + half, east), north))

    def _world(self, south: float, north: float) -> Box | None:
        rim = SEAM if self._torn() else 0.0
        west, east = self.meridian - 180 + rim, self.meridian + 180 - rim
        return self._trimmed(Box(west, max(south, rim - 90), east, min(north, 90 - rim)))

    def _reach(self, pole: float) -> float:
        """Return the latitude, without sign, up to which a cylinder is followed towards a pole."""
        lats = np.array([0.0, math.copysign(1, pole), pole - math.copysign(0.01, pole), pole])
        y = self._project(np.stack([np.full(4, self.meridian), lats], axis=1))[:, 1]
        finite = np.isfinite(y).all()
        return 90.0 if finite and abs(y[3] - y[2]) <= 0.01 * STEEPEST * abs(y[1] - y[0]) else NEAR_POLE

    def _trimmed(self, box: Box) -> Box | None:
        """Return as much of the box, from its middle on, as the projection holds for."""
        lons, lats = np.linspace(box.west, box.east, GRID), np.linspace(box.south, box.north, GRID)
        places = np.stack(np.meshgrid(lons, lats), axis=-1).reshape(-1, 2)
        held = self.holds(places).reshape(GRID, GRID)
        west = east = GRID // 2
        rows = np.flatnonzero(held[:, west])
        if not rows.size:
            return None
        south = north = int(rows[rows.size // 2])
        grown = True
        while grown:
            grown = False
            if south > 0 and held[south - 1, west : east + 1].all():
                south, grown = south - 1, True
            if north < GRID - 1 and held[north + 1, west : east + 1].all():
                north, grown = north + 1, True
            if west > 0 and held[south : north + 1, west - 1].all():
                west, grown = west - 1, True
            if east < GRID - 1 and held[south : north + 1, east + 1].all():
                east, grown = east + 1, True
        if south == north or west == east:
            return None
        return Box(float(lons[west]), float(lats[south]), float(lons[east]), float(lats[north]))


class Way:
    """From the coordinates of one projection to the degrees of another's datum.

    Raises
    ------
    pyproj.exceptions.ProjError
        When PROJ knows no way: from the Moon to the Earth.
    """

    def __init__(self, source: Projection, target: Projection) -> None:
        from pyproj import Transformer

        self._source, self._target = source, target
        self._same = source.geodetic.equals(target.geodetic, ignore_axis_order=True)
        self._transformer = Transformer.from_crs(source.crs, target.geodetic, always_xy=True)
        self._direct = Transformer.from_crs(source.crs, target.crs, always_xy=True)

    def degrees(self, xy: Points) -> Points:
        """Return longitudes, of any turn round the world, and latitudes."""
        if self._same:
            return self._source.inverse(xy)
        if self._source.turn is None:
            return self._moved(xy)
        lonlat = self._source.inverse(xy)
        lats = np.clip(lonlat[:, 1], -SHIFT_LIMIT, SHIFT_LIMIT)
        beyond = (lonlat[:, 1] - lats) / (90 - SHIFT_LIMIT)
        held = self._source.forward(np.stack([lonlat[:, 0], lats], axis=1))
        shifted = self._moved(np.where(beyond[:, None] == 0, xy, held))
        shifted[:, 1] += (np.copysign(90, beyond) - shifted[:, 1]) * np.abs(beyond)
        return shifted

    def _moved(self, xy: Points) -> Points:
        """Return longitudes and latitudes after a change of datum, the one PROJ takes between the two maps."""
        lonlat = _transformed(self._transformer, xy) * self._target.degree
        straight = _transformed(self._direct, xy)
        shown = _finite(straight) & _finite(lonlat)
        # Of several changes of datum PROJ takes another one on the way to degrees than on that to the target's map.
        # But far outside of the map, the straight way leads anywhere.
        there = self._target.inverse(np.where(shown[:, None], straight, 0))
        shown &= _distance(np.where(shown[:, None], lonlat, 0), there) <= SAME_PLACE
        return np.where(shown[:, None], there, lonlat)

    def poles(self) -> list[tuple[float, float, int]]:
        """Return x and y of the poles that are points of the source's map, and 1 for north, -1 for south."""
        if self._source.turn is not None:
            return []
        found = []
        for side in (1, -1):
            lonlat = np.stack([np.arange(0.0, 360, 90), np.full(4, 90.0 * side)], axis=1)
            xy = _transformed(self._transformer, lonlat / self._target.degree, back=True)
            if np.isfinite(xy).all() and np.ptp(xy, axis=0).max() < 1e-3 and self._source.returns(xy).all():
                found.append((float(xy[0, 0]), float(xy[0, 1]), side))
        return found


@lru_cache(maxsize=MOST_REMEMBERED)
def projection_of(reference: SpatialReference) -> Projection | None:
    """Return the projection of a reference, None when PROJ does not know it, or knows no degrees beneath it."""
    from pyproj.exceptions import ProjError

    crs = to_crs(reference)
    try:
        return Projection(crs) if crs else None
    except (ProjError, ValueError):
        return None


def _transformed(transformer: Transformer, points: Points, *, back: bool = False) -> Points:
    direction = "INVERSE" if back else "FORWARD"
    return np.stack(transformer.transform(points[:, 0], points[:, 1], direction=direction), axis=1)


def _finite(points: Points) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(points).all(axis=1))


def _distance(places: Points, others: Points) -> NDArray[np.float64]:
    """Return about how many degrees places are from others, which may be infinite."""
    off = np.where(np.isfinite(others), others, 1e6) - places
    east = np.abs((off[:, 0] + 180) % 360 - 180) * np.cos(np.radians(places[:, 1]))
    return np.asarray(np.maximum(east, np.abs(off[:, 1])))


def _geodetic(crs: CRS) -> CRS:
    """Return the longitudes and latitudes beneath a reference, with its own way to WGS84 where it states one."""
    from pyproj.crs import BoundCRS

    geodetic = crs.geodetic_crs
    if geodetic is None or not geodetic.is_geographic:
        raise ValueError(f"no degrees beneath {crs.name}")
    geodetic = geodetic.to_2d()
    return BoundCRS(geodetic, crs.target_crs, crs.coordinate_operation) if crs.is_bound else geodetic


def _central_meridian(crs: CRS) -> float:
    """Return the longitude opposite to which the map may be torn, degrees from the reference's prime meridian."""
    operation = crs.coordinate_operation
    for parameter in operation.params if operation else []:
        if parameter.name.lower().startswith(("longitude", "central_meridian")):
            return round(math.degrees(float(parameter.value) * float(parameter.unit_conversion_factor)), 10)
    return 0.0

"""The way of a polygon from one map to another, over longitude and latitude.

Only in degrees can it be told what a map shows, and where it is torn. Edges that are straight in the source get
vertices before they are brought there, and those that a cut made straight in degrees get theirs after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gptool.errors import ParameterError
from gptool.reprojection.curves import chord_offsets, over_the_pole, refine, turns
from gptool.reprojection.pieces import copies, gathered, joined, parts, valid

if TYPE_CHECKING:
    import shapely
    from numpy.typing import NDArray

    from gptool.reprojection.projection import Box, Points, Projection, Way

    Areas = tuple[NDArray[np.object_], NDArray[np.int64], NDArray[np.bool_]]

SHARE = 0.4
"""Part of the tolerance that each of the two projections may take; the rest is for what lies between samples."""

WIDEST_STEP = 45.0
"""Degrees of longitude between the samples of a segment: without a limit, it could be meant the other way round."""

DATUM_STEP = 0.01
"""Degrees: where PROJ goes from one change of datum to another, places jump by up to hundreds of metres."""

POLE = 0.01
"""Units of the source to keep away from a pole on an edge, where longitudes have no meaning."""


@dataclass(frozen=True, slots=True)
class Journey:
    """What all steps from one reference to another have to know."""

    start: Projection
    goal: Projection
    box: Box
    way: Way
    tolerance: float
    parameter: str

    def degrees(self, polygon: shapely.MultiPolygon) -> Areas:
        """Return the polygon's rings as areas in degrees that run on, whose part each is, and which are shells."""
        import shapely

        polygon = self._tellable(polygon)
        _, points, (offsets, firsts, _) = shapely.to_ragged_array([polygon])
        owners = np.repeat(np.arange(len(firsts) - 1), np.diff(firsts))
        shells = np.isin(np.arange(len(owners)), firsts[:-1])
        if not len(owners):
            return np.array([], dtype=object), owners, shells
        self._check(points)
        rings = refine(points, offsets, self._image, self._bent, turn=360, gap=DATUM_STEP, parameter=self.parameter)
        self._check(rings.points)
        around = turns(rings.mapped[:, 0], rings.offsets)
        lonlat = np.stack([rings.mapped[:, 0] + 360 * around, rings.mapped[:, 1]], axis=1)
        ring = np.repeat(np.arange(len(owners)), np.diff(rings.offsets))
        areas = shapely.polygons(shapely.linearrings(lonlat, indices=ring))
        winding = around[rings.offsets[1:] - 1]
        poles = self._poles(shapely.polygons(shapely.get_rings(shapely.get_parts(polygon))), winding)
        for index in np.flatnonzero(winding):
            first, last = rings.offsets[index : index + 2]
            areas[index] = shapely.Polygon(over_the_pole(lonlat[first:last], int(poles[index])))
        return valid(areas), owners, shells

    def _tellable(self, polygon: shapely.MultiPolygon) -> shapely.MultiPolygon:
        """Return what lies between the poles of a map that goes round, else what keeps off poles on an edge."""
        import shapely

        box = self.start.box
        if self.start.turn is not None and box is not None:
            (_, low), (_, high) = self.start.forward(np.array([[box.west, box.south], [box.east, box.north]]))
            xmin, ymin, xmax, ymax = polygon.bounds
            if ymin < low or ymax > high:
                polygon = joined(shapely.intersection([polygon], shapely.box(xmin, low, xmax, high)))
        for x, y, _ in self.way.poles():
            if polygon.boundary.distance(shapely.Point(x, y)) < POLE:
                around = shapely.box(x - POLE, y - POLE, x + POLE, y + POLE)
                polygon = joined(shapely.difference([polygon], around))
        return polygon

    def _check(self, points: Points) -> None:
        """Refuse points that the source's map does not have: their degrees would be those of others."""
        if self.start.turn is None and not self.start.returns(points).all():
            raise ParameterError(f"reaches beyond the map of {self.start.crs.name}", where=self.parameter)

    def _image(self, xy: Points) -> Points:
        lonlat = self.way.degrees(xy)
        if not np.isfinite(lonlat).all():
            raise ParameterError(f"reaches beyond the map of {self.start.crs.name}", where=self.parameter)
        return lonlat

    def _bent(self, samples: Points) -> NDArray[np.bool_]:
        """Tell which segments bend too far in degrees, told by the length of that way on the target's map."""
        lons, lats = samples[:, :, 0], samples[:, :, 1]
        wide = np.abs(np.diff(lons, axis=1)).max(axis=1, initial=0) > WIDEST_STEP
        wide |= np.abs(lons[:, 4] - lons[:, 0]) > 2 * WIDEST_STEP
        ways = chord_offsets(samples)
        size = np.hypot(ways[:, :, 0], ways[:, :, 1])
        worst = (np.arange(len(samples)), size.argmax(axis=1))
        matters = (size[worst] > 1e-12) & (lats.max(axis=1) > self.box.south) & (lats.min(axis=1) < self.box.north)
        off = np.zeros(len(samples))
        off[matters] = self._length(samples[:, 1:4][worst][matters], ways[worst][matters])
        needed: NDArray[np.bool_] = wide | (off > SHARE * self.tolerance)
        return needed

    def _length(self, places: Points, ways: Points) -> Points:
        """Return how long ways in degrees are on the target's map; those outside of it, at its nearest place."""
        low, high = np.array([self.box.west, self.box.south]), np.array([self.box.east, self.box.north])
        centre = (self.box.west + self.box.east) / 2
        turned = np.stack([(places[:, 0] - centre + 180) % 360 - 180 + centre, places[:, 1]], axis=1)
        near = np.clip(turned, low, high)
        # A way that leaves the box counts backwards: beyond the seam the other side of the map would answer.
        ends = np.where((near + ways < low) | (near + ways > high), near - ways, near + ways)
        gone = self.goal.forward(np.clip(ends, low, high)) - self.goal.forward(near)
        return np.hypot(gone[:, 0], gone[:, 1])

    def _poles(self, areas: NDArray[np.object_], winding: Points) -> NDArray[np.int64]:
        """Return the pole that each ring goes round, 0 for none."""
        import shapely

        inside = [shapely.contains_xy(areas, x, y) * side for x, y, side in self.way.poles()]
        sides = np.array([*inside, np.zeros(len(areas))], dtype=np.int64)
        if (np.abs(sides).sum(axis=0) != np.abs(winding)).any() or (np.abs(winding) > 1).any():
            raise ParameterError("goes round the poles in a way that degrees can't tell", where=self.parameter)
        poles: NDArray[np.int64] = sides.sum(axis=0)
        return poles

    def cut(self, rings: Areas) -> NDArray[np.object_]:
        """Return the polygons in degrees that the target's map shows."""
        import shapely

        areas, owners, shells = rings
        outer, keys = gathered(*copies(areas[shells], owners[shells], self.box, 360))
        inner, holed = gathered(*copies(areas[~shells], owners[~shells], self.box, 360))
        at = np.searchsorted(keys, holed)
        outer[at] = shapely.difference(outer[at], inner)
        if self.goal.turn is not None or self.box.east - self.box.west < 360:
            return parts(outer)
        # A piece that goes all the way round a pole would touch itself.
        quarters = np.linspace(self.box.west, self.box.east, 5)
        boxes = shapely.box(quarters[:-1], self.box.south, quarters[1:], self.box.north)
        return parts(shapely.intersection(outer[:, None], boxes).ravel())

    def project(self, polygons: NDArray[np.object_]) -> shapely.MultiPolygon:
        """Return polygons in degrees on the target's map."""
        import shapely

        if not len(polygons):
            return shapely.MultiPolygon()
        _, points, (offsets, firsts) = shapely.to_ragged_array(polygons)

        def image(lonlat: Points) -> Points:
            xy = self.goal.forward(lonlat)
            if not np.isfinite(xy).all():
                raise ParameterError(f"reaches beyond the map of {self.goal.crs.name}", where=self.parameter)
            return xy

        def bent(samples: Points) -> NDArray[np.bool_]:
            ways = chord_offsets(samples)
            off: NDArray[np.bool_] = np.hypot(ways[:, :, 0], ways[:, :, 1]).max(axis=1) > SHARE * self.tolerance
            return off

        rings = refine(points, offsets, image, bent, turn=None, gap=self.tolerance, parameter=self.parameter)
        if self.goal.turn is None and not self.goal.holds(rings.points).all():
            raise ParameterError(f"reaches beyond the map of {self.goal.crs.name}", where=self.parameter)
        shown = shapely.from_ragged_array(shapely.GeometryType.POLYGON, rings.mapped, (rings.offsets, firsts))
        whole = self.goal.turn is None and self.box.east - self.box.west >= 360
        return joined(shown, self.tolerance / 1000 if whole else None)

"""The way of a polygon from one map to another, over longitude and latitude.

Only in degrees can it be told what a map shows, and where it is torn. Edges that are straight in the source get
vertices before they are brought there, and those that a cut made straight in degrees get theirs after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gptool.crs.densify import chord_offsets, over_the_pole, refine, turns
from gptool.crs.polygon_parts import copies, gathered, joined, parts, valid
from gptool.errors import ParameterError

if TYPE_CHECKING:
    import shapely
    from numpy.typing import NDArray

    from gptool.crs.projection import Box, Points, Projection, Way

SHARE = 0.4
"""Part of the tolerance that each of the two projections may take; the rest is for what lies between samples."""

WIDEST_STEP = 45.0
"""Degrees of longitude between the samples of a segment: without a limit, it could be meant the other way round."""

STEP = 0.05
"""Degrees that are no tear: where PROJ goes from one change of datum to another, places jump by hundreds of metres,
and by some metres where a projection is put together from pieces.
"""

HALFWAY = 180.0
"""Degrees of longitude within which no polygon can meet its own other side round a pole."""

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

    def run(self, polygon: shapely.MultiPolygon) -> shapely.MultiPolygon:
        """Return a polygon as the target's map shows it, empty when it shows none of it."""
        import shapely

        polygon = self._tellable(polygon)
        if polygon.is_empty:
            return polygon
        _, points, (offsets, firsts, _) = shapely.to_ragged_array([polygon])
        self._check(points)
        rings = refine(points, offsets, self._image, self._bent, turn=360, gap=STEP, parameter=self.parameter)
        self._check(rings.points)
        around = turns(rings.mapped[:, 0], rings.offsets)
        lonlat = np.stack([rings.mapped[:, 0] + 360 * around, rings.mapped[:, 1]], axis=1)
        winding = around[rings.offsets[1:] - 1]
        if not winding.any() and self._all_shown(lonlat):
            parts = shapely.from_ragged_array(shapely.GeometryType.POLYGON, lonlat, (rings.offsets, firsts))
            return shapely.MultiPolygon(list(self._project(parts)))
        poles = self._poles(shapely.polygons(shapely.get_rings(shapely.get_parts(polygon))), winding)
        areas = self._areas(lonlat, rings.offsets, poles)
        cut = self._cut(areas, np.repeat(np.arange(len(firsts) - 1), np.diff(firsts)), firsts)
        whole = self.goal.turn is None and self.box.goes_round
        return joined(self._project(cut), self.tolerance / 1000 if whole else None)

    def _all_shown(self, lonlat: Points) -> bool:
        """Tell whether the target's map shows all places as they are, so that nothing has to be cut.

        Cuts want valid polygons, and take seconds where they are large; and most areas are small beside a map.
        """
        (west, south), (east, north) = lonlat.min(axis=0), lonlat.max(axis=0)
        box = self.box
        within = box.west <= west and east <= box.east and box.south <= south and north <= box.north
        return bool(within and (self.goal.turn is not None or east - west < HALFWAY))

    def _areas(self, lonlat: Points, offsets: NDArray[np.int64], poles: NDArray[np.int64]) -> NDArray[np.object_]:
        """Return rings as areas in degrees; those that go round a pole, with what lies between."""
        import shapely

        ring = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        areas = shapely.polygons(shapely.linearrings(lonlat, indices=ring))
        for index in np.flatnonzero(poles):
            first, last = offsets[index : index + 2]
            areas[index] = shapely.Polygon(over_the_pole(lonlat[first:last], int(poles[index])))
        return valid(areas)

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
        centre, _ = self.box.centre
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

    def _cut(
        self, areas: NDArray[np.object_], owners: NDArray[np.int64], firsts: NDArray[np.int64]
    ) -> NDArray[np.object_]:
        """Return the polygons in degrees that the target's map shows.

        Parameters
        ----------
        areas
            Those within rings, all of one part after the other.
        owners
            Whose part each is.
        firsts
            The shells among them; the others are holes.
        """
        import shapely

        shells = np.isin(np.arange(len(owners)), firsts[:-1])
        outer, keys = gathered(*copies(areas[shells], owners[shells], self.box, 360))
        inner, holed = gathered(*copies(areas[~shells], owners[~shells], self.box, 360))
        at = np.searchsorted(keys, holed)
        outer[at] = shapely.difference(outer[at], inner)
        if self.goal.turn is not None or not self.box.goes_round:
            return parts(outer)
        # A piece that goes all the way round a pole would touch itself.
        quarters = np.linspace(self.box.west, self.box.east, 5)
        boxes = shapely.box(quarters[:-1], self.box.south, quarters[1:], self.box.north)
        return parts(shapely.intersection(outer[:, None], boxes).ravel())

    def _project(self, polygons: NDArray[np.object_]) -> NDArray[np.object_]:
        """Return polygons in degrees on the target's map."""
        import shapely

        if not len(polygons):
            return polygons
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

        step = self._length(np.array([self.box.centre]), np.array([[0.0, STEP]]))
        rings = refine(points, offsets, image, bent, turn=None, gap=float(step[0]), parameter=self.parameter)
        if self.goal.turn is None and not self.goal.holds(rings.points).all():
            raise ParameterError(f"reaches beyond the map of {self.goal.crs.name}", where=self.parameter)
        shown: NDArray[np.object_] = shapely.from_ragged_array(
            shapely.GeometryType.POLYGON, rings.mapped, (rings.offsets, firsts)
        )
        return shown

"""Reprojection of a polygon by way of longitude and latitude.

Longitude and latitude are where the difficulties of reprojection can be handled: there, every map is a box, its edges
and seams are straight lines, and winding around a pole is a difference of longitudes. So a polygon is

1. clipped to the valid area of the source, and kept clear of poles on its boundary;
2. densified in the source until its edges in degrees are within the tolerance, and transformed to degrees;
3. unwrapped, so that longitudes are continuous along each ring, and closed over the poles that it encloses;
4. clipped to the valid area of the target, together with its copies 360 degrees to either side;
5. densified in degrees, where clipping left straight edges, and projected to the target.

If a polygon lies wholly within the valid area of the target and encloses no pole, step 4 is skipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gptool.crs.densify import chord_deviations, densify
from gptool.crs.polygon_parts import clip_world_copies, make_valid, merge, polygon_parts, union_by_owner
from gptool.crs.reference import format_bounds
from gptool.crs.winding import close_over_pole, longitude_turns
from gptool.errors import ParameterError

if TYPE_CHECKING:
    import shapely
    from numpy.typing import NDArray

    from gptool.crs.projection import LonLatBox, Points, Projection
    from gptool.crs.transform import Transform

TOLERANCE_PART = 0.4
"""Part of the tolerance that each of the two densifications may use; the rest is for deviations between samples."""

MAX_LONGITUDE_STEP = 45.0
"""Maximum degrees of longitude between the samples of a segment: with larger steps, its direction around the world
would be ambiguous."""

MAX_GAP_DEGREES = 0.05
"""Degrees that are not a discontinuity: between areas of different changes of datum PROJ's results jump by hundreds of
metres, and by some metres in projections that are composed of parts."""

MAX_UNCLIPPED_WIDTH = 180.0
"""Degrees of longitude within which the edges of a polygon cannot meet on the other side of a pole."""

POLE_CLEARANCE = 0.01
"""Units of the source to keep from a pole on an edge, where longitude is undefined."""


@dataclass(frozen=True, slots=True)
class Reprojector:
    """The reprojection from a source to a target.

    Attributes
    ----------
    source, target : Projection
    domain : LonLatBox
        The valid area of the target.
    transform : Transform
        From the source to degrees on the datum of the target.
    tolerance : float
        The maximum distance of a result's edges from the projected edges, in the unit of the target.
    parameter : str
        The name of the parameter, for messages.
    """

    source: Projection
    target: Projection
    domain: LonLatBox
    transform: Transform
    tolerance: float
    parameter: str

    def reproject(self, polygon: shapely.MultiPolygon) -> shapely.MultiPolygon:
        """Return a polygon in the target, empty if it lies outside the target's valid area.

        Raises
        ------
        ParameterError
            If the polygon extends beyond the valid area of the source, or needs too many vertices.
        """
        import shapely

        polygon = self._clip_to_source(polygon)
        if polygon.is_empty:
            return polygon
        _, points, (offsets, first_rings, _) = shapely.to_ragged_array([polygon])
        self._check_on_source_map(points)
        rings = densify(
            points,
            offsets,
            self._to_degrees,
            self._count_parts_in_degrees,
            period=360,
            max_gap=MAX_GAP_DEGREES,
            parameter=self.parameter,
        )
        self._check_on_source_map(rings.points)
        turns = longitude_turns(rings.mapped[:, 0], rings.offsets)
        lonlat = np.stack([rings.mapped[:, 0] + 360 * turns, rings.mapped[:, 1]], axis=1)
        winding = turns[rings.offsets[1:] - 1]
        if not winding.any() and self._needs_no_clipping(lonlat):
            parts = shapely.from_ragged_array(shapely.GeometryType.POLYGON, lonlat, (rings.offsets, first_rings))
            return shapely.MultiPolygon(list(self._project(parts)))
        poles = self._enclosed_poles(shapely.polygons(shapely.get_rings(shapely.get_parts(polygon))), winding)
        areas = self._ring_areas(lonlat, rings.offsets, poles)
        owners = np.repeat(np.arange(len(first_rings) - 1), np.diff(first_rings))
        clipped = self._clip_to_domain(areas, owners, first_rings)
        has_cuts = self.target.world_width is None and self.domain.spans_world
        return merge(self._project(clipped), self.tolerance / 1000 if has_cuts else None)

    def _clip_to_source(self, polygon: shapely.MultiPolygon) -> shapely.MultiPolygon:
        """Return the part of a polygon that has longitudes and latitudes.

        If x of the source is periodic, it is clipped at the poles' lines; else a small square is removed around each
        pole on its boundary.
        """
        import shapely

        box = self.source.domain
        if self.source.world_width is not None and box is not None:
            (_, low), (_, high) = self.source.forward(np.array([[box.west, box.south], [box.east, box.north]]))
            xmin, ymin, xmax, ymax = polygon.bounds
            if ymin < low or ymax > high:
                polygon = merge(shapely.intersection([polygon], shapely.box(xmin, low, xmax, high)))
        for x, y, _ in self.transform.pole_points():
            if polygon.boundary.distance(shapely.Point(x, y)) < POLE_CLEARANCE:
                square = shapely.box(x - POLE_CLEARANCE, y - POLE_CLEARANCE, x + POLE_CLEARANCE, y + POLE_CLEARANCE)
                polygon = merge(shapely.difference([polygon], square))
        return polygon

    def _check_on_source_map(self, points: Points) -> None:
        """Raise an error for points that are not on the source's map: they would get the degrees of other points."""
        if self.source.world_width is None and not self.source.is_on_map(points).all():
            raise self._beyond_valid_area(self.source, points)

    def _beyond_valid_area(self, projection: Projection, points: Points) -> ParameterError:
        return ParameterError(
            f"geometry extends beyond the valid area of {projection.crs.name}",
            where=self.parameter,
            found=f"xmin,ymin,xmax,ymax {format_bounds((*points.min(axis=0), *points.max(axis=0)))}",
            expected=projection.domain and f"places within {projection.domain}",
        )

    def _to_degrees(self, xy: Points) -> Points:
        lonlat = self.transform.to_degrees(xy)
        if not np.isfinite(lonlat).all():
            raise self._beyond_valid_area(self.source, xy)
        return lonlat

    def _count_parts_in_degrees(self, samples: Points) -> Points:
        """Return how many parts of segments, [2, 5, n], deviate little enough from their chords in degrees.

        The deviation is measured in the unit of the target. It is irrelevant beyond the target's latitudes.
        """
        lons, lats = samples
        widest = np.abs(np.diff(lons, axis=0)).max(axis=0, initial=0) / MAX_LONGITUDE_STEP
        steps = np.maximum(widest, np.abs(lons[4] - lons[0]) / (2 * MAX_LONGITUDE_STEP))
        deviations = chord_deviations(samples)
        degrees = np.hypot(*deviations)
        is_relevant = degrees.max(axis=0) > 1e-12
        is_relevant &= (lats.max(axis=0) > self.domain.south) & (lats.min(axis=0) < self.domain.north)
        relevant = np.flatnonzero(is_relevant)
        farthest = degrees[:, relevant].argmax(axis=0)
        start, vectors = samples[:, 1 + farthest, relevant].T, deviations[:, farthest, relevant].T
        lengths = np.zeros(len(steps))
        lengths[relevant] = self._target_lengths(start, vectors)
        parts: Points = np.maximum(steps, self._parts(lengths))
        return parts

    def _parts(self, deviations: Points) -> Points:
        """Return into how many parts segments that deviate by so much must be divided: a half deviates by a quarter."""
        parts: Points = np.sqrt(deviations / (TOLERANCE_PART * self.tolerance))
        return parts

    def _target_lengths(self, lonlat: Points, vectors: Points) -> Points:
        """Return the lengths in the target of vectors in degrees that start at `lonlat`.

        A point outside the target's valid area is replaced by the nearest one within.
        """
        low = np.array([self.domain.west, self.domain.south])
        high = np.array([self.domain.east, self.domain.north])
        centre, _ = self.domain.centre
        wrapped = np.stack([(lonlat[:, 0] - centre + 180) % 360 - 180 + centre, lonlat[:, 1]], axis=1)
        starts = np.clip(wrapped, low, high)
        # A vector that leaves the area is reversed: beyond the seam is the other side of the map.
        leaves = (starts + vectors < low) | (starts + vectors > high)
        ends = np.clip(np.where(leaves, starts - vectors, starts + vectors), low, high)
        projected = self.target.forward(ends) - self.target.forward(starts)
        return np.hypot(projected[:, 0], projected[:, 1])

    def _needs_no_clipping(self, lonlat: Points) -> bool:
        """Return True if all points lie within the target's valid area, and far from meeting around a pole.

        Clipping requires valid polygons, and takes seconds for large ones; most areas are small compared to the map.
        """
        (west, south), (east, north) = lonlat.min(axis=0), lonlat.max(axis=0)
        box = self.domain
        is_within = box.west <= west and east <= box.east and box.south <= south and north <= box.north
        return bool(is_within and (self.target.world_width is not None or east - west < MAX_UNCLIPPED_WIDTH))

    def _enclosed_poles(self, areas: NDArray[np.object_], winding: Points) -> NDArray[np.int64]:
        """Return the pole that each ring encloses: 1 for north, -1 for south, 0 for none.

        Parameters
        ----------
        areas : array of Geometry [n]
            The areas of the rings in the source.
        winding : float64[n]
            The winding numbers of the rings in degrees. They must agree with the poles within the rings.
        """
        import shapely

        inside = [shapely.contains_xy(areas, x, y) * side for x, y, side in self.transform.pole_points()]
        sides = np.array([*inside, np.zeros(len(areas))], dtype=np.int64)
        if (np.abs(sides).sum(axis=0) != np.abs(winding)).any() or (np.abs(winding) > 1).any():
            raise ParameterError(
                "geometry winds around the poles ambiguously",
                where=self.parameter,
                expected="rings that wind around a pole once at most",
            )
        poles: NDArray[np.int64] = sides.sum(axis=0)
        return poles

    def _ring_areas(self, lonlat: Points, offsets: NDArray[np.int64], poles: NDArray[np.int64]) -> NDArray[np.object_]:
        """Return the areas of rings in degrees, each with the area up to the pole that it encloses."""
        import shapely

        ring = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        areas = shapely.polygons(shapely.linearrings(lonlat, indices=ring))
        for index in np.flatnonzero(poles):
            first, last = offsets[index : index + 2]
            areas[index] = shapely.Polygon(close_over_pole(lonlat[first:last], int(poles[index])))
        return make_valid(areas)

    def _clip_to_domain(
        self, areas: NDArray[np.object_], owners: NDArray[np.int64], first_rings: NDArray[np.int64]
    ) -> NDArray[np.object_]:
        """Return the polygons in degrees within the target's valid area.

        Parameters
        ----------
        areas : array of Geometry [n]
            The areas of the rings, in the order of their parts.
        owners : int64[n]
            The index of the part that each ring belongs to.
        first_rings : int64[parts + 1]
            The index of the first ring of each part, its shell; the other rings are holes. The last is n.
        """
        import shapely

        is_shell = np.isin(np.arange(len(owners)), first_rings[:-1])
        shells, shell_owners = union_by_owner(*clip_world_copies(areas[is_shell], owners[is_shell], self.domain, 360))
        holes, hole_owners = union_by_owner(*clip_world_copies(areas[~is_shell], owners[~is_shell], self.domain, 360))
        index = np.searchsorted(shell_owners, hole_owners)
        shells[index] = shapely.difference(shells[index], holes)
        if self.target.world_width is not None or not self.domain.spans_world:
            return polygon_parts(shells)
        # Cut into quarters, since the projection of a piece all around a pole would touch itself.
        quarters = np.linspace(self.domain.west, self.domain.east, 5)
        boxes = shapely.box(quarters[:-1], self.domain.south, quarters[1:], self.domain.north)
        return polygon_parts(shapely.intersection(shells[:, None], boxes).ravel())

    def _project(self, polygons: NDArray[np.object_]) -> NDArray[np.object_]:
        """Return polygons in degrees projected to the target, with vertices added to edges that become curved."""
        import shapely

        if not len(polygons):
            return polygons
        _, points, (offsets, first_rings) = shapely.to_ragged_array(polygons)

        def to_target(lonlat: Points) -> Points:
            xy = self.target.forward(lonlat)
            if not np.isfinite(xy).all():
                raise self._beyond_valid_area(self.target, lonlat)
            return xy

        def count_parts(samples: Points) -> Points:
            return self._parts(np.hypot(*chord_deviations(samples)).max(axis=0))

        gap = self._target_lengths(np.array([self.domain.centre]), np.array([[0.0, MAX_GAP_DEGREES]]))
        points, mapped, offsets = densify(
            points, offsets, to_target, count_parts, period=None, max_gap=float(gap[0]), parameter=self.parameter
        )
        if self.target.world_width is None and not self.target.is_invertible(points).all():
            raise self._beyond_valid_area(self.target, points)
        del points  # there may be millions
        projected: NDArray[np.object_] = shapely.from_ragged_array(
            shapely.GeometryType.POLYGON, mapped, (offsets, first_rings)
        )
        return projected

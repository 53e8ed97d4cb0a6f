"""Polygons from one spatial reference in another, with curved edges, poles and the antimeridian."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from gptool.crs.polygon_parts import ROUNDING, copies, joined
from gptool.crs.projection import Box, Projection, Way, projection_of
from gptool.crs.reference import reference_name
from gptool.crs.reprojector import Journey
from gptool.errors import ParameterError

if TYPE_CHECKING:
    import shapely

    from gptool.model import SpatialReference

    Polygonal: TypeAlias = shapely.Polygon | shapely.MultiPolygon


def period(reference: SpatialReference) -> float | None:
    """Return how far x goes once round the world, in the reference's unit, None where x does not go round."""
    projection = projection_of(reference)
    return projection.turn if projection else None


def is_same(reference: SpatialReference, other: SpatialReference) -> bool:
    """Tell whether two references are one: stated alike, or the same to PROJ."""
    if reference == other:
        return True
    one, two = projection_of(reference), projection_of(other)
    return bool(one and two and one.crs.equals(two.crs, ignore_axis_order=True))


def unwrap(polygon: Polygonal, reference: SpatialReference) -> shapely.MultiPolygon:
    """Return a polygon with the parts beyond the antimeridian where a grid of tiles shows the same places.

    Polygons within the world, and those in references that do not go round it, come back as they are.
    """
    import shapely

    projection = projection_of(reference)
    parts = shapely.get_parts(polygon)
    if projection is None or projection.turn is None or polygon.is_empty:
        return shapely.MultiPolygon(list(parts))
    west, east = projection.middle - projection.turn / 2, projection.middle + projection.turn / 2
    xmin, ymin, xmax, ymax = polygon.bounds
    slack = ROUNDING * projection.turn
    if west - slack <= xmin and xmax <= east + slack:
        return shapely.MultiPolygon(list(parts))
    world = Box(west, ymin - 1, east, ymax + 1)
    pieces, _ = copies(parts, np.zeros(len(parts), dtype=np.int64), world, projection.turn)
    return joined(pieces)


def reproject(
    polygon: Polygonal, source: SpatialReference, target: SpatialReference, tolerance: float, parameter: str
) -> shapely.MultiPolygon:
    """Return a polygon as the target's map shows it: valid, but for roundings where nothing had to be cut.

    Parameters
    ----------
    polygon : shapely.Polygon or shapely.MultiPolygon
        Valid, in the source's units.
    tolerance : float
        How far, in the target's units, an edge may lie from where the source's straight edge runs.
    parameter : str
        What messages call the polygon.

    Raises
    ------
    ParameterError
        When a reference is not known, when the polygon leaves the source's map, or the target's shows none of it.
    """
    import shapely

    if is_same(source, target):
        return unwrap(polygon, target)
    start, goal = _known(source, "of the polygon", parameter), _known(target, "of the cache", parameter)
    result = shapely.MultiPolygon()
    if goal.box is not None:
        journey = Journey(start, goal, goal.box, _way(start, goal, parameter), tolerance, parameter)
        result = journey.run(unwrap(shapely.force_2d(polygon), source))
    if result.is_empty:
        raise ParameterError(f"lies outside of what {_name(target)} can show", where=parameter)
    return result


def _name(reference: SpatialReference) -> str:
    wkid = reference.latest_wkid or reference.wkid
    return reference_name(reference) or (f"WKID {wkid}" if wkid else "no WKID or text")


def _known(reference: SpatialReference, side: str, parameter: str) -> Projection:
    projection = projection_of(reference)
    if projection is None:
        raise ParameterError(
            f"the spatial reference {side} is not known",
            where=parameter,
            found=_name(reference),
            expected="a WKID of EPSG or Esri, or a well-known text, of a geographic or projected reference",
        )
    return projection


def _way(start: Projection, goal: Projection, parameter: str) -> Way:
    from pyproj.exceptions import ProjError

    try:
        return Way(start, goal)
    except ProjError:
        raise ParameterError(f"there is no way from {start.crs.name} to {goal.crs.name}", where=parameter) from None

"""Reprojection of polygons between spatial references, with curved edges, poles and the antimeridian."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from gptool.crs.polygon_parts import EDGE_ROUNDING, clip_world_copies, merge
from gptool.crs.projection import LonLatBox, Projection, projection_of
from gptool.crs.reference import describe_reference, format_bounds
from gptool.crs.reprojector import Reprojector
from gptool.crs.transform import Transform
from gptool.errors import ParameterError

if TYPE_CHECKING:
    import shapely

    from gptool.model import SpatialReference

    Polygonal: TypeAlias = shapely.Polygon | shapely.MultiPolygon


def world_width(reference: SpatialReference) -> float | None:
    """Return the width of the world in x, in the unit of the spatial reference, or None if x is not periodic.

    It is 360 for degrees and 2 * pi * 6378137 m for web Mercator: grids of tiles in such spatial references may
    continue beyond the antimeridian, and show the same places again one world width away.
    """
    projection = projection_of(reference)
    return projection.world_width if projection else None


def is_same(reference: SpatialReference, other: SpatialReference) -> bool:
    """Return True if two spatial references are equal, or equivalent according to PROJ."""
    if reference == other:
        return True
    one, two = projection_of(reference), projection_of(other)
    return bool(one and two and one.crs.equals(two.crs, ignore_axis_order=True))


def unwrap(polygon: Polygonal, reference: SpatialReference) -> shapely.MultiPolygon:
    """Return a polygon with its parts beyond the antimeridian moved to the other side of the world.

    Polygons that lie within the world, or in a spatial reference whose x is not periodic, are returned unchanged.
    """
    import shapely

    projection = projection_of(reference)
    parts = shapely.get_parts(polygon)
    if projection is None or projection.world_width is None or polygon.is_empty:
        return shapely.MultiPolygon(list(parts))
    half_width = projection.world_width / 2
    west, east = projection.central_x - half_width, projection.central_x + half_width
    xmin, ymin, xmax, ymax = polygon.bounds
    slack = EDGE_ROUNDING * projection.world_width
    if west - slack <= xmin and xmax <= east + slack:
        return shapely.MultiPolygon(list(parts))
    world = LonLatBox(west, ymin - 1, east, ymax + 1)
    pieces, _ = clip_world_copies(parts, np.zeros(len(parts), dtype=np.int64), world, projection.world_width)
    return merge(pieces)


def reproject(
    polygon: Polygonal, source: SpatialReference, target: SpatialReference, tolerance: float, parameter: str
) -> shapely.MultiPolygon:
    """Return a polygon in another spatial reference, clipped to the valid area of the target.

    See `gptool.crs.reprojector` for the algorithm. The result is valid; if nothing was clipped, except for rounding
    errors.

    Parameters
    ----------
    polygon : shapely.Polygon or shapely.MultiPolygon
        Valid, in the unit of the source.
    tolerance : float
        The maximum distance, in the unit of the target, between an edge of the result and the projection of the
        straight edge in the source.
    parameter : str
        The name of the parameter, for messages.

    Raises
    ------
    ParameterError
        If a spatial reference is unknown, there is no transformation between them, or the polygon extends beyond the
        valid area of the source or lies outside that of the target.
    """
    import shapely

    if is_same(source, target):
        return unwrap(polygon, target)
    source_projection = _known_projection(source, "extent" if parameter == "exportExtent" else "area", parameter)
    target_projection = _known_projection(target, "cache", parameter)
    result = shapely.MultiPolygon()
    domain = target_projection.domain
    if domain is not None:
        transform = _make_transform(source_projection, target_projection, parameter)
        reprojector = Reprojector(source_projection, target_projection, domain, transform, tolerance, parameter)
        result = reprojector.reproject(unwrap(shapely.force_2d(polygon), source))
    if result.is_empty:
        raise ParameterError(
            f"geometry lies outside the valid area of {describe_reference(target)}",
            where=parameter,
            found=None if polygon.is_empty else f"{format_bounds(polygon.bounds)} in {describe_reference(source)}",
            expected=domain and f"a part of it within {domain}",
        )
    return result


def _known_projection(reference: SpatialReference, owner: str, parameter: str) -> Projection:
    projection = projection_of(reference)
    if projection is None:
        raise ParameterError(
            f"spatial reference of the {owner} is unknown",
            where=parameter,
            found=describe_reference(reference),
            expected="a WKID of EPSG or Esri, or a well-known text, of a geographic or projected coordinate system",
        )
    return projection


def _make_transform(source: Projection, target: Projection, parameter: str) -> Transform:
    from pyproj.exceptions import ProjError

    try:
        return Transform(source, target)
    except ProjError:
        raise ParameterError(
            f"no transformation from {source.crs.name} to {target.crs.name} is available", where=parameter
        ) from None

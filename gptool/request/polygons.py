"""From rings to valid polygons: outer rings, holes, repairs. Imports shapely, when an area is there to need it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gptool.errors import ParameterError
from gptool.model import SpatialReference
from gptool.request.area import PARAMETER, Ring, Shape, signed_area

if TYPE_CHECKING:
    from shapely import Geometry, MultiPolygon

MOST_TOLD = 10
"""Repairs that are told one by one."""


def make_polygons(shapes: Sequence[Shape]) -> tuple[dict[SpatialReference | None, MultiPolygon], list[str]]:
    """Return the shapes as one valid polygon for each reference, and what had to be put right, in words.

    Raises
    ------
    ParameterError
        When nothing of them has area.
    """
    by_reference: defaultdict[SpatialReference | None, list[Geometry]] = defaultdict(list)
    told: list[str] = []
    for shape in shapes:
        polygon = _make_polygon(shape, told)
        if not polygon.is_empty:
            by_reference[shape.reference].append(polygon)
    if not by_reference:
        raise ParameterError(
            "the polygons have no area", where=PARAMETER, found=f"{len(shapes)} polygons", expected="one with area"
        )
    more = len(told) - MOST_TOLD
    told[MOST_TOLD:] = [f"{PARAMETER}: {more} more were put right"] if more > 0 else []
    return {reference: united(parts) for reference, parts in by_reference.items()}, told


def _make_polygon(shape: Shape, told: list[str]) -> Geometry:
    """Return the area of a shape: outer rings run clockwise, those within run the other way to be holes."""
    rings, clockwise = _repaired_rings(shape, told)
    if len(rings) == 1:
        return rings[0]  # whichever way it runs
    depths = _depths(rings)
    outermost = clockwise[depths == 0]
    if not outermost.all():
        told.append(
            f"{PARAMETER}: {shape.name} has outer rings that run counter-clockwise, they are taken as outer ones"
        )
    if not outermost.any():
        clockwise = ~clockwise  # all of it was written the other way round
    return _in_layers(rings, depths, clockwise | (depths == 0))


def _in_layers(rings: Any, depths: Any, adds: Any) -> Geometry:
    """Add and take away rings from the outermost to the innermost."""
    import shapely

    area: Geometry = shapely.Polygon()
    for depth in range(int(depths.max(initial=-1)) + 1):
        here = depths == depth
        for meant, operation in ((~adds, shapely.difference), (adds, shapely.union)):
            if (here & meant).any():
                area = operation(area, shapely.union_all(rings[here & meant]))
    return area


def _repaired_rings(shape: Shape, told: list[str]) -> tuple[Any, Any]:
    """Return the areas within the rings that have one, each valid, and whether the rings run clockwise."""
    import shapely

    areas, clockwise = [], []
    for i, ring in enumerate(shape.rings):
        area, wrong = _repaired(ring)
        if wrong:
            told.append(f"{PARAMETER}: {shape.name}, ring {i}: {wrong}")
        if not area.is_empty:
            areas.append(area)
            clockwise.append(signed_area(ring) <= 0)
    return np.array(areas, dtype=shapely.Geometry), np.array(clockwise, bool)


def _repaired(ring: Ring) -> tuple[Geometry, str]:
    """Return the area within a ring, closed and made valid, and what was wrong with it."""
    import shapely

    if len(np.unique(ring, axis=0)) < 3:
        return shapely.Polygon(), "has no area, left out"
    polygon = shapely.Polygon(ring)
    if shapely.is_valid(polygon):
        return polygon, ""
    reason = shapely.is_valid_reason(polygon)
    lobes = only_polygons(shapely.make_valid(polygon, method="structure", keep_collapsed=False))
    area = only_polygons(shapely.union_all(shapely.get_parts(lobes)))  # some lobes share an edge
    return area, "has no area, left out" if area.is_empty else f"was repaired ({reason})"


def _depths(rings: Any) -> Any:
    """Return for each area how many larger ones it lies in."""
    import shapely

    sizes = shapely.area(rings)
    inner, outer = shapely.STRtree(rings).query(shapely.point_on_surface(rings), predicate="intersects")
    return np.bincount(inner[sizes[outer] > sizes[inner]], minlength=len(rings))


def united(parts: Sequence[Geometry]) -> MultiPolygon:
    """Return polygons as one, valid but for roundings; a single large one is not worked on for seconds."""
    import shapely

    return only_polygons(parts[0] if len(parts) == 1 else shapely.union_all(shapely.make_valid(parts)))


def only_polygons(geometry: Geometry) -> MultiPolygon:
    """Return the parts of a geometry that have area."""
    import shapely

    parts = shapely.get_parts(geometry)
    while (shapely.get_type_id(parts) > POLYGON_ID).any():
        parts = shapely.get_parts(parts)
    return shapely.MultiPolygon(parts[(shapely.get_type_id(parts) == POLYGON_ID) & (shapely.area(parts) > 0)].tolist())


POLYGON_ID = 3
"""shapely's for a polygon; what counts above are collections."""

"""Unions of polygons, whose cost is bounded.

Shapely is imported only when there is an area, since the import takes long.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gptool.request.crossings import CrossingBudget, count_crossings, edges_of_polygons

if TYPE_CHECKING:
    from shapely import Geometry, MultiPolygon

POLYGON_TYPE_ID = 3
"""Shapely's type id of polygons; higher ones are those of collections."""


def union(geometries: Sequence[Geometry], budget: CrossingBudget | None = None) -> MultiPolygon:
    """Return the union of polygons, valid except for rounding errors.

    A single polygon is returned unchanged: a union would take seconds if it is large.

    Parameters
    ----------
    geometries : sequence of Geometry
    budget : CrossingBudget, optional
        By default, one for these polygons.

    Raises
    ------
    ParameterError
        If the edges cross each other too often.
    """
    import shapely

    if len(geometries) == 1:
        return polygonal(geometries[0])
    if not len(geometries):
        return shapely.MultiPolygon()
    return polygonal(_union(list(geometries), budget or CrossingBudget(edges_of_polygons(geometries))))


def difference(geometry: Geometry, others: Sequence[Geometry], budget: CrossingBudget) -> Geometry:
    """Return a polygon without others.

    Raises
    ------
    ParameterError
        If the edges cross each other too often.
    """
    import shapely

    subtracted = union(others, budget)
    budget.spend(edges_of_polygons([geometry, subtracted]))
    return shapely.difference(geometry, subtracted)


def polygonal(geometry: Geometry) -> MultiPolygon:
    """Return the parts of a geometry that are polygons with an area."""
    import shapely

    parts = shapely.get_parts(geometry)
    while (shapely.get_type_id(parts) > POLYGON_TYPE_ID).any():
        parts = shapely.get_parts(parts)
    is_polygon = (shapely.get_type_id(parts) == POLYGON_TYPE_ID) & (shapely.area(parts) > 0)
    if is_polygon.all() and isinstance(geometry, shapely.MultiPolygon):
        return geometry  # which may be large
    return shapely.MultiPolygon(parts[is_polygon].tolist())


def _union(parts: list[Geometry], budget: CrossingBudget) -> Geometry:
    """Return the union of polygons. If they cross often, that of halves, whose own unions may have fewer edges.

    Thousands of circles on top of each other have millions of crossings, but their union has few edges.
    """
    import shapely

    if not budget.covers_all and len(parts) > 1:
        edges = edges_of_polygons(parts)
        if len(parts) > 2 and not count_crossings(edges, len(edges)).is_within(len(edges)):
            return _union([_union(half, budget) for half in _halves(parts)], budget)
        budget.spend(edges)
    return shapely.disjoint_subset_union_all(shapely.make_valid(parts))


def _halves(parts: list[Geometry]) -> tuple[list[Geometry], list[Geometry]]:
    """Divide polygons into those on both sides of a line, at right angles to the longer side of their box."""
    import shapely

    bounds = shapely.bounds(parts)
    centres = bounds[:, :2] + bounds[:, 2:]
    order = np.argsort(centres[:, int(np.argmax(np.ptp(centres, axis=0)))], kind="stable").tolist()
    middle = len(order) // 2
    return [parts[i] for i in order[:middle]], [parts[i] for i in order[middle:]]

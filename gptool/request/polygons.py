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

AT_ONCE = 500
"""Rings that are looked for among all others at a time: of rings in rings every one may lie in every other."""

INTERIORS_MEET = "T********"
"""Of DE-9IM: what shares area."""

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
    depths, parents = _nesting(rings)
    outermost = depths == 0
    if not clockwise[outermost].any():
        clockwise = ~clockwise  # all of it was written the other way round
        told.append(f"{PARAMETER}: {shape.name}: its outer rings run counter-clockwise, they are taken as outer ones")
    area, strays = _nested(rings, depths, parents, clockwise), outermost & ~clockwise
    if not strays.any():
        return area
    return _with_strays(area, rings[strays], united(rings[outermost & clockwise]), shape, told)


def _nested(rings: Any, depths: Any, parents: Any, adds: Any) -> Geometry:
    """Return the area of rings in rings: those that add less the next ones within that take away."""
    holes: defaultdict[int, list[int]] = defaultdict(list)
    # The ring in whose place one stands that makes no difference, since what it lies in does the same.
    stands_for = np.arange(len(rings))
    for i in np.argsort(depths, kind="stable").tolist():
        parent = stands_for[parents[i]] if depths[i] else i
        if depths[i] and adds[parent] == adds[i]:
            stands_for[i] = parent
        elif depths[i] and not adds[i]:
            holes[parent].append(i)
    shells = np.flatnonzero((stands_for == np.arange(len(rings))) & adds)
    return united([_less(rings[shell], rings[holes[shell]]) for shell in shells.tolist()])


def _less(shell: Geometry, holes: Any) -> Geometry:
    """Return an area without those within it."""
    import shapely

    if not len(holes):
        return shell
    rings = [shapely.get_rings(ring) for ring in (shell, *holes)]
    if all(len(ring) == 1 for ring in rings):
        whole = shapely.Polygon(rings[0][0], [ring[0] for ring in rings[1:]])
        if shapely.is_valid(whole):
            return whole  # as it mostly is, and without work for thousands of holes
    return shapely.difference(shell, shapely.union_all(holes))


def _with_strays(area: Geometry, strays: Any, outer: Geometry, shape: Shape, told: list[str]) -> Geometry:
    """Cut off rings that run as holes do and lie in no other; those that meet no outer ring are outer ones."""
    import shapely

    meets = shapely.relate_pattern(strays, outer, INTERIORS_MEET)
    if meets.any():
        told.append(f"{PARAMETER}: {shape.name}: {meets.sum()} holes reach beyond their outer rings, and are cut off")
        area = shapely.difference(area, shapely.union_all(strays[meets]))
    if not meets.all():
        told.append(f"{PARAMETER}: {shape.name}: {(~meets).sum()} outer rings run counter-clockwise")
        area = shapely.union_all([area, *strays[~meets]])
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


def _nesting(rings: Any) -> tuple[Any, Any]:
    """Return for each area how many larger ones it lies in, and the smallest of them; itself when there is none."""
    import shapely

    sizes, places, tree = shapely.area(rings), shapely.point_on_surface(rings), shapely.STRtree(rings)
    depths, parents = np.zeros(len(rings), np.int64), np.arange(len(rings))
    for first in range(0, len(rings), AT_ONCE):
        inner, outer = tree.query(places[first : first + AT_ONCE], predicate="intersects")
        inner = inner + first
        larger = sizes[outer] > sizes[inner]
        inner, outer = inner[larger], outer[larger]
        depths += np.bincount(inner, minlength=len(rings))
        smallest_last = np.argsort(-sizes[outer], kind="stable")
        parents[inner[smallest_last]] = outer[smallest_last]
    return depths, parents


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

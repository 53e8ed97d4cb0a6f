"""Assembly of valid polygons from rings: outer rings, holes, repairs.

Shapely is imported only when there is an area, since the import takes long.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gptool.errors import ParameterError
from gptool.model import SpatialReference
from gptool.request.area_members import PARAMETER, RequestedPolygon, Ring, signed_area
from gptool.request.crossings import CrossingBudget, edges_of
from gptool.request.unions import difference, polygonal, union
from gptool.text import format_count

if TYPE_CHECKING:
    from shapely import Geometry, MultiPolygon

RINGS_PER_QUERY = 500
"""Rings per query of the spatial index: with concentric rings each may lie in every other, so results are quadratic."""

MAX_NESTED_PAIRS = 5_000_000
"""Pairs of a ring and one that contains it: the cost of nested rings grows with them. 3,000 concentric rings have 4.5
million, 100,000 islands in 20 seas 2 million."""

INTERIORS_INTERSECT = "T********"
"""DE-9IM pattern of geometries that share area."""

FIRST_VERTICES = 8
"""Vertices of a ring that are looked at first: it usually has three different ones among them."""

MAX_LISTED_REPAIRS = 10
"""Repairs that are listed one by one."""


def build_polygons(
    requested: Sequence[RequestedPolygon],
) -> tuple[dict[SpatialReference | None, MultiPolygon], list[str]]:
    """Return the union of the requested polygons for each spatial reference, and warnings about repairs.

    Raises
    ------
    ParameterError
        If no polygon has an area, or their edges cross each other too often.
    """
    by_reference: defaultdict[SpatialReference | None, list[Geometry]] = defaultdict(list)
    repairs: list[str] = []
    budgets = _crossing_budgets(requested)
    for polygon in requested:
        geometry = _build_polygon(polygon, repairs, budgets[polygon.reference])
        if not geometry.is_empty:
            by_reference[polygon.reference].append(geometry)
    if not by_reference:
        raise ParameterError(
            "no polygon has an area",
            where=PARAMETER,
            found=format_count(len(requested), "polygon"),
            expected="at least one polygon with an area",
        )
    more = len(repairs) - MAX_LISTED_REPAIRS
    repairs[MAX_LISTED_REPAIRS:] = [f"{PARAMETER}: {format_count(more, 'more repair')}"] if more > 0 else []
    return {reference: union(parts, budgets[reference]) for reference, parts in by_reference.items()}, repairs


def _crossing_budgets(requested: Sequence[RequestedPolygon]) -> dict[SpatialReference | None, CrossingBudget]:
    """Return the crossings that may be resolved in each spatial reference."""
    rings: defaultdict[SpatialReference | None, list[Ring]] = defaultdict(list)
    for polygon in requested:
        rings[polygon.reference] += polygon.rings
    return {reference: CrossingBudget(edges_of(ones)) for reference, ones in rings.items()}


def _build_polygon(polygon: RequestedPolygon, repairs: list[str], budget: CrossingBudget) -> Geometry:
    """Return the geometry of a polygon: outer rings run clockwise, holes within them counter-clockwise."""
    rings, is_clockwise = _repair_rings(polygon, repairs, budget)
    if len(rings) == 1:
        return rings[0]  # the orientation of a single ring does not matter
    depths, parents = _nest(rings)
    is_outermost = depths == 0
    if not is_clockwise[is_outermost].any():
        is_clockwise = ~is_clockwise  # all rings have the opposite orientation, as in GeoJSON
        repairs.append(f"{PARAMETER}: {polygon.name}: reversed all rings, since the outer rings run counter-clockwise")
    geometry, is_stray = _fill(rings, depths, parents, is_clockwise, budget), is_outermost & ~is_clockwise
    if not is_stray.any():
        return geometry
    shells = union(rings[is_outermost & is_clockwise], budget)
    return _apply_strays(geometry, rings[is_stray], shells, polygon, repairs, budget)


def _fill(rings: Any, depths: Any, parents: Any, is_shell: Any, budget: CrossingBudget) -> Geometry:
    """Return the area of nested rings: shells without the holes that lie directly within them.

    Parameters
    ----------
    rings : array of Geometry [n]
        The areas of the rings.
    depths, parents : int[n]
        As `_nest` returns them.
    is_shell : bool[n]
        True for shells, False for holes.
    """
    holes: defaultdict[int, list[int]] = defaultdict(list)
    # A shell in a shell, or a hole in a hole, changes nothing: rings within it belong to the ring that contains it.
    effective = np.arange(len(rings))
    for i in np.argsort(depths, kind="stable").tolist():
        parent = effective[parents[i]] if depths[i] else i
        if depths[i] and is_shell[parent] == is_shell[i]:
            effective[i] = parent
        elif depths[i] and not is_shell[i]:
            holes[parent].append(i)
    shells = np.flatnonzero((effective == np.arange(len(rings))) & is_shell)
    return union([_subtract_holes(rings[shell], rings[holes[shell]], budget) for shell in shells.tolist()], budget)


def _subtract_holes(shell: Geometry, holes: Any, budget: CrossingBudget) -> Geometry:
    """Return the area of a shell without the holes within it."""
    import shapely

    if not len(holes):
        return shell
    rings = [shapely.get_rings(ring) for ring in (shell, *holes)]
    if all(len(ring) == 1 for ring in rings):
        polygon = shapely.Polygon(rings[0][0], [ring[0] for ring in rings[1:]])
        if shapely.is_valid(polygon):
            return polygon  # the usual case, fast even for thousands of holes
    return difference(shell, holes, budget)


def _apply_strays(
    geometry: Geometry,
    strays: Any,
    shells: Geometry,
    polygon: RequestedPolygon,
    repairs: list[str],
    budget: CrossingBudget,
) -> Geometry:
    """Apply the counter-clockwise rings that lie in no other ring.

    Those that overlap a shell are holes that extend beyond it, and are subtracted; the others are shells.
    """
    import shapely

    overlaps = shapely.relate_pattern(strays, shells, INTERIORS_INTERSECT)
    where = f"{PARAMETER}: {polygon.name}"
    if overlaps.any():
        holes = format_count(int(overlaps.sum()), "hole")
        repairs.append(f"{where}: clipped {holes} extending beyond the outer rings")
        geometry = difference(geometry, strays[overlaps], budget)
    if not overlaps.all():
        rings = format_count(int((~overlaps).sum()), "counter-clockwise outer ring")
        repairs.append(f"{where}: reversed {rings}")
        geometry = union([geometry, *strays[~overlaps]], budget)
    return geometry


def _repair_rings(polygon: RequestedPolygon, repairs: list[str], budget: CrossingBudget) -> tuple[Any, Any]:
    """Return the valid areas of the rings that have one, and whether the rings run clockwise."""
    import shapely

    areas, is_clockwise = [], []
    for i, ring in enumerate(polygon.rings):
        area, repair = _repair_ring(ring, budget)
        if repair:
            repairs.append(f"{PARAMETER}: {polygon.name}, ring {i}: {repair}")
        if not area.is_empty:
            areas.append(area)
            is_clockwise.append(signed_area(ring) <= 0)
    return np.array(areas, dtype=shapely.Geometry), np.array(is_clockwise, bool)


def _repair_ring(ring: Ring, budget: CrossingBudget) -> tuple[Geometry, str]:
    """Return the area of a ring, closed and valid, and a description of the repair, empty if there was none."""
    import shapely

    if len(set(map(tuple, ring[:FIRST_VERTICES].tolist()))) < 3 and len(np.unique(ring, axis=0)) < 3:
        return shapely.Polygon(), "skipped ring without area"
    if not budget.covers_all:
        budget.spend(edges_of([ring]))  # a check of its validity examines the same pairs of edges
    polygon = shapely.Polygon(ring)
    if shapely.is_valid(polygon):
        return polygon, ""
    reason = shapely.is_valid_reason(polygon)
    lobes = polygonal(shapely.make_valid(polygon, method="structure", keep_collapsed=False))
    area = polygonal(shapely.union_all(shapely.get_parts(lobes)))  # lobes may share an edge
    return area, "skipped ring without area" if area.is_empty else f"repaired ring ({reason})"


def _nest(rings: Any) -> tuple[Any, Any]:
    """Return the nesting of areas.

    Returns
    -------
    depths : int[n]
        The number of larger areas that contain each area.
    parents : int[n]
        The index of the smallest of them; for an outermost area its own index.

    Raises
    ------
    ParameterError
        If too many areas lie in others.
    """
    import shapely

    sizes, points, tree = shapely.area(rings), shapely.point_on_surface(rings), shapely.STRtree(rings)
    depths, parents = np.zeros(len(rings), np.int64), np.arange(len(rings))
    for first in range(0, len(rings), RINGS_PER_QUERY):
        inner, outer = tree.query(points[first : first + RINGS_PER_QUERY], predicate="intersects")
        inner = inner + first
        is_larger = sizes[outer] > sizes[inner]
        inner, outer = inner[is_larger], outer[is_larger]
        depths += np.bincount(inner, minlength=len(rings))
        _check_nesting(int(depths.sum()))
        # Of several assignments to one index the last is effective: the smallest area comes last.
        smallest_last = np.argsort(-sizes[outer], kind="stable")
        parents[inner[smallest_last]] = outer[smallest_last]
    return depths, parents


def _check_nesting(pairs: int) -> None:
    if pairs > MAX_NESTED_PAIRS:
        raise ParameterError(
            "rings are nested too often", where=PARAMETER, found=f"at least {pairs} pairs of a ring and one around it",
            expected=f"at most {MAX_NESTED_PAIRS}: simplify the area, or send its parts one by one",
        )  # fmt: skip

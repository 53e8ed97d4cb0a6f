"""How often the edges of an area cross each other, which bounds the cost of repairs and unions.

Each crossing becomes a vertex: a ring of 3,000 random vertices has a million crossings, and would take half a minute
and gigabytes to repair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool import _area
from gptool.errors import ParameterError
from gptool.request.area_members import PARAMETER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shapely import Geometry

MAX_CROSSINGS = 50_000
"""Crossings of an area that may be resolved, beside one for each edge: two seconds and 150 MB."""

MAX_PAIRS, MAX_PAIRS_PER_EDGE = 50_000_000, 10
"""Pairs of edges whose boxes overlap, up to which crossings are searched: two seconds. Checks of validity compare them
as well."""

Points = NDArray[np.float64]
Edges = NDArray[np.float64]
"""[n, 2, 2]: start and end, x and y."""


class CrossingCount(NamedTuple):
    """The crossings of some edges.

    Attributes
    ----------
    crossings : int
        Pairs of edges that cross, or of which one ends within the other; at least so many if the count was ended.
    pairs : int
        Pairs of edges that were examined.
    max_pairs : int
        The count was ended if more were examined.
    """

    crossings: int
    pairs: int
    max_pairs: int

    def is_within(self, limit: int) -> bool:
        """Return whether all pairs were examined and have no more crossings than a limit."""
        return self.crossings <= limit and self.pairs <= self.max_pairs


class CrossingBudget:
    """The crossings of an area that may still be resolved.

    Parameters
    ----------
    edges : Edges
        All edges of the area.
    """

    def __init__(self, edges: Edges) -> None:
        self._limit = self._left = MAX_CROSSINGS + len(edges)
        self.covers_all = count_crossings(edges, self._limit).is_within(self._limit)
        """Whether all crossings may be resolved; otherwise those of each step are counted, as there may be fewer."""

    def spend(self, edges: Edges) -> None:
        """Count the crossings of edges, which are to be resolved.

        Raises
        ------
        ParameterError
            If they have more crossings than are left, or too many edges are near each other.
        """
        if self.covers_all:
            return
        count = count_crossings(edges, self._left)
        self._left -= count.crossings
        if self._left < 0:
            raise ParameterError(
                "edges cross each other too often", where=PARAMETER,
                found=f"at least {self._limit - self._left} crossings",
                expected=f"at most {self._limit}: simplify the rings, or remove their crossings",
            )  # fmt: skip
        if count.pairs > count.max_pairs:
            raise ParameterError(
                "too many edges are near each other", where=PARAMETER, found=f"at least {count.pairs} pairs of edges",
                expected=f"at most {count.max_pairs}: simplify the rings",
            )  # fmt: skip


def edges_of(rings: Sequence[Points]) -> Edges:
    """Return the edges of rings, closed or not, without those of length 0."""
    points, ends = np.concatenate(rings), np.cumsum([len(ring) for ring in rings])
    following = np.arange(1, len(points) + 1)
    following[ends - 1] = np.append(0, ends[:-1])  # behind the last vertex of a ring comes its first
    all_edges = np.stack([points, points[following]], axis=1)
    edges: Edges = all_edges[(all_edges[:, 0] != all_edges[:, 1]).any(axis=1)]
    return edges


def edges_of_polygons(polygons: Sequence[Geometry]) -> Edges:
    """Return the edges of polygons, or of collections of polygons."""
    import shapely

    points, rings = shapely.get_coordinates(shapely.get_rings(shapely.get_parts(polygons)), return_index=True)
    is_edge = rings[1:] == rings[:-1]
    return np.stack([points[:-1][is_edge], points[1:][is_edge]], axis=1)


def count_crossings(edges: Edges, limit: int) -> CrossingCount:
    """Return how many pairs of edges cross. The count ends when there are more than a limit."""
    if not len(edges):
        return CrossingCount(0, 0, 0)
    lows, highs = edges.min(axis=1), edges.max(axis=1)
    # The axis along which edges are shorter, on the whole: fewer of them overlap.
    lengths, extents = (highs - lows).mean(axis=0), highs.max(axis=0) - lows.min(axis=0)
    along_axis = edges[..., ::-1] if lengths[1] * extents[0] < lengths[0] * extents[1] else edges
    is_forward = along_axis[:, :1, :1] <= along_axis[:, 1:, :1]
    forward = np.where(is_forward, along_axis, along_axis[:, ::-1])
    ordered = np.ascontiguousarray(forward[np.argsort(forward[:, 0, 0], kind="stable")]).reshape(-1, 4)
    max_pairs = MAX_PAIRS + MAX_PAIRS_PER_EDGE * len(edges)
    return CrossingCount(*_area.count_crossings(ordered, limit, max_pairs), max_pairs)

"""Replacement of curved segments by straight ones that deviate from them by less than a tolerance."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gptool.errors import ParameterError
from gptool.model import SpatialReference
from gptool.request.area_members import PARAMETER, RequestedPolygon, Ring
from gptool.request.curves import Curve, Points

MAX_VERTICES = 1_000_000
"""Vertices of all curves of a request: a circle around the world takes most of them at the scale of a house."""

SAMPLES = np.linspace(0, 1, 9)
"""Positions on a curve at which its tolerance is determined: the scale of a map is not the same everywhere."""

Tolerances = Callable[[Points, SpatialReference | None], NDArray[np.float64]]
"""Returns the tolerance at each point, in the unit of the spatial reference."""


def has_curves(polygons: Sequence[RequestedPolygon]) -> bool:
    """Return True if a polygon has curved segments."""
    return any(any(polygon.curves) for polygon in polygons)


def flatten_curves(polygons: Sequence[RequestedPolygon], tolerances: Tolerances) -> list[RequestedPolygon]:
    """Return the polygons with straight segments only.

    Parameters
    ----------
    polygons : sequence of RequestedPolygon
    tolerances : callable
        See `Tolerances`.

    Raises
    ------
    ParameterError
        If the curves require more than `MAX_VERTICES`.
    """
    parts = _parts_of_curves(polygons, tolerances)
    vertices = sum(parts)
    if vertices > MAX_VERTICES:
        raise ParameterError(
            "curves require too many vertices",
            where=PARAMETER,
            found=vertices,
            expected=f"at most {MAX_VERTICES}: request coarser levels, or polygons without curves",
        )
    numbers = iter(parts)
    return [
        polygon._replace(
            rings=[
                _flatten_ring(ring, [(start, curve, next(numbers)) for start, curve in curves])
                for ring, curves in zip(polygon.rings, polygon.curves, strict=True)
            ],
            curves=(),
        )
        if polygon.curves
        else polygon
        for polygon in polygons
    ]


def outline(polygon: RequestedPolygon) -> Points:
    """Return the vertices of all rings, and some points on their curves."""
    points = [curve.at(SAMPLES) for curve in _curves_of(polygon)]
    return np.concatenate([*polygon.rings, *points])


def _curves_of(polygon: RequestedPolygon) -> Iterator[Curve]:
    return (curve for ring in polygon.curves for _, curve in ring)


def _parts_of_curves(polygons: Sequence[RequestedPolygon], tolerances: Tolerances) -> list[int]:
    """Return the number of straight parts of each curve, in the order of polygons, rings and segments."""
    parts: list[int] = []
    for polygon in polygons:
        curves = list(_curves_of(polygon))
        if not curves:
            continue
        samples = np.concatenate([curve.at(SAMPLES) for curve in curves])
        smallest = tolerances(samples, polygon.reference).reshape(len(curves), len(SAMPLES)).min(axis=1)
        for curve, tolerance in zip(curves, smallest.tolist(), strict=True):
            required = math.sqrt(curve.bend / (8 * tolerance))
            # A number that is not even close to the limit need not be exact.
            parts.append(max(math.ceil(min(required, 2 * MAX_VERTICES)), curve.min_parts, 1))
    return parts


def _flatten_ring(ring: Ring, curves: Sequence[tuple[int, Curve, int]]) -> Ring:
    """Return a ring with the vertices of its curves: each has its first vertex and its number of straight parts."""
    pieces, done = [], 0
    for start, curve, parts in curves:
        pieces += [ring[done : start + 1], curve.at(np.arange(1, parts) / parts)]
        done = start + 1
    return np.concatenate([*pieces, ring[done:]])

"""The `curveRings` of Esri's JSON: rings of straight and curved segments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from gptool.errors import ParameterError
from gptool.request.area_members import PARAMETER, Ring, format_members, invalid_vertex, read_list
from gptool.request.curves import BezierCurve, Curve, Point, arc_around, arc_through
from gptool.request.spatial_reference import MAX_COORDINATE
from gptool.request.values import format_value

KINDS = "an object with c, a or b: a circular arc, an elliptic arc or a Bézier curve"

MAX_CURVES = 100_000
"""Curves of an area; the work for each is much larger than for a vertex."""


ROUNDING = 1e-6
"""Amount by which the ratio of the axes of a circle may exceed 1."""


class CurveRing(NamedTuple):
    """A ring with curved segments.

    Attributes
    ----------
    vertices : float64[n, 2]
        The ends of the segments, in order.
    curves : tuple of (int, Curve)
        The curved segments, each with the index of the vertex that it starts at; the others are straight.
    """

    vertices: Ring
    curves: tuple[tuple[int, Curve], ...]


def read_curve_rings(value: Any, name: str) -> tuple[list[CurveRing], int]:
    """Return the rings that have vertices, and the number of those that have none.

    Parameters
    ----------
    value : list
        Rings: lists of points and curves; each curve starts where the segment before it ends.
    name : str
        The position of the polygon in the request, for messages.

    Raises
    ------
    ParameterError
        If a point or curve is invalid, or there are more than `MAX_CURVES`.
    """
    rings = read_list(value, f"{name}, curveRings")
    found = [_read_ring(ring, f"{name}, ring {i}") for i, ring in enumerate(rings)]
    filled = [ring for ring in found if len(ring.vertices)]
    curves = sum(len(ring.curves) for ring in filled)
    if curves > MAX_CURVES:
        raise ParameterError(
            "too many curves", where=f"{PARAMETER}: {name}", found=curves, expected=f"at most {MAX_CURVES}"
        )
    return filled, len(found) - len(filled)


def _read_ring(value: Any, name: str) -> CurveRing:
    vertices: list[Point] = []
    curves: list[tuple[int, Curve]] = []
    for i, segment in enumerate(read_list(value, name)):
        where = f"{name}, segment {i}"
        if not isinstance(segment, Mapping):
            vertices.append(_read_point(segment, where))
            continue
        if not vertices:
            raise _invalid_curve(where, "curve without a point before it", segment)
        curve, end = _read_curve(segment, vertices[-1], where)
        if curve is not None:
            curves.append((len(vertices) - 1, curve))
        vertices.append(end)
    return CurveRing(np.array(vertices, np.float64).reshape(-1, 2), tuple(curves))


def _read_curve(segment: Mapping[str, Any], start: Point, where: str) -> tuple[Curve | None, Point]:
    """Return the curve, None for a straight line, and its end."""
    kind = next((kind for kind in ("c", "a", "b") if kind in segment), None)
    values = segment.get(kind) if kind else None
    if not isinstance(values, list | tuple) or len(values) < 2:
        raise _invalid_curve(where, "invalid curve", segment)
    end, second = _read_point(values[0], where), _read_point(values[1], where)
    if kind == "c":
        return arc_through(start, second, end), end
    if kind == "b" and len(values) == 3:
        return BezierCurve(start, second, _read_point(values[2], where), end), end
    try:
        if kind == "a" and len(values) >= 4:
            return _read_arc(start, end, second, *values[2:7]), end
    except (TypeError, ValueError, OverflowError):
        pass
    raise _invalid_curve(where, "invalid curve", segment)


def _read_arc(
    start: Point,
    end: Point,
    centre: Point,
    minor: Any,
    clockwise: Any,
    rotation: Any = 0,
    axis: Any = None,
    ratio: Any = 1,
) -> Curve | None:
    """Return an elliptic arc; one without rotation, axis and ratio is circular.

    Raises
    ------
    TypeError, ValueError, OverflowError
        If a value is not a number, or they contradict each other.
    """
    # Added to 0.0 to reject texts.
    numbers = [0.0 + value for value in (minor, clockwise, rotation, 1 if axis is None else axis, ratio)]
    is_valid = all(abs(number) <= MAX_COORDINATE for number in numbers) and min(numbers[3:]) >= 0
    if not is_valid or numbers[4] > 1 + ROUNDING:
        raise ValueError("not an ellipse")
    return arc_around(
        start, end, centre, is_minor=bool(minor), is_clockwise=bool(clockwise), rotation=numbers[2],
        axis=None if axis is None else numbers[3], ratio=numbers[4],
    )  # fmt: skip


def _read_point(value: Any, where: str) -> Point:
    try:
        point = 0.0 + value[0], 0.0 + value[1]
    except (TypeError, ValueError, KeyError, IndexError, OverflowError):
        raise invalid_vertex(where, format_value(value)) from None
    if not all(abs(number) <= MAX_COORDINATE for number in point):
        raise invalid_vertex(where, f"a coordinate that is not finite or exceeds {MAX_COORDINATE:g}")
    return point


def _invalid_curve(where: str, what: str, segment: Mapping[str, Any]) -> ParameterError:
    found = format_value(dict(segment)) if segment else format_members(segment)
    return ParameterError(what, where=f"{PARAMETER}: {where}", found=found, expected=KINDS)

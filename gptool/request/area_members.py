"""The members of an area: polygons as requested, and what is skipped because it is no area."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.errors import ParameterError
from gptool.model import Extent, SpatialReference
from gptool.request.curves import Curve
from gptool.request.spatial_reference import MAX_COORDINATE
from gptool.request.values import format_value

PARAMETER = "areaOfInterest"

EXPECTED = "a feature set, a polygon with rings, or GeoJSON polygons"

Ring = NDArray[np.float64]
"""[n, 2]: x, y of the vertices, as requested."""


class SkippedMember(NamedTuple):
    """A member that is no area, which is skipped if others of the same value are areas.

    Attributes
    ----------
    name : str
        Its position in the request, for messages.
    found : str
        What it is, for messages.
    """

    name: str
    found: str

    def error(self) -> ParameterError:
        """Return the error of a value that has no other members."""
        return ParameterError("not a polygon", where=f"{PARAMETER}: {self.name}", found=self.found, expected=EXPECTED)


class RequestedPolygon(NamedTuple):
    """A polygon as requested, of any number of parts and holes.

    Attributes
    ----------
    name : str
        Its position in the request, for messages, such as `feature 2`.
    rings : list of Ring
        Outer rings clockwise, holes counter-clockwise (Esri's convention).
    reference : SpatialReference or None
        None for the spatial reference of the cache.
    empty_rings : int
        Rings without vertices, which are left out.
    curves : tuple of tuple of (int, Curve)
        For each ring, its curved segments with the index of the vertex that each starts at; empty without curves.
    envelope : Extent or None
        If it is an envelope that crosses the antimeridian: its sides, of which `xmin` is greater than `xmax`.
    """

    name: str
    rings: list[Ring]
    reference: SpatialReference | None
    empty_rings: int = 0
    curves: tuple[tuple[tuple[int, Curve], ...], ...] = ()
    envelope: Extent | None = None


Member = RequestedPolygon | SkippedMember


def envelope_corners(xmin: Any, ymin: Any, xmax: Any, ymax: Any) -> list[list[Any]]:
    """Return the corners of an envelope as a closed ring that runs clockwise from `xmin, ymin`."""
    return [[xmin, ymin], [xmin, ymax], [xmax, ymax], [xmax, ymin], [xmin, ymin]]


def signed_area(ring: Ring) -> float:
    """Return the area of a ring, positive if it runs counter-clockwise."""
    x, y = (ring - ring[0]).T  # the edge from the last vertex to the first, which is at 0, 0, adds nothing
    return float(np.dot(x[:-1], y[1:]) - np.dot(y[:-1], x[1:])) / 2


def read_rings(value: Any, name: str, list_name: str) -> tuple[list[Ring], int]:
    """Return the rings that have vertices, and the number of those that have none."""
    values = read_list(value, list_name)
    rings = [read_ring(ring, f"{name}, ring {i}") for i, ring in enumerate(values)]
    filled = [ring for ring in rings if len(ring)]
    return filled, len(rings) - len(filled)


def read_ring(value: Any, name: str) -> Ring:
    """Return the vertices of a ring; heights and measures after x and y are ignored."""
    vertices = read_list(value, name)
    try:
        # Added to 0.0 to reject texts, which NumPy would convert.
        ring = np.array([(0.0 + vertex[0], 0.0 + vertex[1]) for vertex in vertices], np.float64).reshape(-1, 2)
    except (TypeError, ValueError, KeyError, IndexError, OverflowError):
        raise invalid_vertex(name, _first_invalid_vertex(vertices)) from None
    if not (np.abs(ring) <= MAX_COORDINATE).all():
        raise invalid_vertex(name, f"a coordinate that is not finite or exceeds {MAX_COORDINATE:g}")
    return ring


def invalid_vertex(name: str, found: str) -> ParameterError:
    """Return the error for a vertex that is not a pair of finite numbers."""
    return ParameterError(
        "ring has an invalid vertex",
        where=f"{PARAMETER}: {name}",
        found=found,
        expected="a pair of finite numbers, x and y",
    )


def _first_invalid_vertex(vertices: Sequence[Any]) -> str:
    """Return the first vertex that is not a pair of numbers, for a message."""
    for i, vertex in enumerate(vertices):
        pair = vertex[:2] if isinstance(vertex, list | tuple) else None
        if pair is None or len(pair) < 2 or not all(isinstance(number, int | float) for number in pair):
            return f"{format_value(vertex)} as vertex {i}"
    return "a coordinate that exceeds the range of a double"


def read_list(value: Any, name: str) -> list[Any] | tuple[Any, ...]:
    """Return a list. Raises ParameterError if the value is none."""
    if value is None:
        raise ParameterError("is missing", where=f"{PARAMETER}: {name}", expected="a list")
    if not isinstance(value, list | tuple):
        raise ParameterError(
            "invalid value", where=f"{PARAMETER}: {name}", found=format_value(value), expected="a list"
        )
    return value


def format_members(value: Mapping[str, Any]) -> str:
    """Return the names of the members of a JSON object, for a message."""
    return "members " + ", ".join(map(str, value)) if value else "an empty object"

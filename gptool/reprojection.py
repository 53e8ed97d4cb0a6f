"""Polygons of other references than the cache's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gptool.errors import ParameterError
from gptool.model import SpatialReference
from gptool.reference import to_crs

if TYPE_CHECKING:
    from shapely import MultiPolygon


def is_same(reference: SpatialReference, other: SpatialReference) -> bool:
    """Tell whether two references are one, as far as anyone knows."""
    crs = to_crs(reference)
    return reference == other or (crs is not None and crs == to_crs(other))


def period(reference: SpatialReference) -> float | None:
    """Return how far x goes once round the world, None where it does not."""
    return None


def unwrap(polygon: MultiPolygon, reference: SpatialReference) -> MultiPolygon:
    """Return the polygon with what lies beyond the antimeridian where a grid shows it."""
    return polygon


def reproject(
    polygon: MultiPolygon, source: SpatialReference, target: SpatialReference, tolerance: float, parameter: str
) -> MultiPolygon:
    """Return the polygon in another reference."""
    raise ParameterError("in another reference than the cache's", where=parameter, found=source, expected=target)

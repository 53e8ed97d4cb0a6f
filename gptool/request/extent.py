"""The `exportExtent` parameter: an extent, in the spatial reference of the cache or another one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from gptool.errors import ParameterError
from gptool.model import Extent, SpatialReference
from gptool.request.spatial_reference import MAX_COORDINATE, read_spatial_reference
from gptool.request.values import format_value, is_empty, read_json, read_number

PARAMETER = "exportExtent"

FULL_EXTENT_KEYWORDS = "default", "defaultextent", "null"
"""Keywords that ArcGIS clients send for the full extent, and the null of JSON."""

SIDES = Extent._fields
EXPECTED = "xmin,ymin,xmax,ymax or an envelope as JSON"


class RequestedExtent(NamedTuple):
    """An extent as requested.

    Attributes
    ----------
    extent : Extent
        `xmin` is greater than `xmax` if the extent crosses the antimeridian.
    reference : SpatialReference or None
        None for the spatial reference of the cache.
    """

    extent: Extent
    reference: SpatialReference | None


def read_extent(value: Any) -> RequestedExtent | None:
    """Return the requested extent, or None for a keyword that stands for the full extent.

    Parameters
    ----------
    value : str, sequence of 4 floats or mapping
        `xmin,ymin,xmax,ymax`; an envelope, `{"xmin": ..., "spatialReference": ...}`; `DEFAULT` or `DEFAULTEXTENT`.

    Raises
    ------
    ParameterError
        If the value is not four finite numbers, or has no area in any spatial reference.
    """
    reference = None
    if isinstance(value, str) and value.strip().lower() in FULL_EXTENT_KEYWORDS:
        return None
    if isinstance(value, Mapping) or (isinstance(value, str) and value.lstrip().startswith("{")):
        envelope = read_json(value, PARAMETER, EXPECTED)
        numbers: Any = [envelope.get(side) for side in SIDES]
        stated = envelope.get("spatialReference")
        # ArcGIS's GPExtent has `spatial_reference`.
        stated = envelope.get("spatial_reference") if is_empty(stated) else stated
        reference = read_spatial_reference(stated, PARAMETER)
    else:
        numbers = value.split(",") if isinstance(value, str) else value
    return RequestedExtent(_read_sides(numbers, value), reference)


def _read_sides(numbers: Any, value: Any) -> Extent:
    try:
        sides = [] if isinstance(value, bytes) else list(map(read_number, numbers))
    except (TypeError, ValueError, OverflowError):
        sides = []
    if len(sides) != len(SIDES) or not all(map(math.isfinite, sides)):
        raise ParameterError("value is not an extent", where=PARAMETER, found=format_value(value), expected=EXPECTED)
    # Some clients send the largest double for an unlimited extent.
    extent = Extent(*(min(max(side, -MAX_COORDINATE), MAX_COORDINATE) for side in sides))
    if extent.xmin == extent.xmax or extent.ymin >= extent.ymax:
        raise empty_extent_error(extent)
    return extent


def empty_extent_error(extent: Extent, where: str = PARAMETER) -> ParameterError:
    """Return the error for an extent without area."""
    return ParameterError(
        "ymin is greater than ymax" if extent.ymin > extent.ymax else "extent has no area",
        where=where,
        found=",".join(f"{side!r}" for side in extent),
        expected="xmin < xmax and ymin < ymax",
    )

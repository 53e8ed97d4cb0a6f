"""The `exportExtent` parameter: a box, in the cache's own reference or another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from gptool.errors import ParameterError
from gptool.model import Extent, SpatialReference
from gptool.request.spatial_reference import FARTHEST, read_reference
from gptool.request.values import is_empty, read_json, read_number, shown

PARAMETER = "exportExtent"
ALL = "default", "defaultextent"
"""Words by which clients mean the full extent."""

SIDES = Extent._fields
EXPECTED = "xmin,ymin,xmax,ymax or an envelope as JSON"


class Box(NamedTuple):
    """A box as it was sent, and its reference; None means the cache's. `xmin` may lie east of `xmax`."""

    extent: Extent
    reference: SpatialReference | None


def read_extent(sent: Any) -> Box | None:
    """Return the box that was sent, None for a word that means all.

    Parameters
    ----------
    sent : str, sequence of 4 floats or mapping
        `xmin,ymin,xmax,ymax`; an envelope, `{"xmin": ..., "spatialReference": ...}`; `DEFAULT` or `DEFAULTEXTENT`.

    Raises
    ------
    ParameterError
        When it is not four finite numbers, or has no area whatever the reference.
    """
    reference = None
    if isinstance(sent, str) and sent.strip().lower() in ALL:
        return None
    if isinstance(sent, Mapping) or (isinstance(sent, str) and sent.lstrip().startswith("{")):
        envelope = read_json(sent, PARAMETER, EXPECTED)
        numbers: Any = [envelope.get(side) for side in SIDES]
        stated = envelope.get("spatialReference")
        # ArcGIS's GPExtent writes the second.
        reference = read_reference(envelope.get("spatial_reference") if is_empty(stated) else stated, PARAMETER)
    else:
        numbers = sent.split(",") if isinstance(sent, str) else sent
    return Box(_read_sides(numbers, sent), reference)


def _read_sides(numbers: Any, sent: Any) -> Extent:
    try:
        sides = [] if isinstance(sent, bytes) else list(map(read_number, numbers))
    except (TypeError, ValueError, OverflowError):
        sides = []
    if len(sides) != len(SIDES) or not all(map(math.isfinite, sides)):
        raise ParameterError("not a box", where=PARAMETER, found=shown(sent), expected=EXPECTED)
    # Some clients mean everything by the largest number there is.
    box = Extent(*(min(max(side, -FARTHEST), FARTHEST) for side in sides))
    if box.xmin == box.xmax or box.ymin >= box.ymax:
        raise no_area(box)
    return box


def no_area(box: Extent) -> ParameterError:
    """Return the error of a box whose sides are the wrong way round."""
    return ParameterError(
        "the box has no area",
        where=PARAMETER,
        found=",".join(f"{side!r}" for side in box),
        expected="xmin < xmax and ymin < ymax",
    )

"""The `exportExtent` parameter: a box in the cache's own reference."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gptool.errors import ParameterError
from gptool.model import Extent


def parse_extent(extent: str | Sequence[float] | None) -> Extent | None:
    """Return the box that is meant, None for none.

    Parameters
    ----------
    extent : str, sequence of 4 floats or None
        `xmin,ymin,xmax,ymax` in the cache's reference. None, or a blank text, means the full extent.

    Raises
    ------
    ParameterError
        When it is not four finite numbers, or has no area.
    """
    if extent is None or (isinstance(extent, str) and not extent.strip()):
        return None
    try:
        numbers = [float(part) for part in (extent.split(",") if isinstance(extent, str) else extent)]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise ParameterError("not a box", where="export extent", found=repr(extent), expected="xmin,ymin,xmax,ymax")
    box = Extent(*numbers)
    if box.xmin >= box.xmax or box.ymin >= box.ymax:
        raise ParameterError(
            "the box has no area", where="export extent", found=repr(extent), expected="xmin < xmax and ymin < ymax"
        )
    return box

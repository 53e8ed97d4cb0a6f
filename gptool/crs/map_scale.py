"""The scale of the map from one spatial reference to another: how much longer lengths become."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gptool.crs.projection import apply_transformer
from gptool.crs.reference import metres_per_unit, to_crs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gptool.crs.projection import Points
    from gptool.model import SpatialReference

STEP_METRES = 1.0
"""Length of the steps by which derivatives are approximated."""


def map_scales(points: Points, source: SpatialReference, target: SpatialReference) -> NDArray[np.float64]:
    """Return, for each point, an upper bound of the factor by which lengths grow from one spatial reference to another.

    Points that cannot be transformed have the ratio of the units. The factor is the smaller one of those before and
    after the point, in case a discontinuity of the projection lies between.

    Parameters
    ----------
    points : float64[n, 2]
        In the unit of the source.
    source, target : SpatialReference
    """
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    scales = np.full(len(points), metres_per_unit(source) / metres_per_unit(target))
    source_crs, target_crs = to_crs(source), to_crs(target)
    if source_crs is None or target_crs is None:
        return scales
    try:
        transformer = Transformer.from_crs(source_crs, target_crs, always_xy=True)
    except ProjError:
        return scales
    step = STEP_METRES / metres_per_unit(source)
    there = apply_transformer(transformer, points)
    squares = np.zeros(len(points))
    with np.errstate(invalid="ignore"):
        for offset in ((step, 0.0), (0.0, step)):
            sides = [apply_transformer(transformer, points + np.multiply(side, offset)) - there for side in (-1, 1)]
            squares += np.min([(side**2).sum(axis=1) for side in sides], axis=0)
    is_known = np.isfinite(squares) & (squares > 0)
    scales[is_known] = np.sqrt(squares[is_known]) / step
    return scales

"""Transformations from the coordinates of one projection to longitude and latitude on the datum of another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gptool.crs.projection import apply_transformer, distance, is_finite

if TYPE_CHECKING:
    from gptool.crs.projection import Points, Projection

MAX_DATUM_SHIFT = 0.1
"""Degrees: more than any two changes of datum differ by."""

MAX_SHIFTED_LATITUDE = 89.9
"""Degrees beyond which a change of datum, which also moves the pole, would tear a polygon that reaches the pole."""


class Transform:
    """The transformation from the coordinates of one projection to longitude and latitude on another one's datum.

    Raises
    ------
    pyproj.exceptions.ProjError
        If PROJ has no transformation, for example from the Moon to the Earth.
    """

    def __init__(self, source: Projection, target: Projection) -> None:
        from pyproj import Transformer

        self._source, self._target = source, target
        self._same_datum = source.geographic.equals(target.geographic, ignore_axis_order=True)
        self._to_geographic = Transformer.from_crs(source.crs, target.geographic, always_xy=True)
        self._to_target = Transformer.from_crs(source.crs, target.crs, always_xy=True)

    def to_degrees(self, xy: Points) -> Points:
        """Return longitudes, which may exceed 180 by any number of turns, and latitudes.

        If x of the source is periodic, the shift of datum fades out between `MAX_SHIFTED_LATITUDE` and the pole, so
        that the pole remains the pole.
        """
        if self._same_datum:
            return self._source.inverse(xy)
        if self._source.world_width is None:
            return self._shift_datum(xy)
        lonlat = self._source.inverse(xy)
        lats = np.clip(lonlat[:, 1], -MAX_SHIFTED_LATITUDE, MAX_SHIFTED_LATITUDE)
        beyond = (lonlat[:, 1] - lats) / (90 - MAX_SHIFTED_LATITUDE)
        clamped = self._source.forward(np.stack([lonlat[:, 0], lats], axis=1))
        shifted = self._shift_datum(np.where(beyond[:, None] == 0, xy, clamped))
        shifted[:, 1] += (np.copysign(90, beyond) - shifted[:, 1]) * np.abs(beyond)
        return shifted

    def _shift_datum(self, xy: Points) -> Points:
        """Return longitudes and latitudes after the change of datum that PROJ applies between the two projections.

        If several changes of datum exist, PROJ may choose another one for the geographic coordinate system than for the
        projection based on it. The latter is used where it is plausible: far outside the target's map its result is
        arbitrary.
        """
        lonlat = apply_transformer(self._to_geographic, xy) * self._target.degrees_per_unit
        projected = apply_transformer(self._to_target, xy)
        usable = is_finite(projected) & is_finite(lonlat)
        unprojected = self._target.inverse(np.where(usable[:, None], projected, 0))
        usable &= distance(np.where(usable[:, None], lonlat, 0), unprojected) <= MAX_DATUM_SHIFT
        return np.where(usable[:, None], unprojected, lonlat)

    def pole_points(self) -> list[tuple[float, float, int]]:
        """Return x, y of the poles that are points of the source's map, each with 1 for north, -1 for south."""
        if self._source.world_width is not None:
            return []
        poles = []
        for side in (1, -1):
            lonlat = np.stack([np.arange(0.0, 360, 90), np.full(4, 90.0 * side)], axis=1)
            xy = apply_transformer(self._to_geographic, lonlat / self._target.degrees_per_unit, inverse=True)
            if np.isfinite(xy).all() and np.ptp(xy, axis=0).max() < 1e-3 and self._source.is_on_map(xy).all():
                poles.append((float(xy[0, 0]), float(xy[0, 1]), side))
        return poles

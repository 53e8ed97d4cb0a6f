"""How rings wind around the poles in longitude and latitude, where a pole is a line. Needs NumPy only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Offsets = NDArray[np.int64]


def longitude_turns(longitudes: Array, offsets: Offsets) -> Array:
    """Return the turns of 360 degrees to add to each longitude to make longitudes continuous along their ring.

    The turns of a ring's last vertex are its winding number around a pole: 0 if it encloses none.
    """
    jumps = -np.rint(np.diff(longitudes, prepend=longitudes[:1]) / 360)
    total = np.cumsum(jumps)
    turns: Array = total - np.repeat(total[offsets[:-1]], np.diff(offsets))
    return turns


def close_over_pole(ring: Array, side: int) -> Array:
    """Return a ring that winds once around a pole, extended by the area between it and the pole.

    In longitude and latitude the pole is a line. The ring is cut open at its vertex nearest to the pole, from where the
    meridian to the pole crosses no other part of the ring, and closed along that meridian and the pole.

    Parameters
    ----------
    ring : float64[n, 2]
        Continuous longitudes, and latitudes, degrees.
    side : {1, -1}
        1 for the north pole, -1 for the south pole.
    """
    once_around = np.array([ring[-1, 0] - ring[0, 0], 0.0])
    nearest = int(np.argmax(side * ring[:-1, 1]))
    opened = np.concatenate([ring[nearest:-1], ring[: nearest + 1] + once_around])
    pole = opened[[-1, 0]]
    pole[:, 1] = 90 * side
    return np.concatenate([opened, pole])

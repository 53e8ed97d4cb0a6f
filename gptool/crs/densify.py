"""Densification of polygon edges: straight edges become curves under a projection, so vertices are added.

A segment is split in the middle until the chords of its halves approximate the projected curve within a tolerance
that the caller checks (adaptive bisection). The longitudes of a ring are
then made continuous, and rings that enclose a pole are closed over it. Needs NumPy only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gptool.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Offsets = NDArray[np.int64]

SAMPLE_POSITIONS = np.array([0.25, 0.5, 0.75])
"""Relative positions at which a segment is sampled: the midpoint alone would miss curves that cross their chord."""

MAX_QUARTER_PART = 0.75
"""Maximum length of a quarter of a segment, as a part of the segment's length on the map. A longer quarter may contain
a discontinuity of the projection, which deviations from the chord do not reveal."""

MAX_VERTICES = 4_000_000

ESTIMATE_FACTOR = 2
"""How far an estimate of the number of vertices may be above the true number."""

MAX_HALVINGS = 40
"""A segment that is still curved after so many halvings crosses a discontinuity."""


class DensifiedRings(NamedTuple):
    """Closed rings with added vertices.

    Attributes
    ----------
    points : float64[n, 2]
        The vertices of all rings, one ring after the other; the last vertex of a ring equals its first.
    mapped : float64[n, 2]
        The same vertices after the transformation.
    offsets : int64[rings + 1]
        The index of the first vertex of each ring, and the number of vertices.
    """

    points: Array
    mapped: Array
    offsets: Offsets


def densify(
    points: Array,
    offsets: Offsets,
    transform: Callable[[Array], Array],
    count_parts: Callable[[Array], Array],
    *,
    period: float | None,
    max_gap: float,
    parameter: str,
) -> DensifiedRings:
    """Return rings with vertices added to the straight segments that a transformation bends.

    Parameters
    ----------
    points, offsets
        Closed rings, as in `DensifiedRings`.
    transform : callable
        Transforms points, float64[n, 2].
    count_parts : callable
        Returns the number of equal parts that each segment needs, float64[n], given its transformed start, samples at
        `SAMPLE_POSITIONS` and end, float64[n, 5, 2]. Segments that need more than one get another vertex.
    period : float or None
        The period of the transformed x, 360 for longitudes; None if it is not periodic.
    max_gap : float
        The distance on the map below which neighbouring vertices are never considered to be separated by a
        discontinuity.
    parameter : str
        The name of the parameter, for messages.

    Raises
    ------
    ParameterError
        If a segment crosses a discontinuity, or more than `MAX_VERTICES` vertices are required.
    """
    ring = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    mapped = transform(points)
    is_new = np.append(ring[1:] == ring[:-1], np.zeros(1, dtype=bool))
    for _ in range(MAX_HALVINGS):
        index = np.flatnonzero(is_new)
        samples, midpoints = _sample_segments(points, mapped, index, transform, period)
        lengths = np.hypot(*np.moveaxis(np.diff(samples, axis=1), 2, 0))
        longest = lengths.max(axis=1, initial=0)
        parts = count_parts(samples)
        split = (parts > 1) | ((longest > max_gap) & (longest > MAX_QUARTER_PART * lengths.sum(axis=1)))
        index, samples, midpoints = index[split], samples[split], midpoints[split]
        if not index.size:
            break
        _check_count(len(points), len(points) + index.size, parts[split], parameter)
        is_new[:] = False
        is_new[index] = True
        points = np.insert(points, index + 1, midpoints, axis=0)
        mapped = np.insert(mapped, index + 1, samples[:, 2], axis=0)
        ring, is_new = np.insert(ring, index + 1, ring[index]), np.insert(is_new, index + 1, values=True)
    else:
        if longest[split].max() > max_gap:
            raise ParameterError("geometry crosses a discontinuity of the projection", where=parameter)
    return DensifiedRings(points, mapped, np.searchsorted(ring, np.arange(len(offsets))).astype(np.int64))


def _check_count(known: int, next_count: int, parts: Array, parameter: str) -> None:
    """Raise an error if there are too many vertices now, or will be: so many that the estimate cannot be that wrong."""
    estimate = known + float(np.maximum(parts[np.isfinite(parts)] - 1, 1).sum())
    if next_count > MAX_VERTICES or estimate > ESTIMATE_FACTOR * MAX_VERTICES:
        raise ParameterError(
            "geometry requires too many vertices between its own in another spatial reference",
            where=parameter,
            found=f"about {max(estimate, next_count):,.0f}",
            expected=f"at most {MAX_VERTICES:,}: use the cache's spatial reference, coarser levels, or fewer vertices",
        )


def _sample_segments(
    points: Array, mapped: Array, index: Offsets, transform: Callable[[Array], Array], period: float | None
) -> tuple[Array, Array]:
    """Return transformed samples of segments, [n, 5, 2], and the midpoints of the straight segments, [n, 2].

    Both are the same from either end of a segment, so that adjacent polygons keep their common edges.
    """
    start, end = points[index][:, None], points[index + 1][:, None]
    inner = start * (1 - SAMPLE_POSITIONS)[:, None] + end * SAMPLE_POSITIONS[:, None]
    mapped_inner = transform(inner.reshape(-1, 2)).reshape(-1, 3, 2)
    samples = np.concatenate([mapped[index][:, None], mapped_inner, mapped[index + 1][:, None]], axis=1)
    if period:
        jumps = np.rint(np.diff(samples[:, :, 0], axis=1) / period)
        samples[:, 1:, 0] -= period * np.cumsum(jumps, axis=1)
    return samples, inner[:, 1]


def chord_deviations(samples: Array) -> Array:
    """Return the vectors from the inner samples of segments, [n, 5, 2], to the nearest points of the chords, [n, 3, 2].

    The chord is the straight segment from the first to the last sample.
    """
    start, inner = samples[:, :1], samples[:, 1:4]
    chord = samples[:, 4:] - start
    squared_length = (chord**2).sum(axis=2)
    position = ((inner - start) * chord).sum(axis=2) / np.where(squared_length > 0, squared_length, 1)
    nearest: Array = start + np.clip(position, 0, 1)[:, :, None] * chord
    return nearest - inner


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

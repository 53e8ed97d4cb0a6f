"""Densification of polygon edges: straight edges become curves under a projection, so vertices are added.

A segment is split in the middle until the chords of its halves approximate the projected curve within a tolerance
that the caller checks (adaptive bisection), some thousands at once: memory is needed for the result only. Needs NumPy
only.
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

CHUNK = 1 << 14
"""Segments that are sampled, and vertices that are added, at once: more would not fit into the processor's caches."""

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
        `SAMPLE_POSITIONS` and end, float64[2, 5, n]: x and y. Segments that need more than one get another vertex.
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
    sampler = _Sampler(transform, count_parts, period, max_gap)
    mapped = transform(points)
    ring = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    starts, parts = _find_bent(sampler, points, mapped, np.flatnonzero(ring[1:] == ring[:-1]))
    _check_count(len(points), 0, parts, parameter)
    vertices, added, first = _Vertices(len(points) + _estimate_added(parts)), np.zeros(len(points) + 1, np.int64), 0
    for index in np.split(starts, _chunk_bounds(parts)) if len(starts) else ():
        ends, mapped_ends = (np.stack([values[index], values[index + 1]], axis=1) for values in (points, mapped))
        inner = _divide(sampler, ends, mapped_ends, vertices.count + len(points) - first, parameter)
        last, places = int(index[-1]) + 1, np.repeat(index + 1 - first, inner.counts)
        vertices.append(
            np.insert(points[first:last], places, inner.points, axis=0),
            np.insert(mapped[first:last], places, inner.mapped, axis=0),
        )
        added[index + 1], first = inner.counts, last
    vertices.append(points[first:], mapped[first:])
    return DensifiedRings(*vertices.finish(), offsets + np.cumsum(added)[offsets])


class _Samples(NamedTuple):
    """What samples of segments show.

    Attributes
    ----------
    is_bent : bool[n]
        Whether a segment needs another vertex.
    parts : float64[n]
        The number of equal parts that it needs.
    longest : float64[n]
        The length of its longest quarter on the map.
    midpoints, mapped : float64[n, 2]
        The midpoints, before and after the transformation.
    """

    is_bent: NDArray[np.bool_]
    parts: Array
    longest: Array
    midpoints: Array
    mapped: Array


class _Sampler(NamedTuple):
    """What decides whether a segment is bent. See `densify`."""

    transform: Callable[[Array], Array]
    count_parts: Callable[[Array], Array]
    period: float | None
    max_gap: float

    def sample(self, ends: Array, mapped_ends: Array) -> _Samples:
        """Sample segments, given by their start and end, [n, 2, 2], before and after the transformation.

        The result is the same from either end of a segment, so that adjacent polygons keep their common edges.
        """
        # Coordinates lie in rows: NumPy is several times slower along short axes.
        start, end = np.ascontiguousarray(ends.transpose(1, 2, 0))[:, :, None]
        inner = start * (1 - SAMPLE_POSITIONS)[:, None] + end * SAMPLE_POSITIONS[:, None]
        mapped = self.transform(inner.reshape(2, -1).T).T.reshape(inner.shape)
        samples = np.empty((2, 5, len(ends)))
        samples[:, 0], samples[:, 1:4], samples[:, 4] = mapped_ends[:, 0].T, mapped, mapped_ends[:, 1].T
        if self.period:
            jumps = np.rint(np.diff(samples[0], axis=0) / self.period)
            samples[0, 1:] -= self.period * np.cumsum(jumps, axis=0)
        lengths = np.hypot(*np.diff(samples, axis=1))
        longest = lengths.max(axis=0, initial=0)
        parts = self.count_parts(samples)
        is_torn = (longest > self.max_gap) & (longest > MAX_QUARTER_PART * lengths.sum(axis=0))
        return _Samples((parts > 1) | is_torn, parts, longest, inner[:, 1].T, samples[:, 2].T)


class _Inner(NamedTuple):
    """The vertices to add to segments, one segment after the other, and their number for each segment."""

    points: Array
    mapped: Array
    counts: Offsets


class _Vertices:
    """Vertices that are appended to each other, before and after the transformation, with as little memory as can be.

    Attributes
    ----------
    count : int
        The number of vertices so far.
    """

    def __init__(self, capacity: int) -> None:
        self.count, self._arrays = 0, (np.empty((capacity, 2)), np.empty((capacity, 2)))

    def append(self, points: Array, mapped: Array) -> None:
        end = self.count + len(points)
        for array, values in zip(self._arrays, (points, mapped), strict=True):
            if end > len(array):
                array.resize((end + end // 4, 2), refcheck=False)
            array[self.count : end] = values
        self.count = end

    def finish(self) -> tuple[Array, Array]:
        """Return all vertices, and give back the memory that they do not need."""
        for array in self._arrays:
            array.resize((self.count, 2), refcheck=False)
        return self._arrays


def _estimate_added(parts: Array) -> int:
    """Return about how many vertices segments need that are halved until there are enough parts, at most too many."""
    halvings = np.ceil(np.log2(np.maximum(parts[np.isfinite(parts)], 2)))
    return int(min((2**halvings - 1).sum(), MAX_VERTICES))


def _find_bent(sampler: _Sampler, points: Array, mapped: Array, starts: Offsets) -> tuple[Offsets, Array]:
    """Return which segments, by the index of their start, need vertices, and how many parts each of them needs."""
    found: list[tuple[Offsets, Array]] = [(starts[:0], np.empty(0))]
    for first in range(0, len(starts), CHUNK):
        index = starts[first : first + CHUNK]
        samples = sampler.sample(*(np.stack([values[index], values[index + 1]], axis=1) for values in (points, mapped)))
        found.append((index[samples.is_bent], samples.parts[samples.is_bent]))
    return np.concatenate([index for index, _ in found]), np.concatenate([parts for _, parts in found])


def _chunk_bounds(parts: Array) -> Offsets:
    """Return where to divide segments into chunks that need about `CHUNK` vertices each."""
    chunks = np.cumsum(np.where(np.isfinite(parts), np.maximum(parts, 2), 2)) // CHUNK
    return np.flatnonzero(np.diff(chunks)) + 1


def _divide(sampler: _Sampler, ends: Array, mapped_ends: Array, known: int, parameter: str) -> _Inner:
    """Return the vertices to add to segments, [n, 2, 2], beside so many known vertices. Raises as `densify`."""
    points, mapped = ends.reshape(-1, 2), mapped_ends.reshape(-1, 2)
    segment = np.repeat(np.arange(len(ends)), 2)
    is_new = np.arange(2 * len(ends)) % 2 == 0
    for _ in range(MAX_HALVINGS):
        index = np.flatnonzero(is_new)
        samples = sampler.sample(*(np.stack([values[index], values[index + 1]], axis=1) for values in (points, mapped)))
        bent = samples.is_bent
        index = index[bent]
        if not index.size:
            break
        _check_count(known + len(points) - 2 * len(ends), index.size, samples.parts[bent], parameter)
        is_new[:] = False
        is_new[index] = True
        points = np.insert(points, index + 1, samples.midpoints[bent], axis=0)
        mapped = np.insert(mapped, index + 1, samples.mapped[bent], axis=0)
        segment = np.insert(segment, index + 1, segment[index])
        is_new = np.insert(is_new, index + 1, values=True)
    else:
        if samples.longest[bent].max() > sampler.max_gap:
            raise ParameterError("geometry crosses a discontinuity of the projection", where=parameter)
    joined, is_inner = segment[1:] == segment[:-1], np.zeros(len(segment), bool)
    is_inner[1:-1] = joined[1:] & joined[:-1]
    return _Inner(points[is_inner], mapped[is_inner], np.bincount(segment, minlength=len(ends)) - 2)


def _check_count(known: int, added: int, parts: Array, parameter: str) -> None:
    """Raise an error if there are too many vertices, or will be: so many that the estimate cannot be that wrong."""
    estimate = known + float(np.maximum(parts[np.isfinite(parts)] - 1, 1).sum())
    if known + added > MAX_VERTICES or estimate > ESTIMATE_FACTOR * MAX_VERTICES:
        raise ParameterError(
            "geometry requires too many vertices between its own in another spatial reference",
            where=parameter,
            found=f"about {max(estimate, known + added):,.0f}",
            expected=f"at most {MAX_VERTICES:,}: use the cache's spatial reference, coarser levels, or fewer vertices",
        )


def chord_deviations(samples: Array) -> Array:
    """Return the vectors from the inner samples of segments, [2, 5, n], to the nearest points of the chords, [2, 3, n].

    The chord is the straight segment from the first to the last sample.
    """
    start, inner = samples[:, :1], samples[:, 1:4]
    chord = samples[:, 4:] - start
    squared_length = (chord**2).sum(axis=0)
    position = ((inner - start) * chord).sum(axis=0) / np.where(squared_length > 0, squared_length, 1)
    nearest: Array = start + np.clip(position, 0, 1) * chord
    return nearest - inner

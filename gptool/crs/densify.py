"""Straight edges that become curves: vertices are added until the chords are close enough. NumPy alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gptool.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Offsets = NDArray[np.int64]

PLACES = np.array([0.25, 0.5, 0.75])
"""Where a segment is tried: the middle alone would miss curves that swing to both sides of it."""

LEAP = 0.75
"""Part of a segment on the map that one of its quarters may take: more may be a tear, which no chord shows."""

MOST_VERTICES = 4_000_000

ROUNDS = 40
"""Halvings of a segment: what still bends after them is torn."""


class Rings(NamedTuple):
    """Closed rings.

    Attributes
    ----------
    points : numpy.ndarray
        The vertices of all rings, n x 2; a ring's last is its first.
    mapped : numpy.ndarray
        The same vertices on the map.
    offsets : numpy.ndarray
        Where each ring begins, and the end of the last.
    """

    points: Array
    mapped: Array
    offsets: Offsets


def refine(
    points: Array,
    offsets: Offsets,
    image: Callable[[Array], Array],
    bent: Callable[[Array], NDArray[np.bool_]],
    *,
    turn: float | None,
    gap: float,
    parameter: str,
) -> Rings:
    """Return rings with vertices added to the straight segments that a map bends.

    Parameters
    ----------
    image
        Brings points onto the map.
    bent
        Tells which segments need another vertex by their start, `PLACES` and end on the map, n x 5 x 2.
    turn
        What x on the map is known but for multiples of, None where it is known.
    gap
        How far apart on the map neighbours may stay however often a segment is halved.

    Raises
    ------
    ParameterError
        When the map tears a segment, or it takes too many vertices.
    """
    ring = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    mapped = image(points)
    untried = np.append(ring[1:] == ring[:-1], np.zeros(1, dtype=bool))
    for _ in range(ROUNDS):
        at = np.flatnonzero(untried)
        samples, middles = _samples(points, mapped, at, image, turn)
        steps = np.hypot(*np.moveaxis(np.diff(samples, axis=1), 2, 0))
        longest = steps.max(axis=1, initial=0)
        split = bent(samples) | ((longest > gap) & (longest > LEAP * steps.sum(axis=1)))
        at, samples, middles = at[split], samples[split], middles[split]
        if not at.size:
            break
        if len(points) + at.size > MOST_VERTICES:
            raise ParameterError(
                "takes too many vertices", where=parameter, expected=f"at most {MOST_VERTICES} at this tolerance"
            )
        untried[:] = False
        untried[at] = True
        points = np.insert(points, at + 1, middles, axis=0)
        mapped = np.insert(mapped, at + 1, samples[:, 2], axis=0)
        ring, untried = np.insert(ring, at + 1, ring[at]), np.insert(untried, at + 1, values=True)
    else:
        if longest[split].max() > gap:
            raise ParameterError("runs over a place where the map is torn", where=parameter)
    return Rings(points, mapped, np.searchsorted(ring, np.arange(len(offsets))).astype(np.int64))


def _samples(
    points: Array, mapped: Array, at: Offsets, image: Callable[[Array], Array], turn: float | None
) -> tuple[Array, Array]:
    """Return segments on the map, and the middles of the straight ones; both are the same from either end."""
    start, end = points[at][:, None], points[at + 1][:, None]
    inner = start * (1 - PLACES)[:, None] + end * PLACES[:, None]
    on_map = image(inner.reshape(-1, 2)).reshape(-1, 3, 2)
    samples = np.concatenate([mapped[at][:, None], on_map, mapped[at + 1][:, None]], axis=1)
    if turn:
        steps = np.rint(np.diff(samples[:, :, 0], axis=1) / turn)
        samples[:, 1:, 0] -= turn * np.cumsum(steps, axis=1)
    return samples, inner[:, 1]


def chord_offsets(samples: Array) -> Array:
    """Return the ways from the inner places of segments to the nearest points of their chords, n x 3 x 2."""
    start, inner = samples[:, :1], samples[:, 1:4]
    chord = samples[:, 4:] - start
    square = (chord**2).sum(axis=2)
    along = ((inner - start) * chord).sum(axis=2) / np.where(square > 0, square, 1)
    nearest: Array = start + np.clip(along, 0, 1)[:, :, None] * chord
    return nearest - inner


def turns(longitudes: Array, offsets: Offsets) -> Array:
    """Return how often round the world each vertex lies from its ring's first, so that longitudes run on.

    The last of a ring's turns is how often the ring goes round a pole.
    """
    steps = -np.rint(np.diff(longitudes, prepend=longitudes[:1]) / 360)
    total = np.cumsum(steps)
    since: Array = total - np.repeat(total[offsets[:-1]], np.diff(offsets))
    return since


def over_the_pole(ring: Array, side: int) -> Array:
    """Return a ring that goes once round a pole, 1 for north, with the area between it and the pole.

    It is opened where it comes closest to the pole: from there a meridian meets no other part of it.
    """
    once = np.array([ring[-1, 0] - ring[0, 0], 0.0])
    closest = int(np.argmax(side * ring[:-1, 1]))
    opened = np.concatenate([ring[closest:-1], ring[: closest + 1] + once])
    ends = opened[[-1, 0]]
    ends[:, 1] = 90 * side
    return np.concatenate([opened, ends])

"""Densification in chunks, compared with one that halves each segment by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from gptool.crs import densify as module
from gptool.crs.densify import DensifiedRings, densify
from gptool.errors import ParameterError

Array = NDArray[np.float64]

TOLERANCE, MAX_GAP = 1e-2, 5.0


def parabola(points: Array) -> Array:
    return np.stack([points[:, 0], points[:, 1] + points[:, 0] ** 2 / 8], axis=1)


def longitude(points: Array) -> Array:
    """Twice around the world, so that longitudes jump by 360 between neighbours."""
    return np.stack([(4 * points[:, 0] + 180) % 360 - 180, points[:, 1] ** 2 / 64], axis=1)


def sqrt_parts(samples: Array) -> Array:
    """As many parts as halving makes: the deviation from the chord falls to a quarter."""
    return np.asarray(np.sqrt(_deviation(samples) / TOLERANCE))


def few_parts(samples: Array) -> Array:
    """An estimate that is always too low."""
    return np.where(_deviation(samples) > TOLERANCE, 1.5, 0.5)


def infinite_parts(samples: Array) -> Array:
    """An estimate that says nothing."""
    return np.where(_deviation(samples) > TOLERANCE, np.inf, 0)


def _deviation(samples: Array) -> Array:
    return np.asarray(np.abs(samples[:, 2] - (samples[:, 0] + samples[:, 4]) / 2).max(axis=0))


def between(start: Array, end: Array, work: tuple[Callable[[Array], Array], Callable[[Array], Array], float | None],
            mapped: Array, mapped_end: Array) -> Iterator[tuple[Array, Array]]:  # fmt: skip
    """Yield the vertices between two, in order, each with its transformed coordinates."""
    transform, count_parts, period = work
    samples = [mapped]
    for part in (0.25, 0.5, 0.75, 1):
        sample = mapped_end.copy() if part == 1 else transform((start * (1 - part) + end * part)[None])[0]
        if period:
            sample[0] -= period * np.rint((sample[0] - samples[-1][0]) / period)
        samples.append(sample)
    quarters = [float(np.hypot(*(one - other))) for one, other in zip(samples[1:], samples[:-1], strict=True)]
    is_torn = max(quarters) > MAX_GAP and max(quarters) > 0.75 * sum(quarters)
    if is_torn or count_parts(np.stack(samples, axis=1)[:, :, None])[0] > 1:
        middle = start * 0.5 + end * 0.5
        yield from between(start, middle, work, mapped, samples[2])
        yield middle, samples[2]
        yield from between(middle, end, work, samples[2], mapped_end)


def one_by_one(
    rings: list[Array], transform: Callable[[Array], Array], count_parts: Callable[[Array], Array], period: float | None
) -> DensifiedRings:
    points, mapped, offsets = list[Array](), list[Array](), [0]
    for ring in rings:
        ends = transform(ring)
        points.append(ring[0])
        mapped.append(ends[0])
        for i in range(len(ring) - 1):
            inner = between(ring[i], ring[i + 1], (transform, count_parts, period), ends[i], ends[i + 1])
            for point, place in (*inner, (ring[i + 1], ends[i + 1])):
                points.append(point)
                mapped.append(place)
        offsets.append(len(points))
    return DensifiedRings(np.array(points), np.array(mapped), np.array(offsets))


def rings_of(seed: int) -> list[Array]:
    """Rings of 4 to 12 vertices within 64 units, among them a short one whose edges stay straight."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(3, 12, 6).tolist()
    rings = [rng.integers(-256, 256, (size, 2)) / 8 for size in sizes]
    rings[3] = rings[3] / 2**14
    return [np.vstack([ring, ring[:1]]) for ring in rings]


def densified(
    rings: list[Array], transform: Callable[[Array], Array], count_parts: Callable[[Array], Array], period: float | None
) -> DensifiedRings:
    offsets = np.cumsum([0, *map(len, rings)])
    return densify(np.concatenate(rings), offsets, transform, count_parts,
                   period=period, max_gap=MAX_GAP, parameter="area")  # fmt: skip


@pytest.mark.parametrize("chunk", [1, 7, 300, 1 << 14])
@pytest.mark.parametrize("count_parts", [sqrt_parts, few_parts, infinite_parts])
@pytest.mark.parametrize(("transform", "period"), [(parabola, None), (longitude, 360.0)])
def test_chunks_have_the_vertices_of_segments_by_themselves(
    monkeypatch: pytest.MonkeyPatch,
    transform: Callable[[Array], Array],
    period: float | None,
    count_parts: Callable[[Array], Array],
    chunk: int,
) -> None:
    monkeypatch.setattr(module, "CHUNK", chunk)
    rings = rings_of(chunk)
    work = transform, count_parts, period
    expected, found = one_by_one(rings, *work), densified(rings, *work)
    np.testing.assert_array_equal(found.offsets, expected.offsets)
    np.testing.assert_array_equal(found.points, expected.points)
    np.testing.assert_allclose(found.mapped, expected.mapped, rtol=0, atol=1e-9)
    sizes = np.diff(found.offsets)
    assert sizes[3] == len(rings[3]), "straight edges stay as they are"
    assert sizes.sum() > 6 * sum(map(len, rings))


def test_rings_that_stay_straight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 2)
    rings = rings_of(1)
    found = densified(rings, lambda points: points * (2, 3), sqrt_parts, None)
    np.testing.assert_array_equal(found.points, np.concatenate(rings))
    np.testing.assert_array_equal(found.mapped, found.points * (2, 3))
    assert np.diff(found.offsets).tolist() == [len(ring) for ring in rings]


@pytest.mark.parametrize("chunk", [3, 1 << 14])
def test_the_maximum_counts_the_vertices_of_all_chunks(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(module, "CHUNK", chunk)
    rings = rings_of(2)
    count = len(densified(rings, parabola, few_parts, None).points)
    monkeypatch.setattr(module, "MAX_VERTICES", count)
    assert len(densified(rings, parabola, few_parts, None).points) == count
    monkeypatch.setattr(module, "MAX_VERTICES", count - 1)
    with pytest.raises(ParameterError, match=rf"^area: geometry requires too many .* at most {count - 1:,}: use"):
        densified(rings, parabola, few_parts, None)

"""Intervals of estimates on caches of six kinds, compared with the true sizes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from gptool.export.sampling import QUANTILE, SAMPLE_TILES, choose_points, count_hits, estimate_bytes, sample_size

Sizes = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Bytes of tiles in the cache, and recompressed."""

REQUESTS, TILES = 100, 12_000


def few_busy_among_flat(random: np.random.Generator) -> Sizes:
    read = random.choice([660.0, 900, 1653], 4096)
    written = read * np.where(read > 1600, 0.41, random.choice([1, 0.9], 4096))
    busy = random.choice(4096, 36, replace=False)
    read[busy] = random.integers(12_000, 30_000, 36)
    written[busy] = read[busy] * random.normal(0.5, 0.06, 36)
    return read, written


def all_busy(random: np.random.Generator) -> Sizes:
    read = random.lognormal(9.3, 0.5, TILES)
    return read, read * random.normal(0.52, 0.06, TILES)


def jpeg_and_png(random: np.random.Generator) -> Sizes:
    read = random.lognormal(9, 0.6, TILES)
    return read, np.where(random.random(TILES) < 0.4, read, read * random.normal(0.5, 0.05, TILES))


def sea_and_coast(random: np.random.Generator) -> Sizes:
    read, written = np.full(TILES, 1653.0), np.full(TILES, 670.0)
    coast = random.choice(TILES, 1000, replace=False)
    read[coast] = random.lognormal(9.3, 0.6, 1000)
    written[coast] = read[coast] * random.normal(0.55, 0.08, 1000)
    return read, written


def mixed_qualities(random: np.random.Generator) -> Sizes:
    read = random.lognormal(9.2, 0.6, TILES)
    return read, read * random.choice([0.98, 0.55, 0.45, 0.3], TILES, p=[0.2, 0.3, 0.3, 0.2])


def rare_tiles_are_kept(random: np.random.Generator) -> Sizes:
    read = random.lognormal(9.2, 0.4, TILES)
    return read, np.where(random.random(TILES) < 0.004, read, 0.5 * read)


KINDS: list[Callable[[np.random.Generator], Sizes]] = [
    few_busy_among_flat,
    all_busy,
    jpeg_and_png,
    sea_and_coast,
    mixed_qualities,
    rare_tiles_are_kept,
]


def estimate(read: NDArray[np.int64], written: NDArray[np.int64], count: int, seed: int) -> tuple[int, float]:
    """Return the estimate and its deviation from a sample, or the exact size if all tiles are in it."""
    if count >= len(read):
        return int(written.sum()), 0.0
    hits = count_hits(choose_points(int(read.sum()), count, seed), read.astype(np.uint32))
    assert hits.sum() == count
    return estimate_bytes(int(read.sum()), np.repeat(written / read, hits))


@pytest.mark.parametrize("kind", KINDS)
def test_interval_contains_the_size_in_95_of_100_requests_and_is_narrow(kind: Callable[..., Sizes]) -> None:
    random, inside = np.random.default_rng(7), 0
    for seed in range(REQUESTS):
        if seed % 10 == 0:
            read, written = (np.rint(sizes).astype(np.int64) for sizes in kind(random))
            written = np.minimum(written, read)
        first = random.integers(0, len(read) // 8) if len(read) == TILES else 0
        here = read[first:], written[first:]
        found, deviation = estimate(*here, SAMPLE_TILES, seed)
        if count := sample_size(found, deviation):
            found, deviation = estimate(*here, count, seed)
        true = int(here[1].sum())
        inside += abs(found - true) <= QUANTILE * deviation or found == true
        assert 2 * QUANTILE * deviation <= 0.04 * true
    assert inside >= 95


def test_points_hit_tiles_in_proportion_to_their_size() -> None:
    sizes = np.array([100, 1, 100, 4000, 0, 199], np.uint32)
    hits = sum(count_hits(choose_points(4400, 44, seed), sizes) for seed in range(1000))
    np.testing.assert_allclose(hits, sizes * 10, rtol=0.1, atol=10)


def test_points_behind_the_last_tile_are_ignored() -> None:
    assert count_hits(np.array([0, 5, 9, 10, 11]), np.array([4, 6], np.uint32)).tolist() == [1, 2]
    assert count_hits(np.array([3]), np.empty(0, np.uint32)).tolist() == []

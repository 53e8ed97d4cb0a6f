"""Sampling the tiles of a level in proportion to their size, and what a sample says about all of them."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

SAMPLE_TILES, MAX_SAMPLE_TILES = 256, 4096
"""Sampling points in a level, and the most of them if the interval would be wide."""

MAX_WIDTH = 0.03
"""The width of a level's interval, as a share of its bytes, above which more tiles are sampled."""

QUANTILE = NormalDist().inv_cdf(0.99)
"""Standard deviations from an estimate to the bounds of its interval. They are those of 98 %, for the deviation is an
estimate too, and small samples of skewed sizes are not normally distributed."""


def choose_points(size: int, count: int, seed: int) -> NDArray[np.int64]:
    """Return sampling points in `size` bytes, ascending: one at random in each of `count` equal parts."""
    bounds = np.arange(count + 1, dtype=np.int64) * size // count
    return np.random.default_rng(seed).integers(bounds[:-1], np.maximum(bounds[1:], bounds[:-1] + 1))


def count_hits(points: NDArray[np.int64], sizes: NDArray[np.uint32]) -> NDArray[np.intp]:
    """Return how many sampling points lie within each of n tiles.

    Parameters
    ----------
    points : int64[m]
        Bytes from the first of the tiles, ascending; those behind the last tile are ignored.
    sizes : uint32[n]
        Bytes of the tiles, which follow each other.
    """
    ends = np.cumsum(sizes, dtype=np.int64)
    inside = points[points < ends[-1:].sum()]
    return np.bincount(np.searchsorted(ends, inside, side="right"), minlength=len(sizes))


def estimate_bytes(size: int, ratios: NDArray[np.float64]) -> tuple[int, float]:
    """Return how many bytes all tiles have after recompression, and the standard deviation of that estimate.

    The mean of ratios of a sample in proportion to size: M. H. Hansen and W. N. Hurwitz, On the theory of sampling from
    finite populations, 1943. Its variance is estimated from the differences of successive points, which lie in
    neighbouring parts (K. M. Wolter, Introduction to Variance Estimation, chapter 8): points within one large tile are
    no source of error. So that a rare kind of tile that the sample has missed lies within the interval, one more point
    is assumed on a tile that does not become smaller.

    Parameters
    ----------
    size : int
        Bytes of all tiles in the cache.
    ratios : float64[n]
        Bytes after recompression by bytes before, of the tile at each sampling point, in the order of the points.
    """
    if len(ratios) < 2:
        return size, 0.0
    mean = float(ratios.mean())
    successive = float(np.mean(np.diff(ratios) ** 2)) / 2 / len(ratios)
    return round(size * mean), size * math.hypot(math.sqrt(successive), (1 - mean) / len(ratios))


def sample_size(written: int, deviation: float) -> int | None:
    """Return how many sampling points a narrower interval takes; None if an estimate's interval is narrow enough."""
    width = 2 * QUANTILE * deviation / written
    return min(math.ceil(SAMPLE_TILES * (width / MAX_WIDTH) ** 2), MAX_SAMPLE_TILES) if width > MAX_WIDTH else None

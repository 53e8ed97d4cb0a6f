"""Estimates of the size of a result at many recompressions, from one sample, corrected by sizes that are known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.export.estimate import Sample, apportion, sample_level
from gptool.export.report import LevelReport, stated_quality
from gptool.export.sampling import QUANTILE, estimate_bytes
from gptool.export.trial import SizeCount, overhead
from gptool.jpeg.recompression import Recompression
from gptool.model import Phase, Progress
from gptool.output.kind import OutputKind, ResultInfo
from gptool.plan import LevelPlan

MIN_POINTS, MAX_POINTS, TILES_PER_POINT = 256, 4096, 8
"""Sampling points in all levels, which share them in proportion to their bytes. A search takes about eight estimates,
which then cost no more than a pass over all tiles."""

MIN_LEVEL_POINTS = 32
"""The fewest points in a level."""

MAX_ERROR_PROBABILITY = 1e-12
"""The probability that a lower bound is wrong."""


class SizeEstimate(NamedTuple):
    """An estimate of the size of a result, bytes.

    Attributes
    ----------
    low, size, high : int
        The estimate and its interval of 95 %; all equal if it is exact.
    least : int
        A bound that the size is not below but with a probability of `MAX_ERROR_PROBABILITY`, whatever the tiles are.
    """

    low: int
    size: int
    high: int
    least: int


class _LevelEstimate(NamedTuple):
    """The estimated bytes of a level's tiles, the standard deviation, and the bytes by which they may be less."""

    written: int
    deviation: float
    variation: float


class SizeEstimates:
    """Estimates of the size of the results of a plan.

    Each level is sampled at the same points at every recompression. Once the bytes of a level are known at one
    recompression, its bytes at another are estimated from the ratio of both, which varies less from tile to tile.

    Parameters
    ----------
    kind : OutputKind
    info : ResultInfo
    progress : Progress or None
        Called with the tiles that are recompressed.
    """

    def __init__(self, kind: OutputKind, info: ResultInfo, progress: Progress | None = None) -> None:
        self._kind, self._info, self._plan, self._progress = kind, info, info.plan, progress
        self._samples: dict[Recompression, list[Sample]] = {}
        self._known: dict[Recompression, Mapping[int, LevelReport]] = {}
        self._overheads: dict[int, int] = {}
        self._sampled = 0

    def learn(self, recompression: Recompression, levels: Mapping[int, LevelReport]) -> None:
        """Correct further estimates by the figures of the whole result at one recompression, by level ID."""
        self._known[recompression] = levels

    def learn_part(self, recompression: Recompression, count: SizeCount) -> None:
        """Correct further estimates by the first bundles of a result, whose other bundles are assumed to be alike."""
        levels = zip(self._plan.filled_levels, self._levels(recompression), strict=True)
        self._known[recompression] = {
            level.lod.level: LevelReport(bytes_written=_extrapolate(level, estimate, count.levels.get(level.lod.level)))
            for level, estimate in levels
        }

    def of(self, recompression: Recompression) -> SizeEstimate:
        """Return the estimate at a recompression.

        Raises
        ------
        CacheError
            If the tiles of the sample cannot be read.
        """
        if not recompression.is_requested:
            size = self._overhead(self._plan.cache.image.compression_quality) + self._plan.bytes
            return SizeEstimate(size, size, size, size)
        levels = self._levels(recompression)
        found = LevelReport.sum(sample.found for sample in self._sample(recompression))
        beside = self._overhead(stated_quality(self._plan, found, recompression))
        written = sum(level.written for level in levels)
        margin = QUANTILE * math.hypot(*(level.deviation for level in levels))
        variation = math.hypot(*(level.variation for level in levels))
        low, high = math.floor(written - margin), math.ceil(written + margin)
        least = math.floor(written - variation)
        return SizeEstimate(beside + max(low, 0), beside + written, beside + high, beside + max(least, 0))

    def count(self, recompression: Recompression) -> SizeCount:
        """Return the estimated figures of the result at a recompression; the outcomes are those of the sample."""
        count = SizeCount()
        samples, levels = self._sample(recompression), self._levels(recompression)
        for level, sample, estimate in zip(self._plan.filled_levels, samples, levels, strict=True):
            count.bundles += apportion(level, estimate.written)
            count.levels[level.lod.level] = sample.found
        return count

    def _levels(self, recompression: Recompression) -> list[_LevelEstimate]:
        """Return the estimate of each level that has tiles."""
        samples, filled = self._sample(recompression), self._plan.filled_levels
        corrected = [
            [
                _correct(level, sample, reference, self._known[known][level.lod.level])
                for level, sample, reference in zip(filled, samples, self._sample(known), strict=True)
            ]
            for known in self._nearest_known(recompression)
        ]
        if not corrected:
            return [_estimate(level, sample) for level, sample in zip(filled, samples, strict=True)]
        if len(corrected) == 1:
            return corrected[0]
        lower, upper = map(_order, self._nearest_known(recompression))
        share = (_order(recompression) - lower) / (upper - lower)
        return [_interpolate(below, above, share) for below, above in zip(corrected[0], corrected[1], strict=True)]

    def _sample(self, recompression: Recompression) -> list[Sample]:
        if recompression not in self._samples:
            self._samples[recompression] = [
                sample_level(self._plan, level, [recompression], self._count, self._points(level))[0]
                for level in self._plan.filled_levels
            ]
        return self._samples[recompression]

    def _points(self, level: LevelPlan) -> int:
        """Return the number of sampling points of a level. All tiles of a small plan are sampled."""
        plan = self._plan
        if plan.tiles <= MIN_POINTS:
            return level.tiles
        points = min(max(plan.tiles // TILES_PER_POINT, MIN_POINTS), MAX_POINTS)
        return max(math.ceil(points * level.bytes / plan.bytes), MIN_LEVEL_POINTS)

    def _count(self, tiles: int) -> None:
        self._sampled += tiles
        if self._progress:
            self._progress(Phase.ESTIMATING, self._sampled, 0)

    def _nearest_known(self, recompression: Recompression) -> list[Recompression]:
        """Return the recompressions below and above one that are known, as far as there are some, or only itself."""
        if recompression in self._known:
            return [recompression]
        quality, known = _order(recompression), sorted(self._known, key=_order)
        return [
            *[other for other in known if _order(other) < quality][-1:],
            *[other for other in known if _order(other) > quality][:1],
        ]

    def _overhead(self, quality: int) -> int:
        if quality not in self._overheads:
            self._overheads[quality] = overhead(self._kind, self._info, quality)
        return self._overheads[quality]


def _order(recompression: Recompression) -> int:
    """Return the quality, for sorting; lossless optimisation is the highest."""
    return 101 if recompression.quality is None else recompression.quality


def _interpolate(lower: _LevelEstimate, upper: _LevelEstimate, share: float) -> _LevelEstimate:
    """Return an estimate between those from a lower and from a higher quality, whose errors differ in direction."""
    return _LevelEstimate(
        round(lower.written + share * (upper.written - lower.written)),
        max(lower.deviation, upper.deviation),
        max(lower.variation, upper.variation),
    )


def _estimate(level: LevelPlan, sample: Sample) -> _LevelEstimate:
    """Return the estimate of a level from a sample alone.

    Each point's ratio is between 0 and 1, so the mean of n is beyond the true one by t with a probability of
    exp(-2nt^2) at most: W. Hoeffding, Probability inequalities for sums of bounded random variables, 1963.
    """
    if sample.found.tiles == level.tiles:
        return _LevelEstimate(sample.found.bytes_written, 0.0, 0.0)
    written, deviation = estimate_bytes(level.bytes, sample.ratios)
    variation = level.bytes * math.sqrt(-math.log(MAX_ERROR_PROBABILITY) / 2 / len(sample.ratios))
    return _LevelEstimate(written, deviation, variation)


def _extrapolate(level: LevelPlan, estimate: _LevelEstimate, part: LevelReport | None) -> int:
    """Return the bytes of a level from the figures of a part of its tiles, or from its estimate if there are none."""
    return round(level.bytes * part.bytes_written / part.bytes_read) if part else estimate.written


def _correct(level: LevelPlan, sample: Sample, reference: Sample, known: LevelReport) -> _LevelEstimate:
    """Return the estimate of a level from its bytes at the reference's recompression, which are known.

    It is a ratio estimate (W. G. Cochran, Sampling Techniques, chapter 6). The variance is that of the residuals, as in
    `gptool.export.sampling.estimate_bytes`.
    """
    if sample.found.tiles == level.tiles:
        return _LevelEstimate(sample.found.bytes_written, 0.0, 0.0)
    ratio = float(sample.ratios.mean() / reference.ratios.mean())
    residuals: NDArray[np.float64] = sample.ratios - ratio * reference.ratios
    count = len(residuals)
    successive = float(np.mean(np.diff(residuals) ** 2)) / 2 / count
    deviation = level.bytes * math.hypot(math.sqrt(successive), float(np.abs(residuals).max()) / count)
    return _LevelEstimate(round(known.bytes_written * ratio), deviation, float(level.bytes))

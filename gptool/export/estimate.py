"""Estimating the size of a result from a sample of its tiles."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.export.notices import quality_notices
from gptool.export.report import LevelReport
from gptool.jpeg.recompression import Recompression, recompress_tiles
from gptool.model import Message, Phase, Progress
from gptool.output.kind import OutputKind, collect_result_info
from gptool.plan import BundlePlan, LevelPlan, Plan

SAMPLE_TILES = 256
"""Tiles of each level that are recompressed for an estimate; all tiles of a smaller level are."""

CONFIDENCE = 0.95


@dataclass(frozen=True)
class LevelEstimate:
    """The estimate of one level.

    Attributes
    ----------
    level, tiles, bytes_read : int
        Exact.
    bytes_written : int
        Bytes of the tiles in the result; exact if nothing is recompressed or all tiles were sampled.
    sampled : int
        Tiles that were recompressed for the estimate.
    deviation : float
        The standard deviation of `bytes_written`, bytes.
    """

    level: int
    tiles: int
    bytes_read: int
    bytes_written: int
    sampled: int
    deviation: float

    def to_json(self) -> dict[str, Any]:
        """Return the estimate as JSON."""
        return {
            "level": self.level,
            "tiles": self.tiles,
            "bytesRead": self.bytes_read,
            "bytesWritten": self.bytes_written,
            "sampled": self.sampled,
        }


@dataclass(frozen=True)
class Estimate:
    """The estimate of an export.

    Attributes
    ----------
    total_tiles_to_export : int
        Exact.
    total_size : int
        Bytes of the result, headers and metadata included: exact without recompression, whatever the result's name.
    interval : (int, int)
        The bounds, bytes, that the size of the result lies between with a probability of 95 %.
    result : str
        The kind of result: "a .tpkx", "a .tpk" or "a cache raster dataset".
    levels : tuple of LevelEstimate
    messages : tuple of Message
        Notices.
    """

    total_tiles_to_export: int
    total_size: int
    interval: tuple[int, int]
    result: str
    levels: tuple[LevelEstimate, ...]
    messages: tuple[Message, ...] = ()

    @property
    def sampled_tiles(self) -> int:
        """Tiles of all levels that were recompressed for the estimate."""
        return sum(level.sampled for level in self.levels)

    def to_json(self) -> dict[str, Any]:
        """Return the answer of ArcGIS's estimateExportTilesSize, and the details of the estimate."""
        return {
            "totalSize": self.total_size,
            "totalTilesToExport": self.total_tiles_to_export,
            "totalSizeInterval": list(self.interval),
            "confidence": CONFIDENCE,
            "sampledTiles": self.sampled_tiles,
            "result": self.result,
            "levels": [level.to_json() for level in self.levels],
            "messages": [message.to_json() for message in self.messages],
        }


def estimate_plan(
    plan: Plan,
    kind: OutputKind,
    recompression: Recompression,
    progress: Progress | None = None,
) -> Estimate:
    """Return the estimate of a plan.

    Parameters
    ----------
    progress : Progress or None
        Called with the tiles of the sample that are recompressed.

    Raises
    ------
    CacheError
        If the tiles of the sample cannot be read.
    """
    samples = _sample_levels(plan, recompression, progress)
    levels = tuple(map(_estimate_level, plan.filled_levels, samples))
    bundles = [
        bundle
        for level, estimate in zip(plan.filled_levels, levels, strict=True)
        for bundle in _apportion(level, estimate.bytes_written)
    ]
    # The digits of the quality do not matter: the metadata reserve bytes for those of any.
    info = collect_result_info(kind, plan, plan.cache.name, plan.cache.image.compression_quality)
    size = kind.result_size(info, bundles)
    margin = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * math.hypot(*(level.deviation for level in levels))
    overhead = size - sum(level.bytes_written for level in levels)
    interval = max(math.floor(size - margin), overhead), min(math.ceil(size + margin), overhead + plan.bytes)
    found = LevelReport.sum(sample.found for sample in samples)
    notices = quality_notices(found, recompression, "tile" if found.tiles == plan.tiles else "sampled tile")
    result = f"a {kind.description}"
    return Estimate(plan.tiles, size, interval, result, levels, tuple(notices))


class Sample(NamedTuple):
    """Tiles of one level: their bytes in the cache and recompressed, each int64[n], and what happened to them."""

    read: NDArray[np.int64]
    written: NDArray[np.int64]
    found: LevelReport


def _sample_levels(plan: Plan, recompression: Recompression, progress: Progress | None) -> list[Sample]:
    """Return the sample of each level that has tiles; they are empty if nothing is recompressed."""
    if not recompression.is_requested:
        nothing = np.empty(0, np.int64)
        return [Sample(nothing, nothing, LevelReport()) for _ in plan.filled_levels]
    done, total = 0, sum(min(SAMPLE_TILES, level.tiles) for level in plan.filled_levels)

    def count(tiles: int) -> None:
        nonlocal done
        done += tiles
        if progress:
            progress(Phase.ESTIMATING, done, total)

    return [_sample_level(plan, level, recompression, count) for level in plan.filled_levels]


def _sample_level(plan: Plan, level: LevelPlan, recompression: Recompression, count: Callable[[int], None]) -> Sample:
    """Recompress a sample of a level's tiles.

    The level is divided into as many equal parts as the sample has tiles, and one tile is taken at random from each:
    the sample is spread evenly without falling in step with a pattern among the tiles. The same plan gives the same
    sample.
    """
    read, written, found = list[NDArray[np.int64]](), list[NDArray[np.int64]](), LevelReport()
    size = min(SAMPLE_TILES, level.tiles)
    bounds = np.arange(size + 1) * level.tiles // size
    ranks = np.random.default_rng(level.lod.level).integers(bounds[:-1], bounds[1:])
    first = 0
    for address, tiles, _ in level.bundles:
        here = ranks[(ranks >= first) & (ranks < first + tiles)] - first
        first += tiles
        if len(here) == 0:
            continue
        with plan.cache.open_bundle(address) as bundle:
            positions = plan.selection.positions(level.lod, address, bundle.sizes)[here]
            for batch in bundle.batches(positions):
                result, outcomes = recompress_tiles(batch, recompression)
                found.add_batch(address, batch, result, outcomes)
                read.append(batch.sizes.astype(np.int64))
                written.append(result.sizes.astype(np.int64))
                count(len(batch.sizes))
    return Sample(np.concatenate(read), np.concatenate(written), found)


def _estimate_level(level: LevelPlan, sample: Sample) -> LevelEstimate:
    """Scale the bytes of a level by the ratio that its sample was recompressed to.

    The ratio estimator and its standard deviation: W. G. Cochran, Sampling Techniques, 3rd edition, section 6.4. The
    formula is that of a simple random sample, which overestimates the deviation of one that is spread evenly.
    """
    count, tiles = len(sample.read), level.tiles
    if count == 0:
        return LevelEstimate(level.lod.level, tiles, level.bytes, level.bytes, 0, 0.0)
    ratio = float(sample.written.sum() / sample.read.sum())
    variance = float(np.var(sample.written - ratio * sample.read, ddof=1)) if 1 < count < tiles else 0.0
    deviation = tiles * math.sqrt((1 - count / tiles) * variance / count)
    written = level.bytes * int(sample.written.sum()) // int(sample.read.sum())
    return LevelEstimate(level.lod.level, tiles, level.bytes, written, count, deviation)


def _apportion(level: LevelPlan, written: int) -> list[BundlePlan]:
    """Distribute the estimated bytes of a level over its bundles by their present bytes; the sum is exact."""
    ends = np.cumsum([0, *(bundle.bytes for bundle in level.bundles)]).tolist()
    shares = [end * written // level.bytes for end in ends]
    return [
        bundle._replace(bytes=last - first)
        for bundle, (first, last) in zip(level.bundles, pairwise(shares), strict=True)
    ]

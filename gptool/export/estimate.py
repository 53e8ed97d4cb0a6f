"""Estimating the size of a result from a sample of its tiles."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.display.notebook import table_html, warning_counts
from gptool.export.notices import quality_notices
from gptool.export.report import LevelReport, stated_quality
from gptool.export.sampling import QUANTILE, SAMPLE_TILES, choose_points, count_hits, estimate_bytes, sample_size
from gptool.export.target import TargetChoice
from gptool.jpeg.recompression import Recompression, recompress_tiles, split_batches
from gptool.model import Message, Phase, Progress
from gptool.output.kind import OutputKind, collect_result_info
from gptool.plan import BundlePlan, LevelPlan, Plan
from gptool.text import format_bytes, format_count

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
    size : int
        Bytes that the level adds to the result: its tiles, and the headers and indexes of its bundles.
    """

    level: int
    tiles: int
    bytes_read: int
    bytes_written: int
    sampled: int
    deviation: float
    size: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the estimate as JSON."""
        return {
            "level": self.level,
            "tiles": self.tiles,
            "bytesRead": self.bytes_read,
            "bytesWritten": self.bytes_written,
            "size": self.size,
            "sampled": self.sampled,
        }


@dataclass(frozen=True, repr=False)
class Estimate:
    """The estimate of an export.

    Attributes
    ----------
    total_tiles_to_export : int
        Exact.
    total_size : int
        Bytes of the result, headers and metadata included: exact without recompression for a result of that name, if
        the bounds of the interval are equal.
    interval : (int, int)
        The bounds, bytes, that the size of the result lies between with a probability of 95 %.
    result : str
        The kind of result: "a .tpkx", "a .mbtiles", "a cache raster dataset", or as in "3 parts (.tpkx)".
    name : str
        The name of the result, without suffix, that its metadata are assumed to state.
    levels : tuple of LevelEstimate
    messages : tuple of Message
        Notices.
    target : TargetChoice or None
        What is done to tiles so that the result fits the target size, as far as the estimate says.
    parts : int or None
        The number of parts; None if the result is not divided. It may be higher in the end if tiles are recompressed.
    """

    total_tiles_to_export: int
    total_size: int
    interval: tuple[int, int]
    result: str
    name: str
    levels: tuple[LevelEstimate, ...]
    messages: tuple[Message, ...] = ()
    target: TargetChoice | None = None
    parts: int | None = None

    def __repr__(self) -> str:
        return f"<Estimate: {self.summary}{warning_counts(self.messages)}>"

    def _repr_html_(self) -> str:
        """Return a table for notebooks."""
        rows = [(level.level, level.tiles, level.bytes_read, level.bytes_written, level.size) for level in self.levels]
        columns = ("Level", "Tiles", "Bytes in", "Bytes out", "With indexes")
        return table_html(self.summary, columns, rows, [message.line for message in self.messages])

    @property
    def summary(self) -> str:
        """The tiles, the size with its interval, and the kind and name of the result, in a line."""
        low, high = self.interval
        size = format_bytes(self.total_size)
        if low != high:
            size = f"about {size} ({format_bytes(low)} to {format_bytes(high)})"
        return f"{format_count(self.total_tiles_to_export, 'tile')}, {size} as {self.result} named {self.name}"

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
            "resultName": self.name,
            "parts": self.parts,
            "target": self.target and self.target.to_json(),
            "levels": [level.to_json() for level in self.levels],
            "messages": [message.to_json() for message in self.messages],
        }


def estimate_plan(
    plan: Plan,
    kind: OutputKind,
    recompression: Recompression,
    name: str,
    progress: Progress | None = None,
) -> Estimate:
    """Return the estimate of a plan. See `estimate_each`."""
    return estimate_each(plan, kind, [recompression], name, progress)[0]


def estimate_each(
    plan: Plan,
    kind: OutputKind,
    recompressions: Sequence[Recompression],
    name: str,
    progress: Progress | None = None,
) -> list[Estimate]:
    """Return the estimates of a plan for several recompressions, from the same sample, which is read once for all.

    Parameters
    ----------
    recompressions : sequence of Recompression
        One or more; if several, all are requested.
    name : str
        The name of the result, without suffix.
    progress : Progress or None
        Called with the tiles of the sample that are recompressed.

    Raises
    ------
    CacheError
        If the tiles of the sample cannot be read.
    """
    return [
        _estimate(plan, kind, recompression, name, levels, LevelReport.sum(sample.found for sample in samples))
        for recompression, (levels, samples) in zip(
            recompressions, _estimate_levels(plan, recompressions, progress), strict=True
        )
    ]


def _estimate(
    plan: Plan,
    kind: OutputKind,
    recompression: Recompression,
    name: str,
    levels: Sequence[LevelEstimate],
    found: LevelReport,
) -> Estimate:
    """Return the estimate of a plan from those of its levels, and from what happened to the tiles of the samples."""
    bundles = [
        apportion(level, estimate.bytes_written) for level, estimate in zip(plan.filled_levels, levels, strict=True)
    ]
    info = collect_result_info(kind, plan, name, stated_quality(plan, found, recompression))
    size, metadata = kind.result_size(info, chain.from_iterable(bundles)), kind.result_size(info, [])
    least, greatest = kind.size_bounds(info, chain.from_iterable(bundles))
    levels = tuple(
        replace(level, size=kind.result_size(info, own) - metadata) for level, own in zip(levels, bundles, strict=True)
    )
    margin = QUANTILE * math.hypot(*(level.deviation for level in levels))
    overhead = size - sum(level.bytes_written for level in levels)
    interval = (
        max(math.floor(size - margin), overhead) - (size - least),
        min(math.ceil(size + margin), overhead + plan.bytes) + (greatest - size),
    )
    notices = quality_notices(found, recompression, "tile" if found.tiles == plan.tiles else "sampled tile")
    result = f"a {kind.description}"
    return Estimate(plan.tiles, size, interval, result, name, levels, tuple(notices))


class Sample(NamedTuple):
    """Tiles of one level that were recompressed for the estimate.

    Attributes
    ----------
    ratios : float64[n]
        Bytes in the result by bytes in the cache of the tile at each sampling point, in the order of the points, or of
        each tile if all were recompressed.
    found : LevelReport
        What happened to the tiles, each counted once.
    """

    ratios: NDArray[np.float64]
    found: LevelReport


def _estimate_levels(
    plan: Plan, recompressions: Sequence[Recompression], progress: Progress | None
) -> list[tuple[list[LevelEstimate], list[Sample]]]:
    """Return for each recompression the estimates of the levels that have tiles, and their samples."""
    if not recompressions[0].is_requested:
        return [(list(map(_copied_level, plan.filled_levels)), [])]
    done, total = 0, sum(min(SAMPLE_TILES, level.tiles) for level in plan.filled_levels)

    def count(tiles: int) -> None:
        nonlocal done
        done += tiles
        if progress:
            progress(Phase.ESTIMATING, done, total)

    found: list[tuple[list[LevelEstimate], list[Sample]]] = [([], []) for _ in recompressions]
    for level in plan.filled_levels:
        samples = sample_level(plan, level, recompressions, count, SAMPLE_TILES)
        estimates = [_estimate_level(level, sample) for sample in samples]
        sizes = (sample_size(estimate.bytes_written, estimate.deviation) for estimate in estimates)
        size = max((size for size in sizes if size), default=None)
        if size and not recompressions[0].optimize_png:  # which takes too long for a narrower interval
            total += min(size, level.tiles)
            samples = sample_level(plan, level, recompressions, count, size)
            estimates = [_estimate_level(level, sample) for sample in samples]
        for (levels, used), estimate, sample in zip(found, estimates, samples, strict=True):
            levels.append(estimate)
            used.append(sample)
    return found


def _copied_level(level: LevelPlan) -> LevelEstimate:
    """Return the estimate of a level whose tiles are copied as they are, which is exact."""
    return LevelEstimate(level.lod.level, level.tiles, level.bytes, level.bytes, 0, 0.0)


def sample_level(
    plan: Plan, level: LevelPlan, recompressions: Sequence[Recompression], count: Callable[[int], None], size: int
) -> list[Sample]:
    """Recompress the tiles at `size` sampling points of a level, or all tiles of a smaller level, in each way.

    Tiles are taken in proportion to their size, since the largest decide over the size of the result: the bytes of the
    level, tile after tile, are divided into equal parts, and a point is chosen at random in each. A tile is as often in
    the sample as points lie within it, but is recompressed once. The same plan gives the same sample.
    """
    ratios: list[list[NDArray[np.float64]]] = [[np.empty(0)] for _ in recompressions]
    found = [LevelReport() for _ in recompressions]
    points, first = choose_points(level.bytes, size, level.lod.level), 0
    for address, _, bundle_bytes in level.bundles:
        low, high = np.searchsorted(points, (first, first + bundle_bytes))
        here = points[low:high] - first
        first += bundle_bytes
        if level.tiles > size and len(here) == 0:
            continue
        wanted = plan.selection.selected(level.lod, address)
        with plan.cache.open_bundle(address, wanted) as bundle:
            positions = np.flatnonzero(wanted & (bundle.sizes > 0))
            hits = np.ones(len(positions), np.intp)
            if level.tiles > size:
                hits = count_hits(here, bundle.sizes[positions])
            by_position = np.zeros((len(recompressions), len(positions)))
            for batch in split_batches(bundle.batches(positions[hits > 0]), recompressions[0]):
                places = np.searchsorted(positions, batch.positions)
                for i, recompression in enumerate(recompressions):
                    result, outcomes = recompress_tiles(batch, recompression)
                    found[i].add_batch(address, batch, result, outcomes)
                    by_position[i, places] = result.sizes / batch.sizes
                count(int(hits[places].sum()))
        for own, values in zip(ratios, by_position, strict=True):
            own.append(np.repeat(values, hits))
    return [Sample(np.concatenate(own), report) for own, report in zip(ratios, found, strict=True)]


def _estimate_level(level: LevelPlan, sample: Sample) -> LevelEstimate:
    """Return the estimate of a level, exact if all of its tiles were recompressed."""
    found, lod = sample.found, level.lod.level
    if found.tiles == level.tiles:
        return LevelEstimate(lod, level.tiles, level.bytes, found.bytes_written, level.tiles, 0.0)
    written, deviation = estimate_bytes(level.bytes, sample.ratios)
    return LevelEstimate(lod, level.tiles, level.bytes, written, found.tiles, deviation)


def apportion(level: LevelPlan, written: int) -> list[BundlePlan]:
    """Distribute the estimated bytes of a level over its bundles by their present bytes; the sum is exact."""
    ends = list(accumulate((bundle.bytes for bundle in level.bundles), initial=0))
    shares = [end * written // level.bytes for end in ends]
    return [
        bundle._replace(bytes=last - first)
        for bundle, (first, last) in zip(level.bundles, pairwise(shares), strict=True)
    ]

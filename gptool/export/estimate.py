"""How many tiles and bytes an export will give, before anything is written."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.cache import TileCache
from gptool.export.notices import remark_on_plan, remark_on_quality
from gptool.export.report import LevelReport
from gptool.export.units import Progress
from gptool.jpeg.recompression import Recompression, recompress_tiles
from gptool.model import Message, StorageFormat, Tables
from gptool.output.kind import OutputKind, collect_result_info
from gptool.output.registry import kind_for_request
from gptool.output.tpkx import TPKX
from gptool.plan import BundlePlan, LevelPlan, Plan, make_plan
from gptool.request import read_call

SAMPLE = 256
"""Tiles of each level that are recompressed to learn how small they become; of smaller levels all."""

CONFIDENCE = 0.95


@dataclass(frozen=True)
class LevelEstimate:
    """One level.

    Attributes
    ----------
    level, tiles, bytes_read : int
        Exact.
    bytes_written : int
        What the tiles will come to; exact when nothing is recompressed, or all of them were sampled.
    sampled : int
        Tiles of it that were recompressed to know.
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
        """Return the level under the names that programs read."""
        return {
            "level": self.level,
            "tiles": self.tiles,
            "bytesRead": self.bytes_read,
            "bytesWritten": self.bytes_written,
            "sampled": self.sampled,
        }


@dataclass(frozen=True)
class Estimate:
    """What an export will give.

    Attributes
    ----------
    total_tiles_to_export : int
        Exact.
    total_size : int
        Bytes of the result, headers and metadata included: exact without recompression, whatever its name.
    interval : (int, int)
        With a probability of 95 % the result has so many bytes, from the first number to the second.
    result : str
        What was weighed: "a .tpkx", "a .tpk" or "a cache raster dataset".
    levels : tuple of LevelEstimate
    messages : tuple of Message
        What there was to say.
    """

    total_tiles_to_export: int
    total_size: int
    interval: tuple[int, int]
    result: str
    levels: tuple[LevelEstimate, ...]
    messages: tuple[Message, ...] = ()

    @property
    def sampled_tiles(self) -> int:
        """Tiles that were recompressed to know, of all levels."""
        return sum(level.sampled for level in self.levels)

    def to_json(self) -> dict[str, Any]:
        """Return the answer of ArcGIS's estimateExportTilesSize, and what is behind it."""
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


def estimate_export_tiles_size(
    cache: TileCache | str | os.PathLike[str],
    *,
    levels: str | float | Iterable[float] | None = None,
    export_by: str = "LevelID",
    export_extent: str | Sequence[float] | Mapping[str, Any] | None = None,
    area_of_interest: str | Mapping[str, Any] | os.PathLike[str] | None = None,
    tile_package: bool | None = None,
    storage_format_type: str | None = None,
    compression_quality: int | None = None,
    tables: Tables = "efficient",
    progress: Progress | None = None,
) -> Estimate:
    """Count the tiles an export takes, and weigh its result. Nothing is written.

    Parameters as for `gptool.export_tiles`, and:

    Parameters
    ----------
    tile_package : bool or None
        Whether to weigh a tile package (`.tpk` if `storage_format_type` is compact, else `.tpkx`) or a cache raster
        dataset. None: a package, or a dataset where the cache has no reference that a `.tpkx` could state.

    Raises
    ------
    ParameterError
        When the request can't be understood, or selects nothing.
    CacheError
        When the cache can't be read.
    """
    request = read_call(
        levels=levels,
        export_by=export_by,
        export_extent=export_extent,
        area_of_interest=area_of_interest,
        tile_package=tile_package,
        storage_format_type=storage_format_type,
        compression_quality=compression_quality,
    )
    recompression = Recompression(request.quality, tables)
    plan = make_plan(cache, request, (lambda _, done, __: progress(0, done)) if progress else None)
    if tile_package is None:
        compact = request.storage is StorageFormat.COMPACT
        tile_package = compact or TPKX.can_hold(plan.cache)
    kind = kind_for_request(request.storage, tile_package=tile_package)
    said = remark_on_plan(plan, kind, recompression, request)
    return weigh(plan, kind, recompression.capped(plan.cache.image), said)


def weigh(
    plan: Plan,
    kind: OutputKind,
    recompression: Recompression,
    said: Sequence[Message] = (),
    check: Callable[[], None] | None = None,
) -> Estimate:
    """Return the estimate of a plan. Raises as `estimate_export_tiles_size`, and what `check` raises now and then."""
    samples = [_sample(plan, level, recompression, check) for level in plan.filled_levels]
    levels = tuple(map(_estimate_level, plan.filled_levels, samples))
    bundles = [
        bundle
        for level, estimate in zip(plan.filled_levels, levels, strict=True)
        for bundle in _apportion(level, estimate.bytes_written)
    ]
    # The quality's digits do not matter: metadata have room for those of any.
    info = collect_result_info(kind, plan, plan.cache.name, plan.cache.image.compression_quality)
    size = kind.result_size(info, bundles)
    reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * math.hypot(*(level.deviation for level in levels))
    fixed = size - sum(level.bytes_written for level in levels)
    found = LevelReport.sum(sample.found for sample in samples)
    remarks = remark_on_quality(found, recompression, "tiles" if found.tiles == plan.tiles else "sampled tiles")
    interval = max(math.floor(size - reach), fixed), min(math.ceil(size + reach), fixed + plan.bytes)
    result = f"a {kind.description}"
    return Estimate(plan.tiles, size, interval, result, levels, (*said, *remarks))


class Sample(NamedTuple):
    """Tiles of one level: their bytes in the cache, and recompressed, each [n]; and what became of them."""

    read: NDArray[np.int64]
    written: NDArray[np.int64]
    found: LevelReport


def _sample(plan: Plan, level: LevelPlan, recompression: Recompression, check: Callable[[], None] | None) -> Sample:
    """Recompress some tiles of a level, or none when none is to be recompressed.

    The level is cut into as many equal parts as the sample has tiles, and one is taken at random from each: evenly
    spread, without falling in step with a pattern among the tiles. The same plan gives the same sample.
    """
    read, written = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    found = LevelReport()
    if recompression.quality is None:
        return Sample(read[0], written[0], found)
    count = min(SAMPLE, level.tiles)
    bounds = np.arange(count + 1) * level.tiles // count
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
                if check:
                    check()
                result, tally = recompress_tiles(batch, recompression)
                found.add_batch(address, batch, result, tally)
                read.append(batch.sizes.astype(np.int64))
                written.append(result.sizes.astype(np.int64))
    return Sample(np.concatenate(read), np.concatenate(written), found)


def _estimate_level(level: LevelPlan, sample: Sample) -> LevelEstimate:
    """Scale a level's bytes by what the sample became: the ratio estimator, and its deviation.

    W. G. Cochran, Sampling Techniques, 3rd edition, section 6.4. As of a simple random sample, which is on the safe
    side for one that is spread evenly.
    """
    count, tiles = len(sample.read), level.tiles
    if count == 0:
        return LevelEstimate(level.lod.level, tiles, level.bytes, level.bytes, 0, 0.0)
    ratio = float(sample.written.sum() / sample.read.sum())
    spread = float(np.var(sample.written - ratio * sample.read, ddof=1)) if 1 < count < tiles else 0.0
    deviation = tiles * math.sqrt((1 - count / tiles) * spread / count)
    written = level.bytes * int(sample.written.sum()) // int(sample.read.sum())
    return LevelEstimate(level.lod.level, tiles, level.bytes, written, count, deviation)


def _apportion(level: LevelPlan, written: int) -> list[BundlePlan]:
    """Spread a level's bytes over its bundles as they are now, so that they come to the same to the byte."""
    ends = np.cumsum([0, *(bundle.bytes for bundle in level.bundles)]).tolist()
    shares = [end * written // level.bytes for end in ends]
    return [
        bundle._replace(bytes=last - first)
        for bundle, (first, last) in zip(level.bundles, pairwise(shares), strict=True)
    ]

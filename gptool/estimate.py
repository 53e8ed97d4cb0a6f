"""How many tiles and bytes an export will give, before anything is written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Any

import numpy as np

from gptool.cache import TileCache
from gptool.model import StorageFormat, Tables
from gptool.package.dataset import dataset
from gptool.package.tpkx import TPKX
from gptool.package.write import gather_facts, result_size
from gptool.plan import BundlePlan, LevelPlan, Plan, make_plan
from gptool.recompress import Recompression, recompress_tiles
from gptool.reference import well_known_id
from gptool.report import LevelReport, stated_quality

DATASET = dataset(StorageFormat.COMPACT_V2), "a cache raster dataset"
SAMPLE = 64
"""Tiles of each level that are recompressed to learn how small they become."""


@dataclass(frozen=True)
class LevelEstimate:
    """One level: `tiles` and `bytes_read` are exact, `bytes_written` follows from `sampled` tiles of it."""

    level: int
    tiles: int
    bytes_read: int
    bytes_written: int
    sampled: int


@dataclass(frozen=True)
class Estimate:
    """What an export will give.

    Attributes
    ----------
    total_tiles_to_export : int
        Exact.
    total_size : int
        Bytes of the result, headers and metadata included. Without recompression it is that of a package with the
        cache's name; with it, the tiles' bytes are those of a sample, scaled up level by level.
    result : str
        What was weighed: a .tpkx, or a cache raster dataset where the cache has no reference that a .tpkx could state.
    levels : tuple of LevelEstimate
    """

    total_tiles_to_export: int
    total_size: int
    result: str
    levels: tuple[LevelEstimate, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the answer of ArcGIS's estimateExportTilesSize, and the levels behind it."""
        return {
            "totalSize": self.total_size,
            "totalTilesToExport": self.total_tiles_to_export,
            "result": self.result,
            "levels": [
                {
                    "level": level.level,
                    "tiles": level.tiles,
                    "bytesRead": level.bytes_read,
                    "bytesWritten": level.bytes_written,
                    "sampled": level.sampled,
                }
                for level in self.levels
            ],
        }


def estimate_export_tiles_size(
    cache: TileCache | str | os.PathLike[str],
    *,
    levels: str | int | Iterable[int] | None = None,
    export_extent: str | Sequence[float] | None = None,
    compression_quality: int | None = None,
    tables: Tables = "efficient",
) -> Estimate:
    """Count the tiles an export takes, and weigh its result. Nothing is written.

    Parameters as for `gptool.export_tiles`.

    Raises
    ------
    ParameterError
        When the request can't be understood, or selects nothing.
    CacheError
        When the cache can't be read.
    """
    recompression = Recompression(compression_quality, tables)
    plan = make_plan(cache, levels=levels, export_extent=export_extent)
    samples = [_sample(plan, level, recompression) for level in plan.filled_levels]
    bundles = [_shrink(level, sample) for level, sample in zip(plan.filled_levels, samples, strict=True)]
    kind, result = (TPKX, "a .tpkx") if well_known_id(plan.cache.scheme.reference) else DATASET
    facts = gather_facts(kind, plan, plan.cache.name, stated_quality(plan, LevelReport.sum(samples)))
    size = result_size(kind, facts, chain.from_iterable(bundles))
    estimates = [
        LevelEstimate(level.lod.level, level.tiles, level.bytes, sum(bundle.bytes for bundle in shrunk), sample.tiles)
        for level, sample, shrunk in zip(plan.filled_levels, samples, bundles, strict=True)
    ]
    return Estimate(plan.tiles, size, result, tuple(estimates))


def _sample(plan: Plan, level: LevelPlan, recompression: Recompression) -> LevelReport:
    """Recompress tiles that stand evenly spread among the level's."""
    report = LevelReport()
    count = min(SAMPLE, level.tiles)
    ranks = (2 * np.arange(count) + 1) * level.tiles // (2 * count)
    first = 0
    for address, tiles, _ in level.bundles:
        here = ranks[(ranks >= first) & (ranks < first + tiles)] - first
        first += tiles
        if len(here) == 0:
            continue
        with plan.cache.open_bundle(address) as bundle:
            positions = plan.selection.positions(level.lod, address, bundle.sizes)[here]
            for batch in bundle.batches(positions):
                report.add_batch(address, batch, *recompress_tiles(batch, recompression))
    return report


def _shrink(level: LevelPlan, sample: LevelReport) -> list[BundlePlan]:
    """Scale the bundles' bytes by what the sample became. Nothing recompressed: nothing changes, to the byte."""
    ratio = Fraction(sample.bytes_written, sample.bytes_read)
    return [bundle._replace(bytes=round(bundle.bytes * ratio)) for bundle in level.bundles]

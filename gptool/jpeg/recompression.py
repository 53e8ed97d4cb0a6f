"""The recompression policy: which tiles are recompressed, which are copied as they are, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool import _bundle, _jpeg
from gptool._bundle import TileKind
from gptool._jpeg import Outcome
from gptool.cache import TileBatch
from gptool.jpeg.damage import DamagedPosition, diagnose
from gptool.jpeg.quality_steps import QualityStep, lowest_unchanged_quality
from gptool.model import ImageInfo, Tables

# Looking up a member of an enumeration is slow.
KEPT_NOT_JPEG, KEPT_QUALITY, KEPT_UNCHANGED = Outcome.KEPT_NOT_JPEG, Outcome.KEPT_QUALITY, Outcome.KEPT_UNCHANGED
NOT_REQUESTED, DAMAGED, JPEG, UNKNOWN = Outcome.NOT_REQUESTED, Outcome.DAMAGED, TileKind.JPEG, TileKind.UNKNOWN

NOT_DECODED = np.isin(np.arange(len(Outcome)), (NOT_REQUESTED, KEPT_NOT_JPEG, KEPT_QUALITY, KEPT_UNCHANGED))
"""By outcome: True if libjpeg-turbo has not read the whole tile; its first and last bytes show damage then."""


@dataclass(frozen=True, slots=True)
class Recompression:
    """The recompression of JPEG tiles that an export applies.

    Attributes
    ----------
    quality : int or None
        The IJG quality, 0 to 100, that tiles above it are recompressed to. None: no tile is recompressed.
    tables : {"efficient", "exact"}
        See `gptool._jpeg.recompress`.
    requested_quality : int or None
        The quality that was requested. `quality` is lower if the cache declares a lower one.
    """

    quality: int | None = None
    tables: Tables = "efficient"
    requested_quality: int | None = None

    @classmethod
    def for_cache(cls, requested_quality: int | None, tables: Tables, image: ImageInfo) -> Recompression:
        """Return the recompression of a cache's tiles, capped at the quality that the cache declares."""
        quality, declared = requested_quality, image.compression_quality
        if quality is not None and image.may_be_jpeg and 0 < declared < quality:
            quality = declared
        return cls(quality, tables, requested_quality)


class BatchOutcomes(NamedTuple):
    """The outcomes of the tiles of a batch.

    Attributes
    ----------
    outcomes : Counter of Outcome
        The number of tiles by outcome.
    qualities : Counter of int
        The number of JPEG tiles by their rounded quality after the export.
    capped : Counter of int
        The number of JPEG tiles that were kept because the request is above their quality, by that quality, rounded.
    unchanged : Counter of QualityStep
        The number of JPEG tiles that were kept although the request is below their quality, by their quality step.
    damaged : list of DamagedPosition
    """

    outcomes: Counter[int]
    qualities: Counter[int]
    capped: Counter[int]
    unchanged: Counter[QualityStep]
    damaged: list[DamagedPosition]


def recompress_tiles(batch: TileBatch, recompression: Recompression) -> tuple[TileBatch, BatchOutcomes]:
    """Recompress the JPEG tiles of a batch whose quality is above the request.

    A damaged tile is copied as it is, and reported.

    Returns
    -------
    TileBatch
        The tiles as they are written.
    BatchOutcomes
    """
    kinds, complete = _bundle.inspect(batch.source, batch.offsets, batch.sizes)
    if recompression.quality is None:
        return batch, _classify_copied(batch, kinds, complete)
    is_jpeg = kinds == JPEG
    result, outcomes = batch, np.full(len(kinds), KEPT_NOT_JPEG, np.uint8)
    if is_jpeg.any():
        result, outcomes = _recompress_batch(batch, recompression.quality, recompression.tables)
    outcomes[NOT_DECODED[outcomes] & (~complete | (kinds == UNKNOWN))] = DAMAGED
    counts = _count(outcomes)
    indices, rounded = _qualities(result, is_jpeg & (outcomes != DAMAGED))
    damaged = _diagnose_tiles(batch, kinds, outcomes == DAMAGED)
    if not (counts[KEPT_QUALITY] or counts[KEPT_UNCHANGED]):
        return result, BatchOutcomes(counts, _count(rounded), Counter(), Counter(), damaged)
    capped, unchanged = _count_kept(batch, recompression, indices, rounded, outcomes[indices])
    return result, BatchOutcomes(counts, _count(rounded), capped, unchanged, damaged)


def _classify_copied(batch: TileBatch, kinds: NDArray[np.uint8], complete: NDArray[np.bool_]) -> BatchOutcomes:
    """Classify tiles that are copied without recompression."""
    is_sound = complete & (kinds != UNKNOWN)
    damaged = _diagnose_tiles(batch, kinds, ~is_sound)
    outcomes = Counter({int(NOT_REQUESTED): len(kinds) - len(damaged), int(DAMAGED): len(damaged)})
    _, rounded = _qualities(batch, is_sound & (kinds == JPEG))
    return BatchOutcomes(+outcomes, _count(rounded), Counter(), Counter(), damaged)


def _diagnose_tiles(batch: TileBatch, kinds: NDArray[np.uint8], is_damaged: NDArray[np.bool_]) -> list[DamagedPosition]:
    return [
        DamagedPosition(int(batch.positions[i]), *diagnose(batch.tile(i), TileKind(kinds[i])))
        for i in np.flatnonzero(is_damaged).tolist()
    ]


def _qualities(batch: TileBatch, is_jpeg: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the indices and the rounded qualities of the JPEG tiles whose quality follows from their tables."""
    indices = np.flatnonzero(is_jpeg)
    qualities = _jpeg.qualities(batch.source, batch.offsets[indices], batch.sizes[indices])
    known = ~np.isnan(qualities)
    return indices[known], np.rint(qualities[known]).astype(np.intp)


def _count_kept(
    batch: TileBatch,
    recompression: Recompression,
    indices: NDArray[np.intp],
    rounded: NDArray[np.intp],
    outcomes: NDArray[np.uint8],
) -> tuple[Counter[int], Counter[QualityStep]]:
    """Count the JPEG tiles below the requested quality, and those above it that the request does not change."""
    requested = recompression.quality or 0
    above = (outcomes == KEPT_UNCHANGED) & (rounded > requested)
    capped = _count(rounded[(outcomes == KEPT_QUALITY) & (rounded < requested)])
    return capped, _count_steps(batch, indices[above], rounded[above], recompression)


def _recompress_batch(batch: TileBatch, quality: int, tables: Tables) -> tuple[TileBatch, NDArray[np.uint8]]:
    source, sizes, outcomes = _jpeg.recompress_batch(batch.source, batch.offsets, batch.sizes, quality, tables=tables)
    return TileBatch.contiguous(batch.positions, source, sizes), outcomes


def _count_steps(
    batch: TileBatch, indices: NDArray[np.intp], rounded: NDArray[np.intp], recompression: Recompression
) -> Counter[QualityStep]:
    requested, tables = recompression.quality or 0, recompression.tables
    lowest = (lowest_unchanged_quality(batch.tile(i), requested, tables) for i in indices.tolist())
    return Counter(map(QualityStep, rounded.tolist(), lowest))


def _count(values: NDArray[np.integer]) -> Counter[int]:
    """Count integers from 0."""
    counts = np.bincount(values)
    return Counter({number: int(counts[number]) for number in np.flatnonzero(counts).tolist()})

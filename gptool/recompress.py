"""The policy: which tiles are recompressed, which pass through, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool import _bundle, _jpeg
from gptool._bundle import TileKind
from gptool._jpeg import Outcome
from gptool.cache import TileBatch
from gptool.errors import ParameterError
from gptool.model import ImageInfo, Tables
from gptool.request import whole_number
from gptool.staircase import Step, lowest_that_keeps

UNKNOWN_QUALITY = -1
"""Of JPEG tiles whose tables are no quality's."""

NOT_ASKED = len(Outcome)
"""Stands beside the values of `Outcome`: kept, since no recompression was asked for."""

REASONS = {
    Outcome.RECOMPRESSED: "recompressed",
    Outcome.KEPT_QUALITY: "request not below its quality",
    Outcome.KEPT_UNCHANGED: "no quantiser would change",
    Outcome.KEPT_NOT_SMALLER: "would not be smaller",
    Outcome.KEPT_NOT_JPEG: "not JPEG",
    Outcome.KEPT_UNSUPPORTED: "unsupported kind of JPEG",
    Outcome.DAMAGED: "damaged",
    NOT_ASKED: "as requested",
}


@dataclass(frozen=True, slots=True)
class Recompression:
    """What was asked of JPEG tiles.

    Attributes
    ----------
    quality : int or None
        0..100, the quality to come down to; None: nothing is recompressed.
    tables : {"efficient", "exact"}
        See `gptool._jpeg.recompress`.
    """

    quality: int | None = None
    tables: Tables = "efficient"

    def __post_init__(self) -> None:
        """Check both.

        Raises
        ------
        ParameterError
            When one is out of range.
        """
        if self.quality is not None:
            whole_number(self.quality, "compressionQuality", 0, 100)
        if self.tables not in ("efficient", "exact"):
            raise ParameterError("unknown", where="tables", found=repr(self.tables), expected="efficient or exact")

    def capped(self, image: ImageInfo) -> Recompression:
        """Return what is left of it for a cache that declares a quality of its own."""
        declared = image.compression_quality
        if self.quality is None or not 0 < declared < self.quality or not image.may_be_jpeg:
            return self
        return replace(self, quality=declared)


class Tally(NamedTuple):
    """What became of some tiles.

    Attributes
    ----------
    outcomes : Counter
        Tiles for each value of `Outcome`, and `NOT_ASKED`.
    qualities : Counter
        JPEG tiles for each quality, rounded, as they are now.
    capped : Counter
        JPEG tiles for each quality, rounded, that were kept since the request lies above it.
    unchanged : Counter
        JPEG tiles for each `Step`, that were kept though the request lies below their quality.
    damaged : list of (int, str)
        Position in the bundle, and what is wrong.
    """

    outcomes: Counter[int]
    qualities: Counter[int]
    capped: Counter[int]
    unchanged: Counter[Step]
    damaged: list[tuple[int, str]]


def recompress_tiles(batch: TileBatch, recompression: Recompression) -> tuple[TileBatch, Tally]:
    """Return the batch with its JPEG tiles recompressed as far as that makes sense, and what became of each.

    A damaged tile passes through as it is: what is wrong with it is for people to judge.
    """
    kinds, whole = _bundle.inspect(batch.source, batch.offsets, batch.sizes)
    result = batch
    outcomes = np.full(len(kinds), NOT_ASKED, np.uint8)
    if recompression.quality is not None:
        outcomes = np.full(len(kinds), Outcome.KEPT_NOT_JPEG, np.uint8)
        if (kinds == TileKind.JPEG).any():
            result, outcomes = _recompress_batch(batch, recompression.quality, recompression.tables)
    # Where libjpeg read all of a tile its word counts; elsewhere what the bytes look like.
    looked_at_only = np.isin(outcomes, (NOT_ASKED, Outcome.KEPT_NOT_JPEG, Outcome.KEPT_QUALITY, Outcome.KEPT_UNCHANGED))
    outcomes[looked_at_only & (~whole | (kinds == TileKind.UNKNOWN))] = Outcome.DAMAGED
    damaged = [
        (int(batch.positions[i]), _what_is_wrong(batch.tile(int(i)), TileKind(kinds[i])))
        for i in np.flatnonzero(outcomes == Outcome.DAMAGED)
    ]
    sound_jpeg = (kinds == TileKind.JPEG) & (outcomes != Outcome.DAMAGED)
    qualities = _jpeg.qualities(result.source, result.offsets[sound_jpeg], result.sizes[sound_jpeg])
    rounded = np.nan_to_num(np.rint(qualities), nan=UNKNOWN_QUALITY)
    known, asked = rounded != UNKNOWN_QUALITY, recompression.quality or 0
    capped = _count(rounded[(outcomes[sound_jpeg] == Outcome.KEPT_QUALITY) & (rounded < asked) & known])
    kept_above = (outcomes[sound_jpeg] == Outcome.KEPT_UNCHANGED) & (rounded > asked)
    unchanged = _steps(batch, np.flatnonzero(sound_jpeg)[kept_above], rounded[kept_above], recompression)
    return result, Tally(_count(outcomes), _count(rounded[known]), capped, unchanged, damaged)


def _recompress_batch(batch: TileBatch, quality: int, tables: Tables) -> tuple[TileBatch, NDArray[np.uint8]]:
    source, sizes, outcomes = _jpeg.recompress_batch(batch.source, batch.offsets, batch.sizes, quality, tables=tables)
    return TileBatch.contiguous(batch.positions, source, sizes), outcomes


def _steps(
    batch: TileBatch, places: NDArray[np.intp], rounded: NDArray[np.float64], recompression: Recompression
) -> Counter[Step]:
    asked, tables = recompression.quality or 0, recompression.tables
    lowest = (lowest_that_keeps(batch.tile(i), asked, tables) for i in places.tolist())
    return Counter(map(Step, rounded.astype(int).tolist(), lowest))


def _what_is_wrong(tile: bytes, kind: TileKind) -> str:
    if kind is TileKind.UNKNOWN:
        return f"no image that is known, first bytes {tile[:8].hex(' ') or 'none'}"
    if kind is TileKind.PNG:
        return "PNG without its end"
    return f"JPEG: {_jpeg.diagnose(tile) or 'no end-of-image marker'}"


def _count(values: NDArray[np.generic]) -> Counter[int]:
    numbers, counts = np.unique(values, return_counts=True)
    return Counter({int(number): int(count) for number, count in zip(numbers, counts, strict=True)})

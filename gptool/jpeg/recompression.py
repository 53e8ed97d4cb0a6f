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
from gptool.jpeg.quality_steps import Step, lowest_that_keeps
from gptool.model import ImageInfo, Tables
from gptool.request import check_integer

# Members of an enumeration are slow to look up.
KEPT_NOT_JPEG, KEPT_QUALITY, KEPT_UNCHANGED = Outcome.KEPT_NOT_JPEG, Outcome.KEPT_QUALITY, Outcome.KEPT_UNCHANGED
NOT_REQUESTED, DAMAGED, JPEG, UNKNOWN = Outcome.NOT_REQUESTED, Outcome.DAMAGED, TileKind.JPEG, TileKind.UNKNOWN

LOOKED_AT_ONLY = np.isin(np.arange(len(Outcome)), (NOT_REQUESTED, KEPT_NOT_JPEG, KEPT_QUALITY, KEPT_UNCHANGED))
"""By outcome: whether what the bytes look like decides about damage; elsewhere libjpeg has read all of the tile."""

REASONS = {
    Outcome.RECOMPRESSED: "recompressed",
    Outcome.KEPT_QUALITY: "request not below its quality",
    Outcome.KEPT_UNCHANGED: "no quantiser would change",
    Outcome.KEPT_NOT_SMALLER: "would not be smaller",
    Outcome.KEPT_NOT_JPEG: "not JPEG",
    Outcome.KEPT_UNSUPPORTED: "unsupported kind of JPEG",
    Outcome.DAMAGED: "damaged",
    Outcome.NOT_REQUESTED: "as requested",
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
            check_integer(self.quality, "compressionQuality", 0, 100)
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
        Tiles for each value of `Outcome`.
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
    if recompression.quality is None:
        return batch, _look_at(batch, kinds, whole)
    is_jpeg = kinds == JPEG
    result, outcomes = batch, np.full(len(kinds), KEPT_NOT_JPEG, np.uint8)
    if is_jpeg.any():
        result, outcomes = _recompress_batch(batch, recompression.quality, recompression.tables)
    outcomes[LOOKED_AT_ONLY[outcomes] & (~whole | (kinds == UNKNOWN))] = DAMAGED
    counts = _count(outcomes)
    places, rounded = _qualities(result, is_jpeg & (outcomes != DAMAGED))
    tally = Tally(counts, _count(rounded), Counter(), Counter(), _damaged(batch, kinds, outcomes == DAMAGED))
    if counts[KEPT_QUALITY] or counts[KEPT_UNCHANGED]:
        capped, unchanged = _kept_by_quality(batch, recompression, places, rounded, outcomes[places])
        tally = tally._replace(capped=capped, unchanged=unchanged)
    return result, tally


def _look_at(batch: TileBatch, kinds: NDArray[np.uint8], whole: NDArray[np.bool_]) -> Tally:
    """Tell what there is to tell of tiles that nothing is asked of."""
    is_sound = whole & (kinds != UNKNOWN)
    damaged = _damaged(batch, kinds, ~is_sound)
    outcomes = Counter({int(NOT_REQUESTED): len(kinds) - len(damaged), int(DAMAGED): len(damaged)})
    _, rounded = _qualities(batch, is_sound & (kinds == JPEG))
    return Tally(+outcomes, _count(rounded), Counter(), Counter(), damaged)


def _damaged(batch: TileBatch, kinds: NDArray[np.uint8], is_damaged: NDArray[np.bool_]) -> list[tuple[int, str]]:
    return [
        (int(batch.positions[i]), _what_is_wrong(batch.tile(i), TileKind(kinds[i])))
        for i in np.flatnonzero(is_damaged).tolist()
    ]


def _qualities(batch: TileBatch, is_jpeg: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the places and the rounded qualities of JPEG tiles, of those whose tables are some quality's."""
    places = np.flatnonzero(is_jpeg)
    qualities = _jpeg.qualities(batch.source, batch.offsets[places], batch.sizes[places])
    known = ~np.isnan(qualities)
    return places[known], np.rint(qualities[known]).astype(np.intp)


def _kept_by_quality(
    batch: TileBatch,
    recompression: Recompression,
    places: NDArray[np.intp],
    rounded: NDArray[np.intp],
    outcomes: NDArray[np.uint8],
) -> tuple[Counter[int], Counter[Step]]:
    """Count the JPEG tiles that the request lies above of, and those above it that it keeps as they are."""
    asked = recompression.quality or 0
    above = (outcomes == KEPT_UNCHANGED) & (rounded > asked)
    capped = _count(rounded[(outcomes == KEPT_QUALITY) & (rounded < asked)])
    return capped, _steps(batch, places[above], rounded[above], recompression)


def _recompress_batch(batch: TileBatch, quality: int, tables: Tables) -> tuple[TileBatch, NDArray[np.uint8]]:
    source, sizes, outcomes = _jpeg.recompress_batch(batch.source, batch.offsets, batch.sizes, quality, tables=tables)
    return TileBatch.contiguous(batch.positions, source, sizes), outcomes


def _steps(
    batch: TileBatch, places: NDArray[np.intp], rounded: NDArray[np.intp], recompression: Recompression
) -> Counter[Step]:
    asked, tables = recompression.quality or 0, recompression.tables
    lowest = (lowest_that_keeps(batch.tile(i), asked, tables) for i in places.tolist())
    return Counter(map(Step, rounded.tolist(), lowest))


def _what_is_wrong(tile: bytes, kind: TileKind) -> str:
    if kind is TileKind.UNKNOWN:
        return f"no image that is known, first bytes {tile[:8].hex(' ') or 'none'}"
    if kind is TileKind.PNG:
        return "PNG without its end"
    return f"JPEG: {_jpeg.diagnose(tile)[1] or 'no end-of-image marker'}"


def _count(values: NDArray[np.integer]) -> Counter[int]:
    """Count small whole numbers, none below 0."""
    counts = np.bincount(values)
    return Counter({number: int(counts[number]) for number in np.flatnonzero(counts).tolist()})

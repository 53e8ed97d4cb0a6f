"""The recompression policy: what is done to JPEG and PNG tiles, which tiles are copied as they are, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from gptool import _bundle, _jpeg
from gptool._bundle import TileKind
from gptool._jpeg import Outcome
from gptool.cache import TileBatch
from gptool.jpeg.counts import TileCounts
from gptool.jpeg.damage import DamagedPosition, TileDamage, diagnose
from gptool.jpeg.quality_steps import QualityStep, find_step
from gptool.model import ImageInfo, Tables
from gptool.png.optimisation import optimise_png

# Looking up a member of an enumeration is slow.
KEPT_NOT_JPEG, KEPT_QUALITY, KEPT_UNCHANGED = Outcome.KEPT_NOT_JPEG, Outcome.KEPT_QUALITY, Outcome.KEPT_UNCHANGED
OPTIMISED, NOT_REQUESTED, DAMAGED = Outcome.OPTIMISED, Outcome.NOT_REQUESTED, Outcome.DAMAGED
JPEG, PNG, UNKNOWN = TileKind.JPEG, TileKind.PNG, TileKind.UNKNOWN

PNG_BATCH_TILES = 16
"""Tiles of a batch if PNG tiles are optimised, of which each takes a thousand times as long as a JPEG tile."""

NOT_DECODED = np.isin(np.arange(len(Outcome)), (NOT_REQUESTED, KEPT_NOT_JPEG))
"""By outcome: True if libjpeg-turbo has not read the tile; its first and last bytes show damage then."""

KEEPS_QUALITY = np.isin(np.arange(len(Outcome)), (KEPT_QUALITY, KEPT_UNCHANGED, OPTIMISED))
"""By outcome: True if the quantisation steps of the tile are those that it had."""


@dataclass(frozen=True, slots=True)
class Recompression:
    """What an export does to JPEG tiles, and to PNG tiles: nothing, or lossless optimisation, or recompression of JPEG.

    Attributes
    ----------
    quality : int or None
        The IJG quality, 0 to 100, that tiles above it are recompressed to; all others are optimised without loss. None:
        no tile is recompressed.
    tables : {"efficient", "exact"}
        See `gptool._jpeg.recompress`.
    optimize : bool
        True: JPEG tiles are optimised without loss, also without a quality.
    declared_quality : int or None
        The quality that the cache declares, 1 to 100; None if it declares none.
    optimize_png : bool
        True: PNG tiles are optimised without loss.
    """

    quality: int | None = None
    tables: Tables = "efficient"
    optimize: bool = False
    declared_quality: int | None = None
    optimize_png: bool = False

    @classmethod
    def for_cache(
        cls, image: ImageInfo, *, quality: int | None, tables: Tables, optimize: bool, optimize_png: bool = False
    ) -> Recompression:
        """Return the recompression of a cache's tiles."""
        declared = image.compression_quality if image.may_be_jpeg else 0
        return cls(quality, tables, optimize, declared or None, optimize_png)

    @property
    def changes_jpeg(self) -> bool:
        """Whether JPEG tiles may change."""
        return self.optimize or self.quality is not None

    @property
    def is_requested(self) -> bool:
        """Whether tiles may change; otherwise every tile is copied as it is."""
        return self.changes_jpeg or self.optimize_png

    @property
    def keeps_foreign_tables(self) -> bool:
        """Whether tiles with foreign tables keep their quality, which is an estimate, whatever it is."""
        return self.quality is not None and self.declared_quality is not None and self.quality >= self.declared_quality


@dataclass
class BatchOutcomes(TileCounts):
    """The outcomes of the tiles of a batch: counts, and the damaged tiles.

    Attributes
    ----------
    damaged : list of DamagedPosition
    """

    damaged: list[DamagedPosition] = field(default_factory=list)


def split_batches(batches: Iterable[TileBatch], recompression: Recompression) -> Iterable[TileBatch]:
    """Return batches that take so little time each that an export is stopped, and its progress seen, without delay."""
    if not recompression.optimize_png:
        return batches
    return chain.from_iterable(batch.split(PNG_BATCH_TILES) for batch in batches)


def recompress_tiles(batch: TileBatch, recompression: Recompression) -> tuple[TileBatch, BatchOutcomes]:
    """Recompress the JPEG tiles of a batch whose quality is above the request, and optimise the others without loss.

    PNG tiles are optimised without loss if that is requested. A damaged tile is copied as it is, and reported.

    Returns
    -------
    TileBatch
        The tiles as they are written.
    BatchOutcomes
    """
    kinds, complete = _bundle.inspect(batch.source, batch.offsets, batch.sizes)
    is_jpeg = kinds == JPEG
    copied = KEPT_NOT_JPEG if recompression.changes_jpeg else NOT_REQUESTED
    result, outcomes = batch, np.full(len(kinds), copied, np.uint8)
    if recompression.changes_jpeg and is_jpeg.any():
        result, outcomes = _recompress_batch(batch, recompression)
    pngs, damages = np.flatnonzero((kinds == PNG) & complete & recompression.optimize_png), dict[int, str]()
    if pngs.size:
        result, damages = _optimise_pngs(result, pngs, outcomes)
    outcomes[NOT_DECODED[outcomes] & (~complete | (kinds == UNKNOWN))] = DAMAGED
    is_optimised = outcomes == OPTIMISED
    found = BatchOutcomes(
        outcomes=_count(outcomes),
        optimised_bytes_read=_sum_sizes(batch, np.flatnonzero(is_optimised)),
        optimised_bytes_written=_sum_sizes(result, np.flatnonzero(is_optimised)),
        pngs=len(pngs) - len(damages),
        pngs_optimised=int(is_optimised[pngs].sum()),
        png_bytes_read=_sum_sizes(batch, pngs[is_optimised[pngs]]),
        png_bytes_written=_sum_sizes(result, pngs[is_optimised[pngs]]),
        damaged=_diagnose_tiles(batch, kinds, outcomes == DAMAGED, damages),
    )
    _count_qualities(batch, result, outcomes, np.flatnonzero(is_jpeg & (outcomes != DAMAGED)), recompression, found)
    return result, found


def _recompress_batch(batch: TileBatch, recompression: Recompression) -> tuple[TileBatch, NDArray[np.uint8]]:
    source, sizes, outcomes = _jpeg.recompress_batch(
        batch.source,
        batch.offsets,
        batch.sizes,
        recompression.quality,
        tables=recompression.tables,
        declared_quality=recompression.declared_quality,
    )
    return TileBatch.contiguous(batch.positions, source, sizes), outcomes


def _optimise_pngs(
    batch: TileBatch, indices: NDArray[np.intp], outcomes: NDArray[np.uint8]
) -> tuple[TileBatch, dict[int, str]]:
    """Return a batch with its PNG tiles optimised, and what is wrong with damaged ones, by index; set the outcomes."""
    tiles, damages = list(map(batch.tile, range(len(batch.sizes)))), {}
    for i in indices.tolist():
        tiles[i], outcomes[i], damage = optimise_png(tiles[i])
        if damage is not None:
            damages[i] = damage
    sizes = np.array(list(map(len, tiles)), np.uint32)
    return TileBatch.contiguous(batch.positions, np.frombuffer(b"".join(tiles), np.uint8), sizes), damages


def _sum_sizes(batch: TileBatch, indices: NDArray[np.intp]) -> int:
    return int(batch.sizes[indices].sum(dtype=np.int64))


def _diagnose_tiles(
    batch: TileBatch, kinds: NDArray[np.uint8], is_damaged: NDArray[np.bool_], damages: dict[int, str]
) -> list[DamagedPosition]:
    """Return the damaged tiles; `damages` are those of PNG tiles that have an end, by index."""
    return [
        DamagedPosition(int(batch.positions[i]), TileDamage.PNG_CORRUPT, f"damaged PNG: {damages[i]}")
        if i in damages
        else DamagedPosition(int(batch.positions[i]), *diagnose(batch.tile(i), TileKind(kinds[i])))
        for i in np.flatnonzero(is_damaged).tolist()
    ]


def _count_qualities(
    batch: TileBatch,
    result: TileBatch,
    outcomes: NDArray[np.uint8],
    jpegs: NDArray[np.intp],
    recompression: Recompression,
    found: BatchOutcomes,
) -> None:
    """Count tiles by their quantisation tables; `jpegs` are the indices of the JPEG tiles that are not damaged."""
    qualities, is_foreign = _jpeg.read_tables(batch.source, batch.offsets[jpegs], batch.sizes[jpegs])
    if recompression.is_requested:
        qualities = _jpeg.qualities(result.source, result.offsets[jpegs], result.sizes[jpegs])
    known = ~np.isnan(qualities)
    rounded = np.rint(qualities[known]).astype(np.intp)
    found.tiles_with_foreign_tables = int(is_foreign.sum())
    found.qualities = _count(rounded)
    keeps = KEEPS_QUALITY[outcomes[jpegs[known]]]
    if recompression.quality is None or not keeps.any():
        return
    is_capped = keeps & (rounded < recompression.quality)
    if recompression.keeps_foreign_tables:
        is_capped &= ~is_foreign[known]  # they are kept for another reason
    found.capped = _count(rounded[is_capped])
    is_above = keeps & (rounded > recompression.quality)
    found.unchanged = _count_steps(batch, jpegs[known][is_above], rounded[is_above], recompression)


def _count_steps(
    batch: TileBatch, indices: NDArray[np.intp], rounded: NDArray[np.intp], recompression: Recompression
) -> Counter[QualityStep]:
    """Count the tiles above the request whose quantisation steps it does not change."""
    quality, tables, declared = recompression.quality or 0, recompression.tables, recompression.declared_quality
    tiles = zip(indices.tolist(), rounded.tolist(), strict=True)
    steps = (find_step(batch.tile(i), own, quality, tables, declared) for i, own in tiles)
    return Counter(step for step in steps if step)


def _count(values: NDArray[np.integer]) -> Counter[int]:
    """Count integers from 0."""
    counts = np.bincount(values)
    return Counter({number: int(counts[number]) for number in np.flatnonzero(counts).tolist()})

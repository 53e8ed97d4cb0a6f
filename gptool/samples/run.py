"""Making sample compressions: tiles are chosen, recompressed and scored, a quality is recommended, sizes estimated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import fmean

import numpy as np

from gptool import _jpeg
from gptool.errors import CacheError
from gptool.export.estimate import Estimate, estimate_each, estimate_plan
from gptool.export.prepare import PreparedExport
from gptool.jpeg.pixels import decode
from gptool.jpeg.recompression import Recompression
from gptool.model import Message, Phase, Progress, Tables
from gptool.plan import Plan
from gptool.samples.figures import THRESHOLD, WORST, QualityFigures, SampledTile, TileResult
from gptool.samples.report import Samples
from gptool.samples.scoring import RecompressedTiles, Scorer, lowest_quality, score_all
from gptool.samples.tiles import MAX_PIXELS, Role, Tile, choose_tiles
from gptool.text import format_bytes, format_count

WORST_SHARE = 5
"""One of so many tiles of the result is among the worst; the others represent their levels."""

MAX_IMAGE_BYTES = 24_000_000
"""Bytes of all images of the result, so that a page with them has at most a third more, about 32 MB."""


TEXT_BYTES = 1024 * 1024
"""Bytes of a page and of the figures as JSON besides the images, at most."""


def page_bytes(plan: Plan, qualities: Sequence[int]) -> int:
    """Return how many bytes the page and the figures as JSON have at most, before tiles are read."""
    images = plan.bytes * (len(qualities) + 2)  # also as they are, and at the recommended quality; none gets larger
    return min(images, MAX_IMAGE_BYTES) * 4 // 3 + TEXT_BYTES


def make_samples(
    prepared: PreparedExport,
    qualities: Sequence[int],
    count: int,
    tables: Tables,
    threads: int,
    progress: Progress | None = None,
) -> Samples:
    """Return the sample compressions of an export that is prepared without recompression.

    Parameters
    ----------
    qualities : sequence of int
        Ascending.
    count : int
        The maximum number of tiles in the result; more are scored.
    threads : int
        Threads that score tiles.
    progress : Progress or None
        Called with the tiles that are scored, then with those that are recompressed for the estimate.

    Raises
    ------
    CacheError
        If no selected tile can be recompressed, or tiles cannot be read.
    """
    plan, kind, name = prepared.plan, prepared.kind, prepared.plan.cache.name
    recompression = partial(_recompression, plan, tables)
    tiles, others = choose_tiles(plan)
    if not tiles:
        raise _no_jpeg_error(plan)
    recompressed = RecompressedTiles(tiles, recompression)
    scorer = Scorer(recompressed)
    best = _recommend(scorer, len(tiles), qualities, threads, progress)
    shown = sorted({*qualities, best})
    estimates = estimate_each(plan, kind, [recompression(quality) for quality in shown], name, progress)
    figures = {estimate[0]: _figures(scorer, len(tiles), *estimate) for estimate in zip(shown, estimates, strict=True)}
    copied = estimate_plan(plan, kind, Recompression(), name)
    chosen = _choose_shown(tiles, [scorer.fidelity(i, best).score for i in range(len(tiles))], count)
    sampled = (_sampled_tile(recompressed, scorer, i, roles, shown) for i, roles in chosen)
    kept = sorted(_within_limit(sampled), key=lambda tile: tile.address)
    return Samples(
        name=name,
        tables=tables,
        total_tiles=plan.tiles,
        result=copied.result,
        copied_size=copied.total_size,
        qualities=tuple(figures[quality] for quality in qualities),
        recommended=figures[best],
        threshold=THRESHOLD,
        steps=tuple(recompressed.steps()),
        scored_tiles=len(tiles),
        tiles=tuple(kept),
        messages=(*prepared.notices, *_notices(figures[best], others, len(chosen) - len(kept))),
    )


def _recompression(plan: Plan, tables: Tables, quality: int) -> Recompression:
    return Recompression.for_cache(plan.cache.image, quality=quality, tables=tables, optimize=True)


def _no_jpeg_error(plan: Plan) -> CacheError:
    return CacheError(
        "the selection holds no valid JPEG tile to compare, and other tiles have no compression quality",
        where=plan.cache.location,
        found=f"tiles in the format {plan.cache.image.format}",
        expected=f"JPEG tiles of at most {MAX_PIXELS:,} pixels",
    )


def _recommend(scorer: Scorer, tiles: int, qualities: Sequence[int], threads: int, progress: Progress | None) -> int:
    """Score all tiles at the qualities, and return the recommended one."""
    done = 0

    def count(scored: int) -> None:
        nonlocal done
        done += scored
        if progress:
            progress(Phase.SCORING, done, tiles)

    with ThreadPoolExecutor(threads) as pool:
        try:
            scores = score_all(scorer, tiles, qualities, pool, count)
            order = np.argsort(scores.mean(axis=1), kind="stable").tolist()
            return lowest_quality(scorer, order, THRESHOLD, pool, threads, partial(count, 0))
        except BaseException:
            pool.shutdown(cancel_futures=True)  # an interrupt does not wait for tiles that are not scored yet
            raise


def _figures(scorer: Scorer, tiles: int, quality: int, estimate: Estimate) -> QualityFigures:
    found = [scorer.fidelity(tile, quality) for tile in range(tiles)]
    scores = [fidelity.score for fidelity in found]
    ratios = [fidelity.psnr for fidelity in found if fidelity.psnr is not None]
    psnr = fmean(ratios) if ratios else None
    return QualityFigures(quality, estimate.total_size, estimate.interval, fmean(scores), min(scores), psnr)


def _choose_shown(tiles: Sequence[Tile], scores: Sequence[float], count: int) -> list[tuple[int, tuple[str, ...]]]:
    """Return the numbers of the tiles of the result, and their roles: the worst, then those that represent levels.

    If there are too many levels, some of them are chosen, evenly, with the coarsest and the deepest.
    """
    worst = sorted(range(len(tiles)), key=lambda i: scores[i])[: max(count // WORST_SHARE, 1)]
    by_level: dict[int, list[int]] = {}
    for i, tile in enumerate(tiles):
        if tile.role is not Role.SAMPLE:
            by_level.setdefault(tile.address.level, []).append(i)
    levels, most = list(by_level.values()), (count - len(worst)) // 3
    if len(levels) > most:
        levels = [levels[i] for i in np.linspace(len(levels) - 1, 0, most).round().astype(int).tolist()]
    roles = {i: (WORST,) if tiles[i].role is Role.SAMPLE else (str(tiles[i].role), WORST) for i in worst}
    for i in (i for level in levels for i in level):
        roles.setdefault(i, (str(tiles[i].role),))
    return list(roles.items())


def _sampled_tile(
    recompressed: RecompressedTiles, scorer: Scorer, i: int, roles: tuple[str, ...], qualities: Sequence[int]
) -> SampledTile:
    address, _, data = recompressed.tiles[i]
    results, by_digest = [], dict[bytes, bytes]()  # equal results share their bytes
    for quality in qualities:
        digest, (score, psnr) = recompressed.digest(i, quality), scorer.fidelity(i, quality)
        if digest not in by_digest:
            by_digest[digest] = recompressed.result(i, quality)
        results.append(TileResult(quality, len(by_digest[digest]), score, psnr, by_digest[digest]))
    own = _jpeg.quality(data)
    height, width = decode(data).shape[:2]
    return SampledTile(address, roles, None if own is None else round(own), width, height, data, tuple(results))


def _within_limit(tiles: Iterable[SampledTile]) -> Iterator[SampledTile]:
    """Yield tiles until the bytes of their images reach the limit."""
    total = 0
    for tile in tiles:
        total += len(tile.data) + sum(map(len, {result.data for result in tile.results}))
        if total > MAX_IMAGE_BYTES:
            return
        yield tile


def _notices(recommended: QualityFigures, others: int, left_out: int) -> list[Message]:
    notices = []
    if recommended.mean_psnr is None:
        text = f"no quality that changes the scored tiles reaches the score {THRESHOLD:g} with each of them: "
        notices.append(Message("Informative", f"{text}optimizeTilesForSize makes tiles smaller without loss"))
    if others:
        text = f"{format_count(others, 'tile')} that were looked at are damaged, no JPEG or too large: not compared"
        notices.append(Message("Informative", text))
    if left_out:
        text = f"{format_count(left_out, 'tile')} left out: their images have more than {format_bytes(MAX_IMAGE_BYTES)}"
        notices.append(Message("Warning", text))
    return notices

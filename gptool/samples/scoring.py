"""Tiles recompressed to each quality, how far each result is from its tile, and the lowest quality that is near."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from hashlib import blake2b
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.cache import TileBatch
from gptool.jpeg.pixels import decode
from gptool.jpeg.recompression import Recompression, recompress_tiles
from gptool.request.parameters import MAX_QUALITY, MIN_QUALITY
from gptool.samples.ssimulacra2 import Original
from gptool.samples.tiles import Tile

LUMA = np.array((0.299, 0.587, 0.114), np.float32)
"""RGB to luma (ITU-R BT.601, as in JFIF)."""

QUALITIES = range(MIN_QUALITY, MAX_QUALITY + 1)
DIGEST_BYTES = 16

CACHED_ORIGINALS = 8
"""Tiles that are kept in memory as they are compared, about 5 MB for 256 x 256 pixels."""


class Fidelity(NamedTuple):
    """How far a recompressed tile is from the tile.

    Attributes
    ----------
    score : float
        SSIMULACRA 2; 100 if no pixel differs.
    psnr : float or None
        The peak signal-to-noise ratio of luma, dB; None if luma does not differ.
    """

    score: float
    psnr: float | None


SAME = Fidelity(100.0, None)


class RecompressedTiles:
    """Tiles recompressed to each quality, as an export does it. Only digests and sizes stay in memory.

    Parameters
    ----------
    tiles : sequence of Tile
    recompression : callable
        Returns the recompression of a quality, 0 to 100.

    Attributes
    ----------
    sizes : uint32[101, n]
        Bytes of each result, by quality and tile.
    """

    def __init__(self, tiles: Sequence[Tile], recompression: Callable[[int], Recompression]) -> None:
        self.tiles, self._recompression = tiles, recompression
        batch = _batch([tile.data for tile in tiles])
        sizes, self._digests = [], list[list[bytes]]()
        for quality in QUALITIES:
            result, _ = recompress_tiles(batch, recompression(quality))
            sizes.append(result.sizes)
            self._digests.append([_digest(result.tile(i)) for i in range(len(tiles))])
        self.sizes: NDArray[np.uint32] = np.stack(sizes)

    def digest(self, tile: int, quality: int) -> bytes:
        """Return a digest of a result: equal results have equal digests."""
        return self._digests[quality][tile]

    def result(self, tile: int, quality: int) -> bytes:
        """Return a recompressed tile."""
        return recompress_tiles(_batch([self.tiles[tile].data]), self._recompression(quality))[0].tile(0)

    def steps(self) -> list[tuple[int, int]]:
        """Return the ranges of qualities, lowest and highest, that have the same results for all tiles."""
        groups = (list(group) for _, group in groupby(QUALITIES, self._digests.__getitem__))
        return [(group[0], group[-1]) for group in groups]


class Scorer:
    """Scores of recompressed tiles; each result is scored once. Different tiles may be scored by different threads."""

    def __init__(self, recompressed: RecompressedTiles) -> None:
        self._recompressed = recompressed
        self._known: list[dict[bytes, Fidelity]] = [{} for _ in recompressed.tiles]
        self._original = lru_cache(CACHED_ORIGINALS)(self._read_original)

    def fidelity(self, tile: int, quality: int) -> Fidelity:
        """Return how far a tile, by its number, is from itself after recompression to a quality."""
        known, digest = self._known[tile], self._recompressed.digest(tile, quality)
        if digest not in known:
            before = decode(self._recompressed.tiles[tile].data)
            after = decode(self._recompressed.result(tile, quality))
            is_same = np.array_equal(before, after)
            known[digest] = SAME if is_same else Fidelity(self._original(tile).score(after), _psnr(before, after))
        return known[digest]

    def _read_original(self, tile: int) -> Original:
        return Original(decode(self._recompressed.tiles[tile].data))


def score_all(
    scorer: Scorer, tiles: int, qualities: Sequence[int], pool: ThreadPoolExecutor, count: Callable[[int], None]
) -> NDArray[np.float64]:
    """Return the scores of all tiles, float64[tiles, qualities].

    Parameters
    ----------
    count : callable
        Called with the number of tiles that were scored since the last call.
    """
    scores = np.empty((tiles, len(qualities)))
    rows = pool.map(lambda tile: [scorer.fidelity(tile, quality).score for quality in qualities], range(tiles))
    for tile, row in enumerate(rows):
        scores[tile] = row
        count(1)
    return scores


def lowest_quality(
    scorer: Scorer,
    order: Iterable[int],
    threshold: float,
    pool: ThreadPoolExecutor,
    threads: int,
    proceed: Callable[[], None],
) -> int:
    """Return the lowest quality at which the score of each tile reaches a threshold.

    It is found as by trying all qualities in turn, whether or not scores rise with them: a quality is dismissed as soon
    as one tile fails, and the tile that failed last is tried first.

    Parameters
    ----------
    order : iterable of int
        The numbers of the tiles, those that are likely to fail first.
    proceed : callable
        Called before each quality; an exception that it raises ends the search.
    """
    remaining = list(order)
    for quality in QUALITIES:
        proceed()
        failed = next(_failures(scorer, remaining, quality, threshold, pool, threads), None)
        if failed is None:
            return quality
        remaining.remove(failed)
        remaining.insert(0, failed)
    return MAX_QUALITY  # keeps tiles of that quality, whose score is 100


def _failures(
    scorer: Scorer, tiles: Sequence[int], quality: int, threshold: float, pool: ThreadPoolExecutor, threads: int
) -> Iterator[int]:
    """Yield the tiles whose score does not reach a threshold; only few are scored ahead."""
    groups = [tiles[:1], *(tiles[i : i + threads] for i in range(1, len(tiles), threads))]
    for group in groups:
        scores = pool.map(lambda tile: scorer.fidelity(tile, quality).score, group)
        yield from (tile for tile, score in zip(group, scores, strict=True) if score < threshold)


def _batch(tiles: Sequence[bytes]) -> TileBatch:
    sizes = np.array([len(tile) for tile in tiles], np.uint32)
    return TileBatch.contiguous(np.arange(len(tiles)), np.frombuffer(b"".join(tiles), np.uint8), sizes)


def _digest(tile: bytes) -> bytes:
    return blake2b(tile, digest_size=DIGEST_BYTES).digest()


def _psnr(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float | None:
    error = float(np.mean(((after.astype(np.float32) - before) @ LUMA) ** 2))
    return 10 * math.log10(255**2 / error) if error else None

"""The tiles that are compared: of each level the busiest, the median and the flattest, and a random sample."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool import _jpeg
from gptool._jpeg import Outcome
from gptool.cache import TileCache
from gptool.jpeg.pixels import decode
from gptool.model import PACKET_SIZE, BundleAddress, TileAddress
from gptool.plan import LevelPlan, Plan

SAMPLED_TILES, MIN_IN_LEVEL = 48, 4
"""Tiles of the random sample in all, in proportion to the tiles of each level, and at least in each level."""

DRAWN_TILES = 4096
"""Tiles of a level that are drawn at random; of larger levels, the median is that of the drawn tiles."""

SPARE = 4
"""Tiles that are considered for each role: some may be damaged, or no JPEG."""

MAX_PIXELS = 1024 * 1024
"""Of a tile: the memory of its comparison is about 80 times as many bytes."""

UNUSABLE = Outcome.DAMAGED, Outcome.KEPT_NOT_JPEG, Outcome.KEPT_UNSUPPORTED


class Role(StrEnum):
    """Why a tile is compared; the bytes of a JPEG tile tell how much detail it has."""

    BUSIEST = "busiest"
    MEDIAN = "median"
    FLATTEST = "flattest"
    SAMPLE = "sample"


class Tile(NamedTuple):
    """A JPEG tile that is compared, as it is in the cache."""

    address: TileAddress
    role: Role
    data: bytes


def choose_tiles(plan: Plan) -> tuple[list[Tile], int]:
    """Return the tiles to compare, coarsest level first; only valid JPEG tiles, each of them once.

    The same plan gives the same tiles.

    Returns
    -------
    list of Tile
    int
        The number of other tiles that were looked at: they are damaged, or no JPEG.

    Raises
    ------
    CacheError
        If the tiles cannot be read.
    """
    chosen, others = list[Tile](), 0
    for level in plan.filled_levels:
        share = max(MIN_IN_LEVEL, round(SAMPLED_TILES * level.tiles / plan.tiles))
        candidates = _candidates(_survey(plan, level), level.lod.level, share)
        wanted = {address for addresses, _ in candidates.values() for address in addresses}
        usable = {address: data for address, data in _read_tiles(plan.cache, wanted) if _is_usable(data)}
        others += len(wanted) - len(usable)
        for role, (addresses, count) in candidates.items():
            for address in [address for address in addresses if address in usable][:count]:
                chosen.append(Tile(address, role, usable.pop(address)))
    return chosen, others


class _Survey(NamedTuple):
    """Tiles of a level: the largest, the smallest and those that were drawn.

    Attributes
    ----------
    sizes, rows, columns, keys : int64[n]
        Bytes and position of each tile, and the random number that it was drawn by.
    """

    sizes: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    keys: NDArray[np.int64]

    def joined(self, other: _Survey) -> _Survey:
        """Return the tiles of both, without those that are neither among the extremes nor drawn."""
        sizes, rows, columns, keys = map(np.concatenate, zip(self, other, strict=True))
        by_size = np.lexsort((columns, rows, sizes))
        kept = np.unique(np.concatenate((by_size[:SPARE], by_size[-SPARE:], np.argsort(keys)[:DRAWN_TILES])))
        return _Survey(sizes[kept], rows[kept], columns[kept], keys[kept])


def _survey(plan: Plan, level: LevelPlan) -> _Survey:
    """Read the indexes of the bundles of a level."""
    random = np.random.default_rng(level.lod.level)
    found = _Survey(*np.empty((4, 0), np.int64))
    for address, _, _ in level.bundles:
        wanted = plan.selection.selected(level.lod, address)
        with plan.cache.open_bundle(address, wanted) as bundle:
            positions = bundle.present(wanted)
            sizes = bundle.sizes[positions].astype(np.int64)
        keys = random.integers(2**62, size=len(positions))
        found = found.joined(_Survey(sizes, *address.rows_and_columns(positions), keys))
    return found


def _candidates(survey: _Survey, level: int, share: int) -> dict[Role, tuple[list[TileAddress], int]]:
    """Return for each role the candidates, best first, and how many of them are taken."""

    def addresses(indices: NDArray[np.intp]) -> list[TileAddress]:
        return [
            TileAddress(level, row, column)
            for row, column in zip(survey.rows[indices].tolist(), survey.columns[indices].tolist(), strict=True)
        ]

    by_size = np.lexsort((survey.columns, survey.rows, survey.sizes))
    drawn = np.argsort(survey.keys)[:DRAWN_TILES]
    ranked = drawn[np.lexsort((survey.columns[drawn], survey.rows[drawn], survey.sizes[drawn]))]
    nearest = np.argsort(np.abs(np.arange(len(ranked)) - len(ranked) // 2), kind="stable")
    return {
        Role.BUSIEST: (addresses(by_size[::-1][:SPARE]), 1),
        Role.MEDIAN: (addresses(ranked[nearest[:SPARE]]), 1),
        Role.FLATTEST: (addresses(by_size[:SPARE]), 1),
        Role.SAMPLE: (addresses(drawn[: 2 * share + SPARE]), share),
    }


def _read_tiles(cache: TileCache, addresses: Iterable[TileAddress]) -> Iterator[tuple[TileAddress, bytes]]:
    """Yield tiles that exist, with their bytes."""
    by_bundle: dict[BundleAddress, list[int]] = {}
    for level, row, column in addresses:
        bundle_row, bundle_column = row // PACKET_SIZE * PACKET_SIZE, column // PACKET_SIZE * PACKET_SIZE
        position = (row - bundle_row) * PACKET_SIZE + column - bundle_column
        by_bundle.setdefault(BundleAddress(level, bundle_row, bundle_column), []).append(position)
    for address, positions in sorted(by_bundle.items()):
        with cache.open_bundle(address) as bundle:
            for batch in bundle.batches(np.array(sorted(positions), np.int64)):
                for i, position in enumerate(batch.positions.tolist()):
                    yield address.tile(position), batch.tile(i)


def _is_usable(data: bytes) -> bool:
    """Return True for a valid JPEG tile that can be recompressed and shown, and is not too large to be compared."""
    if _jpeg.recompress(data, 1)[1] in UNUSABLE:
        return False
    try:
        pixels = decode(data)
    except OSError:  # also of colour spaces that cannot be converted to RGB
        return False
    return pixels.size <= 3 * MAX_PIXELS

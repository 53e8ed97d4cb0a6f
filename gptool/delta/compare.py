"""The comparison of two caches, bundle by bundle on threads: every tile by its bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.cache import Bundle, TileCache
from gptool.cache.compact import CompactBundle, CompactCache
from gptool.cache.folder_store import FolderStore
from gptool.cache.zip_store import ZipStore
from gptool.delta.digests import Digests, LevelHash, hash_bundle, hash_tiles
from gptool.delta.document import BundleState, LevelCounts, LevelState
from gptool.delta.overlays import NO_TILES, ChangedBundle, base_bundles, pack_mask
from gptool.delta.runs import Run, to_runs
from gptool.delta.threads import BundleThreads
from gptool.model import BundleAddress, Lod, Phase, Progress, TileAddress

_Level = tuple[TileCache, frozenset[BundleAddress]]
"""A cache, and the bundles that it has of a level."""


class ComparedBundle(NamedTuple):
    """What differs in a bundle, and the hashes of both states.

    Attributes
    ----------
    address : BundleAddress
    state : BundleState
    counts : tuple of int
        Added, changed, deleted and unchanged tiles.
    changed : ChangedBundle or None
        The added and changed tiles; None if there are none.
    runs : list of Run
        The deleted tiles.
    """

    address: BundleAddress
    state: BundleState
    counts: tuple[int, int, int, int]
    changed: ChangedBundle | None
    runs: list[Run]


@dataclass
class Comparison:
    """What differs between two caches.

    Attributes
    ----------
    old_levels, new_levels : list of LevelState
    levels : list of LevelCounts
    bundles : dict of BundleAddress to BundleState
        Those that differ.
    changed : dict of int to dict of BundleAddress to ChangedBundle
        The added and changed tiles by level.
    runs : list of Run
        The deleted tiles.
    """

    old_levels: list[LevelState] = field(default_factory=list)
    new_levels: list[LevelState] = field(default_factory=list)
    levels: list[LevelCounts] = field(default_factory=list)
    bundles: dict[BundleAddress, BundleState] = field(default_factory=dict)
    changed: dict[int, dict[BundleAddress, ChangedBundle]] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)

    def add_level(self, level: int, compared: Iterable[ComparedBundle]) -> None:
        """Add the bundles of a level, in the order of their addresses."""
        hashes = LevelHash(), LevelHash()
        totals = [0, 0, 0, 0]
        for bundle in compared:
            totals = [total + count for total, count in zip(totals, bundle.counts, strict=True)]
            for level_hash, digest in zip(hashes, bundle.state, strict=True):
                level_hash.add(bundle.address, digest)
            if bundle.state.base != bundle.state.result:
                self.bundles[bundle.address] = bundle.state
            if bundle.changed:
                self.changed.setdefault(level, {})[bundle.address] = bundle.changed
            self.runs += bundle.runs
        counts = LevelCounts(level, *totals)
        if any(totals):
            self.levels.append(counts)
        kept = counts.unchanged + counts.changed
        both = (self.old_levels, kept + counts.deleted), (self.new_levels, kept + counts.added)
        for (levels, tiles), level_hash in zip(both, hashes, strict=True):
            if digest := level_hash.hexdigest():
                levels.append(LevelState(level, tiles, digest))


def compare(
    old: TileCache,
    new: TileCache,
    tiles: int,
    *,
    workers: int,
    trust_indexes: bool,
    progress: Progress | None,
) -> Comparison:
    """Compare all tiles of two caches.

    Parameters
    ----------
    old, new : TileCache
        Caches of the same tiling scheme.
    tiles : int
        The tiles of both, for the progress.
    workers : int
        Threads.
    trust_indexes : bool
        Whether tiles are taken for equal without reading those of the old cache if the indexes of their bundles are.
    progress : Progress or None
        Called after each bundle.

    Raises
    ------
    CacheError
        If a cache cannot be read.
    """
    found, done = Comparison(), 0

    def counted(compared: Iterable[ComparedBundle]) -> Iterator[ComparedBundle]:
        nonlocal done
        for bundle in compared:
            added, changed, deleted, unchanged = bundle.counts
            done += added + deleted + 2 * (changed + unchanged)
            if progress:
                progress(Phase.COMPARING, done, tiles)
            yield bundle

    with BundleThreads(workers * max(old.files.concurrency, new.files.concurrency)) as threads:
        for lod in both_levels(old, new):
            olds, news = (frozenset(base_bundles(cache, lod)) for cache in (old, new))
            function, addresses = partial(_compare_bundle, (old, olds), (new, news), trust_indexes), sorted(olds | news)
            found.add_level(lod.level, counted(threads.map(function, addresses)))
    return found


def both_levels(old: TileCache, new: TileCache) -> list[Lod]:
    """Return the levels that one of two caches has, coarsest first."""
    lods = {lod.level: lod for cache in (old, new) for lod in cache.scheme.lods}
    return [lods[level] for level in sorted(lods)]


def _compare_bundle(
    old: _Level, new: _Level, trust_indexes: bool, check: Callable[[], None], address: BundleAddress
) -> ComparedBundle:
    with ExitStack() as stack:
        one, two = (
            stack.enter_context(cache.open_bundle(address)) if address in addresses else None
            for cache, addresses in (old, new)
        )
        olds, news = (NO_TILES if bundle is None else bundle.sizes > 0 for bundle in (one, two))
        new_digests = None if two is None else hash_tiles(two, check)
        is_same = _is_same_file(old[0], new[0], address) or (trust_indexes and _has_same_index(one, two))
        old_digests = new_digests if is_same or one is None else hash_tiles(one, check)
        stamp = two.stamp if two else ()
    changed = olds & news
    if is_same:
        changed = NO_TILES
    elif one is not None and two is not None:
        changed = changed & (old_digests != new_digests).any(axis=1)  # type: ignore[union-attr]
    added, deleted = news & ~olds, olds & ~news
    counts = tuple(int(np.count_nonzero(mask)) for mask in (added, changed, deleted, olds & news & ~changed))
    mask = added | changed
    return ComparedBundle(
        address,
        BundleState(_hash(address, olds, old_digests), _hash(address, news, new_digests)),
        counts,  # type: ignore[arg-type]
        ChangedBundle(pack_mask(mask), stamp) if mask.any() else None,
        to_runs(address, deleted) if deleted.any() else [],
    )


def _hash(address: BundleAddress, present: NDArray[np.bool_], digests: Digests | None) -> str | None:
    return None if digests is None else hash_bundle(address, present, digests)


def _is_same_file(old: TileCache, new: TileCache, address: BundleAddress) -> bool:
    """Return True if a bundle is one and the same file in both caches, as by a hard link."""
    if not all(isinstance(cache.files, FolderStore | ZipStore) for cache in (old, new)):
        return False
    readers = [cache.reader(address.level) for cache in (old, new)]
    if not all(isinstance(reader, CompactCache) for reader in readers):
        return False
    stamps = [reader.square_stamp(TileAddress(*address)) for reader in readers]
    return stamps[0] is not None and stamps[0] == stamps[1]


def _has_same_index(one: Bundle | None, two: Bundle | None) -> bool:
    """Return True if two bundles have files of one size, with the same offsets and sizes of tiles."""
    if not (isinstance(one, CompactBundle) and isinstance(two, CompactBundle)):
        return False
    a, b = one.tiles, two.tiles
    has_same_tiles = np.array_equal(a.sizes, b.sizes) and np.array_equal(a.offsets, b.offsets)
    return has_same_tiles and a.source.size == b.source.size

"""The inspection of bundles and tiles: opens every bundle, and decodes and compares tiles on threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.cache import Bundle, TileBatch, TileCache
from gptool.cache.compact import CompactCache, bundle_path
from gptool.cache.compact_v1 import CompactV1Cache
from gptool.cache.paths import join_path
from gptool.errors import CacheError
from gptool.model import PACKET_TILES, BundleAddress, Lod, TileWindow
from gptool.verification.bundles import READABLE, check_names, open_exploded
from gptool.verification.bundles_v1 import check_pairs, open_v1
from gptool.verification.bundles_v2 import OpenBundle, check_tile_sizes, open_v2
from gptool.verification.contents import Contents, LevelContents
from gptool.verification.finding import Group, Where
from gptool.verification.recorder import Recorder
from gptool.verification.rule import Kind
from gptool.verification.source import MISSING, UNKNOWN, SourceBundle, compare_batch, expected_windows, missing_tiles
from gptool.verification.source import READABLE as SOURCE_READABLE
from gptool.verification.tile_rules import ANY, EMPTY, TileFormat, TileProblem, check_batch

Tiles = Literal["all", "sample", "none"]

SAMPLED_TILES = 16
"""Tiles of a level that a sample has, spread evenly."""

BATCHES_PER_THREAD = 2
"""Batches that wait or are decoded, per thread: they bound the memory."""


class _Task(NamedTuple):
    """A batch of tiles, with those of the source if there is one."""

    address: BundleAddress
    batch: TileBatch
    originals: TileBatch | None


@dataclass
class Inspection:
    """The inspection of a cache.

    Attributes
    ----------
    cache : TileCache
    kind : Kind
    tiles : {"all", "sample", "none"}
        The tiles that are decoded.
    source : TileCache or None
        The cache that tiles are compared with.
    recorder : Recorder
    contents : Contents
        What was found.
    """

    cache: TileCache
    kind: Kind
    tiles: Tiles
    source: TileCache | None
    recorder: Recorder
    contents: Contents = field(default_factory=Contents)

    def run(self) -> Contents:
        """Inspect all bundles, and the tiles; return the contents."""
        expected = TileFormat.of(self.cache.scheme, self.cache.image)
        threads = os.cpu_count() or 1
        pending: deque[tuple[_Task, Future[list[TileProblem]]]] = deque()
        with ThreadPoolExecutor(threads, thread_name_prefix="gptool-verify") as pool:
            for task in self._tasks():
                pending.append((task, pool.submit(_check, task, expected)))
                if len(pending) > threads * BATCHES_PER_THREAD:
                    self._take(*pending.popleft())
            while pending:
                self._take(*pending.popleft())
        if not self.contents.tiles and not self.recorder.has_findings(Group.METADATA, Group.BUNDLES):
            self.recorder.add(ANY, Where(), "no tiles", "at least one tile")
        if self.source is not None:
            self._check_missing(self.source)
        return self.contents

    def _take(self, task: _Task, future: Future[list[TileProblem]]) -> None:
        self.contents.tiles_checked += len(task.batch.sizes)
        for problem in future.result():
            where = Where.tile(task.address.tile(problem.position), self._path(task.address))
            self.recorder.add(problem.rule, where, problem.found, problem.expected)

    def _path(self, address: BundleAddress) -> str | None:
        folder = self.cache.tiles_folder
        is_compact = isinstance(self.cache.reader(address.level), CompactCache)
        return join_path(folder, bundle_path(address)) if is_compact else None

    def _tasks(self) -> Iterator[_Task]:
        for lod in self.cache.scheme.lods:
            self.contents.levels[lod.level] = LevelContents()
            addresses = self._addresses(lod)
            shares = _shares(len(addresses), None if self.tiles == "all" else SAMPLED_TILES)
            for address, share in zip(addresses, shares, strict=True):
                with ExitStack() as stack:
                    try:
                        yield from self._bundle_tasks(stack, address, share)
                    except CacheError as error:
                        where = Where(self._path(address), level=address.level)
                        self.recorder.add(READABLE, where, error, "a bundle that can be read")

    def _addresses(self, lod: Lod) -> list[BundleAddress]:
        cache, recorder = self.cache.reader(lod.level), self.recorder
        if isinstance(cache, CompactV1Cache):
            check_pairs(cache, lod, recorder)
        if isinstance(cache, CompactCache):
            return check_names(cache, lod, recorder)
        try:
            return cache.bundles(lod)
        except CacheError as error:
            recorder.add(READABLE, Where(level=lod.level), error, "a level that can be read")
            return []

    def _open(self, stack: ExitStack, address: BundleAddress, recorder: Recorder) -> OpenBundle | Bundle | None:
        cache = self.cache.reader(address.level)
        if isinstance(cache, CompactV1Cache):
            return open_v1(stack, cache, address, recorder)
        if isinstance(cache, CompactCache):
            return open_v2(stack, cache, address, recorder, is_package=self.kind is Kind.TPKX)
        return open_exploded(stack, cache, address, recorder)

    def _bundle_tasks(self, stack: ExitStack, address: BundleAddress, share: int | None) -> Iterator[_Task]:
        """Check a bundle and yield its tiles that are to be decoded, `share` of them, None for all."""
        opened = self._open(stack, address, self.recorder)
        if opened is None:
            return
        bundle = opened.tiles if isinstance(opened, OpenBundle) else opened
        self.contents.add(address, bundle.sizes)
        if bundle.empty is not None:
            for position in np.flatnonzero(bundle.empty).tolist():
                self.recorder.add(EMPTY, Where.tile(address.tile(position)), "0 bytes", "an image")
        positions = _spread(np.flatnonzero(bundle.sizes), share)
        if isinstance(opened, OpenBundle):
            positions = check_tile_sizes(opened, address, positions, self.recorder)
        if self.tiles == "none" or not len(positions):
            return
        original = self._open_source(stack, address)
        if original is not None:
            positions = self._without_unknown(original, address, positions)
        for batch in bundle.batches(positions):
            yield _Task(address, batch, self._read_originals(original, address, batch.positions))

    def _open_source(self, stack: ExitStack, address: BundleAddress) -> SourceBundle | None:
        if self.source is None:
            return None
        try:
            return SourceBundle(stack, self.source, address)
        except CacheError as error:
            self.recorder.add(SOURCE_READABLE, Where(level=address.level), error, "a source that can be read")
            return None

    def _read_originals(
        self, original: SourceBundle | None, address: BundleAddress, positions: NDArray[np.int64]
    ) -> TileBatch | None:
        try:
            return original.read(positions) if original is not None else None
        except CacheError as error:
            self.recorder.add(SOURCE_READABLE, Where(level=address.level), error, "a source that can be read")
            return None

    def _without_unknown(
        self, original: SourceBundle, address: BundleAddress, positions: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the positions of tiles that the source has too; the others are reported."""
        known = original.sizes[positions] > 0
        for position in positions[~known].tolist():
            where = Where.tile(address.tile(position), self._path(address))
            self.recorder.add(UNKNOWN, where, "a tile", "no tile, as in the source")
        return positions[known]

    def _check_missing(self, source: TileCache) -> None:
        silent = Recorder({}, self.recorder.location)
        for lod, window in expected_windows(self.cache, self.contents):
            other = source.scheme.lod(lod.level)
            try:
                addresses = source.bundles(other, window) if other else []
                known = set(self.cache.bundles(lod))
            except CacheError:
                continue  # reported before, or the level is not the source's
            for address in addresses:
                self._check_missing_in(address, window, silent if address in known else None)

    def _check_missing_in(self, address: BundleAddress, window: TileWindow, silent: Recorder | None) -> None:
        """Check for missing tiles in one bundle; `silent` is None if the bundle does not exist."""
        with ExitStack() as stack:
            original = self._open_source(stack, address)
            if original is None:
                return
            opened = self._open(stack, address, silent) if silent is not None else None
            bundle = opened.tiles if isinstance(opened, OpenBundle) else opened
            present = np.zeros(PACKET_TILES, np.bool_) if bundle is None else bundle.sizes > 0
            for position in missing_tiles(original, address, window, present):
                where = Where.tile(address.tile(position), self._path(address))
                self.recorder.add(MISSING, where, "no tile", "the tile that the source has")


def _check(task: _Task, expected: TileFormat) -> list[TileProblem]:
    """Return the problems of a batch, one for a tile: that of the image, else that of its difference."""
    problems = check_batch(task.batch, expected)
    if task.originals is not None:
        known = {problem.position for problem in problems}
        problems += [problem for problem in compare_batch(task.batch, task.originals) if problem.position not in known]
    return problems


def _shares(bundles: int, tiles: int | None) -> list[int | None]:
    """Return the number of tiles to take of each bundle, so that a sample is spread over them; None for all."""
    if tiles is None or bundles == 0:
        return [None] * bundles
    if bundles <= tiles:
        return [-(-tiles // bundles)] * bundles
    chosen = {i * bundles // tiles for i in range(tiles)}
    return [int(i in chosen) for i in range(bundles)]


def _spread(positions: NDArray[np.intp], count: int | None) -> NDArray[np.int64]:
    """Return so many of the positions, evenly spread; None for all."""
    every = positions.astype(np.int64)
    if count is None or len(every) <= count:
        return every
    return every[np.arange(count, dtype=np.int64) * len(every) // count] if count else every[:0]

"""Units of work, one for each output bundle, and the threads they run on.

A unit reads, and writes in order; its batches are recompressed on a pool that all units share, so that a cache of one
bundle keeps all threads busy too.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from gptool.cache import ReadBuffer, TileBatch, TileCache
from gptool.errors import ExportCancelledError, GptoolError, translate_os_errors
from gptool.export.report import LevelReport
from gptool.jpeg.recompression import Recompression, Tally, recompress_tiles
from gptool.model import BundleAddress, Lod, StorageFormat
from gptool.output.bundle import BUNDLE_WRITERS, FileRegion, WrittenBundle
from gptool.request import Selection

Progress = Callable[[int, int], None]
"""Called now and then with the tiles that are done and those to do; with 0 and those found so far while they are still
being counted. What it raises ends the work."""

POLL_SECONDS = 0.1
UNITS_IN_HAND, RESULTS_IN_HAND = 4, 64
"""For each thread: units that are not done, and those that are with those that wait for their turn."""

A = TypeVar("A")
B = TypeVar("B")


class Spread(Protocol):
    """As `map`: applies a function to items, here or elsewhere, and yields the results in their order."""

    def __call__(self, function: Callable[[A], B], items: Iterable[A], /) -> Iterable[B]:
        """Do it."""
        ...


class Unit(NamedTuple):
    """One unit of work: a function of its fields alone that writes one bundle to its regions. It pickles."""

    cache: TileCache
    selection: Selection
    lod: Lod
    address: BundleAddress
    recompression: Recompression
    storage: StorageFormat
    checksums: bool
    regions: tuple[FileRegion, ...]


class UnitResult(NamedTuple):
    """What a unit of work leaves."""

    bundle: WrittenBundle
    report: LevelReport


def run_unit(unit: Unit, on_tiles: Callable[[int], None] | None = None, spread: Spread = map) -> UnitResult:
    """Write one output bundle.

    Parameters
    ----------
    unit : Unit
    on_tiles : callable or None
        Called after each batch with its number of tiles; what it raises ends the unit.
    spread : Spread
        Does the recompression.

    Raises
    ------
    CacheError
        When the bundle can't be read.
    OSError
        When it can't be written.
    """
    report = LevelReport()
    writer = BUNDLE_WRITERS[unit.storage](unit.address, unit.regions, checksums=unit.checksums)
    with unit.cache.open_bundle(unit.address) as bundle, writer:
        positions = unit.selection.positions(unit.lod, unit.address, bundle.sizes)
        if unit.recompression.quality is None:
            batches, spread = bundle.batches(positions, _thread_buffer()), map
        else:
            batches = bundle.batches(positions)
        for batch, result, tally in spread(partial(_recompress, unit.recompression), batches):
            writer.append(result)
            report.add_batch(unit.address, batch, result, tally)
            if on_tiles:
                on_tiles(len(batch.sizes))
    return UnitResult(WrittenBundle(unit.address, writer.files), report)


_of_thread = threading.local()


def _thread_buffer() -> ReadBuffer:
    """Return the read buffer of this thread: new ones for each unit would leave holes in the memory of the process."""
    if not hasattr(_of_thread, "buffer"):
        _of_thread.buffer = ReadBuffer()
    buffer: ReadBuffer = _of_thread.buffer
    return buffer


def _recompress(recompression: Recompression, batch: TileBatch) -> tuple[TileBatch, TileBatch, Tally]:
    return batch, *recompress_tiles(batch, recompression)


class _Meter:
    """Counts tiles, and units at work, across threads; stops them."""

    def __init__(self) -> None:
        self.spread: Spread = map
        self.tiles = self.working = 0
        self._stopped = False
        self._changed = threading.Condition()

    def run(self, unit: Unit) -> UnitResult:
        """Work on a unit, unless all was stopped."""
        with self._changed:
            self._check()
            self.working += 1
        try:
            return run_unit(unit, self.add, self.spread)
        finally:
            with self._changed:
                self.working -= 1
                self._changed.notify_all()

    def add(self, tiles: int) -> None:
        with self._changed:
            self._check()
            self.tiles += tiles

    def stop(self) -> None:
        """Stop all units and wait until none is at work.

        The pool can't be relied on for that: an interrupt while it starts a thread makes it forget the thread.
        """
        with self._changed:
            self._stopped = True
            self._changed.wait_for(lambda: self.working == 0)

    def _check(self) -> None:
        if self._stopped:
            raise ExportCancelledError("the export was stopped")


def run_units(
    units: list[Unit],
    total: int,
    threads: int,
    progress: Progress | None,
    take: Callable[[UnitResult], None],
    target: Path,
) -> None:
    """Work through the units on threads; `take` gets the results, in the units' order, in this thread.

    The first failure, or an interrupt, stops them all.
    """
    at_once = max(min(threads, len(units)), 1)
    meter, waiting = _Meter(), iter(units)
    with ExitStack() as pools:
        if threads > 1 and any(unit.recompression.quality is not None for unit in units):
            workers = pools.enter_context(ThreadPoolExecutor(threads, thread_name_prefix="gptool-recompress"))
            # The fewer units there are at work, the more batches each may have there.
            meter.spread = partial(_in_order, workers, lambda: 1 + 2 * threads // max(meter.working, 1))
        pool = pools.enter_context(ThreadPoolExecutor(at_once, thread_name_prefix="gptool"))
        pending: deque[Future[UnitResult]] = deque()
        try:
            while True:
                # A few in hand for each thread: memory stays flat however many units there are.
                unfinished = sum(not future.done() for future in pending)
                room = min(UNITS_IN_HAND * at_once - unfinished, RESULTS_IN_HAND * at_once - len(pending))
                for unit in islice(waiting, max(room, 0)):
                    pending.append(_submit(pool, meter.run, unit))
                if not pending:
                    return
                wait([future for future in pending if not future.done()], POLL_SECONDS, FIRST_COMPLETED)
                with translate_os_errors(target):
                    for future in pending:
                        if future.done() and future.exception() is not None:
                            future.result()
                    while pending and pending[0].done():
                        take(pending.popleft().result())
                if progress:
                    progress(meter.tiles, total)
        except BaseException:
            try:
                meter.stop()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
            raise


def _in_order(
    pool: ThreadPoolExecutor, ahead: Callable[[], int], function: Callable[[A], B], items: Iterable[A], /
) -> Iterator[B]:
    """Apply a function on the pool's threads, to as many items at a time as `ahead` says; see `Spread`."""
    waiting: deque[Future[B]] = deque()
    for item in items:
        waiting.append(_submit(pool, function, item))
        while len(waiting) >= ahead():
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _submit(pool: ThreadPoolExecutor, function: Callable[[A], B], item: A) -> Future[B]:
    try:
        return pool.submit(function, item)
    except RuntimeError as error:
        raise GptoolError(f"the system gives no more threads: {error}", where="workers") from error

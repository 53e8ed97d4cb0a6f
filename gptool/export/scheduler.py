"""Threads that run units of work.

A unit reads and writes in order; its batches are recompressed on a pool that all units share, so that a cache of one
bundle keeps all threads busy too.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TypeVar

from gptool.errors import ExportCancelledError, GptoolError, translate_os_errors
from gptool.export.unit import OrderedMap, Unit, UnitSink, run_unit
from gptool.export.unit_record import UnitResult
from gptool.model import Phase, Progress

POLL_SECONDS = 0.1
MAX_UNFINISHED_UNITS, MAX_PENDING_RESULTS = 4, 64
"""Per thread: units that are not finished, and units that are finished or not but whose results were not taken yet."""

A = TypeVar("A")
B = TypeVar("B")


class _Monitor:
    """Counts tiles and running units across threads, and stops the units."""

    def __init__(self, record: Callable[[UnitResult], None]) -> None:
        self._record = record
        self.ordered_map: OrderedMap = map
        self.tiles = self.running = 0
        self._stopped = False
        self._changed = threading.Condition()

    def run(self, unit: Unit) -> UnitResult:
        """Run a unit and record its result. Raises ExportCancelledError if the units were stopped."""
        with self._changed:
            self._check()
            self.running += 1
        try:
            result = run_unit(unit, self._counter(), self.ordered_map)
            self._record(result)
            return result
        finally:
            with self._changed:
                self.running -= 1
                self._changed.notify_all()

    def _counter(self) -> Progress:
        """Return a callback that adds the tiles of one unit to those of all."""
        counted = 0

        def count(_phase: Phase, done: int, _total: int) -> None:
            nonlocal counted
            with self._changed:
                self._check()
                self.tiles += done - counted
                counted = done

        return count

    def stop(self) -> None:
        """Stop all units and wait until none is running.

        The pool cannot be relied on for that: if it is interrupted while it starts a thread, it forgets the thread.
        """
        with self._changed:
            self._stopped = True
            self._changed.wait_for(lambda: self.running == 0)

    def _check(self) -> None:
        if self._stopped:
            raise ExportCancelledError("the export was stopped")


@dataclass(frozen=True)
class Threads:
    """Runs units of work on threads of this process.

    Attributes
    ----------
    threads : int
    """

    threads: int

    @property
    def is_remote(self) -> bool:
        """False: units may write to parts of one file."""
        return False

    def run_units(self, units: list[Unit], total: int, sink: UnitSink) -> None:
        """Run units of work; see `UnitRunner.run_units`."""
        threads = self.threads
        concurrency = max((unit.cache.files.concurrency for unit in units[:1]), default=1)
        at_once = max(min(threads * concurrency, len(units)), 1)
        monitor, waiting = _Monitor(sink.record), iter(units)
        with ExitStack() as pools:
            if threads * concurrency > 1 and any(unit.recompression.is_requested for unit in units):
                workers = pools.enter_context(ThreadPoolExecutor(threads, thread_name_prefix="gptool-recompress"))
                # The fewer units are running, the more batches each may have in progress.
                monitor.ordered_map = partial(map_on_pool, workers, lambda: 1 + 2 * threads // max(monitor.running, 1))
            pool = pools.enter_context(ThreadPoolExecutor(at_once, thread_name_prefix="gptool"))
            pending: deque[Future[UnitResult]] = deque()
            try:
                while True:
                    # A few units per thread are submitted: memory stays flat however many there are.
                    unfinished = sum(not future.done() for future in pending)
                    capacity = min(
                        MAX_UNFINISHED_UNITS * at_once - unfinished, MAX_PENDING_RESULTS * at_once - len(pending)
                    )
                    for unit in islice(waiting, max(capacity, 0)):
                        pending.append(_submit(pool, monitor.run, unit))
                    if not pending:
                        return
                    wait([future for future in pending if not future.done()], POLL_SECONDS, FIRST_COMPLETED)
                    with translate_os_errors(sink.target):
                        _take_results(pending, sink.take)
                    if sink.progress:
                        sink.progress(Phase.EXPORTING, monitor.tiles, total)
            except BaseException:
                try:
                    monitor.stop()
                finally:
                    pool.shutdown(wait=True, cancel_futures=True)
                raise


def _take_results(pending: deque[Future[UnitResult]], take: Callable[[UnitResult], None]) -> None:
    """Pass on the finished results up to the first unfinished unit. Raises what any unit has raised."""
    for future in pending:
        if future.done() and future.exception() is not None:
            future.result()
    while pending and pending[0].done():
        take(pending.popleft().result())


def map_on_pool(
    pool: ThreadPoolExecutor, max_ahead: Callable[[], int], function: Callable[[A], B], items: Iterable[A], /
) -> Iterator[B]:
    """Apply a function to items on the pool's threads, `max_ahead` at a time; see `OrderedMap`."""
    waiting: deque[Future[B]] = deque()
    for item in items:
        waiting.append(_submit(pool, function, item))
        while len(waiting) >= max_ahead():
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _submit(pool: ThreadPoolExecutor, function: Callable[[A], B], item: A) -> Future[B]:
    try:
        return pool.submit(function, item)
    except RuntimeError as error:
        raise GptoolError(f"cannot start another thread: {error}", where="workers") from error

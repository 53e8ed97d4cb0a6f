"""Threads that read bundles, whose results come in the order of the bundles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import Self, TypeVar

from gptool.errors import ExportCancelledError
from gptool.export.scheduler import map_on_pool

AHEAD = 2
"""Bundles per thread that are read before their turn."""

A = TypeVar("A")
B = TypeVar("B")


class BundleThreads:
    """A context of threads.

    Parameters
    ----------
    threads : int
    """

    def __init__(self, threads: int) -> None:
        self._threads, self._stopped = threads, Event()

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="gptool-delta")
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def map(self, function: Callable[[Callable[[], None], A], B], items: Iterable[A]) -> Iterator[B]:
        """Apply a function to items, and yield results in order.

        Parameters
        ----------
        function : callable
            Its first argument is a function to call between batches of tiles: it raises ExportCancelledError when the
            context is left.
        items : iterable
        """
        return map_on_pool(self._pool, lambda: AHEAD * self._threads, partial(function, self._check), items)

    def _check(self) -> None:
        if self._stopped.is_set():
            raise ExportCancelledError("the work on bundles was stopped")

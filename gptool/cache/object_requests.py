"""Requests that are in flight together, in bounded number and memory, while their answers are used in order."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import ClassVar, TypeVar

MAX_REQUESTS = 32
"""Requests in flight of one kind: those that others wait for, such as the rows of a bundle, are of another one."""

MAX_AHEAD = 16
"""Items of one sequence that are worked on before the first is used."""

MAX_BYTES = 32 * 1024 * 1024
"""Bytes of all sequences of this process that are read ahead."""

A = TypeVar("A")
B = TypeVar("B")

_of_thread = threading.local()


def map_ahead(function: Callable[[A], B], items: Iterable[A], size: Callable[[A], int] | None = None) -> Iterator[B]:
    """Apply a function to items on other threads; yield results in order, while the next ones are worked on.

    Parameters
    ----------
    function : callable
        It may itself use `map_ahead`.
    items : iterable
    size : callable, optional
        The bytes of memory that the result of an item takes until the next one is taken.
    """
    pool, waiting, held = _pool(getattr(_of_thread, "depth", 0), os.getpid()), deque[tuple[Future[B], int]](), 0
    try:
        for item in items:
            cost = size(item) if size else 0
            while len(waiting) >= MAX_AHEAD or not _BUDGET.take(cost, force=not waiting):
                future, held = waiting.popleft()
                yield future.result()
                held = _BUDGET.give(held)
            waiting.append((pool.submit(function, item), cost))
        while waiting:
            future, held = waiting.popleft()
            yield future.result()
            held = _BUDGET.give(held)
    finally:
        _BUDGET.give(held + sum(cost for _, cost in waiting))
        for future, _ in waiting:
            future.cancel()


class ReadsAhead:
    """A file store whose answers take long: several items are worked on at once. See `FileStore`."""

    concurrency: ClassVar[int] = 8

    def map(self, function: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
        """Apply a function to items on other threads. See `FileStore.map`."""
        return map_ahead(function, items)


class _Budget:
    """The bytes that may be read ahead."""

    def __init__(self, limit: int) -> None:
        self._free, self._lock = limit, threading.Lock()

    def take(self, size: int, *, force: bool) -> bool:
        """Take bytes, which `force` allows to exceed the limit: each sequence goes on, whatever the others hold."""
        with self._lock:
            if size > self._free and not force:
                return False
            self._free -= size
            return True

    def give(self, size: int) -> int:
        """Give back bytes. Return 0, the bytes that are held then."""
        with self._lock:
            self._free += size
        return 0


_BUDGET = _Budget(MAX_BYTES)


@cache
def _pool(depth: int, process: int) -> ThreadPoolExecutor:
    """Return the threads for functions that are called by threads of depth `depth`, which cannot wait for their own.

    Forks of a process lack its threads.
    """

    def set_depth() -> None:
        _of_thread.depth = depth + 1

    return ThreadPoolExecutor(MAX_REQUESTS, f"gptool-requests-{depth}", initializer=set_depth)

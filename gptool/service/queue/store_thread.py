"""The thread of the job database: the event loop never waits for a disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from gptool.service.queue.store import JobStore

P = ParamSpec("P")
T = TypeVar("T")


class StoreThread:
    """A job database in a thread of its own, which executes calls one after another, in their order.

    SQLite waits for the disk, and up to five seconds for a lock of another program. Only those who need the database
    wait for it.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "job-database")
        self._store: JobStore | None = None

    async def open(self, folder: Path) -> None:
        """Open the database.

        Raises
        ------
        OutputError
            As `JobStore`.
        """
        await self._execute(self._open, folder)

    async def close(self) -> None:
        """Close the database after all calls, and end the thread."""
        await self._execute(self._close)
        self._executor.shutdown(wait=False)

    async def call(self, function: Callable[Concatenate[JobStore, P], T], *args: P.args, **options: P.kwargs) -> T:
        """Return what a function of the database returns, such as `JobStore.find`.

        A call whose caller is cancelled is executed nevertheless.
        """

        def call() -> T:
            assert self._store, "it is open"
            return function(self._store, *args, **options)

        return await self._execute(call)

    async def _execute(self, function: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        work = self._executor.submit(function, *args, **options)
        return await asyncio.shield(asyncio.wrap_future(work))

    def _open(self, folder: Path) -> None:
        self._store = JobStore(folder)

    def _close(self) -> None:
        if self._store:
            self._store.close()
            self._store = None

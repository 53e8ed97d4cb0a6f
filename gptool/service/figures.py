"""Figures of the published caches for pages: tiles and bytes by level, and a thumbnail.

Counting reads the indexes of all bundles, which takes minutes for huge caches. So it is done once per cache, in one
thread beside the requests, and pages are shown without the figures until they are known.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Lock, Thread
from typing import NamedTuple

from gptool.errors import GptoolError
from gptool.model import Lod
from gptool.output.thumbnail import draw_thumbnail
from gptool.plan import Plan, count_tiles
from gptool.request import read_request
from gptool.service.catalog import CachedService

LOG = logging.getLogger(__name__)

WAIT_SECONDS = 0.5
"""How long a page waits for figures that are being counted."""


class LevelFigures(NamedTuple):
    """The tiles of one level, and their bytes."""

    lod: Lod
    tiles: int
    bytes: int


class CacheFigures(NamedTuple):
    """The figures of a cache.

    Attributes
    ----------
    levels : tuple of LevelFigures
        All levels of the tiling scheme, coarsest first.
    thumbnail : bytes
        A PNG; empty without tiles.
    """

    levels: tuple[LevelFigures, ...]
    thumbnail: bytes

    @property
    def tiles(self) -> int:
        """The tiles of all levels."""
        return sum(level.tiles for level in self.levels)

    @property
    def bytes(self) -> int:
        """The bytes of these tiles."""
        return sum(level.bytes for level in self.levels)


Counting = Future[CacheFigures | None]
"""Figures that are being counted; None if the cache cannot be counted."""


class FigureCounter:
    """Counts the caches that pages ask for, one after the other; keeps one result per service."""

    def __init__(self) -> None:
        self._counted: dict[str, tuple[CachedService, Counting]] = {}
        self._waiting: SimpleQueue[tuple[CachedService, Counting]] = SimpleQueue()
        self._thread: Thread | None = None
        self._lock = Lock()

    async def figures(self, services: Sequence[CachedService]) -> list[CacheFigures | None]:
        """Return the figures of services; None for those that are not known within `WAIT_SECONDS`."""
        counting = [self._start(service) for service in services]
        pending = [asyncio.wrap_future(future) for future in counting if not future.done()]
        if pending:
            _, waiting = await asyncio.wait(pending, timeout=WAIT_SECONDS)
            for future in waiting:
                future.cancel()  # counting goes on
        return [future.result() if future.done() else None for future in counting]

    def _start(self, service: CachedService) -> Counting:
        """Return the figures of a service, which are counted again once the catalog has opened its cache again."""
        with self._lock:
            known = self._counted.get(service.name)
            if known and known[0] is service:
                return known[1]
            self._counted[service.name] = counted = service, Counting()
            counted[1].set_running_or_notify_cancel()  # it cannot be cancelled any more
            self._waiting.put(counted)
            if self._thread is None:
                # The thread ends with the process, whatever it is counting.
                self._thread = Thread(target=self._work, daemon=True)
                self._thread.start()
            return counted[1]

    def _work(self) -> None:
        while True:
            service, counting = self._waiting.get()
            counting.set_result(_count(service))


def _count(service: CachedService) -> CacheFigures | None:
    try:
        plan = count_tiles(service.cache, read_request({}))
        return CacheFigures(_level_figures(plan), draw_thumbnail(plan) if plan.tiles else b"")
    except GptoolError as error:
        LOG.warning("tiles of %s are not counted: %s", service.name, error)
    except Exception:  # the thread must go on with the other caches
        LOG.exception("tiles of %s are not counted", service.name)
    return None


def _level_figures(plan: Plan) -> tuple[LevelFigures, ...]:
    counted = {level.lod.level: level for level in plan.levels}
    lods = plan.cache.scheme.lods
    found = ((lod, counted.get(lod.level)) for lod in lods)
    return tuple(LevelFigures(lod, level.tiles if level else 0, level.bytes if level else 0) for lod, level in found)

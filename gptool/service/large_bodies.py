"""Places for large request bodies, which bound the memory that they need together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gptool.errors import ServiceError

PLACES = 4
MAX_WAITING = 64

MAX_WAIT_SECONDS = 30.0


class LargeBodies:
    """The places for large bodies. Requests wait for one in the order of their arrival."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(PLACES)
        self._waiting = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Take a place for as long as the context lasts.

        Raises
        ------
        ServiceError
            If none becomes free in time, or too many wait already (code 503).
        """
        if self._waiting >= MAX_WAITING:
            raise _busy()
        self._waiting += 1
        try:
            async with asyncio.timeout(MAX_WAIT_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            raise _busy() from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()


def _busy() -> ServiceError:
    return ServiceError("too many large requests at a time, try again later", code=503)

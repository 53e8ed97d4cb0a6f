"""The queue of jobs for the other HTTP processes: calls of its methods over a connection between two processes.

A message is its size (4 bytes, big-endian) and a pickled tuple. Only the two processes have the connection, a pair of
sockets that was made before the second one was started.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import pickle
import socket
import struct
from functools import partial
from itertools import count
from typing import Any

from gptool.errors import GptoolError, ServiceError
from gptool.service.queue.queue import JobQueue

SIZE = struct.Struct(">I")

METHODS = frozenset(
    name
    for name, value in vars(JobQueue).items()
    if inspect.iscoroutinefunction(value) and not name.startswith("_") and name not in ("start", "stop")
)
"""The methods that other processes may call."""

STOP = 0
"""The number of the message that asks a process to stop. Calls are numbered from 1."""

LOG = logging.getLogger(__name__)


class QueueClient:
    """The queue of another process; it has the methods of `JobQueue` that are in `METHODS`.

    Parameters
    ----------
    connection : socket
        The connection to the process that has the queue.

    Attributes
    ----------
    stopped : asyncio.Event
        Set when that process asks this one to stop, or has ended.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._numbers, self._calls = count(STOP + 1), dict[int, asyncio.Future[Any]]()
        self.stopped = asyncio.Event()

    async def start(self) -> None:
        """Begin to receive answers."""
        self._reader, self._writer = await asyncio.open_connection(sock=self._connection)
        self._receiving = asyncio.create_task(self._receive())

    async def stop(self) -> None:
        """End the connection."""
        self._receiving.cancel()
        await asyncio.gather(self._receiving, return_exceptions=True)
        self._writer.close()

    def __getattr__(self, name: str) -> Any:
        if name not in METHODS:
            raise AttributeError(name)
        return partial(self._call, name)

    async def _call(self, name: str, *arguments: Any, **named: Any) -> Any:
        if self._receiving.done():
            raise _unreachable()
        number = next(self._numbers)
        self._calls[number] = asyncio.get_running_loop().create_future()
        try:
            _send(self._writer, number, name, arguments, named)
            await self._writer.drain()
            return await self._calls[number]
        except ConnectionError:
            raise _unreachable() from None
        finally:
            del self._calls[number]

    async def _receive(self) -> None:
        try:
            while (message := await _read(self._reader)) is not None:
                number, result, error = message
                if number == STOP:
                    self.stopped.set()
                elif (answer := self._calls.get(number)) and not answer.done():
                    if error is None:
                        answer.set_result(result)
                    else:
                        answer.set_exception(error)
        finally:
            self.stopped.set()
            for answer in self._calls.values():
                if not answer.done():
                    answer.set_exception(_unreachable())


class QueueConnection:
    """The connection to a process with a `QueueClient`, in the process that has the queue."""

    def __init__(self, queue: JobQueue, connection: socket.socket) -> None:
        self._queue, self._connection = queue, connection
        self._writer: asyncio.StreamWriter | None = None
        self._answers: set[asyncio.Task[None]] = set()

    async def answer_calls(self) -> None:
        """Answer calls until the other process ends. A call is completed even then."""
        reader, self._writer = await asyncio.open_connection(sock=self._connection)
        try:
            while (message := await _read(reader)) is not None:
                answer = asyncio.create_task(self._answer(self._writer, *message))
                self._answers.add(answer)
                answer.add_done_callback(self._answers.discard)
        finally:
            self._writer.close()

    def ask_to_stop(self) -> None:
        """Ask the other process to stop."""
        if self._writer is not None:
            _send(self._writer, STOP, None, None)

    async def _answer(
        self, writer: asyncio.StreamWriter, number: int, name: str, arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> None:
        try:
            _send(writer, number, await getattr(self._queue, name)(*arguments, **named), None)
        except GptoolError as error:
            _send(writer, number, None, error)
        except Exception:
            LOG.exception("%s failed", name)
            _send(writer, number, None, RuntimeError("the call failed in the process that has the queue"))


def _unreachable() -> ServiceError:
    return ServiceError("the service is stopping", code=503)


def _send(writer: asyncio.StreamWriter, *message: object) -> None:
    data = pickle.dumps(message)
    writer.write(SIZE.pack(len(data)) + data)


async def _read(reader: asyncio.StreamReader) -> tuple[Any, ...] | None:
    """Return the next message; None at the end of the connection."""
    try:
        [size] = SIZE.unpack(await reader.readexactly(SIZE.size))
        message: tuple[Any, ...] = pickle.loads(await reader.readexactly(size))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return message

"""The processes beside the first that answer HTTP requests: they accept connections at the same socket."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import socket
from collections.abc import Callable

from gptool.service.queue.queue import JobQueue
from gptool.service.queue.remote import QueueConnection
from gptool.service.settings import ServiceSettings

STOP_SECONDS = 5.0
"""How long a process may take to complete its responses after it was asked to stop."""

RESTART_SECONDS = 1.0
"""Time until a process that has ended is replaced."""

LOG = logging.getLogger(__name__)

Program = Callable[[ServiceSettings, socket.socket, socket.socket], None]


class HttpWorkers:
    """The processes. They are replaced if they end, and end when this process does.

    Parameters
    ----------
    program : callable
        A function of a module, called in each process with the settings, the listening socket, and the connection to
        the queue.
    settings : ServiceSettings
    listener : socket
        The listening socket.
    queue : JobQueue
        The queue of this process.
    """

    def __init__(self, program: Program, settings: ServiceSettings, listener: socket.socket, queue: JobQueue) -> None:
        self._program, self._settings, self._listener, self._queue = program, settings, listener, queue
        # Started anew: a fork would have copies of this process's threads' locks and of its database.
        self._context = multiprocessing.get_context("spawn")
        self._connections: set[QueueConnection] = set()
        self._is_stopping = False

    def start(self) -> None:
        """Start the processes, one less than the setting, since this process answers requests too."""
        self._tasks = [asyncio.create_task(self._keep_running()) for _ in range(self._settings.http_workers - 1)]

    async def stop(self) -> None:
        """Let the processes complete their responses, and end them."""
        self._is_stopping = True
        for connection in self._connections:
            connection.ask_to_stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                LOG.error("an HTTP process cannot be started: %s", result)

    async def _keep_running(self) -> None:
        while not self._is_stopping:
            status = await self._run()
            # A signal to all processes ends this one a moment later than the others.
            await asyncio.sleep(0 if self._is_stopping else RESTART_SECONDS)
            if not self._is_stopping:
                LOG.error("an HTTP process has ended with exit status %s; another one is started", status)

    async def _run(self) -> int | None:
        """Run one process, and return its exit status."""
        ours, theirs = socket.socketpair()
        process = self._context.Process(
            target=self._program, args=(self._settings, self._listener, theirs), daemon=True
        )
        with ours:
            with theirs:
                await asyncio.to_thread(process.start)
            connection = QueueConnection(self._queue, ours)
            self._connections.add(connection)
            try:
                await connection.answer_calls()
                await asyncio.to_thread(process.join, STOP_SECONDS)
            finally:
                self._connections.remove(connection)
                process.kill()
        await asyncio.to_thread(process.join)
        return process.exitcode

"""A worker's process, as the service has it."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from typing import Self

from gptool.service.queue.protocol import News, Order, line_of, read_news

COMMAND = (sys.executable, "-P", "-m", "gptool.service.queue.worker")
"""-P: the folder that the service was started in is none to import from."""

LONGEST_LINE = 64 * 1024 * 1024
"""Bytes: a job may have a great many messages."""


class WorkerProcess:
    """A process that takes one order after another."""

    def __init__(self, process: Process) -> None:
        self._process = process
        assert process.stdin, "it was started with pipes"
        assert process.stdout, "it was started with pipes"
        self._input, self._output = process.stdin, process.stdout

    @classmethod
    async def start(cls, inherited: tuple[int, ...]) -> Self:
        """Start one that inherits descriptors, in a group of its own: Ctrl-C at a terminal is for the service.

        It stays in the service's session: Linux shares processors out among sessions first, and only within one does
        it matter that workers are nice.

        Raises
        ------
        OSError
            When the system has none.
        """
        return cls(
            await asyncio.create_subprocess_exec(
                *COMMAND,
                stdin=PIPE,
                stdout=PIPE,
                limit=LONGEST_LINE,
                pass_fds=inherited,
                process_group=0,
            )
        )

    @property
    def alive(self) -> bool:
        """Whether it has not ended, as far as is known."""
        return self._process.returncode is None

    def tell(self, value: Order | str) -> None:
        """Hand over an order, or the id of its job, which is to be cancelled."""
        self._input.write(line_of(value))

    async def news(self) -> News | None:
        """Return the next news, None when the process has ended."""
        with suppress(ConnectionError):
            line = await self._output.readline()
            if line.endswith(b"\n"):
                return read_news(line)
        await self._process.wait()
        return None

    def kill(self) -> None:
        """End it at once."""
        if self.alive:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def close(self) -> None:
        """End it, and wait until it has."""
        self.kill()
        await self._process.wait()
        self._input.close()

    @property
    def cause(self) -> str:
        """What ended it: a signal's name, or its exit status."""
        code = self._process.returncode
        if code is None or code >= 0:
            return f"exit status {code}"
        try:
            return signal.Signals(-code).name
        except ValueError:  # signals of real time have no names
            return f"signal {-code}"

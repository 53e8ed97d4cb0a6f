"""A worker process, as the service controls it."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from typing import Self

from gptool import system
from gptool.service.queue.protocol import WorkerTask, WorkerUpdate, decode_update, encode_line

COMMAND = (sys.executable, "-P", "-m", "gptool.service.queue.worker")
"""-P: modules are not imported from the folder that the service was started in."""

MAX_LINE_BYTES = 64 * 1024 * 1024
"""Size of an update, which has all new messages of a job."""


class WorkerProcess:
    """A process that executes one task after another."""

    def __init__(self, process: Process) -> None:
        self._process = process
        assert process.stdin, "started with pipes"
        assert process.stdout, "started with pipes"
        self._input, self._output = process.stdin, process.stdout

    @classmethod
    async def start(cls, inherited: tuple[int, ...], memory: int) -> Self:
        """Start a process.

        Parameters
        ----------
        inherited : tuple of int
            File descriptors that it inherits, see `gptool.system.worker_options`.
        memory : int
            The memory that it may have, in bytes.

        Raises
        ------
        OSError
            If the process cannot be started.
        """
        return cls(
            await asyncio.create_subprocess_exec(
                *COMMAND,
                str(memory),
                stdin=PIPE,
                stdout=PIPE,
                limit=MAX_LINE_BYTES,
                **system.worker_options(inherited),
            )
        )

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended, as far as is known."""
        return self._process.returncode is None

    def send(self, value: WorkerTask | str) -> None:
        """Send a task, or the id of the job to cancel."""
        self._input.write(encode_line(value))

    async def receive(self) -> WorkerUpdate | None:
        """Return the next update; None if the process has ended."""
        with suppress(ConnectionError):
            line = await self._output.readline()
            if line.endswith(b"\n"):
                return decode_update(line)
        await self._process.wait()
        return None

    def kill(self) -> None:
        """Kill the process."""
        if self.is_alive:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def close(self) -> None:
        """Kill the process and wait until it has ended."""
        self.kill()
        await self._process.wait()
        self._input.close()

    @property
    def end_reason(self) -> str:
        """What ended the process: the name of a signal, or the exit status."""
        code = self._process.returncode
        if code is None or code >= 0:
            return f"exit status {code}"
        try:
            return signal.Signals(-code).name
        except ValueError:  # real-time signals have no names
            return f"signal {-code}"

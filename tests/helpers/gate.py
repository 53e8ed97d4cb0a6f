"""A gate that holds operations half-way, for as long as a test wants: no test depends on how fast the machine is.

Each batch of tiles, of exports and of estimates that recompress, passes the gate: in this process once `install` has
put it there, and in programs that are started with `environment`, such as `gptool` itself and a service with its
workers.
"""

from __future__ import annotations

import asyncio
import os
import select
import sys
from importlib import import_module
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Semaphore, Thread
from types import TracebackType
from typing import Self

import pytest

from helpers.gate_point import ARRIVALS, FUNCTION, HOST, MODULE, PORT, VARIABLE, gated
from helpers.waiting import POLL_INTERVAL, wait_until

OPERATIONS = "gptool.tool"
"""Imports all that calls the gated function."""

HOOK = Path(__file__).parent / "gate_hook"


class _Connection(BaseRequestHandler):
    """The connection of a batch, which is ended when the batch may pass, or with its program."""

    server: _Server

    def handle(self) -> None:
        while not self.server.is_open and not self.server.passes.acquire(timeout=POLL_INTERVAL):
            if select.select([self.request], [], [], 0)[0]:
                return


class _Server(ThreadingTCPServer):
    """The server of a closed gate, in threads of its own.

    Attributes
    ----------
    passes : Semaphore
        How many batches may pass.
    is_open : bool
        True if all may.
    """

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Connection)
        self.passes, self.is_open = Semaphore(0), False
        self._thread = Thread(target=self.serve_forever, args=[POLL_INTERVAL])
        self._thread.start()

    def end(self) -> None:
        """End all connections."""
        self.is_open = True
        self.shutdown()
        self._thread.join()
        self.server_close()


class Gate:
    """A gate, open at first; its folder is made if it is missing.

    Attributes
    ----------
    environment : dict of str to str
        Variables for the programs that are to have the gate.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if not folder.exists():
            folder.mkdir()
            (folder / ARRIVALS).touch()
            (folder / PORT).touch()
        path = os.pathsep.join(filter(None, [str(HOOK), os.environ.get("PYTHONPATH", "")]))
        self.environment = {VARIABLE: str(folder), "PYTHONPATH": path}
        self._server: _Server | None = None
        self._expected = 0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put the gate into this process, and into the programs that it starts from now on."""
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)
        import_module(OPERATIONS)  # a module imported later would keep the gate for good
        original = getattr(sys.modules[MODULE], FUNCTION)
        held = gated(original, self._folder)
        for name, module in list(sys.modules.items()):
            if name.startswith("gptool.") and vars(module).get(FUNCTION) is original:
                monkeypatch.setattr(module, FUNCTION, held)

    def close(self, *, after: int = 0) -> None:
        """Close the gate once `after` more batches have passed. It must be open."""
        assert self._server is None
        self._expected = len(self.arrivals)
        self._server = _Server()
        (self._folder / PORT).write_text(str(self._server.server_address[1]))
        self.let_pass(after)

    def let_pass(self, batches: int) -> None:
        """Let so many batches pass: those that are held, or the next to arrive."""
        assert self._server
        self._expected += batches
        if batches:
            self._server.passes.release(batches)

    def open(self) -> None:
        """Let all batches pass, those that are held and those to come; an open gate stays so."""
        if self._server:
            (self._folder / PORT).write_text("")
            self._server.end()
            self._server = None

    def closed(self, *, after: int = 0) -> Self:
        """Close the gate, as `close`, for as long as the block of a `with` statement runs."""
        self.close(after=after)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.open()

    @property
    def arrivals(self) -> list[int]:
        """The process of each batch that has arrived, held or not."""
        return [int(line) for line in (self._folder / ARRIVALS).read_text().splitlines()]

    @property
    def held(self) -> int:
        """How many batches the gate holds."""
        return max(len(self.arrivals) - self._expected, 0)

    def wait(self, batches: int = 1) -> None:
        """Wait until the gate holds so many batches."""
        wait_until(lambda: self.held >= batches, lambda: f"the gate holds {self.held} batches, not {batches}")

    async def wait_in_loop(self, batches: int = 1) -> None:
        """Wait like `wait`, while the event loop runs other tasks."""
        await asyncio.to_thread(self.wait, batches)

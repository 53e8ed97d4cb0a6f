"""`gptool serve` as a program of its own, which tests talk to over a socket."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

GPTOOL = [sys.executable, "-c", "from gptool.cli import main; main(prog_name='gptool')"]
READY = re.compile(r"http://(?P<address>[\w.]+:\d+)/arcgis/rest/services\b")
PATIENCE = 60
"""Seconds until a program that has not started, or ended, is taken for stuck."""


class ServiceProcess:
    """A service on a port that was free; `arguments` are the command's own, such as `World=CACHE`.

    `url` is the address of its services, `address` its host and port; `environment` adds to the variables of this
    process. Leaving the context stops it.
    """

    def __init__(self, folder: Path, *arguments: object, environment: Mapping[str, str] | None = None) -> None:
        # Appended to: what is read here does not move the place where the program writes.
        self._errors = tempfile.TemporaryFile("ab+")  # noqa: SIM115 - lives as long as the process
        self.output = folder / "output"
        options = ["--port", "0", "--output-directory", self.output]
        self.process = subprocess.Popen(
            [*GPTOOL, "serve", *map(str, (*arguments, *options))],
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
        )
        self._killed = False
        try:
            self.url, self.address = self._wait_until_ready()
        except BaseException:
            self.kill()
            self._errors.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if error is not None:
                self.kill()
            elif not self._killed:
                self.stop()
        finally:
            self._errors.close()

    def log(self) -> str:
        """What it has written on standard error."""
        size = os.fstat(self._errors.fileno()).st_size
        return os.pread(self._errors.fileno(), size, 0).decode()

    def stop(self) -> None:
        """End it as one ends a service: it says goodbye in order, and had no trouble before."""
        self.process.terminate()
        try:
            status = self.process.wait(PATIENCE)
        finally:
            self.kill()
        assert (status, "Traceback" in self.log()) == (0, False), self.log()

    def kill(self) -> None:
        """End it as a crash would."""
        self._killed = True
        self.process.kill()
        self.process.wait(PATIENCE)

    def _wait_until_ready(self) -> tuple[str, str]:
        end = time.monotonic() + PATIENCE
        while not (line := READY.search(self.log())):
            assert self.process.poll() is None, f"ended before it was ready: {self.log()}"
            assert time.monotonic() < end, f"not ready: {self.log()}"
            time.sleep(0.02)
        return line[0], line["address"]

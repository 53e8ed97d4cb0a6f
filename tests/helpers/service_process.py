"""A process of `gptool serve`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from helpers.command_line import GPTOOL
from helpers.waiting import TIMEOUT, wait_until

KILLED_ON_WINDOWS = 1
"""The exit status of a process that was terminated on Windows."""

READY = re.compile(r"http://(?P<address>[\w.]+:\d+)/arcgis/rest/services\b")


class ServiceProcess:
    """A service on a free port. Leaving the context stops it.

    Parameters
    ----------
    folder : Path
        The working directory; the output directory is `output` below it.
    *arguments : object
        Arguments of the command, such as `World=CACHE`.
    environment : mapping of str to str, optional
        Environment variables in addition to those of this process.

    Attributes
    ----------
    url : str
        The URL of the list of services.
    address : str
        Host and port.
    """

    def __init__(self, folder: Path, *arguments: object, environment: Mapping[str, str] | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._errors = Path(self._folder.name, "errors")
        self.output = folder / "output"
        options = ["--port", "0", "--output-directory", self.output]
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [*GPTOOL, "serve", *map(str, (*arguments, *options))],
                cwd=folder,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        self._killed = False
        try:
            self.url, self.address = self._wait_until_ready()
        except BaseException:
            self.kill()
            self._folder.cleanup()
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
            self._folder.cleanup()

    def log(self) -> str:
        """Return what the process has written to standard error."""
        return self._errors.read_text(encoding="utf-8")

    def stop(self) -> None:
        """Stop the service by SIGTERM, and check that it ends without an error and has logged no traceback.

        On Windows there is no such signal: the service is killed.
        """
        self.process.terminate()
        try:
            status = self.process.wait(TIMEOUT)
        finally:
            self.kill()
        expected = KILLED_ON_WINDOWS if sys.platform == "win32" else 0
        assert (status, "Traceback" in self.log()) == (expected, False), self.log()

    def kill(self) -> None:
        """Kill the process, as a crash would."""
        self._killed = True
        self.process.kill()
        self.process.wait(TIMEOUT)

    def _wait_until_ready(self) -> tuple[str, str]:
        def find_address() -> re.Match[str] | None:
            assert self.process.poll() is None, f"the service ended before it was ready: {self.log()}"
            return READY.search(self.log())

        line = wait_until(find_address, lambda: f"the service is not ready: {self.log()}")
        assert line
        return line[0], line["address"]

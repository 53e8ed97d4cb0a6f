"""A Dask cluster: a scheduler and workers, each a process of its own, on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from helpers.waiting import wait_until

QUICK = {
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
    "DASK_DISTRIBUTED__COMM__RETRY__COUNT": "0",
    "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL": "10s",
}
"""Settings of Dask by which a lost process is noticed soon."""


class DaskProcesses:
    """A scheduler and its workers. Leaving the context ends them.

    Parameters
    ----------
    folder : Path
        For their files and logs.
    workers : int
        Processes of one thread each.
    environment : mapping of str to str, optional
        Environment variables of the workers in addition to those of this process.

    Attributes
    ----------
    address : str
        The address of the scheduler.
    scheduler : subprocess.Popen
    workers : list of subprocess.Popen
    """

    def __init__(self, folder: Path, workers: int, environment: Mapping[str, str] | None = None) -> None:
        self._folder, self._stack = folder, ExitStack()
        folder.mkdir()
        with self._stack:
            self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0")
            self.address = wait_until(self._find_address, self.log) or ""
            self.workers = [
                self._start(
                    f"worker{i}", self.address, "--no-nanny", "--nthreads", "1", "--host", "127.0.0.1",
                    environment=environment,
                )
                for i in range(workers)
            ]  # fmt: skip
            self._stack = self._stack.pop_all()

    def _start(
        self, name: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        program = "scheduler" if name == "scheduler" else "worker"
        own = ["--scheduler-file", "scheduler.json"] if name == "scheduler" else ["--local-directory", name]
        with (self._folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", f"distributed.cli.dask_{program}", *arguments, "--no-dashboard", *own],
                cwd=self._folder,
                env={**os.environ, **QUICK, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process

    def _find_address(self) -> str | None:
        path = self._folder / "scheduler.json"
        try:
            address: str = json.loads(path.read_text())["address"]
        except (OSError, ValueError):
            return None
        return address

    def log(self) -> str:
        """Return what the processes have printed."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self._folder.glob("*.log")))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

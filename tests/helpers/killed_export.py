"""Exports in processes of their own that are killed at a chosen moment: at their n-th call that concerns a file.

The program imports gptool once and forks for each export, which takes milliseconds. It is sent a line of JSON for each.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any, NamedTuple, Self

EVENTS = frozenset(
    {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate", "os.scandir", "os.listdir"}
)
"""The audit events that count; each is raised before the call takes effect."""

PROGRAM = (sys.executable, "-P", "-c", "from helpers.killed_export import main; main()")


class Killed(NamedTuple):
    """What became of an export.

    Attributes
    ----------
    is_done : bool
        False if it was killed.
    calls : int
        The calls that concerned files, as far as it came.
    units : int
        The units of work that were begun.
    """

    is_done: bool
    calls: int
    units: int


class KilledExports:
    """The program that exports; a context manager."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "killed.log"
        path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "PYTHONPATH": path}
        pipe = subprocess.PIPE
        self._program = subprocess.Popen(PROGRAM, stdin=pipe, stdout=pipe, env=environment, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._program.communicate()

    def export(
        self,
        cache: Path,
        output: Path,
        *,
        at: int | None = None,
        after: float | None = None,
        misjudge: bool = False,
        **options: Any,
    ) -> Killed:
        """Export, and kill the process before its call number `at`, if given and reached, or after so many seconds.

        With `misjudge`, the search for a target size is first misled to results that are too large and too small.
        """
        assert self._program.stdin
        assert self._program.stdout
        self._log.write_bytes(b"")
        task = {"cache": str(cache), "output": str(output), "at": at, "misjudge": misjudge, "log": str(self._log)}
        self._program.stdin.write(json.dumps([after, {**task, "options": options}]) + "\n")
        self._program.stdin.flush()
        status = int(self._program.stdout.readline())
        assert status in (0, signal.SIGKILL), status
        log = self._log.read_bytes()
        return Killed(status == 0, log.count(b"c"), log.count(b"u"))


def main() -> None:
    """Export as each line on standard input says, and print the wait status of its process."""
    import gptool.export.calls  # noqa: F401 - before the forks

    for line in sys.stdin:
        after, task = json.loads(line)
        if (child := os.fork()) == 0:
            _export(**task)
        if after is not None:
            time.sleep(after)
            os.kill(child, signal.SIGKILL)
        print(os.waitpid(child, 0)[1], flush=True)


def _export(cache: str, output: str, at: int | None, misjudge: bool, log: str, options: dict[str, Any]) -> None:
    from gptool import export_tiles
    from gptool.export.target_search import _Search
    from gptool.output.bundle import BundleWriter

    file, count = os.open(log, os.O_WRONLY | os.O_APPEND), 0
    enter, estimate = BundleWriter.__enter__, _Search._estimated_step

    def begin(self: BundleWriter) -> BundleWriter:
        os.write(file, b"u")
        return enter(self)

    def misjudged_step(self: _Search) -> int:
        return min(max(estimate(self) + {0: 9, 1: -9}.get(self._passes, 0), self._fitting + 1), self._exceeding - 1)

    def call(event: str, _arguments: object) -> None:
        nonlocal count
        if event in EVENTS:
            count += 1
            os.write(file, b"c")
            if count == at:
                os.kill(os.getpid(), signal.SIGKILL)

    if misjudge:
        _Search._estimated_step = misjudged_step  # type: ignore[method-assign]
    BundleWriter.__enter__ = begin  # type: ignore[assignment, method-assign]
    sys.addaudithook(call)
    status = 1
    try:
        export_tiles(cache, output, **options)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)

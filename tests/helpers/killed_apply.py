"""Deltas that are applied in place by a process of its own, which is killed at its n-th call that concerns a file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from helpers.killed_export import EVENTS

PROGRAM = (sys.executable, "-P", "-c", "from helpers.killed_apply import main; main()")


def apply_in_place(base: Path, delta: Path, *, at: int | None = None) -> int | None:
    """Apply a delta in place; the process is killed before its call number `at`.

    Returns
    -------
    int or None
        The calls that concerned files; None if it was killed.
    """
    path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    arguments = [str(base), str(delta), str(at or 0)]
    done = subprocess.run(
        [*PROGRAM, *arguments], env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode in (0, -signal.SIGKILL), done.returncode
    return None if done.returncode else int(done.stdout)


def main() -> None:
    """Apply a delta in place as the arguments say, and print the number of calls."""
    import gptool.delta.applying

    base, delta, at = sys.argv[1:]
    count = 0

    def call(event: str, _arguments: object) -> None:
        nonlocal count
        if event in EVENTS:
            count += 1
            if count == int(at):
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(call)
    gptool.delta.applying.apply(base, delta, in_place=True, workers=2)
    print(count)

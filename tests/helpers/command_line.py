"""The command line as a program of its own."""

from __future__ import annotations

import errno
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from gptool.model import Phase

GPTOOL = [sys.executable, "-P", "-c", "from gptool.cli import main; main(prog_name='gptool')"]


def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run([*GPTOOL, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False)


def errors_and_notes(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the lines of standard error, without those of progress, which come where the machine is slow."""
    progress = tuple(f"{phase.capitalize()}: " for phase in Phase)
    return [line for line in done.stderr.splitlines() if not line.startswith(progress)]


def run_on_terminal(*arguments: str, cwd: Path, stream: Literal["stdout", "stderr"], columns: int = 80) -> str:
    """Run the command, which succeeds, with one of its streams on a terminal; return what is shown there.

    It is read at once: a terminal that nobody reads holds up the program when its buffer is full.
    """
    pty, fcntl, termios = (pytest.importorskip(name) for name in ("pty", "fcntl", "termios"))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 40, columns, 0, 0))
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: slave}
    with subprocess.Popen([*GPTOOL, *arguments], cwd=cwd, env=environment, **streams) as process:
        os.close(slave)
        shown = read_terminal(master)
    assert process.returncode == 0, shown
    return shown.decode()


def read_terminal(master: int) -> bytes:
    """Return all that a program shows on its terminal until it ends, and close the terminal."""
    shown = b"".join(iter(lambda: _read(master), b""))
    os.close(master)
    return shown


def _read(master: int) -> bytes:
    """Return what comes next, nothing when the program has closed the terminal."""
    try:
        return os.read(master, 1 << 16)
    except OSError as error:
        if error.errno == errno.EIO:
            return b""
        raise

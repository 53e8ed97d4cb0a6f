"""Runs the program: its progress and messages go to the feedback of Processing, whose cancellation stops it."""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from threading import Thread
from typing import IO, Any, NamedTuple, Protocol

from .command_line import ProgramError, environment
from .stop import CREATION_FLAGS, ask_to_stop

POLL_SECONDS = 0.1
"""How often the cancellation is looked at while the program is silent."""

STOP_SECONDS = 60.0
"""How long a program that was asked to stop may take, until it is ended by force."""

OPTION = re.compile(r"--[a-z][a-z-]*")


class Feedback(Protocol):
    """The part of QGIS's QgsProcessingFeedback that is used here."""

    def setProgress(self, percent: float) -> None:
        """Show the progress."""

    def setProgressText(self, text: str) -> None:
        """Show what is done now."""

    def pushInfo(self, text: str) -> None:
        """Show a message."""

    def pushWarning(self, text: str) -> None:
        """Show a warning."""

    def isCanceled(self) -> bool:
        """Return True if the user wants to stop."""


class Ended(NamedTuple):
    """How the program has ended.

    Attributes
    ----------
    status : int
        Its exit status.
    output : dict or None
        The JSON that it has printed.
    last_lines : list of str
        What it has said since its error, or since it was asked to stop.
    is_stopped : bool
        Whether it was asked to stop.
    """

    status: int
    output: dict[str, Any] | None
    last_lines: list[str]
    is_stopped: bool


def run(command: Sequence[str], labels: Mapping[str, str], feedback: Feedback) -> Ended:
    """Run the program to its end.

    Parameters
    ----------
    command : sequence of str
        The program and its arguments.
    labels : mapping
        Titles of parameters by the options that messages name.
    feedback : Feedback

    Raises
    ------
    ProgramError
        If the program cannot be started.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(os.environ),
            creationflags=CREATION_FLAGS,
        )
    except OSError as error:
        raise ProgramError(f"{command[0]}: cannot be started: {error.strerror or error}.") from None
    with process:
        report = _Report(labels, feedback)
        printed: list[bytes] = []
        reader = Thread(target=lambda: printed.append(_stream(process.stdout).read()), daemon=True)
        reader.start()
        is_stopped = _follow(process, report, feedback)
        reader.join()
        status = process.wait()
    return Ended(status, _read_output(printed[0]), report.last_lines, is_stopped)


def _follow(process: subprocess.Popen[bytes], report: _Report, feedback: Feedback) -> bool:
    """Report what the program says until it closes standard error. Return True if it was asked to stop."""
    lines: queue.Queue[bytes] = queue.Queue()

    def read() -> None:
        for line in _stream(process.stderr):
            lines.put(line)
        lines.put(b"")  # the end

    Thread(target=read, daemon=True).start()
    kill_time = None
    while True:
        if kill_time is None and feedback.isCanceled():
            kill_time = time.monotonic() + STOP_SECONDS
            report.keep_all()
            ask_to_stop(process)
        if kill_time is not None and time.monotonic() > kill_time:
            process.kill()
        try:
            line = lines.get(timeout=POLL_SECONDS)
        except queue.Empty:
            continue
        if not line:
            return kill_time is not None
        report.add(line.decode("utf-8", "replace").rstrip())


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # a pipe
    return stream


def _read_output(printed: bytes) -> dict[str, Any] | None:
    try:
        output = json.loads(printed)
    except ValueError:
        return None
    return output if isinstance(output, dict) else None


class _Report:
    """Shows the lines of standard error, and keeps those of an error."""

    def __init__(self, labels: Mapping[str, str], feedback: Feedback) -> None:
        self._labels, self._feedback = labels, feedback
        self._phase: str | None = None
        self._keeps = False
        self.last_lines: list[str] = []

    def keep_all(self) -> None:
        """Keep all lines from now on."""
        self._keeps = True

    def add(self, line: str) -> None:
        """Show a line, or the progress that it states."""
        if line.startswith("{") and self._show_progress(line):
            return
        text = OPTION.sub(lambda found: self._labels.get(found[0], found[0]), line)
        kind, _, rest = text.partition(": ")
        if kind == "Error":
            self._keeps = True
            text = rest
        if self._keeps:
            self.last_lines.append(text)
        elif kind == "Warning":
            self._feedback.pushWarning(rest)
        else:
            self._feedback.pushInfo(rest if kind == "Note" else text)

    def _show_progress(self, line: str) -> bool:
        """Show the progress of a line of JSON. Return False if it has none."""
        try:
            state = json.loads(line)
            phase, done, total = str(state["phase"]), int(state["done"]), int(state["total"])
        except (ValueError, KeyError, TypeError):
            return False
        if phase != self._phase:
            self._phase = phase
            self._feedback.setProgressText(phase.capitalize())
        if total > 0:
            self._feedback.setProgress(100 * done / total)
        return True

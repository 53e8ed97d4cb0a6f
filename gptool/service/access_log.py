"""Access log: a file with one line for each request.

A line has the time, the address of the client, the name of the token or `user:NAME` (`-` without either), the
method, the path, the status (`-` if the client left before), the bytes of the body of the response, and the
milliseconds. The path is percent-encoded and has no query, which may contain a token:

    2026-11-27T09:30:00.125Z 203.0.113.5 field-crew GET /arcgis/rest/services/World/ImageServer/tile/3/2/5 200 8731 1.4
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Self
from urllib.parse import quote

from gptool.errors import translate_os_errors
from gptool.service.observation import AnsweredRequest

LOG = logging.getLogger(__name__)

MAX_WAITING = 10_000
"""Lines that wait for a disk that does not answer; further ones are lost."""

REPORT_SECONDS = 60.0
"""Time between two reports that the file cannot be written, at least."""

CLOSE_SECONDS = 5.0


class AccessLog:
    """The access log of a process. A thread writes it; the file is opened again after it has been moved away.

    Several processes may write to one file, as each line is appended by one call.

    Parameters
    ----------
    path : Path
    token_name : callable
        Returns the name of the token of an owner, see `ServiceState.token_name`.

    Raises
    ------
    OutputError
        If the file cannot be opened.
    """

    def __init__(self, path: Path, token_name: Callable[[str], str]) -> None:
        with translate_os_errors(path):
            self._file = _LogFile(path, encoding="utf-8")
        self._token_name = token_name
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._thread = Thread(target=self._write, name="access log", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lines.put(None)
        self._thread.join(CLOSE_SECONDS)

    def __call__(self, request: AnsweredRequest) -> None:
        """Log a request."""
        if self._lines.qsize() < MAX_WAITING:
            self._lines.put(self._line(request))

    def _line(self, request: AnsweredRequest) -> str:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        # Clients choose paths: no character of them may begin a new line or a new field.
        path = quote(request.path, safe="/:@!$&'()*+,;=~")
        fields = (
            *(now, request.client or "-", self._token_name(request.owner) or "-", request.method, path),
            *(request.status or "-", request.size, f"{1000 * request.seconds:.1f}"),
        )
        return " ".join(map(str, fields))

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            self._file.write_line(line)
        with suppress(OSError):  # what could not be written was reported
            self._file.close()


class _LogFile(WatchedFileHandler):
    """The file; logging's handler opens it again after a rotation."""

    _reported = -REPORT_SECONDS

    def write_line(self, line: str) -> None:
        try:
            self.emit(logging.makeLogRecord({"msg": line}))
        except OSError as error:  # the folder was removed
            self._report(error)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - a method of logging
        """Report an error of writing; it must not fill the log of the service in turn."""
        self._report("the disk may be full")

    def _report(self, reason: object) -> None:
        if time.monotonic() - self._reported >= REPORT_SECONDS:
            self._reported = time.monotonic()
            LOG.warning("access log cannot be written: %s", reason)

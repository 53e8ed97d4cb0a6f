"""Log messages that would repeat without end, such as those that clients can cause, are left out."""

from __future__ import annotations

import logging
import time

INTERVAL_SECONDS = 60.0
MAX_MESSAGES = 20
"""Number of warnings and errors of one kind that are logged within an interval."""

MAX_KINDS = 1000
KIND_CHARACTERS = 60
"""Length of the start of a message, without its arguments, that states its kind."""


class RepeatedMessages(logging.Filter):
    """Filter of a handler. The first message of a kind in an interval states how many were left out before."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a message is logged."""
        if record.levelno < logging.WARNING:
            return True
        kind = record.name, str(record.msg)[:KIND_CHARACTERS]
        now = time.monotonic()
        start, count = self._counts.get(kind, (now, 0))
        if now - start >= INTERVAL_SECONDS:
            if count > MAX_MESSAGES:
                record.msg = f"{record.getMessage()} ({count - MAX_MESSAGES} more messages like this were left out)"
                record.args = ()
            start, count = now, 0
        if len(self._counts) >= MAX_KINDS:
            self._counts.clear()
        self._counts[kind] = start, count + 1
        return count < MAX_MESSAGES

"""Messages that clients can cause do not fill the log."""

from __future__ import annotations

import logging

import pytest

from gptool.service import repeated_messages
from gptool.service.repeated_messages import INTERVAL_SECONDS, MAX_MESSAGES, RepeatedMessages


def test_repeated_warnings_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(repeated_messages.time, "monotonic", lambda: now)
    messages = RepeatedMessages()

    def log(level: int, text: str, *arguments: object) -> str | None:
        record = logging.LogRecord("gptool.x", level, "", 0, text, arguments, None)
        return record.getMessage() if messages.filter(record) else None

    shown = [log(logging.WARNING, "refused: %s", i) for i in range(100)]
    assert shown == [f"refused: {i}" for i in range(MAX_MESSAGES)] + [None] * (100 - MAX_MESSAGES)
    assert log(logging.WARNING, "another: %s", 1) == "another: 1"
    assert all(log(logging.INFO, "job %s starts", i) for i in range(100))
    now += INTERVAL_SECONDS
    more = f"({100 - MAX_MESSAGES} more messages like this were left out)"
    assert log(logging.WARNING, "refused: %s", "new") == f"refused: new {more}"
    assert log(logging.WARNING, "refused: %s", "next") == "refused: next"

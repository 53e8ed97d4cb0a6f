"""The status of a job, and the one module that holds its literals."""

from __future__ import annotations

from pathlib import Path

import pytest

import gptool
from gptool.jobs.status import JobStatus

PACKAGE = Path(gptool.__file__).parent
SOURCES = {".py", ".pyt", ".pyi", ".html", ".js", ".css"}


@pytest.mark.parametrize("status", JobStatus)
def test_status_has_ended_or_can_be_cancelled(status: JobStatus) -> None:
    ended = status in ("esriJobSucceeded", "esriJobFailed", "esriJobCancelled")
    assert (status.is_ended, status.is_cancellable) == (ended, not ended and status != "esriJobCancelling")


def test_only_one_module_holds_the_literals() -> None:
    files = [path for path in PACKAGE.rglob("*") if path.suffix in SOURCES]
    assert len(files) > 100, "the sources are found"
    holders = {
        path.relative_to(PACKAGE).as_posix()
        for path in files
        if any(status in path.read_text(encoding="utf-8") for status in JobStatus)
    }
    assert holders == {"jobs/status.py"}

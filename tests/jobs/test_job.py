"""The job as the runner of work: progress, cancellation, messages and status."""

from __future__ import annotations

import pytest

from gptool import Job
from gptool.errors import ExportCancelledError, GptoolError
from gptool.jobs.record import JobProgress, PlannedSize
from gptool.model import Message, Phase, Progress


def test_progress_is_reported_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[JobProgress | None] = []
    job = Job("ExportTiles", {}, lambda job: reports.append(job.progress))
    job.start()
    progress: Progress = job.report_progress
    monkeypatch.setattr("gptool.jobs.job.MIN_REPORT_SECONDS", 3600)
    progress(Phase.COUNTING, 1, 0)
    monkeypatch.setattr("gptool.jobs.job.MIN_REPORT_SECONDS", 0)
    progress(Phase.EXPORTING, 2, 3)
    assert reports == [None, JobProgress(), JobProgress(Phase.EXPORTING, 2, 3)]


def test_progress_raises_if_the_job_is_cancelled() -> None:
    job = Job("ExportTiles", {})
    job.start()
    job.report_progress(Phase.COUNTING, 1, 0)
    job.cancel()
    assert job.status == job.record.status == job.to_json()["jobStatus"] == "esriJobCancelling"
    with pytest.raises(ExportCancelledError, match="job was cancelled"):
        job.report_progress(Phase.COUNTING, 2, 0)


def test_record_has_the_times_and_the_planned_size() -> None:
    job = Job("ExportTiles", {})
    assert (job.record.started, job.record.ended, job.planned) == (None, None, None)
    planned = PlannedSize(1, 2, 3)

    def work() -> None:
        job.planned = planned

    record = job.run(work).record
    assert record.started is not None
    assert record.ended is not None
    assert record.created <= record.started <= record.ended == record.accessed
    assert (job.planned, record.planned, record.progress) == (planned, planned, None)


def test_all_messages_are_redacted() -> None:
    job = Job("ExportTiles", {}, redact=str.upper)

    def work() -> None:
        job.add_messages([Message("Warning", "in a folder")])
        raise GptoolError("not found")

    job.run(work)
    assert job.messages[1:3] == (Message("Warning", "IN A FOLDER"), Message("Error", "NOT FOUND"))
    assert all(message.description.isupper() for message in job.messages)

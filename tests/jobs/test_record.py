"""The record of a job: its form in the REST API, and its closing messages."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from gptool.errors import ExportCancelledError, GptoolError, TooManyTilesError
from gptool.jobs.messages import closing_messages, is_frame, start_message
from gptool.jobs.record import JobProgress, JobRecord, PlannedSize, final_status, new_job_id
from gptool.jobs.status import JobStatus
from gptool.model import Message, Phase

RECORD = JobRecord(
    "j1", "ExportTiles", {"levels": "0", "tilePackage": False}, messages=(Message("Warning", "x"),), created=100.0
)
MESSAGES = [{"type": "esriJobMessageTypeWarning", "description": "x"}]

PROGRESS: dict[str, tuple[JobProgress, dict[str, Any]]] = {
    "before the first phase": (JobProgress(), {"type": "default", "message": "Executing..."}),
    "counting": (JobProgress(Phase.COUNTING, 1234), {"type": "default", "message": "Counting tiles: 1,234"}),
    "estimating": (JobProgress(Phase.ESTIMATING, 5), {"type": "default", "message": "Estimating size"}),
    "estimating so many": (
        JobProgress(Phase.ESTIMATING, 5, 1000),
        {"type": "default", "message": "Estimating size: 5 of 1,000 tiles"},
    ),
    "exporting": (
        JobProgress(Phase.EXPORTING, 1999, 2000),
        {"type": "step", "message": "Exporting tiles: 1,999 of 2,000", "percent": 99},
    ),
    "exporting no tiles": (
        JobProgress(Phase.EXPORTING),
        {"type": "step", "message": "Exporting tiles: 0 of 0", "percent": 0},
    ),
    "hashing": (
        JobProgress(Phase.HASHING, 1, 9),
        {"type": "step", "message": "Computing SHA-256 of the package", "percent": 100},
    ),
    "verifying": (
        JobProgress(Phase.VERIFYING, 3, 1234),
        {"type": "step", "message": "Verifying parts: 3 of 1,234", "percent": 100},
    ),
}


@pytest.mark.parametrize("name", PROGRESS)
def test_progress_as_json(name: str) -> None:
    progress, expected = PROGRESS[name]
    assert progress.to_json() == expected
    assert JobProgress.from_values([*progress]) == progress


class TestJson:
    @pytest.mark.parametrize("status", ["Submitted", "Failed", "Cancelling", "Cancelled"])
    def test_other_status(self, status: str) -> None:
        value = replace(RECORD, status=JobStatus(f"esriJob{status}"), progress=JobProgress()).to_json()
        assert value == {"jobId": "j1", "jobStatus": f"esriJob{status}", "messages": MESSAGES}

    def test_executing_job_has_its_progress(self) -> None:
        value = replace(RECORD, status=JobStatus.EXECUTING, progress=JobProgress(Phase.COUNTING, 7)).to_json()
        assert list(value) == ["jobId", "jobStatus", "messages", "progress"]
        assert value["progress"] == {"type": "default", "message": "Counting tiles: 7"}

    def test_succeeded_job_has_results_and_inputs(self) -> None:
        assert replace(RECORD, status=JobStatus.SUCCEEDED).to_json() == {
            "jobId": "j1",
            "jobStatus": "esriJobSucceeded",
            "results": {"out_service_url": {"paramUrl": "results/out_service_url"}},
            "inputs": {"levels": {"paramUrl": "inputs/levels"}, "tilePackage": {"paramUrl": "inputs/tilePackage"}},
            "messages": MESSAGES,
        }

    def test_names_of_results_and_inputs_and_messages_can_be_chosen(self) -> None:
        value = replace(RECORD, status=JobStatus.SUCCEEDED).to_json(
            results=["a"], inputs=["b"], return_messages=False
        )  # fmt: skip
        assert value["results"] == {"a": {"paramUrl": "results/a"}}
        assert value["inputs"] == {"b": {"paramUrl": "inputs/b"}}
        assert value["messages"] == []


def texts(error: BaseException | None) -> list[str]:
    """The types and texts of closing messages, without the time."""
    messages = closing_messages("ExportTiles", error, 1.234)
    return [f"{message.type}: {re.sub(' at .* [(]', ' (', message.description)}" for message in messages]


ENDS: dict[str, tuple[BaseException | None, JobStatus, list[str]]] = {
    "success": (None, JobStatus.SUCCEEDED, ["Informative: Succeeded (Elapsed Time: 1.23 seconds)"]),
    "failure": (
        GptoolError("level is missing"),
        JobStatus.FAILED,
        [
            "Error: level is missing",
            "Error: Failed to execute (ExportTiles).",
            "Informative: Failed (Elapsed Time: 1.23 seconds)",
        ],
    ),
    "failure with advice": (
        TooManyTilesError("too many", ("try this", "or that")),
        JobStatus.FAILED,
        [
            "Error: too many",
            "Informative: try this",
            "Informative: or that",
            "Error: Failed to execute (ExportTiles).",
            "Informative: Failed (Elapsed Time: 1.23 seconds)",
        ],
    ),
    "cancellation": (
        ExportCancelledError("job was cancelled"),
        JobStatus.CANCELLED,
        ["Warning: Cancelled (ExportTiles).", "Informative: Cancelled (Elapsed Time: 1.23 seconds)"],
    ),
    "interruption": (
        KeyboardInterrupt(),
        JobStatus.CANCELLED,
        ["Warning: Interrupted (ExportTiles).", "Informative: Cancelled (Elapsed Time: 1.23 seconds)"],
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_end_of_a_job(name: str) -> None:
    error, status, messages = ENDS[name]
    assert final_status(error) is status
    assert texts(error) == messages


class TestChanges:
    EXECUTING = replace(
        RECORD, status=JobStatus.EXECUTING, progress=JobProgress(), planned=PlannedSize(1, 2, 3), started=110.0
    )

    @pytest.mark.parametrize(
        ("record", "seconds"), [(RECORD, "20.50"), (EXECUTING, "10.50")], ids=["submitted job", "executing job"]
    )
    def test_job_ends_with_an_error(self, record: JobRecord, seconds: str) -> None:
        ended = record.end_with_error(ExportCancelledError("job was cancelled"), 120.5)
        assert (ended.status, ended.progress, ended.ended, ended.accessed) == ("esriJobCancelled", None, 120.5, 120.5)
        assert ended.messages[:2] == (*RECORD.messages, Message("Warning", "Cancelled (ExportTiles)."))
        assert ended.messages[2].description.endswith(f"(Elapsed Time: {seconds} seconds)")

    def test_job_is_queued_again(self) -> None:
        message = Message("Warning", "again")
        assert self.EXECUTING.requeue(message) == replace(RECORD, messages=(*RECORD.messages, message))


def test_job_ids_differ() -> None:
    ids = {new_job_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch("j[0-9a-f]{32}", job_id) for job_id in ids)


def test_frame_is_what_arcgis_adds_itself() -> None:
    assert is_frame(start_message())
    for error, _, _ in ENDS.values():
        reasons = [
            message.description for message in closing_messages("ExportTiles", error, 1.234) if not is_frame(message)
        ]
        advice = error.advice if isinstance(error, TooManyTilesError) else ()
        cancelled = [f"{word} (ExportTiles)." for word in ("Cancelled", "Interrupted")]
        assert reasons in ([], [str(error), *advice], *([text] for text in cancelled))
        assert bool(reasons) == (error is not None)

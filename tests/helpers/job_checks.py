"""Jobs of the geoprocessing tools, and their results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gptool import Job, export_tiles_job

TIME = r"[A-Z][a-z]+day, [A-Z][a-z]+ [1-9][0-9]?, [0-9]{4} [1-9][0-9]?:[0-9]{2}:[0-9]{2} [AP]M"
ELAPSED = r"\(Elapsed Time: [0-9]+\.[0-9]{2} seconds\)"
"""Regular expressions of the time and of the elapsed time in messages."""


def run_job(cache: Path, folder: Path, parameters: dict[str, Any], **options: Any) -> Job:
    return export_tiles_job(parameters, cache=cache, output_directory=folder / "jobs", **options)


def result_of(job: Job) -> Path:
    """The package or dataset of a succeeded job."""
    assert job.status == "esriJobSucceeded", job.messages
    folder = Path(job.result("out_service_url")["value"])
    assert folder.name == job.job_id
    [path] = (path for path in folder.iterdir() if path.name != "report.json")
    return path


def report_of(job: Job) -> dict[str, Any]:
    """The report.json of a succeeded job."""
    value: dict[str, Any] = json.loads(Path(job.result("out_service_url")["value"], "report.json").read_text())
    return value


def texts_of(job: Job, kind: str) -> list[str]:
    """The texts of the messages of a type."""
    return [message.description for message in job.messages if message.type == kind]

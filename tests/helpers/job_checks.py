"""Jobs of the exportTiles tool, and what they leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gptool import Job, export_tiles_job


def run_job(cache: Path, folder: Path, parameters: dict[str, Any], **options: Any) -> Job:
    return export_tiles_job(parameters, cache=cache, output_directory=folder / "jobs", **options)


def result_of(job: Job) -> Path:
    """The one package or dataset in a job's folder, beside its report."""
    assert job.status == "esriJobSucceeded", job.messages
    folder = Path(job.result("out_service_url")["value"])
    assert folder.name == job.job_id
    [path] = (path for path in folder.iterdir() if path.name != "report.json")
    return path


def said(job: Job, kind: str) -> list[str]:
    return [message.description for message in job.messages if message.type == kind]

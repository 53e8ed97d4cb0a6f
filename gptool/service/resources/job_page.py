"""What the page of a job shows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from gptool.jobs.report import REPORT
from gptool.jobs.status import JobStatus
from gptool.service.queue.store import StoredJob
from gptool.service.resources.call import Call
from gptool.service.urls import OUTPUT_FILES, SERVICES, breadcrumbs, service_path


def job_page(
    call: Call, job: StoredJob, value: dict[str, Any], results: Sequence[str], inputs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the context of job.html.

    Parameters
    ----------
    value : dict
        The job's JSON.
    results : sequence of str
        Their names.
    """
    path = job_path(call)
    output = f"{OUTPUT_FILES}/{job.job_id}"
    package = quote(job.package) if job.status is JobStatus.SUCCEEDED and job.package is not None else None
    return {
        "title": f"Job {job.job_id}",
        "trail": job_trail(call),
        "job": value,
        "task": job.task,
        "service_name": job.service,
        "job_url": path,
        "cancel_url": f"{path}/cancel",
        "running": not job.status.is_ended,
        "elapsed": f"{(job.ended or time.time()) - job.created:.1f} seconds",
        "planned": job.planned,
        "estimate": job.estimate,
        "files": [(job.package, f"{output}/{package}", job.size)] if package and job.is_file else [],
        "folder": f"{output}/{package}" if package and not job.is_file else None,
        "report": f"{output}/{REPORT}" if package else None,
        "results": [(name, f"{path}/results/{name}") for name in results],
        "inputs": [(name, f"{path}/inputs/{name}", value) for name, value in inputs.items()],
    }


def job_path(call: Call) -> str:
    """Return the path of the job that a call is about."""
    return service_path(*_parts_above(call), "jobs", call.path("job"))


def job_trail(call: Call) -> list[tuple[str, str]]:
    """Return the way down to a job."""
    return [*breadcrumbs(*_parts_above(call)), (f"{call.path('job')[:9]}...", job_path(call))]


def _parts_above(call: Call) -> list[str]:
    path: str = call.request.scope["path"]
    return path.removeprefix(f"{SERVICES}/").partition(f"/jobs/{call.path('job')}")[0].split("/")

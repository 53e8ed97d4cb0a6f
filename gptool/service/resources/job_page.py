"""Variables of the page of a job."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from gptool.jobs.record import JobRecord, JobResult
from gptool.jobs.report import REPORT
from gptool.service.resources.request_context import RequestContext
from gptool.service.urls import OUTPUT_FILES, SERVICES, Breadcrumbs, service_path

JOB_ID_CHARACTERS = 9
"""Characters of a job id in the breadcrumbs."""


def job_page(
    context: RequestContext, job: JobRecord, value: dict[str, Any], results: Sequence[str], inputs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the variables of job.html.

    Parameters
    ----------
    context : RequestContext
    job : JobRecord
    value : dict
        The JSON of the job.
    results : sequence of str
        The names of the results.
    inputs : mapping
        The inputs by name.
    """
    path = job_path(context)
    output = context.page_path(f"{OUTPUT_FILES}/{job.job_id}")
    result = job.result or JobResult()
    package = None if result.name is None else quote(result.name)
    return {
        "title": f"Job {job.job_id}",
        "breadcrumbs": job_breadcrumbs(context),
        "job": value,
        "task": job.operation,
        "service_name": job.service,
        "job_url": path,
        "cancel_url": f"{path}/cancel",
        "is_active": not job.status.is_ended,
        "elapsed": f"{(job.ended or time.time()) - job.created:.1f} seconds",
        "planned": job.planned,
        "estimate": result.estimate,
        "files": [(result.name, f"{output}/{package}", result.size)] if package and result.is_file else [],
        "folder": f"{output}/{package}" if package and not result.is_file else None,
        "report": f"{output}/{REPORT}" if package else None,
        "results": [(name, f"{path}/results/{name}") for name in results],
        "inputs": [(name, f"{path}/inputs/{name}", value) for name, value in inputs.items()],
    }


def job_path(context: RequestContext) -> str:
    """Return the path of the job that a request refers to, for links and redirects."""
    return context.page_path(service_path(*_parent_parts(context), "jobs", context.path_parameter("job")))


def job_breadcrumbs(context: RequestContext) -> Breadcrumbs:
    """Return the breadcrumbs of the job that a request refers to."""
    label = f"{context.path_parameter('job')[:JOB_ID_CHARACTERS]}..."
    return [*context.breadcrumbs(*_parent_parts(context)), (label, job_path(context))]


def _parent_parts(context: RequestContext) -> list[str]:
    """Return the parts of the path below the list of services and above `jobs`."""
    path: str = context.request.scope["path"]
    return path.removeprefix(f"{SERVICES}/").partition(f"/jobs/{context.path_parameter('job')}")[0].split("/")

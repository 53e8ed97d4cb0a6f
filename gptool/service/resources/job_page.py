"""Variables of the page of a job."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from gptool.jobs.record import EXPORT_TILES, JobRecord, JobResult
from gptool.jobs.report import REPORT
from gptool.service.catalog import CAPABILITIES
from gptool.service.resources.request_context import RequestContext
from gptool.service.urls import OUTPUT_FILES, SERVICES, Breadcrumbs, operation_resource, service_path

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
        "job_id": job.job_id,
        "form_url": _form_path(context, job, job.operation),
        "export_url": _form_path(context, job, EXPORT_TILES),
        "is_active": not job.status.is_ended,
        "elapsed": f"{(job.ended or time.time()) - job.created:.1f} seconds",
        "planned": job.planned,
        "download": result.size if package else None,
        "estimate": result.estimate,
        "files": _downloads(result, output),
        "folder": f"{output}/{package}" if package and not result.is_file else None,
        "report": f"{output}/{REPORT}" if package else None,
        "results": [(name, f"{path}/results/{name}") for name in results],
        "inputs": [(name, f"{path}/inputs/{name}", value) for name, value in inputs.items()],
    }


def _form_path(context: RequestContext, job: JobRecord, operation: str) -> str:
    """Return the path of the form of an operation; tasks have those of the image service."""
    service_type = job.service_type if job.service_type in CAPABILITIES else "ImageServer"
    return context.page_path(service_path(job.service, service_type, operation_resource(operation)))


def _downloads(result: JobResult, output: str) -> list[tuple[str, str, int]]:
    """Return the name, path and size of the file to download: the package, or a zip of the dataset."""
    if result.name is None:
        return []
    if result.is_file:
        return [(result.name, f"{output}/{quote(result.name)}", result.size)]
    return [(f"{result.name}.zip", f"{output}.zip", result.size)]


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

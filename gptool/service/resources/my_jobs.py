"""The jobs of whoever asks: those of a token or user, otherwise those that the browser has started."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from gptool.jobs.record import JobRecord
from gptool.jobs.status import JobStatus
from gptool.service.resources.gp_service import GP_SERVICE
from gptool.service.resources.image_service import LABELS
from gptool.service.resources.job_cookie import remembered_jobs
from gptool.service.resources.request_context import RequestContext
from gptool.service.resources.responses import Representation
from gptool.service.urls import MY_JOBS, operation_resource, service_path


class ListedJob(NamedTuple):
    """A line of the list.

    Attributes
    ----------
    job_id, label, cache, url : str
        The operation is the label; the path of the job is the URL.
    status : JobStatus
    submitted : datetime
    tiles, bytes : int or None
        The planned tiles, and the size of the result.
    """

    job_id: str
    label: str
    cache: str
    url: str
    status: JobStatus
    submitted: datetime
    tiles: int | None
    bytes: int | None


async def my_jobs(context: RequestContext) -> Representation:
    """Return the newest jobs of the token or user, or without one those that the browser has started."""
    records = await context.state.queue.list_jobs(context.owner, [] if context.owner else remembered_jobs(context))
    jobs = [_listed(context, record) for record in records]
    value = {"jobs": [{"jobId": job.job_id, "jobStatus": job.status, "url": job.url} for job in jobs]}
    page = {
        "title": "My jobs",
        "breadcrumbs": [*context.breadcrumbs(), ("My jobs", context.page_path(MY_JOBS))],
        "jobs": jobs,
        "owner": context.state.token_name(context.owner) if context.owner else "",
        "hours": context.state.settings.keep_hours,
    }
    return Representation(value, "jobs.html", page)


def _listed(context: RequestContext, job: JobRecord) -> ListedJob:
    return ListedJob(
        job.job_id,
        LABELS[operation_resource(job.operation)],
        job.service,
        context.page_path(job_location(job)),
        job.status,
        datetime.fromtimestamp(job.created, UTC),
        job.planned.tiles if job.planned else None,
        job.result.size if job.result and job.result.name else None,
    )


def job_location(job: JobRecord) -> str:
    """Return the path of a job."""
    if job.service_type == "GPServer":
        return service_path(GP_SERVICE, "GPServer", job.operation, "jobs", job.job_id)
    return service_path(job.service, job.service_type, operation_resource(job.operation), "jobs", job.job_id)

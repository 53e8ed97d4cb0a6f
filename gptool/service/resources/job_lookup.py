"""Lookup of the job that a request refers to."""

from __future__ import annotations

from gptool.errors import ServiceError
from gptool.jobs.record import JobRecord
from gptool.service.resources.request_context import RequestContext


async def find_job(
    context: RequestContext, job_id: str | None = None, *, operation: str | None = None, service: str | None = None
) -> JobRecord:
    """Return a job.

    Parameters
    ----------
    context : RequestContext
    job_id : str, optional
        By default that of the path's parameter `job`.
    operation, service : str, optional
        The required operation and service of the job. By default, any.

    Raises
    ------
    ServiceError
        If there is no such job, or it belongs to another owner.
    """
    job_id = job_id or context.path_parameter("job")
    job = await context.state.queue.find(job_id)
    if (
        job is None
        or job.owner != context.owner
        or operation not in (None, job.operation)
        or service not in (None, job.service)
    ):
        raise ServiceError("job not found or expired", code=404, where=job_id)
    return job

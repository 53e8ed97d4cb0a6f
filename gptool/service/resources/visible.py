"""Which jobs a call may see: those of its token."""

from __future__ import annotations

from gptool.errors import ServiceError
from gptool.service.queue.store import StoredJob
from gptool.service.resources.call import Call


def find_job(call: Call, task: str | None = None, service: str | None = None) -> StoredJob:
    """Return the job that the path names, where it is of this task and service, and whoever asks made it.

    Raises
    ------
    ServiceError
        When there is none such.
    """
    job_id = call.path("job")
    job = call.site.engine.find(job_id)
    if job is None or job.owner != call.owner or task not in (None, job.task) or service not in (None, job.service):
        raise ServiceError("no such job: it never was here, or its time is over", code=404, found=job_id)
    return job

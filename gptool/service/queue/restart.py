"""What becomes of the jobs that had not ended when a service did."""

from __future__ import annotations

import logging
import time

from gptool.errors import ExportCancelledError, GptoolError, ServiceError
from gptool.jobs.messages import closing_messages
from gptool.jobs.status import JobStatus
from gptool.model import Message
from gptool.service.queue.limits import offered
from gptool.service.queue.store import Store, StoredJob
from gptool.service.settings import ServiceSettings

AGAIN = Message("Warning", "The service ended while the job was executing: the job is started again.")
MOST_DEATHS = 1
"""How often a job is started again: one that takes the service down each time would never let it be."""

LOG = logging.getLogger(__name__)


def recover(store: Store, settings: ServiceSettings) -> list[StoredJob]:
    """Return the jobs that are to wait again, in their order; note how the others ended."""
    return [job for job in store.unended() if _waits_again(job, store, settings)]


def _waits_again(job: StoredJob, store: Store, settings: ServiceSettings) -> bool:
    now = time.time()
    if job.status == JobStatus.CANCELLING:
        last_words = closing_messages(job.task, ExportCancelledError("cancelled by a request"), now - job.created)
        store.change(job.job_id, JobStatus.CANCELLED, last_words, progress=None, ended=now, accessed=now)
        return False
    error = _fault(job, settings)
    if error:
        last_words = closing_messages(job.task, error, now - job.created)
        store.change(job.job_id, JobStatus.FAILED, last_words, progress=None, ended=now, accessed=now)
    elif job.status == JobStatus.EXECUTING:
        values = {"progress": None, "planned": None, "deaths": job.deaths + 1}
        store.change(job.job_id, JobStatus.SUBMITTED, [AGAIN], **values)
    LOG.info("job %s is found again: %s", job.job_id, error or job.status)
    return error is None


def _fault(job: StoredJob, settings: ServiceSettings) -> GptoolError | None:
    """Return why a job can't be started, or must not be."""
    if job.status == JobStatus.EXECUTING and job.deaths >= MOST_DEATHS:
        return GptoolError("the service ended while the job was executing, and did again when it was started again")
    try:
        offered(settings, job.service)
    except ServiceError as error:
        return error
    return None

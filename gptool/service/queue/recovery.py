"""Recovery of the jobs that had not ended when the service did."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from gptool.errors import ExportCancelledError, GptoolError, OutputError, ServiceError
from gptool.jobs.record import JobRecord
from gptool.jobs.status import JobStatus
from gptool.model import Message
from gptool.service.queue.admission import exportable_cache
from gptool.service.queue.store import JobStore
from gptool.service.settings import ServiceSettings

RESTARTED = Message("Warning", "The service ended while the job was executing: the job is started again.")

MAX_RESTARTS = 1
"""How often a job is started again: a job that ends the service each time must not do so for ever."""

LOG = logging.getLogger(__name__)


def recover_jobs(store: JobStore, settings: ServiceSettings) -> list[JobRecord]:
    """Return the jobs to queue again, in their order. Store how the others ended."""
    recovered = []
    for old in store.unfinished():
        new = _recover(old, settings)
        if new is not old:
            try:
                store.update(new, len(old.messages))
            except OutputError as error:  # the disk may be full: the jobs that are stored can be read nevertheless
                LOG.warning("job %s: its recovery cannot be stored: %s", old.job_id, error)
                new = old
        LOG.info("job %s is recovered: %s", new.job_id, new.status)
        if new.status in (JobStatus.SUBMITTED, JobStatus.EXECUTING):
            recovered.append(new)
    return recovered


def _recover(record: JobRecord, settings: ServiceSettings) -> JobRecord:
    """Return the record of a job that had not ended: submitted again, or ended."""
    error = _end_reason(record, settings)
    if error:
        return record.end_with_error(error, time.time())
    if record.status is JobStatus.SUBMITTED:
        return record
    return replace(record.requeue(RESTARTED), restarts=record.restarts + 1)


def _end_reason(record: JobRecord, settings: ServiceSettings) -> GptoolError | None:
    """Return the error by which a job ends; None if it is started again."""
    if record.status is JobStatus.CANCELLING:
        return ExportCancelledError("job was cancelled")
    if record.status is JobStatus.EXECUTING and record.restarts >= MAX_RESTARTS:
        return GptoolError(f"service ended {record.restarts + 1} times while the job was executing")
    try:
        exportable_cache(settings, record.service)
    except ServiceError as error:
        return error
    return None

"""Recording what happens to active jobs, in the store and in the output directory."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from dataclasses import replace
from pathlib import Path

from gptool.errors import GptoolError, OutputError
from gptool.jobs.record import JobRecord
from gptool.jobs.redaction import path_redactor
from gptool.jobs.status import JobStatus
from gptool.model import Message
from gptool.request.limits import read_workers
from gptool.service.queue.active_job import ActiveJob
from gptool.service.queue.output_directory import OutputDirectory
from gptool.service.queue.protocol import WorkerTask, WorkerUpdate
from gptool.service.queue.store import JobStore
from gptool.service.settings import ServiceSettings

SAVE_DELAY_SECONDS = 0.25
"""Delay of a save after an update: updates that follow within it are saved together."""

MAX_SAVES, SAVE_RETRY_SECONDS = 5, 1.0
"""Attempts to save the end of a job, and the time between them."""

STOPPED = Message("Warning", "The service was stopped while the job was executing: the job is started again.")

LOG = logging.getLogger(__name__)


class JobRecorder:
    """Records the states of active jobs."""

    def __init__(self, settings: ServiceSettings, output: OutputDirectory, store: JobStore) -> None:
        self._settings, self._output, self._store = settings, output, store
        self._unsaved: set[ActiveJob] = set()
        self._timer: asyncio.TimerHandle | None = None

    def start(self, job: ActiveJob) -> WorkerTask:
        """Record that a job starts. Return the task for its worker."""
        record = replace(job.record, status=JobStatus.EXECUTING, started=time.time())
        self.save(job, record)
        LOG.info("job %s starts: %s of %s", record.job_id, record.operation, record.service)
        cache = self._settings.caches[record.service]
        return WorkerTask(
            record.job_id,
            record.operation,
            dict(record.inputs),
            record.service,
            f"{record.service}:{'MapServer' if record.service_type == 'MapServer' else 'ImageServer'}",
            os.path.abspath(cache.location),  # noqa: PTH100 - symbolic links are kept
            str(self._output.path),
            str(self._output.work_folder(record.job_id)),
            cache.max_export_tiles_count,
            max(read_workers(None) // self._settings.jobs, 1),
        )

    def save(self, job: ActiveJob, record: JobRecord) -> None:
        """Save a new state of a job.

        Raises
        ------
        OutputError
            If it cannot be stored; then the job keeps its state.
        """
        self._store.update(record, job.stored_messages)
        job.record, job.stored_messages = record, len(record.messages)
        self._unsaved.discard(job)

    def save_soon(self, job: ActiveJob) -> None:
        """Save the present state of a job after a short delay."""
        self._unsaved.add(job)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SAVE_DELAY_SECONDS, self._save_all)

    async def end(self, job: ActiveJob, outcome: WorkerUpdate | GptoolError) -> None:
        """Move the result of a job into place, or remove its files, and record how the job ended.

        Raises
        ------
        OutputError
            If the end cannot be stored.
        """
        result = outcome.result if isinstance(outcome, WorkerUpdate) and job.stop_reason is None else None
        if result and result.name is not None:
            outcome = self._keep_result(job) or outcome
        else:
            await asyncio.to_thread(self._output.remove_work, job.job_id)
        # From here on the job cannot be cancelled.
        if job.stop_reason:
            outcome = job.stop_reason
        if isinstance(outcome, WorkerUpdate):
            job.record = replace(job.record.end(outcome.status, time.time()), result=outcome.result)
        else:
            job.record = job.record.end_with_error(outcome, time.time())
        await self._save_end(job)
        LOG.info("job %s ends: %s", job.job_id, job.record.status)

    async def requeue(self, job: ActiveJob) -> None:
        """Record that a job is to be started again when the service is.

        Raises
        ------
        OutputError
            If that cannot be stored.
        """
        await asyncio.to_thread(self._output.remove_work, job.job_id)
        self.save(job, job.record.requeue(STOPPED))
        LOG.info("job %s is queued again", job.job_id)

    def close(self) -> None:
        """Close the store; there are no active jobs any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._store.close()

    def _keep_result(self, job: ActiveJob) -> OutputError | None:
        """Move the result of a job to the results. Return the error if it cannot be moved."""
        try:
            self._output.keep_result(job.job_id)
        except OutputError as error:
            service = job.record.service
            location = Path(os.path.abspath(self._settings.caches[service].location))  # noqa: PTH100
            return OutputError(path_redactor(service, location, self._output.path)(str(error)))
        return None

    async def _save_end(self, job: ActiveJob) -> None:
        for _ in range(MAX_SAVES - 1):
            try:
                self.save(job, job.record)
            except OutputError as error:  # the disk may be full
                LOG.warning("job %s: the end of the job cannot be stored: %s", job.job_id, error)
                await asyncio.sleep(SAVE_RETRY_SECONDS)
            else:
                return
        self.save(job, job.record)

    def _save_all(self) -> None:
        self._timer = None
        for job in list(self._unsaved):
            self._unsaved.discard(job)
            try:
                self.save(job, job.record)
            except OutputError as error:
                LOG.warning("job %s: the progress cannot be stored: %s", job.job_id, error)

"""Recording what happens to active jobs, in the store and in the output directory."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from gptool.errors import GptoolError, OutputError
from gptool.jobs.record import JobRecord
from gptool.jobs.redaction import path_redactor
from gptool.jobs.status import JobStatus
from gptool.model import Message
from gptool.request.limits import read_workers
from gptool.service.queue.active_job import ActiveJob
from gptool.service.queue.earlier_export import find_base
from gptool.service.queue.output_directory import OutputDirectory
from gptool.service.queue.protocol import WorkerTask, WorkerUpdate
from gptool.service.queue.store import JobStore
from gptool.service.queue.store_thread import StoreThread
from gptool.service.settings import ServiceSettings
from gptool.system.store_url import absolute_location, location_text

SAVE_DELAY_SECONDS = 0.25
"""Delay of a save after an update: updates that follow within it are saved together."""

SAVE_RETRY_SECONDS, MAX_RETRY_SECONDS = 1.0, 60.0
"""Time between attempts to save the end of a job, which doubles up to the maximum."""

STOPPED = Message("Warning", "The service was stopped while the job was executing: the job is started again.")

LOG = logging.getLogger(__name__)


class JobRecorder:
    """Records the states of active jobs."""

    def __init__(self, settings: ServiceSettings, output: OutputDirectory, store: StoreThread) -> None:
        self._settings, self._output, self._store = settings, output, store
        self._unsaved: set[ActiveJob] = set()
        self._saving: asyncio.Task[None] | None = None
        self._is_stopping = asyncio.Event()

    async def start(self, job: ActiveJob) -> WorkerTask:
        """Record that a job starts. Return the task for its worker."""
        await self.save(job, _started)
        record, inputs = job.record, await self._store.call(JobStore.inputs, job.job_id)
        LOG.info("job %s starts: %s of %s", record.job_id, record.operation, record.service)
        cache = self._settings.caches[record.service]
        return WorkerTask(
            record.job_id,
            record.operation,
            inputs,
            record.service,
            f"{record.service}:{'MapServer' if record.service_type == 'MapServer' else 'ImageServer'}",
            location_text(absolute_location(cache.location)),
            str(self._output.path),
            str(self._output.work_folder(record.job_id)),
            cache.max_export_tiles_count,
            max(read_workers(None) // self._settings.jobs, 1),
            self._settings.dask,
            await find_base(self._store, self._output, record, inputs.get("since")),
        )

    async def save(self, job: ActiveJob, change: Callable[[JobRecord], JobRecord]) -> None:
        """Change the state of a job and save it.

        Parameters
        ----------
        job : ActiveJob
        change : callable
            Returns the new record. It is called when no other change is in progress.

        Raises
        ------
        OutputError
            If it cannot be stored; then the job keeps its state.
        """
        async with job.lock:
            record = change(job.record)
            await self._store.call(JobStore.update, record, job.stored_messages)
            job.record, job.stored_messages = record, len(record.messages)
            self._unsaved.discard(job)

    def save_soon(self, job: ActiveJob) -> None:
        """Save the present state of a job after a short delay."""
        self._unsaved.add(job)
        if self._saving is None:
            self._saving = asyncio.create_task(self._save_all())

    async def end(self, job: ActiveJob, outcome: WorkerUpdate | GptoolError) -> None:
        """Move the result of a job into place, or remove its files, and record how the job ended.

        Raises
        ------
        OutputError
            If the end cannot be stored.
        """
        result = outcome.result if isinstance(outcome, WorkerUpdate) and job.stop_reason is None else None
        has_files = result is not None and result.name is not None
        if has_files:
            outcome = await asyncio.to_thread(self._keep_result, job) or outcome
        else:
            await asyncio.to_thread(self._output.remove_work, job.job_id)
        now = time.time()
        # Until the end is stored, the job can be cancelled.
        await self._save_end(job, lambda record: _ended(record, job.stop_reason or outcome, now))
        if has_files and job.record.result is None:
            await asyncio.to_thread(self._output.remove_results, [job.job_id])
        LOG.info("job %s ends: %s", job.job_id, job.record.status)

    async def requeue(self, job: ActiveJob, message: Message = STOPPED, *, is_restart: bool = False) -> bool:
        """Record that a job is to be started again; return False if it has been cancelled meanwhile.

        It goes on with what its process has finished.

        Parameters
        ----------
        job : ActiveJob
        message : Message
            Why; by default, because the service is stopped.
        is_restart : bool
            Whether this counts as one of the restarts that a job may have.

        Raises
        ------
        OutputError
            If that cannot be stored.
        """
        await self.save(job, partial(_requeued, message=message, restarts=int(is_restart)))
        LOG.info("job %s is queued again", job.job_id)
        return job.record.status is JobStatus.SUBMITTED

    def stop_waiting(self) -> None:
        """Try only once more to save the ends of jobs."""
        self._is_stopping.set()

    async def close(self) -> None:
        """Close the store; there are no active jobs any more."""
        if self._saving is not None:
            self._saving.cancel()
        await self._store.close()

    def _keep_result(self, job: ActiveJob) -> OutputError | None:
        """Move the result of a job to the results. Return the error if it cannot be moved."""
        try:
            self._output.keep_result(job.job_id)
        except OutputError as error:
            self._output.remove_work(job.job_id)
            service = job.record.service
            location = absolute_location(self._settings.caches[service].location)
            return OutputError(path_redactor(service, location, self._output.path)(str(error)))
        return None

    async def _save_end(self, job: ActiveJob, change: Callable[[JobRecord], JobRecord]) -> None:
        delay = SAVE_RETRY_SECONDS
        while not self._is_stopping.is_set():
            try:
                await self.save(job, change)
            except OutputError as error:  # the disk may be full
                LOG.warning("job %s: the end of the job cannot be stored: %s", job.job_id, error)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._is_stopping.wait(), delay)
                delay = min(2 * delay, MAX_RETRY_SECONDS)
            else:
                return
        await self.save(job, change)

    async def _save_all(self) -> None:
        while self._unsaved:
            await asyncio.sleep(SAVE_DELAY_SECONDS)
            for job in list(self._unsaved):
                self._unsaved.discard(job)
                try:
                    await self.save(job, lambda record: record)
                except OutputError as error:
                    LOG.warning("job %s: the progress cannot be stored: %s", job.job_id, error)
        self._saving = None


def _started(record: JobRecord) -> JobRecord:
    """Return the record of a job that starts; it may have been cancelled meanwhile."""
    is_cancelled = record.status is JobStatus.CANCELLING
    return replace(record, status=record.status if is_cancelled else JobStatus.EXECUTING, started=time.time())


def _ended(record: JobRecord, outcome: WorkerUpdate | GptoolError, now: float) -> JobRecord:
    if isinstance(outcome, WorkerUpdate):
        return replace(record.end(outcome.status, now), result=outcome.result)
    return record.end_with_error(outcome, now)


def _requeued(record: JobRecord, message: Message, restarts: int) -> JobRecord:
    """Return the record of a job to start again, unless it has been cancelled meanwhile."""
    if record.status is JobStatus.CANCELLING:
        return record
    return replace(record.requeue(message), restarts=record.restarts + restarts)

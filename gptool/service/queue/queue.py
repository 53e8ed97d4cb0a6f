"""The jobs of a service: accepted, queued, executed in worker processes, kept for some time, and found by their ids."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gptool.errors import ExportCancelledError, OutputError, ServiceError
from gptool.jobs.job import job_inputs
from gptool.jobs.record import ESTIMATE_SIZE, EXPORT_TILES, SAMPLE_COMPRESSIONS, JobRecord, new_job_id
from gptool.jobs.status import JobStatus
from gptool.model import Message
from gptool.request.area_members import PARAMETER as AREA
from gptool.service.queue.active_job import ActiveJob
from gptool.service.queue.admission import area_size_error, exportable_cache
from gptool.service.queue.output_directory import JOB_ID, OutputDirectory
from gptool.service.queue.recorder import JobRecorder
from gptool.service.queue.recovery import recover_jobs
from gptool.service.queue.reuse import REUSED, ReusableJobs, is_usable, request_key
from gptool.service.queue.statistics import QueueStatistics
from gptool.service.queue.storage_quota import StorageQuota
from gptool.service.queue.store import JobStore
from gptool.service.queue.store_thread import StoreThread
from gptool.service.queue.worker_pool import PoolLimits, WorkerPool
from gptool.service.settings import ServiceSettings

EXPIRY_SECONDS = 60.0
"""Time between two removals of expired jobs."""

ESTIMATE_PROCESSES = 2

MEGABYTE = 1_000_000
"""Bytes."""

TOUCH_SECONDS = 60.0
"""Time between two records of the access to a job, at least."""

LOG = logging.getLogger(__name__)


class JobQueue:
    """The jobs of a service. It is used in the thread of one event loop, between `start` and `stop`."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._output = OutputDirectory(settings.output_directory)
        self._active: dict[str, ActiveJob] = {}
        self._changes = asyncio.Lock()
        """Held while a job is accepted or cancelled: the order is that of the requests, and limits are exact."""
        self._requests: set[asyncio.Task[JobRecord]] = set()
        self._reusable = ReusableJobs()
        self._written_bytes = 0

    async def start(self) -> None:
        """Lock the output directory and queue the jobs that had not ended.

        Raises
        ------
        OutputError
            If the directory cannot be used, or is in use by another service.
        """
        await self._output.lock()
        self._store = StoreThread()
        try:
            await self._store.open(self._output.path)
            recovered = await self._store.call(recover_jobs, self._settings)
            ids = await self._store.call(JobStore.ids_with_result_folder)
            unfinished = {record.job_id for record in recovered}
            await asyncio.to_thread(self._output.remove_orphans, ids, unfinished)
        except BaseException:
            await self._store.close()
            self._output.unlock()
            raise
        self._quota = StorageQuota(self._settings.disk_quota, self._output, self._store)
        self._recorder = JobRecorder(self._settings, self._output, self._store)
        self._pools = {
            operation: WorkerPool(limits, self._recorder, self._output.inherited, self._reserve, self._release)
            for operation, limits in self._pool_limits().items()
        }
        for record in recovered:
            self._enqueue(record)
        self._expiry = asyncio.create_task(self._remove_expired_jobs())

    async def stop(self) -> None:
        """End all work. The jobs that are executed are started again when the service is."""
        self._expiry.cancel()
        self._recorder.stop_waiting()
        await asyncio.gather(self._expiry, *self._requests, return_exceptions=True)
        await asyncio.gather(*(pool.stop() for pool in self._pools.values()))
        await self._recorder.close()
        self._output.unlock()

    async def submit(
        self,
        operation: str,
        service: str,
        service_type: str,
        parameters: Mapping[str, str],
        owner: str,
        notices: Iterable[Message] = (),
    ) -> JobRecord:
        """Accept a job.

        Parameters
        ----------
        operation, service, service_type, owner : str
            See `JobRecord`.
        parameters : mapping
            As the client sent them. Errors in them are messages of the job.
        notices : iterable of Message
            The first messages of the job.

        Returns
        -------
        JobRecord
            A new job, or of sample compressions that of an equal request of the last minutes.

        Raises
        ------
        ServiceError
            If the service does not accept the job.
        """
        location = exportable_cache(self._settings, service).location
        if operation not in REUSED:  # an equal request needs no place in the queue
            self._check_limits(operation, owner)
        inputs = job_inputs(parameters)
        error = await area_size_error(inputs, self._settings)
        now = time.time()
        record = JobRecord(
            new_job_id(), operation, inputs, service=service, service_type=service_type, owner=owner,
            created=now, accessed=now, messages=tuple(notices),
        )  # fmt: skip
        key = None
        if error:
            inputs.pop(AREA)
            record = record.end_with_error(error, now)
        elif operation in REUSED:
            key = await asyncio.to_thread(request_key, record, inputs, location)
        return await self._complete(self._accept(record, key))

    async def find(self, job_id: str) -> JobRecord | None:
        """Return a job and record the access to it; None if there is no job of this id."""
        if not JOB_ID.fullmatch(job_id):
            return None
        return await self._store.call(_find_and_touch, job_id, time.time())

    async def inputs(self, job_id: str) -> dict[str, Any]:
        """Return the inputs of a job with their values, which its record does not have."""
        return await self._store.call(JobStore.inputs, job_id)

    async def list_jobs(self, owner: str, job_ids: Sequence[str]) -> list[JobRecord]:
        """Return the newest jobs of an owner, or without one those of the ids that have none, newest first.

        Unlike `find`, this does not count as an access: looking at a list does not keep its jobs.
        """
        return await self._store.call(JobStore.newest, owner, job_ids)

    async def cancel(self, job_id: str) -> JobRecord:
        """Cancel a job: a waiting one at once, an executing one within a second.

        Raises
        ------
        ServiceError
            If there is no job of this id, or it has ended.
        """
        return await self._complete(self._cancel(job_id))

    async def result_folder(self, record: JobRecord) -> Path:
        """Return the folder of the result of a succeeded export."""
        return self._output.result_folder(record.job_id)

    async def statistics(self) -> QueueStatistics:
        """Return numbers of the queue."""
        pools = self._pools.items()
        return QueueStatistics(
            waiting={operation: len(pool.waiting) for operation, pool in pools},
            executing={operation: pool.executing for operation, pool in pools},
            worker_processes={operation: pool.running_processes for operation, pool in pools},
            written_bytes=self._written_bytes,
        )

    async def _complete(self, request: Coroutine[Any, Any, JobRecord]) -> JobRecord:
        """Complete a request even if its client is gone: a job that is stored is queued as well."""
        task = asyncio.create_task(request)
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)
        return await asyncio.shield(task)

    async def _accept(self, record: JobRecord, key: bytes | None) -> JobRecord:
        async with self._changes:
            known = self._reusable.find(key) if key else None
            found = await self.find(known) if known else None
            if found and is_usable(found):
                return found
            self._check_limits(record.operation, record.owner)
            await self._quota.check_space_left(self._active.values())
            await self._store.call(JobStore.add, record)
            stored = await self._stored(record.job_id)
            if key:
                self._reusable.add(key, record.job_id)
            if not stored.status.is_ended:
                self._enqueue(stored)  # not the record of the request, whose inputs may have megabytes
            return stored

    async def _stored(self, job_id: str) -> JobRecord:
        record = await self._store.call(JobStore.find, job_id)
        assert record, "a job that has not ended does not expire"
        return record

    def _check_limits(self, operation: str, owner: str) -> None:
        limit, pool = self._settings.max_queued, self._pools[operation]
        waiting = len(pool.waiting)
        if pool.is_busy and waiting >= limit:
            raise ServiceError(
                "too many jobs are waiting, try again later", code=429, found=waiting, expected=f"below {limit}"
            )
        limit = self._settings.max_jobs_per_token
        own = sum(job.record.owner == owner for job in self._active.values())
        if owner and own >= limit:
            raise ServiceError(
                "too many of your jobs are waiting or executing, try again later", code=429, found=own,
                expected=f"below {limit}",
            )  # fmt: skip

    def _enqueue(self, record: JobRecord) -> None:
        job = self._active[record.job_id] = ActiveJob(record)
        self._pools[record.operation].add(job)

    async def _cancel(self, job_id: str) -> JobRecord:
        async with self._changes:
            job = self._active.get(job_id)
            if job is None:
                record = await self.find(job_id)
                raise _ended(record) if record else ServiceError("job not found or expired", code=404, where=job_id)
            if job in self._pools[job.record.operation].waiting:
                await self._cancel_waiting(job)
            else:
                await self._cancel_executing(job)
            return await self._stored(job_id)

    async def _cancel_waiting(self, job: ActiveJob) -> None:
        pool, now = self._pools[job.record.operation], time.time()
        try:
            # Meanwhile the pool does not start the job.
            await self._recorder.save(job, lambda record: record.end_with_error(_cancelled(), now))
            pool.waiting.remove(job)
            self._release(job)
            await asyncio.to_thread(self._output.remove_work, job.job_id)  # of a process that was killed
        finally:
            pool.start_waiting()

    async def _cancel_executing(self, job: ActiveJob) -> None:
        was_cancelled = job.record.status is JobStatus.CANCELLING
        await self._recorder.save(job, _cancelling)
        if job.record.status.is_ended:  # it ended meanwhile
            raise _ended(job.record)
        if not was_cancelled:
            self._pools[job.record.operation].stop_job(job, _cancelled())

    def _release(self, job: ActiveJob) -> None:
        del self._active[job.job_id]
        if job.record.result:
            self._written_bytes += job.record.result.size

    async def _reserve(self, job: ActiveJob) -> None:
        """Stop a job whose result does not fit into the storage."""
        if job.reserved_bytes and job.stop_reason is None:
            error = await self._quota.reservation_error(job, self._active.values())
            if error and job.stop_reason is None:  # it may have been cancelled meanwhile
                self._pools[job.record.operation].stop_job(job, error)

    def _pool_limits(self) -> dict[str, PoolLimits]:
        processes, memory = self._settings.jobs, MEGABYTE * self._settings.job_memory
        minutes = self._settings.job_minutes
        return {
            EXPORT_TILES: PoolLimits(processes, processes, minutes, memory),
            # One process is left for the others.
            ESTIMATE_SIZE: PoolLimits(ESTIMATE_PROCESSES, ESTIMATE_PROCESSES - 1, minutes, memory),
            SAMPLE_COMPRESSIONS: PoolLimits(1, 1, minutes, memory),
        }

    async def _remove_expired_jobs(self) -> None:
        """Remove, periodically, the jobs that have not been accessed for some time."""
        while True:
            try:
                before = time.time() - 3600 * self._settings.keep_hours
                expired = await self._store.call(JobStore.expired, before)
                # The files first: on a full disk, the database cannot be changed.
                await asyncio.to_thread(self._output.remove_results, expired)
                await self._store.call(JobStore.delete, expired)
                if expired:
                    LOG.info("%d jobs have expired", len(expired))
            except OutputError as error:
                LOG.warning("expired jobs cannot be removed: %s", error)
            await asyncio.sleep(EXPIRY_SECONDS)


def _find_and_touch(store: JobStore, job_id: str, now: float) -> JobRecord | None:
    record = store.find(job_id)
    if record and record.status.is_ended and now - record.accessed > TOUCH_SECONDS:
        try:
            store.touch(job_id, now)
        except OutputError as error:  # the disk may be full
            LOG.warning("job %s: the access to the job cannot be stored: %s", job_id, error)
    return record


def _cancelled() -> ExportCancelledError:
    return ExportCancelledError("job was cancelled")


def _cancelling(record: JobRecord) -> JobRecord:
    return replace(record, status=JobStatus.CANCELLING) if record.status.is_cancellable else record


def _ended(record: JobRecord) -> ServiceError:
    """Return the error of a request to cancel a job that has ended."""
    return ServiceError("job cannot be cancelled", code=400, found=record.status, expected="a job that has not ended")

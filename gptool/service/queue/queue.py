"""The jobs of a service: taken, queued, worked on in processes of their own, kept for a while, and found again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from pathlib import Path

from gptool.errors import ExportCancelledError, OutputError, ServiceError
from gptool.jobs.job import Job
from gptool.jobs.messages import closing_messages
from gptool.jobs.record import new_job_id
from gptool.jobs.status import JobStatus
from gptool.request.area import PARAMETER as AREA
from gptool.service.queue.limits import Place, check_area, offered
from gptool.service.queue.output_directory import JOB_ID, OutputDirectory
from gptool.service.queue.protocol import ESTIMATE, EXPORT
from gptool.service.queue.recorder import Books
from gptool.service.queue.restart import recover
from gptool.service.queue.run import Run
from gptool.service.queue.store import NewJob, Store, StoredJob
from gptool.service.queue.worker_pool import Lane
from gptool.service.settings import ServiceSettings

BETWEEN_EXPIRIES = 60.0
BETWEEN_TOUCHES = 60.0
"""Seconds: when a job was last asked for is stored no more often."""

LOG = logging.getLogger(__name__)


class Engine:
    """The jobs of a service. All of it runs in the thread of one event loop; `start` comes first, `stop` last."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._output = OutputDirectory(settings.output_directory)
        self._runs: dict[str, Run] = {}

    async def start(self) -> None:
        """Take the output directory, and go on with the jobs that had not ended.

        Raises
        ------
        OutputError
            When the directory can't be used, or another service uses it.
        """
        await self._output.lock()
        try:
            self._store = Store(self._output.path)
            try:
                again = recover(self._store, self._settings)
                await asyncio.to_thread(self._output.sweep, self._store.succeeded())
            except BaseException:
                self._store.close()
                raise
        except BaseException:
            self._output.unlock()
            raise
        self._place = Place(self._settings.disk_quota, self._output, self._store)
        self._books = Books(self._settings, self._output, self._store)
        inherited = self._output.inherited
        self._lanes = {
            task: Lane(processes, self._books, inherited, self._check_fit, self._forget)
            for task, processes in ((EXPORT, self._settings.jobs), (ESTIMATE, 1))
        }
        for job in again:
            self._add(job)
        self._expiring = asyncio.create_task(self._expire())

    async def stop(self) -> None:
        """End all work; what was worked on is put back, to be started again."""
        self._expiring.cancel()
        await asyncio.gather(self._expiring, return_exceptions=True)
        await asyncio.gather(*(lane.stop() for lane in self._lanes.values()))
        self._books.close()
        self._output.unlock()

    async def submit(self, task: str, service: str, kind: str, parameters: Mapping[str, str], owner: str) -> StoredJob:
        """Take a job.

        Parameters
        ----------
        task : str
            ExportTiles or EstimateExportTilesSize.
        service, kind, owner : str
            See `StoredJob`.
        parameters : mapping
            As the client sent them.

        Raises
        ------
        ServiceError
            When the service does not take it; what is wrong with its parameters, the job itself will say.
        """
        self._check_allowed(task, service, owner)
        inputs = dict(Job(task, parameters).inputs)
        error = await check_area(inputs, self._settings)
        self._check_allowed(task, service, owner)  # others came meanwhile
        job_id = new_job_id()
        if error:
            inputs.pop(AREA)
        self._store.add(NewJob(job_id, task, service, kind, owner, inputs), time.time())
        if error:
            now = time.time()
            self._store.change(job_id, JobStatus.FAILED, closing_messages(task, error, 0.0), ended=now, accessed=now)
        else:
            self._add(self._found(job_id))
        return self._found(job_id)

    def find(self, job_id: str) -> StoredJob | None:
        """Return a job, None when there is none of this id; and note that it was asked for."""
        job = self._store.find(job_id) if JOB_ID.fullmatch(job_id) else None
        now = time.time()
        if job and now - job.accessed > BETWEEN_TOUCHES:
            self._store.touch(job_id, now)
        return job

    def cancel(self, job_id: str) -> StoredJob:
        """Cancel a job: one that waits at once, one that is worked on within a second.

        Raises
        ------
        ServiceError
            When it has ended, or there is none of this id.
        """
        run = self._runs.get(job_id)
        if run is None:
            job = self.find(job_id)
            raise ServiceError(
                "a job that can't be cancelled", code=400, found=job.status if job else "no such job",
                expected="one that waits or is executing",
            )  # fmt: skip
        if not isinstance(run.verdict, ExportCancelledError):
            self._cancel(run)
        return self._found(job_id)

    def folder(self, job: StoredJob) -> Path:
        """Return the folder of a succeeded export's result."""
        return self._output.result(job.job_id)

    def _found(self, job_id: str) -> StoredJob:
        job = self._store.find(job_id)
        assert job, "it is not forgotten before it has ended"
        return job

    def _check_allowed(self, task: str, service: str, owner: str) -> None:
        offered(self._settings, service)
        most, waiting = self._settings.max_queued, sum(len(lane.waiting) for lane in self._lanes.values())
        if self._lanes[task].is_busy and waiting >= most:
            raise ServiceError("too many jobs wait: try again later", code=429, found=waiting, expected=f"below {most}")
        most, own = self._settings.max_jobs_per_token, sum(run.owner == owner for run in self._runs.values())
        if owner and own >= most:
            raise ServiceError(
                "too many of your jobs wait or run: try again later", code=429, found=own, expected=f"below {most}"
            )
        self._place.check(self._runs.values())

    def _add(self, job: StoredJob) -> None:
        run = self._runs[job.job_id] = Run(job.job_id, job.task, job.service, job.owner)
        self._lanes[job.task].add(run)

    def _cancel(self, run: Run) -> None:
        lane, cancelled = self._lanes[run.task], ExportCancelledError("cancelled by a request")
        if run in lane.waiting:
            lane.waiting.remove(run)
            now = time.time()
            self._store.change(run.job_id, JobStatus.CANCELLED, run.last_words(cancelled), ended=now, accessed=now)
            self._forget(run)
        else:
            self._store.change(run.job_id, JobStatus.CANCELLING)
            lane.end(run, cancelled)

    def _forget(self, run: Run) -> None:
        del self._runs[run.job_id]

    def _check_fit(self, run: Run) -> None:
        """End an export for which there is no place."""
        if run.task == EXPORT and run.verdict is None:
            error = self._place.find_fault(run, self._runs.values())
            if error:
                self._lanes[EXPORT].end(run, error)

    async def _expire(self) -> None:
        """Forget, again and again, the jobs that nobody has asked for in a while."""
        while True:
            try:
                expired = self._store.expired(time.time() - 3600 * self._settings.keep_hours)
                # Files first: on a full disk, the store has no room to forget anything.
                await asyncio.to_thread(self._output.remove_results, expired)
                self._store.delete(expired)
                if expired:
                    LOG.info("%d jobs have expired", len(expired))
            except OutputError as error:
                LOG.warning("expired jobs can't be removed: %s", error)
            await asyncio.sleep(BETWEEN_EXPIRIES)

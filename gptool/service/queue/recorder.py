"""What becomes of jobs, written down: in the store, and in the output directory."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from pathlib import Path
from typing import Any

from gptool.errors import ExportCancelledError, GptoolError, OutputError
from gptool.jobs.status import JobStatus
from gptool.model import Message
from gptool.request.limits import read_workers
from gptool.service.queue.output_directory import OutputDirectory
from gptool.service.queue.protocol import Ended, Order
from gptool.service.queue.redaction import path_redactor
from gptool.service.queue.run import Run
from gptool.service.queue.store import Store
from gptool.service.settings import ServiceSettings

BETWEEN_WRITES = 0.25
"""Seconds that a job's progress waits for more of it, to be stored together."""

TRIES, BETWEEN_TRIES = 5, 1.0
"""How often the store is asked to take a job's end, and the seconds between."""

STOPPED = Message("Warning", "The service was stopped while the job was executing: it starts again.")

LOG = logging.getLogger(__name__)


class Books:
    """The store and the output directory of a service, and what it allows."""

    def __init__(self, settings: ServiceSettings, output: OutputDirectory, store: Store) -> None:
        self._settings, self._output, self.store = settings, output, store
        self._unstored: set[Run] = set()
        self._later: asyncio.TimerHandle | None = None

    def start(self, run: Run) -> Order:
        """Note that a job starts, and return the order for its worker."""
        job = self.store.find(run.job_id)
        assert job, "jobs are not forgotten before they have ended"
        self.store.change(run.job_id, JobStatus.EXECUTING)
        run.started = time.monotonic()
        LOG.info("job %s starts: %s of %s", run.job_id, run.task, run.service)
        cache = self._settings.caches[run.service]
        return Order(
            run.job_id,
            run.task,
            dict(job.inputs),
            run.service,
            f"{run.service}:{'MapServer' if job.kind == 'MapServer' else 'ImageServer'}",
            os.path.abspath(cache.location),  # noqa: PTH100 - links stay as they are named
            str(self._output.path),
            str(self._output.work(run.job_id)),
            cache.max_export_tiles_count,
            max(read_workers(None) // self._settings.jobs, 1),
        )

    def note(self, run: Run) -> None:
        """Store what is new of a job, soon."""
        self._unstored.add(run)
        if self._later is None:
            self._later = asyncio.get_running_loop().call_later(BETWEEN_WRITES, self._write)

    async def end(self, run: Run, outcome: Ended | GptoolError) -> None:
        """Put what a job has made in its place, or remove it, and note how the job ended."""
        if run.verdict is None and isinstance(outcome, Ended) and outcome.package is not None:
            outcome = self._keep(run, outcome)
        else:
            await asyncio.to_thread(self._output.remove_work, run.job_id)
        outcome = run.verdict or outcome  # whoever cancels it from now on comes too late
        self._unstored.discard(run)
        for _ in range(TRIES - 1):
            try:
                self._write_end(run, outcome)
            except OutputError as error:  # no room on the disk, say
                LOG.warning("job %s: its end can't be stored: %s", run.job_id, error)
                await asyncio.sleep(BETWEEN_TRIES)
            else:
                return
        self._write_end(run, outcome)

    async def put_back(self, run: Run) -> None:
        """Note that a job is to be started again when the service is."""
        await asyncio.to_thread(self._output.remove_work, run.job_id)
        self._unstored.discard(run)
        self.store.change(run.job_id, JobStatus.SUBMITTED, [*run.unsaid, STOPPED], progress=None, planned=None)
        LOG.info("job %s is put back", run.job_id)

    def close(self) -> None:
        """Close the store; no job is worked on any more."""
        if self._later is not None:
            self._later.cancel()
        self.store.close()

    def _keep(self, run: Run, ended: Ended) -> Ended | GptoolError:
        try:
            self._output.keep(run.job_id)
        except OutputError as error:
            location = Path(os.path.abspath(self._settings.caches[run.service].location))  # noqa: PTH100
            return OutputError(path_redactor(run.service, location, self._output.path)(str(error)))
        return ended

    def _write_end(self, run: Run, outcome: Ended | GptoolError) -> None:
        if isinstance(outcome, GptoolError):
            cancelled = isinstance(outcome, ExportCancelledError)
            ended = Ended(JobStatus.CANCELLED if cancelled else JobStatus.FAILED)
            messages = run.last_words(outcome)
        else:
            ended, messages = outcome, run.unsaid
        now = time.time()
        values: dict[str, Any] = {"planned": run.planned, "progress": None, "ended": now, "accessed": now}
        self.store.change(run.job_id, messages=messages, **ended._asdict(), **values)
        LOG.info("job %s ends: %s", run.job_id, ended.status)

    def _write(self) -> None:
        self._later = None
        while self._unstored:
            run = self._unstored.pop()
            status: JobStatus = (
                JobStatus.CANCELLING if isinstance(run.verdict, ExportCancelledError) else JobStatus.EXECUTING
            )
            try:
                self.store.change(run.job_id, status, run.unsaid, progress=run.progress, planned=run.planned)
            except OutputError as error:
                LOG.warning("job %s: its progress can't be stored: %s", run.job_id, error)
            else:
                run.unsaid = []

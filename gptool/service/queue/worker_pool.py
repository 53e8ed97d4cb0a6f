"""A first-in, first-out queue of jobs, and the worker processes that execute them."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from gptool.errors import GptoolError, OutputError
from gptool.jobs.record import EXPORT_TILES
from gptool.model import Message
from gptool.service.queue.active_job import ActiveJob
from gptool.service.queue.protocol import WorkerUpdate
from gptool.service.queue.recorder import JobRecorder
from gptool.service.queue.recovery import MAX_RESTARTS
from gptool.service.queue.worker_process import WorkerProcess

STOP_GRACE_SECONDS = 0.5
"""Time that a worker has to stop a job before its process is killed."""

MINUTE = 60.0
"""Seconds."""

LOG = logging.getLogger(__name__)


class _WorkerEndedError(GptoolError):
    """The reason why a job ends whose worker process has."""


class PoolLimits(NamedTuple):
    """Limits of a pool.

    Attributes
    ----------
    processes : int
        The most processes.
    per_owner : int
        The most jobs of one owner that are executed at once; jobs without an owner are not limited.
    minutes : int
        How long a job may take.
    memory : int
        The memory that each process may have, in bytes.
    """

    processes: int
    per_owner: int
    minutes: int
    memory: int


class WorkerPool:
    """Jobs that wait for, or are executed in, a number of processes. A process is started when needed, and kept.

    Parameters
    ----------
    limits : PoolLimits
    recorder : JobRecorder
    inherited : tuple of int
        File descriptors that workers inherit.
    on_planned, on_ended : callable
        Called with a job when its tiles are counted, and when it has ended.
    """

    def __init__(
        self,
        limits: PoolLimits,
        recorder: JobRecorder,
        inherited: tuple[int, ...],
        on_planned: Callable[[ActiveJob], Awaitable[None]],
        on_ended: Callable[[ActiveJob], None],
    ) -> None:
        self._limits, self._recorder, self._inherited = limits, recorder, inherited
        self._on_planned, self._on_ended = on_planned, on_ended
        self.waiting: deque[ActiveJob] = deque()
        self._executions: dict[ActiveJob, asyncio.Task[None]] = {}
        self._idle: list[WorkerProcess] = []
        self._is_stopping = False

    @property
    def is_busy(self) -> bool:
        """Whether a further job would have to wait."""
        return len(self._executions) >= self._limits.processes

    @property
    def executing(self) -> int:
        """Number of jobs that are executed."""
        return len(self._executions)

    @property
    def running_processes(self) -> int:
        """Number of processes that are running, idle ones included."""
        idle = sum(worker.is_alive for worker in self._idle)
        return idle + sum(job.worker is not None for job in self._executions)

    def add(self, job: ActiveJob) -> None:
        """Add a job to the end of the queue."""
        self.waiting.append(job)
        self.start_waiting()

    def start_waiting(self) -> None:
        """Start jobs that wait, except those that are being cancelled, or whose owner has enough others."""
        for job in list(self.waiting):
            if self.is_busy or self._is_stopping:
                break
            if job.lock.locked() or self._has_enough(job.record.owner):
                continue
            self.waiting.remove(job)
            self._executions[job] = asyncio.create_task(self._execute(job))

    def stop_job(self, job: ActiveJob, reason: GptoolError) -> None:
        """Stop a job that is executed; it ends soon, by this error."""
        job.stop_reason = reason
        if job.worker:
            job.worker.send(job.job_id)
        asyncio.get_running_loop().call_later(STOP_GRACE_SECONDS, _kill_worker, job)

    async def stop(self) -> None:
        """End all processes; the jobs that they executed are queued again."""
        self._is_stopping = True
        for job in self._executions:
            _kill_worker(job)
        await asyncio.gather(*self._executions.values())
        for worker in self._idle:
            await worker.close()

    def _has_enough(self, owner: str) -> bool:
        own = sum(job.record.owner == owner for job in self._executions)
        return bool(owner) and own >= self._limits.per_owner

    def _stop_late_job(self, job: ActiveJob) -> None:
        limit = self._limits.minutes
        if job.stop_reason is None:
            error = GptoolError(
                "job takes too long", found=f"more than {limit} minutes",
                expected="less: select fewer levels or a smaller area, or have jobMinutes of the service increased",
            )  # fmt: skip
            self.stop_job(job, error)

    async def _execute(self, job: ActiveJob) -> None:
        timer = asyncio.get_running_loop().call_later(MINUTE * self._limits.minutes, self._stop_late_job, job)
        is_waiting = False
        try:
            outcome = await self._safe_outcome(job)
            if self._is_stopping and job.stop_reason is None and isinstance(outcome, GptoolError):
                await self._recorder.requeue(job)
            elif isinstance(outcome, _WorkerEndedError) and await self._restart(job, outcome):
                is_waiting = True
            else:
                await self._recorder.end(job, outcome)
        except Exception:
            LOG.exception("job %s: the end of the job could not be stored", job.job_id)
        finally:
            timer.cancel()
            del self._executions[job]
            if is_waiting:
                self.waiting.appendleft(job)
            else:
                self._on_ended(job)
            self.start_waiting()

    async def _restart(self, job: ActiveJob, reason: GptoolError) -> bool:
        """Queue an export again whose process has ended; return False if it is to end too."""
        is_export = job.record.operation == EXPORT_TILES
        if job.stop_reason is not None or not is_export or job.record.restarts >= MAX_RESTARTS:
            return False
        message = Message("Warning", f"The {reason}: the job is started again.")
        try:
            return await self._recorder.requeue(job, message, is_restart=True)
        except OutputError as error:  # the disk may be full
            LOG.warning("job %s: the job cannot be queued again: %s", job.job_id, error)
            return False

    async def _safe_outcome(self, job: ActiveJob) -> WorkerUpdate | GptoolError:
        try:
            return await self._outcome(job)
        except OutputError as error:
            LOG.warning("job %s: the start of the job cannot be stored: %s", job.job_id, error)
            return GptoolError("job could not be stored when it started: the disk of the service may be full")
        except Exception as error:
            LOG.exception("job %s", job.job_id)
            _kill_worker(job)
            return GptoolError(f"internal error: {type(error).__name__}")

    async def _outcome(self, job: ActiveJob) -> WorkerUpdate | GptoolError:
        """Have a worker execute a job. Return its last update, or the error by which the job ends."""
        task = await self._recorder.start(job)
        while True:
            idle = self._idle.pop() if self._idle else None
            try:
                worker = idle or await WorkerProcess.start(self._inherited, self._limits.memory)
            except OSError as error:
                return GptoolError(f"worker process cannot be started: {error.strerror or error}")
            job.worker = worker
            has_answered = False
            if not self._is_stopping and job.stop_reason is None:
                worker.send(task)
                while (update := await worker.receive()) is not None:
                    has_answered = True
                    await self._apply(job, update)
                    if update.status.is_ended:
                        job.worker = None
                        self._idle.append(worker)
                        return update
            await worker.close()
            job.worker = None
            # An idle process may have been killed before it received the task; then another one executes it.
            if has_answered or not idle or self._is_stopping or job.stop_reason:
                LOG.warning("job %s: its worker process ended (%s)", job.job_id, worker.end_reason)
                return _WorkerEndedError(f"worker process ended before the job did ({worker.end_reason})")

    async def _apply(self, job: ActiveJob, update: WorkerUpdate) -> None:
        was_planned = job.record.planned is not None
        await job.apply(update)
        if not update.status.is_ended:
            self._recorder.save_soon(job)
            if update.planned and not was_planned:
                await self._on_planned(job)


def _kill_worker(job: ActiveJob) -> None:
    if job.worker:
        job.worker.kill()

"""A queue of jobs, first in, first out, and the worker processes behind it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from gptool.errors import GptoolError
from gptool.service.queue.process import WorkerProcess
from gptool.service.queue.protocol import Ended, News
from gptool.service.queue.recorder import Books
from gptool.service.queue.run import Run

GRACE = 0.5
"""Seconds that a worker has to stop a job, before it is stopped itself."""

LOG = logging.getLogger(__name__)


class Lane:
    """Jobs that wait for, or are worked on in, so many processes. These are started when first needed, and kept.

    Parameters
    ----------
    processes : int
    books : Books
    inherited : tuple of int
        Descriptors that workers inherit.
    planned, ended : callable
        Called when a job's tiles are counted, and when it has ended.
    """

    def __init__(
        self,
        processes: int,
        books: Books,
        inherited: tuple[int, ...],
        planned: Callable[[Run], None],
        ended: Callable[[Run], None],
    ) -> None:
        self._processes, self._books, self._inherited = processes, books, inherited
        self._planned, self._ended = planned, ended
        self.waiting: deque[Run] = deque()
        self._tasks: dict[Run, asyncio.Task[None]] = {}
        self._idle: list[WorkerProcess] = []
        self._stopping = False

    @property
    def is_busy(self) -> bool:
        """Whether a job that came now would have to wait."""
        return len(self._tasks) >= self._processes

    def add(self, run: Run) -> None:
        """Let a job wait for its turn."""
        self.waiting.append(run)
        self._advance()

    def end(self, run: Run, verdict: GptoolError) -> None:
        """See to it that a job that is worked on ends soon, for that reason."""
        run.verdict = verdict
        if run.worker:
            run.worker.tell(run.job_id)
        asyncio.get_running_loop().call_later(GRACE, _kill, run)

    async def stop(self) -> None:
        """End all processes; the jobs that they worked on are put back."""
        self._stopping = True
        for run in self._tasks:
            _kill(run)
        await asyncio.gather(*self._tasks.values())
        for worker in self._idle:
            await worker.close()

    def _advance(self) -> None:
        while self.waiting and not self.is_busy and not self._stopping:
            run = self.waiting.popleft()
            self._tasks[run] = asyncio.create_task(self._work(run))

    async def _work(self, run: Run) -> None:
        try:
            outcome = await self._outcome_of(run)
            if self._stopping and run.verdict is None and isinstance(outcome, GptoolError):
                await self._books.put_back(run)
            else:
                await self._books.end(run, outcome)
        except Exception:
            LOG.exception("job %s has ended, and that could not be stored", run.job_id)
        finally:
            del self._tasks[run]
            self._ended(run)
            self._advance()

    async def _outcome_of(self, run: Run) -> Ended | GptoolError:
        try:
            return await self._outcome(run)
        except Exception as error:
            LOG.exception("job %s", run.job_id)
            _kill(run)
            return GptoolError(f"an error of the program: {type(error).__name__}")

    async def _outcome(self, run: Run) -> Ended | GptoolError:
        """Have a worker work on a job, and return how that ended."""
        order = self._books.start(run)
        while True:
            kept = self._idle.pop() if self._idle else None
            try:
                worker = kept or await WorkerProcess.start(self._inherited)
            except OSError as error:
                return GptoolError(f"the system gives no process for the job: {error.strerror or error}")
            run.worker = worker
            heard = False
            if not self._stopping and run.verdict is None:
                worker.tell(order)
                while (news := await worker.news()) is not None:
                    heard = True
                    self._take(run, news)
                    if news.ended:
                        run.worker = None
                        self._idle.append(worker)
                        return news.ended
            await worker.close()
            run.worker = None
            # One that was kept may have been killed before it got the order.
            if heard or not kept or self._stopping or run.verdict:
                LOG.warning("job %s: its process has ended (%s)", run.job_id, worker.cause)
                return GptoolError(f"the process that worked on the job ended before it ({worker.cause})")

    def _take(self, run: Run, news: News) -> None:
        """Take in what a worker tells of a job."""
        counted = run.planned is None and news.planned is not None
        run.take(news)
        if not news.ended:
            self._books.note(run)
            if counted:
                self._planned(run)


def _kill(run: Run) -> None:
    """End the process of a job that has not ended by itself."""
    if run.worker:
        run.worker.kill()

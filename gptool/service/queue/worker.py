"""A process that works on one job of a service at a time: `python -m gptool.service.queue.worker`.

Standard input and output carry `gptool.service.queue.protocol`; whatever else is printed goes to standard error. The
process ends when its standard input does: then the service is gone, and takes up the job again when it comes back.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, NoReturn

from gptool.jobs.job import Job
from gptool.jobs.record import OUT
from gptool.jobs.report import REPORT
from gptool.jobs.status import JobStatus
from gptool.service.queue.protocol import EXPORT, Ended, News, Order, line_of, read_order
from gptool.service.queue.redaction import path_redactor
from gptool.tool import estimate_export_tiles_size_job, export_tiles_job

NICE = 10
"""Steps below the service itself, which answers requests meanwhile."""


class Worker:
    """Works on the orders that `listen` reads, and writes news of them to a descriptor."""

    def __init__(self, output: int) -> None:
        self._output = output
        self._orders: SimpleQueue[Order] = SimpleQueue()
        self._job: Job | None = None
        self._cancelled = ""
        self._told = 0

    def listen(self) -> NoReturn:
        """Read lines in a thread of its own, and end the process with the last."""
        for line in sys.stdin.buffer:
            order = read_order(line)
            if isinstance(order, Order):
                self._orders.put(order)
                continue
            # Both ways round: the job may come into being meanwhile.
            self._cancelled, job = order, self._job
            if job and job.job_id == order:
                job.cancel()
        os._exit(0)  # nobody is left to hear of the job, nor of a clean end

    def work(self) -> NoReturn:
        """Work on one order after another."""
        while True:
            order = self._orders.get()
            self._told = 0
            job = self._run(order)
            self._tell(job, _end_of(job))

    def _run(self, order: Order) -> Job:
        redact = path_redactor(order.service, Path(order.location), Path(order.output))
        options: dict[str, Any] = {
            "cache": order.location,
            "on_change": self._change,
            "job_id": order.job_id,
            "redact": redact,
            "service": order.full_name,
        }
        if order.task != EXPORT:
            return estimate_export_tiles_size_job(order.inputs, **options)
        return export_tiles_job(
            order.inputs,
            output_directory=order.folder,
            max_export_tiles_count=order.limit,
            workers=order.threads,
            **options,
        )

    def _change(self, job: Job) -> None:
        """Tell what is new of a job that goes on; its end is told when all is tidy."""
        self._job = job
        if self._cancelled == job.job_id:
            job.cancel()
        if job.status.is_cancellable:
            self._tell(job)

    def _tell(self, job: Job, ended: Ended | None = None) -> None:
        messages = job.messages[self._told :]
        self._told += len(messages)
        line = memoryview(line_of(News(list(messages), job.progress, job.planned, ended)))
        try:
            while line:
                line = line[os.write(self._output, line) :]
        except BrokenPipeError:
            os._exit(0)  # as `listen`, which may notice a little later


def _end_of(job: Job) -> Ended:
    """Return how a job ended, and what it has made."""
    if job.status is not JobStatus.SUCCEEDED:
        return Ended(job.status)
    result = job.results[OUT]
    if isinstance(result, dict):
        return Ended(job.status, estimate=result)
    folder = Path(result)
    [package] = (path for path in folder.iterdir() if path.name != REPORT)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Ended(job.status, package.name, package.is_file(), size)


def main() -> NoReturn:
    """Work until the service is gone."""
    # Those who stop the service may tell all its processes; this one ends when the service has let go of it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with suppress(OSError):
        os.nice(NICE)
    output = os.dup(1)
    os.dup2(2, 1)
    worker = Worker(output)
    Thread(target=worker.listen, daemon=True).start()
    worker.work()


if __name__ == "__main__":
    main()

"""The program of a worker process, which executes the tasks of a service.

    python -m gptool.service.queue.worker MEMORY

MEMORY is the most memory that it may have, in bytes.

Standard input and output carry `gptool.service.queue.protocol`; other output goes to standard error. The process ends
when its standard input does: then the service has ended, and will execute the job again when it is started again.
"""

from __future__ import annotations

import os
import posixpath
import signal
import sys
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, NoReturn

from gptool import system
from gptool.jobs.job import Job
from gptool.jobs.record import ESTIMATE_SIZE, EXPORT_TILES, OUT_SERVICE_URL, SAMPLE_COMPRESSIONS, JobResult
from gptool.jobs.redaction import path_redactor
from gptool.jobs.report import REPORT
from gptool.jobs.status import JobStatus
from gptool.samples.page import PageLinks
from gptool.service.queue.protocol import WorkerTask, WorkerUpdate, decode_task, encode_line
from gptool.service.urls import OUTPUT_FILES, operation_resource, service_path
from gptool.system.store_url import read_location
from gptool.tool import estimate_export_tiles_size_job, export_tiles_job, sample_compressions_job


class Worker:
    """Executes the tasks that `listen` reads, and writes updates to a file descriptor."""

    def __init__(self, output: int) -> None:
        self._output = output
        self._tasks: SimpleQueue[WorkerTask] = SimpleQueue()
        self._job: Job | None = None
        self._cancelled_id = ""
        self._sent_messages = 0

    def listen(self) -> NoReturn:
        """Read lines, in a thread of its own, and end the process after the last one."""
        for line in sys.stdin.buffer:
            task = decode_task(line)
            if isinstance(task, WorkerTask):
                self._tasks.put(task)
                continue
            # The job may be created meanwhile: whichever of `listen` and `_report` comes second cancels it.
            self._cancelled_id, job = task, self._job
            if job and job.job_id == task:
                job.cancel()
        os._exit(0)  # nobody is left to receive an update

    def work(self) -> NoReturn:
        """Execute one task after another."""
        while True:
            task = self._tasks.get()
            self._sent_messages = 0
            job = self._execute(task)
            self._send(job, result_of(job))

    def _execute(self, task: WorkerTask) -> Job:
        options: dict[str, Any] = {
            "cache": task.cache_location,
            "on_change": self._report,
            "job_id": task.job_id,
            "redact": path_redactor(task.service, read_location(task.cache_location), Path(task.output_directory)),
            "service": task.full_service_name,
        }
        if task.operation == ESTIMATE_SIZE:
            return estimate_export_tiles_size_job(task.inputs, **options)
        if task.operation == SAMPLE_COMPRESSIONS:
            return sample_compressions_job(
                task.inputs,
                output_directory=task.work_folder,
                workers=task.threads,
                links=page_links(task),
                **options,
            )
        return export_tiles_job(
            task.inputs,
            output_directory=task.work_folder,
            max_export_tiles_count=task.max_export_tiles_count,
            workers=None if task.dask else task.threads,
            dask=task.dask or None,
            base=task.base or None,
            **options,
        )

    def _report(self, job: Job) -> None:
        """Send an update of a job that has not ended; the last update follows when its files are in order."""
        self._job = job
        if self._cancelled_id == job.job_id:
            job.cancel()
        if job.status.is_cancellable:
            self._send(job)

    def _send(self, job: Job, result: JobResult | None = None) -> None:
        messages = list(job.messages[self._sent_messages :])
        self._sent_messages += len(messages)
        line = memoryview(encode_line(WorkerUpdate(job.status, messages, job.progress, job.planned, result)))
        try:
            while line:
                line = line[os.write(self._output, line) :]
        except OSError:  # the pipe is broken
            os._exit(0)  # as in `listen`, which may notice the end of the service later


def page_links(task: WorkerTask) -> PageLinks:
    """Return where the page of sample compressions leads to, relative to it: the service may have any public URL."""
    service, _, service_type = task.full_service_name.rpartition(":")
    place = f"{OUTPUT_FILES}/{task.job_id}"
    job, form = (
        posixpath.relpath(service_path(service, service_type, *parts), place)
        for parts in ((operation_resource(task.operation), "jobs", task.job_id), (operation_resource(EXPORT_TILES),))
    )
    return PageLinks(job, f"{form}?job={task.job_id}&quality=")


def result_of(job: Job) -> JobResult | None:
    """Return the result of a job that has ended; None if it has not succeeded."""
    if job.status is not JobStatus.SUCCEEDED:
        return None
    result = job.results[OUT_SERVICE_URL]
    if isinstance(result, dict):
        return JobResult(estimate=result)
    folder = Path(result)
    [output] = (path for path in folder.iterdir() if path.name != REPORT)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return JobResult(output.name, output.is_file(), size)


def main() -> NoReturn:
    """Execute tasks until the service ends."""
    # SIGTERM may be sent to all processes of the service; a worker ends when the service has released it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    system.lower_priority()
    system.limit_memory(int(sys.argv[1]))
    output = os.dup(1)
    system.set_binary(output)
    os.dup2(2, 1)
    worker = Worker(output)
    Thread(target=worker.listen, daemon=True).start()
    worker.work()


if __name__ == "__main__":
    main()

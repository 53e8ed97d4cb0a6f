"""Jobs of the queue of a service."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gptool.jobs.record import JobRecord
from gptool.service.queue.queue import JobQueue
from gptool.service.settings import ServiceSettings
from gptool.settings import CacheSettings
from helpers.waiting import POLL_INTERVAL, TIMEOUT

RECOMPRESSED = {"tilePackage": "true", "optimizeTilesForSize": "true", "compressionQuality": "50"}
"""Parameters of an export that recompresses tiles, or of an estimate that recompresses a sample."""


def settings_of(output: Path, cache: Path, **others: Any) -> ServiceSettings:
    """Return the settings of a service with one cache, World."""
    return ServiceSettings({"World": CacheSettings(cache)}, output_directory=output, **others)


@asynccontextmanager
async def serving(settings: ServiceSettings) -> AsyncIterator[JobQueue]:
    """A queue that has been started."""
    queue = JobQueue(settings)
    await queue.start()
    try:
        yield queue
    finally:
        await queue.stop()


async def submit(
    queue: JobQueue,
    parameters: Mapping[str, str],
    operation: str = "ExportTiles",
    owner: str = "",
    service_type: str = "ImageServer",
) -> str:
    """Submit a job. Return its id."""
    return (await queue.submit(operation, "World", service_type, parameters, owner)).job_id


async def estimate(queue: JobQueue, parameters: Mapping[str, str], owner: str = "") -> str:
    """Submit an estimate. Return the id of the job."""
    return await submit(queue, parameters, "EstimateExportTilesSize", owner)


async def until(queue: JobQueue, job_id: str, reached: Callable[[JobRecord], object]) -> JobRecord:
    """Wait until a job has reached a state. Return its record."""

    deadline = time.monotonic() + TIMEOUT
    while True:
        job = await queue.find(job_id)
        assert job
        if reached(job):
            return job
        assert time.monotonic() < deadline, job
        await asyncio.sleep(POLL_INTERVAL)


async def end_of(queue: JobQueue, job_id: str) -> JobRecord:
    """Wait until a job has ended."""
    return await until(queue, job_id, lambda job: job.status.is_ended)


async def tiles_of(queue: JobQueue, job_id: str) -> JobRecord:
    """Wait until a job has exported some tiles, while a gate holds others."""
    job = await until(queue, job_id, lambda job: job.status.is_ended or (job.progress and job.progress.percent))
    assert not job.status.is_ended, job
    return job


def texts_of(job: JobRecord) -> list[str]:
    """Return the texts of the messages of a job."""
    return [message.description for message in job.messages]


def has_finished_bundles(output: Path) -> bool:
    """Return True if the journal of a job in progress has a finished bundle."""
    return any(b'"unit"' in journal.read_bytes() for journal in (output / "work").rglob("journal.jsonl"))


def files_in(folder: Path) -> set[str]:
    """Return the paths of all files below a folder, relative to it."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def workers_of(process: int = os.getpid()) -> list[int]:
    """Return the ids of the worker processes of a service."""
    return sorted(int(folder.name) for folder in Path("/proc").glob("[0-9]*") if is_worker_of(process, folder))


def is_worker_of(process: int, folder: Path) -> bool:
    """Return True if a folder of /proc is that of a running worker process of a service."""
    try:
        parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        return parent == process and b"service.queue.worker" in (folder / "cmdline").read_bytes()
    except OSError:  # it has ended
        return False

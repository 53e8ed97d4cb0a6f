"""Jobs of a service's queue."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gptool.jobs.record import JobRecord
from gptool.service.queue.queue import JobQueue
from gptool.service.settings import ServiceSettings
from gptool.settings import CacheSettings
from helpers.caches import conf_text, jpeg_tile, make_cache

SLOWLY = {"tilePackage": "true", "optimizeTilesForSize": "true", "compressionQuality": "1"}
"""What takes a second or more from the slow cache."""


def make_slow_cache(folder: Path) -> Path:
    """Few tiles, but large ones, of four bundles: one thread takes seconds to recompress them all."""
    some = [jpeg_tile(seed, 95, 1024) for seed in range(3)]
    tiles = {(8, row, column): some[(row + column) % 3] for row in range(124, 133) for column in range(124, 133)}
    return make_cache(folder, tiles, conf=conf_text(tile=1024), share=True)


def settings_of(output: Path, cache: Path, **others: Any) -> ServiceSettings:
    """The settings of a service of one cache, World."""
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
    task: str = "ExportTiles",
    owner: str = "",
    kind: str = "ImageServer",
) -> str:
    return (await queue.submit(task, "World", kind, parameters, owner)).job_id


async def estimate(queue: JobQueue, parameters: Mapping[str, str], owner: str = "") -> str:
    return await submit(queue, parameters, "EstimateExportTilesSize", owner)


async def until(queue: JobQueue, job_id: str, reached: Callable[[JobRecord], object]) -> JobRecord:
    """Wait for a job to come so far."""
    for _ in range(6000):
        job = queue.find(job_id)
        assert job
        if reached(job):
            return job
        await asyncio.sleep(0.01)
    raise AssertionError(f"not within a minute: {job}")


async def end_of(queue: JobQueue, job_id: str) -> JobRecord:
    return await until(queue, job_id, lambda job: job.status.is_ended)


async def tiles_of(queue: JobQueue, job_id: str) -> JobRecord:
    """Wait for a job to have exported some tiles."""
    return await until(queue, job_id, lambda job: job.status.is_ended or (job.progress and job.progress.percent))


def said(job: JobRecord) -> list[str]:
    return [message.description for message in job.messages]


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def workers_of(process: int = os.getpid()) -> list[int]:
    """The workers that a process has started."""
    return sorted(int(folder.name) for folder in Path("/proc").glob("[0-9]*") if is_worker_of(process, folder))


def is_worker_of(process: int, folder: Path) -> bool:
    """Whether what the system knows of a process, if that has not ended, says so."""
    try:
        parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        return parent == process and b"service.queue.worker" in (folder / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False

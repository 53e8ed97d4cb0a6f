"""The parts of the result of a job, as its page lists them: read from their manifest."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool

from gptool.jobs.record import EXPORT_TILES, JobRecord
from gptool.output.manifest import MANIFEST
from gptool.service.resources.request_context import RequestContext
from gptool.service.urls import OUTPUT_FILES


async def read_parts(context: RequestContext, job: JobRecord) -> list[dict[str, Any]] | None:
    """Return the entries of a job's manifest, each with its URL; None if the result is not divided, or has expired."""
    if job.operation != EXPORT_TILES or job.result is None or job.result.name is None or job.result.is_file:
        return None
    path = await context.state.queue.result_folder(job) / job.result.name / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(await run_in_threadpool(path.read_bytes))
    except FileNotFoundError:
        return None
    folder = context.page_path(f"{OUTPUT_FILES}/{job.job_id}/{quote(job.result.name)}")
    return [{**part, "url": f"{folder}/{quote(part['name'])}"} for part in manifest["parts"]]

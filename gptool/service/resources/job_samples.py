"""The sample compressions of a job, as its page shows them: read from report.json."""

from __future__ import annotations

import json
from typing import Any

from starlette.concurrency import run_in_threadpool

from gptool.jobs.record import SAMPLE_COMPRESSIONS, JobRecord
from gptool.jobs.report import REPORT
from gptool.samples.defaults import PAGE
from gptool.service.resources.request_context import RequestContext
from gptool.service.urls import OUTPUT_FILES


async def read_samples(context: RequestContext, job: JobRecord) -> dict[str, Any] | None:
    """Return the page and the figures of a job; None if it has made no sample compressions, or they have expired."""
    if job.operation != SAMPLE_COMPRESSIONS or job.result is None:
        return None
    path = await context.state.queue.result_folder(job) / REPORT
    try:
        report: dict[str, Any] = json.loads(await run_in_threadpool(path.read_bytes))
    except FileNotFoundError:
        return None
    return {**report, "page": context.page_path(f"{OUTPUT_FILES}/{job.job_id}/{PAGE}")}

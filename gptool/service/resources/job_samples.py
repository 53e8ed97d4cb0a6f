"""The sample compressions of a job, as its page shows them: read from report.json."""

from __future__ import annotations

from typing import Any

from gptool.jobs.record import SAMPLE_COMPRESSIONS, JobRecord
from gptool.jobs.report import REPORT
from gptool.samples.defaults import PAGE
from gptool.service.resources.request_context import RequestContext
from gptool.service.resources.result_json import read_result_json
from gptool.service.urls import OUTPUT_FILES


async def read_samples(context: RequestContext, job: JobRecord) -> dict[str, Any] | None:
    """Return the page and the figures of a job; None if it has made no sample compressions, or they have expired."""
    if job.operation != SAMPLE_COMPRESSIONS or job.result is None:
        return None
    report = await read_result_json(context, job, REPORT)
    return report and {**report, "page": context.page_path(f"{OUTPUT_FILES}/{job.job_id}/{PAGE}")}

"""The parts of the result of a job, as its page lists them: read from their manifest."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from gptool.jobs.record import EXPORT_TILES, JobRecord
from gptool.output.manifest import MANIFEST
from gptool.service.resources.request_context import RequestContext
from gptool.service.resources.result_json import read_result_json
from gptool.service.urls import OUTPUT_FILES


async def read_parts(context: RequestContext, job: JobRecord) -> list[dict[str, Any]] | None:
    """Return the entries of a job's manifest, each with its URL; None if the result is not divided, or has expired."""
    if job.operation != EXPORT_TILES or job.result is None or job.result.name is None or job.result.is_file:
        return None
    manifest = await read_result_json(context, job, job.result.name, MANIFEST)
    if manifest is None:
        return None
    folder = context.page_path(f"{OUTPUT_FILES}/{job.job_id}/{quote(job.result.name)}")
    return [{**part, "url": f"{folder}/{quote(part['name'])}"} for part in manifest["parts"]]

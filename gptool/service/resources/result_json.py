"""JSON files in the result of a job, from which its page is made."""

from __future__ import annotations

import json
from typing import Any

from starlette.concurrency import run_in_threadpool

from gptool.jobs.record import JobRecord
from gptool.service.resources.request_context import RequestContext


async def read_result_json(context: RequestContext, job: JobRecord, *path: str) -> dict[str, Any] | None:
    """Return the object in a file of a job's result, given by its path in the folder; None if it has expired."""
    file = (await context.state.queue.result_folder(job)).joinpath(*path)
    try:
        found: dict[str, Any] = json.loads(await run_in_threadpool(file.read_bytes))
    except FileNotFoundError:
        return None
    return found

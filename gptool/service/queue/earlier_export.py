"""The package of an earlier export, which a request names by the id of its job or by its SHA-256."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from gptool.errors import ParameterError
from gptool.jobs.record import EXPORT_TILES, JobRecord
from gptool.jobs.report import REPORT
from gptool.output.tpkx import TPKX
from gptool.request.parameters import BY_NAME
from gptool.service.queue.output_directory import JOB_ID, OutputDirectory
from gptool.service.queue.store import JobStore
from gptool.service.queue.store_thread import StoreThread


async def find_base(store: StoreThread, output: OutputDirectory, record: JobRecord, since: Any) -> str:
    """Return the path of the package of an earlier export; empty if there is none.

    Only exports of the same service and the same owner are found. The access is recorded, so that the package is kept.

    Parameters
    ----------
    store : StoreThread
    output : OutputDirectory
    record : JobRecord
        The job that the package is for.
    since : Any
        The input of that name, as the client sent it; None if there is none. Invalid ones are errors of the job.
    """
    if since is None or record.operation != EXPORT_TILES:
        return ""
    try:
        name = BY_NAME["since"].read(since)
    except ParameterError:
        return ""
    packages = await store.call(JobStore.packages, record.service, record.owner)
    if not JOB_ID.fullmatch(name):
        name = await asyncio.to_thread(_find_by_hash, output, packages, name)
    if name not in packages:
        return ""
    await store.call(JobStore.touch, name, time.time())
    return await asyncio.to_thread(_package_of, output, name)


def _find_by_hash(output: OutputDirectory, job_ids: list[str], sha256: str) -> str:
    """Return the newest job whose report states a SHA-256; empty if there is none."""
    for job_id in job_ids:
        try:
            report = json.loads((output.result_folder(job_id) / REPORT).read_bytes())
        except (OSError, ValueError):  # samples, or removed meanwhile
            continue
        result = report.get("result")
        if isinstance(result, dict) and result.get("sha256") == sha256:
            return job_id
    return ""


def _package_of(output: OutputDirectory, job_id: str) -> str:
    folder = output.result_folder(job_id)
    packages = [path for path in folder.glob(f"*{TPKX.suffix}") if path.is_file()]
    return str(packages[0]) if len(packages) == 1 else ""

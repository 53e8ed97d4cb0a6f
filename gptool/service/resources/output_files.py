"""The results of jobs below `directories/arcgisoutput`: listings as JSON, and files by ranges."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response

from gptool.errors import ServiceError
from gptool.jobs.report import REPORT
from gptool.jobs.status import JobStatus
from gptool.service.catalog import CURRENT_VERSION
from gptool.service.queue.store import StoredJob
from gptool.service.resources.answers import json_response
from gptool.service.resources.call import Call, is_known
from gptool.service.resources.visible import find_job
from gptool.service.urls import OUTPUT_FILES


def output_url(call: Call, job: StoredJob, *parts: str) -> str:
    """Return the address of a job's result, or of what is in it."""
    return call.address("/".join((OUTPUT_FILES, job.job_id, *parts)))


async def output(call: Call) -> Response:
    """Return a file of a result, or list a folder of it: always as JSON, clients ask for it without `f`."""
    job = find_job(call)
    if job.status is not JobStatus.SUCCEEDED or job.package is None:
        raise ServiceError("the job has no files", code=404, found=job.status)
    names = [name for name in call.request.path_params.get("path", "").split("/") if name]
    path = await run_in_threadpool(_find, call.site.engine.folder(job), names)
    if path is None:
        raise ServiceError("no such file or folder in the job's result", code=404, found="/".join(names))
    if path.is_dir():
        return json_response(await run_in_threadpool(_list, call, job, path, names), indented=call.form == "pjson")
    # Whatever `f` says: a client asks for each file with f=json.
    return await run_in_threadpool(_file, call, path)


def _file(call: Call, path: Path) -> Response:
    try:
        status = path.stat()
    except FileNotFoundError:
        raise _expired() from None
    found = FileResponse(path, filename=path.name, headers={"Cache-Control": "private"}, stat_result=status)
    if is_known(call, found.headers["etag"]):
        return Response(status_code=304, headers={"ETag": found.headers["etag"]})
    return found


def _expired() -> ServiceError:
    return ServiceError("no such file or folder in the job's result: its time is over", code=404)


def _find(folder: Path, names: list[str]) -> Path | None:
    """Return what the names lead to, looked up step by step among what is there: no path is made of them."""
    path = folder
    for name in names:
        try:
            with os.scandir(path) as entries:
                found = next((entry for entry in entries if entry.name == name and not entry.is_symlink()), None)
        except (NotADirectoryError, FileNotFoundError):
            return None
        if found is None:
            return None
        path = Path(found.path)
    return path if path.exists() else None


def _list(call: Call, job: StoredJob, path: Path, names: list[str]) -> dict[str, Any]:
    try:
        entries = sorted(path.iterdir())
        files = [
            {"name": entry.name, "url": output_url(call, job, *names, entry.name), "size": entry.stat().st_size}
            for entry in entries
            if not entry.is_dir() and (names or entry.name != REPORT)
        ]
    except FileNotFoundError:
        raise _expired() from None
    folders = [output_url(call, job, *names, entry.name) for entry in entries if entry.is_dir()]
    # Clients take all files for packages, so the report is not among them.
    report = {} if names else {"report": output_url(call, job, REPORT)}
    return {"currentVersion": CURRENT_VERSION, "folders": folders, "files": files, **report}

"""Output files of jobs below `directories/arcgisoutput`: folder listings as JSON, and files with byte ranges."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response

from gptool.errors import ServiceError
from gptool.jobs.record import SAMPLE_COMPRESSIONS, JobRecord
from gptool.jobs.report import REPORT
from gptool.samples.defaults import PAGE
from gptool.samples.page import POLICY_BYTES, stated_policy
from gptool.service.catalog import CURRENT_VERSION
from gptool.service.middleware import SECURITY_HEADERS
from gptool.service.resources.job_lookup import find_job
from gptool.service.resources.request_context import RequestContext
from gptool.service.resources.responses import etag_matches, json_response
from gptool.service.urls import OUTPUT_FILES

SAVING_AGENTS = ("arcgisutils ",)
"""The starts of the user agents of clients that save what the address of a result returns: arcgistiles, for R."""


def output_url(context: RequestContext, job: JobRecord, *parts: str) -> str:
    """Return the URL of the output folder of a job, or of a file or folder in it."""
    return context.absolute_url("/".join((OUTPUT_FILES, job.job_id, *parts)))


async def output(context: RequestContext) -> Response:
    """Return a file of a job's output, or the listing of a folder.

    A listing is always JSON, since clients request it without `f`. A file is returned whatever `f` says, since clients
    request it with `f=json`. The package itself is returned in place of the listing to clients that save it.
    """
    job = await find_job(context)
    if job.result is None or job.result.name is None:
        raise ServiceError(
            "job has no output files",
            code=404,
            found=f"{job.operation} with status {job.status}",
            expected="a succeeded export",
        )
    names = [name for name in context.request.path_params.get("path", "").split("/") if name]
    if not names and job.result.is_file and _is_saved(context):
        names = [job.result.name]
    folder = await context.state.queue.result_folder(job)
    return await run_in_threadpool(_file_or_listing, context, job, folder, names)


def _file_or_listing(context: RequestContext, job: JobRecord, folder: Path, names: list[str]) -> Response:
    path = _find(folder, names)
    if path is None:
        raise ServiceError("file or folder not found", code=404, where="/".join(names))
    if path.is_dir():
        return json_response(_list_folder(context, job, path, names), indented=context.format == "pjson")
    return _file_response(context, path, is_page=job.operation == SAMPLE_COMPRESSIONS and path.name == PAGE)


def _is_saved(context: RequestContext) -> bool:
    """Return True if a client saves whatever it receives: only its name tells it from those that read the listing."""
    agent = context.request.headers.get("user-agent", "")
    return "f" not in context.parameters and agent.startswith(SAVING_AGENTS)


def _file_response(context: RequestContext, path: Path, *, is_page: bool) -> Response:
    try:
        status = path.stat()
        headers = {"Cache-Control": "private", **(_page_headers(path) if is_page else {})}
    except FileNotFoundError:
        raise expired_output(path.name) from None
    response = FileResponse(path, filename=path.name, headers=headers, stat_result=status)
    if etag_matches(context.request.headers.get("if-none-match", ""), response.headers["etag"]):
        # Browsers replace the headers of the page that they have by these.
        return Response(status_code=304, headers={**headers, "ETag": response.headers["etag"]})
    return response


def _page_headers(path: Path) -> dict[str, str]:
    """Return the headers of a page of sample compressions, which is shown: its own policy, by which nothing frames it.

    The policy is in the page, since another version of gptool, with another style sheet, may have written that.
    """
    with path.open("rb") as file:
        policy = stated_policy(file.read(POLICY_BYTES))
    return {
        **SECURITY_HEADERS,
        "Content-Disposition": "inline",
        "Content-Security-Policy": f"{policy}; frame-ancestors 'none'",
    }


def expired_output(name: str) -> ServiceError:
    """Return the error for a file or folder that was removed while it was requested."""
    return ServiceError("output of the job has expired", code=404, where=name)


def _find(folder: Path, names: list[str]) -> Path | None:
    """Return the file or folder of a relative path, or None if it does not exist.

    Each name is looked up in the listing of its folder, and links are not followed, so that no path leads out of it.
    """
    path = folder
    for name in names:
        if not path.is_dir():  # scandir raises different errors for files on different systems
            return None
        try:
            with os.scandir(path) as entries:
                found = next((entry for entry in entries if entry.name == name and not entry.is_symlink()), None)
        except FileNotFoundError:
            return None
        if found is None:
            return None
        path = Path(found.path)
    return path if path.exists() else None


def _list_folder(context: RequestContext, job: JobRecord, path: Path, names: list[str]) -> dict[str, Any]:
    try:
        entries = sorted(path.iterdir())
        files = [
            {"name": entry.name, "url": output_url(context, job, *names, entry.name), "size": entry.stat().st_size}
            for entry in entries
            if not entry.is_dir() and (names or entry.name != REPORT)
        ]
    except FileNotFoundError:
        raise expired_output(path.name) from None
    folders = [output_url(context, job, *names, entry.name) for entry in entries if entry.is_dir()]
    # Clients download all files as packages, so the report is not listed among them.
    report = {} if names else {"report": output_url(context, job, REPORT)}
    return {"currentVersion": CURRENT_VERSION, "folders": folders, "files": files, **report}

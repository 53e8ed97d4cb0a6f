"""The dataset of a job as one zip, which is made while it is sent: no file is written, and its size is known before."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from gptool.errors import ServiceError
from gptool.output.stored_zip import stored_zip_size, stream_stored_zip
from gptool.service.resources.job_lookup import find_job
from gptool.service.resources.output_files import expired_output
from gptool.service.resources.request_context import RequestContext


async def dataset_zip(context: RequestContext) -> Response:
    """Return the zip of a job's dataset. Its members are stored, since tiles hardly compress."""
    job = await find_job(context)
    result = job.result
    if result is None or result.name is None or result.is_file:
        raise ServiceError(
            "job has no folder to download",
            code=404,
            where=job.job_id,
            found=f"{job.operation} with status {job.status}",
            expected="a job that has exported a dataset or parts",
        )
    folder = await context.state.queue.result_folder(job) / result.name
    try:
        files = await run_in_threadpool(_files, folder)
    except FileNotFoundError:
        raise expired_output(result.name) from None
    headers = {
        "Content-Length": str(stored_zip_size([(name, size) for name, _, size in files])),
        "Content-Disposition": f"attachment; filename*=utf-8''{quote(result.name)}.zip",
        "Cache-Control": "private",
    }
    return StreamingResponse(stream_stored_zip(files), media_type="application/zip", headers=headers)


def _files(folder: Path) -> list[tuple[str, Path, int]]:
    """Return the names, paths and sizes of all files of a dataset, whose folder is part of the names."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    if not paths:
        raise FileNotFoundError(folder)
    return [(path.relative_to(folder.parent).as_posix(), path, path.stat().st_size) for path in paths]

"""The thin geoprocessing tools: parameters in, a job out. They never raise for what a caller sent."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from gptool.cache import TileCache, open_cache
from gptool.errors import translate_os_errors
from gptool.export.estimate import CONFIDENCE, Estimate, weigh
from gptool.export.notices import remark_on_plan, remark_on_request
from gptool.export.operation import Order, check_apart, count_threads, run_export
from gptool.export.report import ExportResult
from gptool.jobs.job import Job, Redactor
from gptool.jobs.record import ESTIMATE_SIZE, EXPORT_TILES, OUT, PlannedSize
from gptool.jobs.report import write_report
from gptool.jpeg.recompression import Recompression
from gptool.model import Message, Phase
from gptool.output.registry import kind_for_request
from gptool.output.staging import Staging, created_folder
from gptool.plan import Plan, make_plan
from gptool.plan.limit import check_count, reserved_bytes
from gptool.request import Request, read_request
from gptool.request.limits import read_limit
from gptool.settings import MAX_EXPORT_TILES_COUNT

OnChange = Callable[[Job], None]
"""Called in the job's thread when its status, messages or progress have changed, some ten times a second at most."""


def export_tiles_job(
    parameters: Mapping[str, Any],
    *,
    cache: TileCache | str | os.PathLike[str],
    output_directory: str | os.PathLike[str],
    max_export_tiles_count: int | None = MAX_EXPORT_TILES_COUNT,
    workers: int | None = None,
    on_change: OnChange | None = None,
    job_id: str | None = None,
    redact: Redactor | None = None,
    service: str | None = None,
) -> Job:
    """Run exportTiles with the operation's own parameters.

    Parameters
    ----------
    parameters : mapping
        Names and values as clients send them, see `gptool.request.PARAMETERS`; names that are not known are ignored.
    cache : TileCache or path
    output_directory : path
        Where the job's folder appears, whole or not at all, named by its id: in it the package or dataset, named as the
        cache, and report.json. The value of the result `out_service_url` is the folder's path.
    max_export_tiles_count : int or None
        The job fails above that many tiles; None: no limit.
    workers : int or None
        Threads; None: as many as there are processors.
    on_change : callable or None
        See `OnChange`. What it raises ends the job, unless that has ended.
    job_id, redact
        See `Job`.
    service : str or None
        The service that the cache is offered as, `Maps/World:ImageServer`: results are named as it is, `World`, and
        messages say so. None: the cache's own name.

    Returns
    -------
    Job
        It has ended: succeeded, failed or cancelled.
    """
    job = Job(EXPORT_TILES, parameters, on_change, job_id=job_id, redact=redact)

    def work() -> None:
        request, recompression, plan = _plan(job, parameters, cache, service)
        check_count(plan, read_limit(max_export_tiles_count), service)
        kind = kind_for_request(request.storage, tile_package=request.tile_package)
        job.add_messages(remark_on_plan(plan, kind, recompression, request))
        target = Path(os.path.abspath(output_directory)) / job.job_id  # noqa: PTH100 - links stay as they are named
        check_apart(target, plan.cache)
        threads = count_threads(workers)
        with created_folder(target.parent), Staging(target, is_folder=True, overwrite=False) as staging:
            folder = staging.folder / job.job_id
            with translate_os_errors(target):
                folder.mkdir()
            name, capped = f"{plan.cache.name}{kind.suffix}", recompression.capped(plan.cache.image)
            result = _export(job, plan, Order(folder / name, kind, capped, False, threads))
            with translate_os_errors(target):
                write_report(job, request, plan, capped, result)
            job.check_cancelled()
            staging.commit(folder)
        job.results[OUT] = str(target)

    return job.run(work)


def _export(job: Job, plan: Plan, order: Order) -> ExportResult:
    """Make the result, and tell how far it is, and what shows."""
    result = run_export(plan, order, partial(job.report_progress, Phase.EXPORTING))
    job.add_messages(result.messages)
    return result


def estimate_export_tiles_size_job(
    parameters: Mapping[str, Any],
    *,
    cache: TileCache | str | os.PathLike[str],
    on_change: OnChange | None = None,
    job_id: str | None = None,
    redact: Redactor | None = None,
    service: str | None = None,
) -> Job:
    """Run estimateExportTilesSize with the operation's own parameters.

    Parameters as for `export_tiles_job`. The value of the result `out_service_url` is a dict of `totalSize`, bytes of
    the result, and `totalTilesToExport`.
    """
    job = Job(ESTIMATE_SIZE, parameters, on_change, job_id=job_id, redact=redact)

    def work() -> None:
        request, recompression, plan = _plan(job, parameters, cache, service)
        kind = kind_for_request(request.storage, tile_package=request.tile_package)
        job.add_messages(remark_on_plan(plan, kind, recompression, request))
        job.report_progress(Phase.ESTIMATING, 0, 0)
        estimate = weigh(plan, kind, recompression.capped(plan.cache.image), check=job.check_cancelled)
        job.add_messages([*estimate.messages, Message("Informative", _in_words(estimate))])
        job.results[OUT] = {"totalSize": estimate.total_size, "totalTilesToExport": estimate.total_tiles_to_export}

    return job.run(work)


def _plan(
    job: Job, parameters: Mapping[str, Any], cache: TileCache | str | os.PathLike[str], service: str | None
) -> tuple[Request, Recompression, Plan]:
    """Understand the parameters, and count the tiles; the job's next messages tell the plan."""
    request = read_request(parameters)
    job.add_messages(remark_on_request(request))
    recompression = Recompression(request.quality if request.optimize else None)
    opened = cache if isinstance(cache, TileCache) else open_cache(cache)
    if service is not None:
        opened = replace(opened, name=service.partition(":")[0].rpartition("/")[2])
    plan = make_plan(opened, request, job.report_progress)
    job.planned = PlannedSize(plan.tiles, plan.bytes, reserved_bytes(plan))
    return request, recompression, plan


def _in_words(estimate: Estimate) -> str:
    low, high = estimate.interval
    size = f"{estimate.total_tiles_to_export} tiles, {estimate.total_size} bytes as {estimate.result}"
    if low == high:
        return size
    return f"{size}, with {CONFIDENCE:.0%} confidence {low} to {high}, from {estimate.sampled_tiles} tiles of a sample"

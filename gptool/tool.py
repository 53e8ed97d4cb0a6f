"""The thin geoprocessing tools: the operation's parameters in, a job out. They never raise for what a caller sent."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from gptool.cache import TileCache, as_tile_cache
from gptool.delta.differ import run_diff
from gptool.delta.package import check_base_package
from gptool.errors import translate_os_errors
from gptool.export.estimate import CONFIDENCE, Estimate
from gptool.export.notices import recompression_notices, request_notices
from gptool.export.prepare import PreparedExport, prepare
from gptool.export.runners import unit_runner
from gptool.export.unit import UnitRunner
from gptool.jobs.job import Job, Redactor
from gptool.jobs.record import ESTIMATE_SIZE, EXPORT_TILES, OUT_SERVICE_URL, SAMPLE_COMPRESSIONS, PlannedSize
from gptool.jobs.report import REPORT, write_report
from gptool.model import Message
from gptool.output.staging import Staging, created_folder, remove_others
from gptool.plan import Plan, reserved_bytes
from gptool.request import Request, read_request, unknown_notices
from gptool.request.limits import read_folder, read_limit, read_workers
from gptool.samples.defaults import DEFAULT_COUNT, DEFAULT_QUALITIES, PAGE
from gptool.samples.page import PageLinks, make_page
from gptool.samples.run import make_samples, page_bytes
from gptool.settings import MAX_EXPORT_TILES_COUNT
from gptool.text import format_count

NOT_SAMPLED = {
    *("optimizeTilesForSize", "compressionQuality", "targetSize", "optimizePng"),
    *("maxPartSize", "maxPartTiles", "since"),
}
"""Parameters that say how tiles are recompressed, as they are compared at several qualities, and about the result."""

OnChange = Callable[[Job], None]
"""Called in the job's thread when its status, messages or progress have changed, about ten times a second at most."""


def export_tiles_job(
    parameters: Mapping[str, Any],
    *,
    cache: TileCache | str | os.PathLike[str],
    output_directory: str | os.PathLike[str],
    max_export_tiles_count: int | None = MAX_EXPORT_TILES_COUNT,
    workers: int | None = None,
    dask: str | None = None,
    on_change: OnChange | None = None,
    job_id: str | None = None,
    redact: Redactor | None = None,
    service: str | None = None,
    base: str | os.PathLike[str] | None = None,
) -> Job:
    """Run exportTiles with the operation's own parameters.

    Parameters
    ----------
    parameters : mapping
        Names and values as clients send them, see `gptool.request.PARAMETERS`; unknown names are ignored, with
        a warning unless clients of ArcGIS send them.
    cache : TileCache, path or URL
    output_directory : path
        Where the job's folder, named by its ID, appears whole or not at all. It holds the package, the dataset, or the
        folder of the parts, which has the cache's name, and report.json. The value of the result `out_service_url` is
        the path of the folder.
    max_export_tiles_count : int or None
        The maximum number of tiles, or of those of each part; None for no limit.
    workers : int or None
        The number of threads, or of tasks at once on a Dask cluster. By default, the number of processors, or of the
        threads of the cluster.
    dask : str or None
        The address of the scheduler of a Dask cluster, on which the tiles are exported.
    on_change : callable or None
        See `OnChange`. An exception that it raises ends the job, unless that has ended.
    job_id, redact
        See `Job`. A job of the same id and parameters, whose process was killed, is gone on with.
    service : str or None
        The service that offers the cache, `Maps/World:ImageServer`. The result is named `World` then, and the message
        about the limit names the service. By default, the cache's own name is used.
    base : path or None
        The package of the earlier export that `since` names; None if there is none.

    Returns
    -------
    Job
        A job that has ended: succeeded, failed or cancelled.
    """
    job = Job(EXPORT_TILES, parameters, on_change, job_id=job_id, redact=redact)

    def work() -> None:
        limit = read_limit(max_export_tiles_count)
        target = read_folder(output_directory, "output_directory") / job.job_id
        with unit_runner(workers, dask=dask) as runner:
            request, prepared = _prepare(job, parameters, cache, service, target=target, limit=limit, is_export=True)
            if request.since is not None:
                check_base_package(request.since, base)
            resumable = job_id is not None
            with (
                created_folder(target.parent),
                Staging(target, is_folder=True, overwrite=False, resumable=resumable) as staging,
            ):
                staging.check()
                folder = staging.folder / job.job_id
                with translate_os_errors(target):
                    folder.mkdir(exist_ok=True)
                if base is None or request.since is None:
                    _export(job, request, prepared, folder, runner)
                else:
                    _export_delta(job, request, prepared, folder, runner, base)
                job.check_cancelled()
                staging.commit(folder)
        job.results[OUT_SERVICE_URL] = str(target)

    return job.run(work)


def _export(job: Job, request: Request, prepared: PreparedExport, folder: Path, runner: UnitRunner) -> None:
    """Write the result and report.json into the job's folder, which may have what a process left that was killed."""
    name, is_file = prepared.plan.cache.name, prepared.kind.is_file and prepared.parts is None
    target = folder / (f"{name}{prepared.kind.suffix}" if is_file else name)
    with translate_os_errors(folder):
        remove_others(folder, target)
    # What is there is of this job. The staging folder stays until the report is written, too.
    with Staging(target, is_folder=not is_file, overwrite=True, resumable=True) as staging:
        result = prepared.export(staging, runner, job.report_progress)
        scheme = prepared.plan.cache.scheme
        job.add_messages([*recompression_notices(scheme, result.levels), *result.messages])
        with translate_os_errors(folder):
            job.report = write_report(folder / REPORT, job.record, request, prepared, result, job.report_progress)


def _export_delta(
    job: Job,
    request: Request,
    prepared: PreparedExport,
    folder: Path,
    runner: UnitRunner,
    base: str | os.PathLike[str],
) -> None:
    """Write the package beside the job's folder, and the delta to the earlier one with report.json into the folder."""
    name = prepared.plan.cache.name
    whole, target = folder.with_name("whole") / f"{name}.tpkx", folder / f"{name}-delta.tpkx"
    with translate_os_errors(folder):
        whole.parent.mkdir(exist_ok=True)
        remove_others(folder, target)
        remove_others(whole.parent, whole)
    with Staging(whole, is_folder=False, overwrite=True, resumable=True) as staging:
        result = prepared.export(staging, runner, job.report_progress)
    job.add_messages([*recompression_notices(prepared.plan.cache.scheme, result.levels), *result.messages])
    delta = run_diff(base, whole, target, overwrite=True, progress=job.report_progress)
    job.add_messages([*delta.messages, Message("Informative", f"Since the earlier export, {delta.summary}")])
    written = replace(result, path=delta.path, size=delta.size)
    with translate_os_errors(folder):
        job.report = write_report(
            folder / REPORT, job.record, request, prepared, written, job.report_progress, delta.to_json()
        )


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

    Parameters as for `export_tiles_job`.

    Returns
    -------
    Job
        A job that has ended. The value of its result `out_service_url` is a dict of `totalSize`, the bytes of the
        result, and `totalTilesToExport`.
    """
    job = Job(ESTIMATE_SIZE, parameters, on_change, job_id=job_id, redact=redact)

    def work() -> None:
        request, prepared = _prepare(job, parameters, cache, service)
        if request.since is not None:
            job.add_messages(
                [Message("Warning", "since has no effect on the estimate: it is that of the whole package")]
            )
        estimate = prepared.estimate(job.report_progress)
        job.add_messages([*estimate.messages, Message("Informative", _estimate_text(estimate))])
        job.results[OUT_SERVICE_URL] = {
            "totalSize": estimate.total_size,
            "totalTilesToExport": estimate.total_tiles_to_export,
        }

    return job.run(work)


def sample_compressions_job(
    parameters: Mapping[str, Any],
    *,
    cache: TileCache | str | os.PathLike[str],
    output_directory: str | os.PathLike[str],
    workers: int | None = None,
    on_change: OnChange | None = None,
    job_id: str | None = None,
    redact: Redactor | None = None,
    service: str | None = None,
    links: PageLinks | None = None,
) -> Job:
    """Make sample compressions of the tiles that the operation's own parameters select.

    Parameters as for `export_tiles_job`, and where the page leads to. Those of the operation that say how tiles are
    recompressed are not used, except `tables`.

    Returns
    -------
    Job
        A job that has ended. Its folder holds the page, samples.html, and its figures, report.json. The value of the
        result `out_service_url` is the path of the folder.
    """
    job = Job(SAMPLE_COMPRESSIONS, parameters, on_change, job_id=job_id, redact=redact)

    def work() -> None:
        threads = read_workers(workers)
        target = read_folder(output_directory, "output_directory") / job.job_id
        others = {name: value for name, value in parameters.items() if name not in NOT_SAMPLED}
        reserved = partial(page_bytes, qualities=DEFAULT_QUALITIES)
        request, prepared = _prepare(job, others, cache, service, target=target, reserved=reserved)
        samples = make_samples(prepared, DEFAULT_QUALITIES, DEFAULT_COUNT, request.tables, threads, job.report_progress)
        job.add_messages([*samples.messages, Message("Informative", samples.summary)])
        with created_folder(target.parent), Staging(target, is_folder=True, overwrite=False) as staging:
            folder = staging.folder / job.job_id
            with translate_os_errors(target):
                folder.mkdir()
                (folder / PAGE).write_text(make_page(samples, links), encoding="utf-8")
                (folder / REPORT).write_text(json.dumps(samples.to_json()), encoding="utf-8")
            staging.commit(folder)
        job.results[OUT_SERVICE_URL] = str(target)

    return job.run(work)


def _prepare(
    job: Job,
    parameters: Mapping[str, Any],
    cache: TileCache | str | os.PathLike[str],
    service: str | None,
    *,
    target: Path | None = None,
    limit: int | None = None,
    is_export: bool = False,
    reserved: Callable[[Plan], int] = reserved_bytes,
) -> tuple[Request, PreparedExport]:
    """Read the parameters and prepare the export; the job gets the notices and the planned figures."""
    if isinstance(parameters, Mapping):  # otherwise `read_request` raises an error
        job.add_messages(unknown_notices(parameters))
    request = read_request(parameters)
    job.add_messages(request_notices(request))
    tile_cache = as_tile_cache(cache)
    if service is not None:
        tile_cache = replace(tile_cache, name=service.partition(":")[0].rpartition("/")[2])

    def set_planned(plan: Plan) -> None:
        levels = tuple((level.lod.level, level.tiles, level.bytes) for level in plan.filled_levels)
        # Besides a delta, the whole package is written for a time.
        size = reserved(plan) * (1 if request.since is None else 2)
        job.planned = PlannedSize(plan.tiles, plan.bytes, size, levels)

    progress = job.report_progress
    prepared = prepare(
        tile_cache,
        request,
        target=target,
        limit=limit,
        service=service,
        is_export=is_export and request.since is None,
        progress=progress,
        on_plan=set_planned,
    )
    if prepared.parts is not None and job.planned is not None:
        size = sum(reserved_bytes(part.plan) for part in prepared.parts.planned)
        job.planned = job.planned._replace(reserved_bytes=size)
    job.add_messages(prepared.notices)
    return request, prepared


def _estimate_text(estimate: Estimate) -> str:
    low, high = estimate.interval
    tiles = format_count(estimate.total_tiles_to_export, "tile")
    size = f"{tiles}, {estimate.total_size} bytes as {estimate.result} named {estimate.name}"
    if low == high:
        return size
    sample = format_count(estimate.sampled_tiles, "tile")
    return f"{size}; with {CONFIDENCE:.0%} confidence {low} to {high}, from a sample of {sample}"

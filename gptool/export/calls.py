"""Exports and estimates with the arguments of Python calls, whose messages have the operation's names of parameters.

`functions` is the same for Python's users; the command line, batches and desktop tools have names of their own.
"""

from __future__ import annotations

from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from gptool.cache import TileCache, as_tile_cache
from gptool.display.progress_bar import as_progress
from gptool.errors import ParameterError
from gptool.export.estimate import Estimate
from gptool.export.prepare import PreparedExport, prepare
from gptool.export.report import ExportResult
from gptool.export.runners import unit_runner
from gptool.model import Progress, StorageFormat
from gptool.output.registry import TILE_PACKAGES, resolve_output
from gptool.output.result_staging import ResultStaging
from gptool.output.staging import Staging, created_folder
from gptool.output.store_staging import StoreStaging
from gptool.output.tpkx import TPKX
from gptool.request import Request, read_call
from gptool.request.limits import read_limit
from gptool.request.values import read_boolean
from gptool.system.store_url import AnyLocation, Location, StoreUrl


class FinishedExport(NamedTuple):
    """An export with what its report needs: the request, its preparation, and the result."""

    request: Request
    prepared: PreparedExport
    result: ExportResult


def run_call(
    cache: TileCache | AnyLocation,
    output: AnyLocation,
    *,
    max_export_tiles_count: int | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    executor: Executor | None = None,
    dask: str | None = None,
    restart: bool = False,
    progress: Progress | bool | None = None,
    **selection: Any,
) -> FinishedExport:
    """Run `export_tiles`, with the same parameters, and return what its report needs too.

    `dask` is the address of a scheduler; `restart` discards what an interrupted run has left.
    """
    request = read_call(**selection)
    limit = read_limit(max_export_tiles_count)
    replaces = read_boolean(overwrite, "overwrite")
    target, kind = resolve_output(output, request.storage, has_parts=request.has_parts)
    is_folder = request.has_parts or not kind.is_file
    request = replace(request, tile_package=kind in TILE_PACKAGES.values())
    with unit_runner(workers, executor, dask) as runner, created_parent(target):
        staging = make_staging(target, is_folder=is_folder, overwrite=replaces)
        with as_progress(progress) as report:
            prepared = prepare(
                cache,
                request,
                kind=kind,
                target=target,
                name=target.name,
                limit=limit,
                is_export=True,
                progress=report,
            )
            with staging:
                result = prepared.export(staging, runner, report, restart=read_boolean(restart, "restart"))
    result = replace(result, messages=(*prepared.notices, *result.messages))
    return FinishedExport(request, prepared, result)


def created_parent(target: Location) -> AbstractContextManager[None]:
    """Return a context in which the folder of a target exists; see `created_folder`. Stores have no empty folders."""
    return nullcontext() if isinstance(target, StoreUrl) else created_folder(target.parent)


def make_staging(target: Location, *, is_folder: bool, overwrite: bool) -> ResultStaging:
    """Return the context in which a result is staged, on a disk or in a store. Raises as `ResultStaging`."""
    kind = StoreStaging if isinstance(target, StoreUrl) else Staging
    return kind(target, is_folder=is_folder, overwrite=overwrite, resumable=True)


def run_estimate(
    cache: TileCache | AnyLocation, *, progress: Progress | bool | None = None, **arguments: Any
) -> Estimate:
    """Run `estimate_export_tiles_size`, with the same parameters."""
    with as_progress(progress) as report:
        prepared, name = prepare_estimate(cache, progress=report, **arguments)
        estimate = prepared.estimate(report, name=name)
    return replace(estimate, messages=(*prepared.notices, *estimate.messages))


def prepare_estimate(
    cache: TileCache | AnyLocation,
    *,
    tile_package: bool | None = None,
    output: AnyLocation | None = None,
    max_export_tiles_count: int | None = None,
    target: Path | None = None,
    progress: Progress | None = None,
    **selection: Any,
) -> tuple[PreparedExport, str | None]:
    """Return the prepared export that an estimate is made of, and the name of its output, without suffix, if given.

    `target` is where something else will be written, which must not lie among the tiles.
    """
    request = read_call(tile_package=tile_package, **selection)
    tile_cache, kind, name = as_tile_cache(cache), None, None
    if output is not None:
        if tile_package is not None:
            raise ParameterError(
                "cannot be combined with output, whose name already states the kind of the result",
                where="tilePackage",
                found=f"tilePackage={str(tile_package).lower()} and output {output}",
                expected="only one of them",
            )
        path, kind = resolve_output(output, request.storage, has_parts=request.has_parts)
        name = path.name if request.has_parts else path.stem
    elif tile_package is None:
        is_package = request.has_parts or request.storage is StorageFormat.COMPACT or TPKX.can_hold(tile_cache)
        request = replace(request, tile_package=is_package)
    limit = read_limit(max_export_tiles_count)
    prepared = prepare(tile_cache, request, kind=kind, target=target, name=name, limit=limit, progress=progress)
    return prepared, name

"""The one pipeline: plan -> one unit of work for each output bundle -> package."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from gptool.cache import TileCache
from gptool.cache.compact import bundle_path
from gptool.errors import CacheError, ParameterError, translate_os_errors
from gptool.export.notices import remark_on_plan, remark_on_tiles
from gptool.export.report import DamagedTile, ExportResult, LevelReport, stated_quality
from gptool.export.units import Progress, Unit, UnitResult, run_units
from gptool.jpeg.recompression import Recompression
from gptool.model import Lod, Tables
from gptool.output.kind import OutputKind, ResultWriter, collect_result_info
from gptool.output.registry import resolve_output
from gptool.output.staging import Staging, check_target
from gptool.plan import BundlePlan, Plan, make_plan
from gptool.plan.limit import check_count
from gptool.request import check_integer, read_call
from gptool.request.limits import read_limit

EMPTY = "an empty file, left out"
MOST_WORKERS = 1024


def export_tiles(
    cache: TileCache | str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    levels: str | float | Iterable[float] | None = None,
    export_by: str = "LevelID",
    export_extent: str | Sequence[float] | Mapping[str, Any] | None = None,
    area_of_interest: str | Mapping[str, Any] | os.PathLike[str] | None = None,
    storage_format_type: str | None = None,
    compression_quality: int | None = None,
    tables: Tables = "efficient",
    max_export_tiles_count: int | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> ExportResult:
    """Cut tiles out of a cache into a tile package or a cache raster dataset.

    Parameters
    ----------
    cache : TileCache or path
    output : path
        What to make: a tile package when the name ends in `.tpkx` or `.tpk`, else a folder, a cache raster dataset. It
        appears whole or not at all.
    levels : str, number, iterable of numbers or None
        Levels, as in `0-6` or `1,2,7-9`; None: all levels that hold tiles.
    export_by : {"LevelID", "Resolution", "Scale"}
        What the values of `levels` are.
    export_extent : str, 4 floats, mapping or None
        `xmin,ymin,xmax,ymax` in the cache's reference, or an envelope of Esri's JSON with a reference of its own: whole
        tiles that share area with this box. None: all.
    area_of_interest : str, mapping, path or None
        A feature set or a polygon of Esri's JSON, or GeoJSON, or the path of a file of one of them: whole tiles that
        share area with its polygons. Supersedes `export_extent`.
    storage_format_type : str or None
        How a dataset stores its tiles: `compactV2` (also when None) or `compact`, or Esri's long names for them.
    compression_quality : int or None
        0..100: recompress JPEG tiles, capped at each tile's own quality. It moves in steps: a request a little below
        a tile's own may keep the tile as it is, which a message says. None: every tile is copied as it is.
    tables : {"efficient", "exact"}
        Quantisers that are multiples of each tile's own (smaller at equal quality), or the quality's own table.
    max_export_tiles_count : int or None
        Refuse above that many tiles.
    overwrite : bool
        Replace an existing output.
    workers : int or None
        Threads; None: as many as there are processors.
    progress : callable or None
        See `Progress`.

    Returns
    -------
    ExportResult

    Raises
    ------
    ParameterError
        When the request can't be understood, selects nothing, or selects too much.
    CacheError
        When the cache can't be read.
    OutputError
        When the result can't be written, or exists.
    """
    request = read_call(
        levels=levels,
        export_by=export_by,
        export_extent=export_extent,
        area_of_interest=area_of_interest,
        storage_format_type=storage_format_type,
        compression_quality=compression_quality,
    )
    target, kind = resolve_output(output, request.storage)
    recompression, threads = Recompression(request.quality, tables), count_threads(workers)
    limit = read_limit(max_export_tiles_count)
    check_target(target, is_folder=not kind.is_file, overwrite=overwrite)
    plan = make_plan(cache, request, (lambda _, done, __: progress(0, done)) if progress else None)
    check_count(plan, limit)
    said = remark_on_plan(plan, kind, recompression, request)
    order = Order(target, kind, recompression.capped(plan.cache.image), overwrite, threads)
    result = run_export(plan, order, progress)
    return replace(result, messages=(*said, *result.messages))


class Order(NamedTuple):
    """What is to become of a plan's tiles."""

    target: Path
    kind: OutputKind
    recompression: Recompression
    overwrite: bool
    threads: int


def count_threads(workers: int | None) -> int:
    """Return the threads to use, the machine's processors when None.

    Raises
    ------
    ParameterError
        When there can't be so many.
    """
    if workers is not None:
        return check_integer(workers, "workers", 1, MOST_WORKERS)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_export(plan: Plan, order: Order, progress: Progress | None = None) -> ExportResult:
    """Make the result of a plan. Raises as `export_tiles`."""
    target, kind, recompression, overwrite, threads = order
    check_apart(target, plan.cache)
    with Staging(target, is_folder=not kind.is_file, overwrite=overwrite) as staging:
        # First: what picture or metadata need should not be found missing after the work.
        info = collect_result_info(kind, plan, target.stem, plan.cache.image.compression_quality)
        staged = staging.folder / target.name
        with translate_os_errors(target):
            writer = kind.open_writer(staged, info, staging.folder)
        reports, planned = _empty_reports(plan), _bundles(plan)
        with writer:

            def take(result: UnitResult) -> None:
                _check_unchanged(plan, next(expected), result.report)
                reports[result.bundle.address.level].add(result.report)
                writer.add_bundle(result.bundle)

            with translate_os_errors(target):
                units = [_unit(plan, lod, bundle, recompression, kind, writer) for bundle, lod in planned]
            expected = (bundle for bundle, _ in planned)
            run_units(units, plan.tiles, threads, progress, take, target)
            total = LevelReport.sum(reports.values())
            with translate_os_errors(target):
                size = writer.finish(replace(info, quality=stated_quality(plan, total)))
        staging.commit(staged)
    return ExportResult(target, size, reports, tuple(remark_on_tiles(total, recompression)))


def _bundles(plan: Plan) -> list[tuple[BundlePlan, Lod]]:
    """Return the plan's bundles in their order."""
    return sorted((bundle, level.lod) for level in plan.levels for bundle in level.bundles)


def _unit(
    plan: Plan, lod: Lod, bundle: BundlePlan, recompression: Recompression, kind: OutputKind, writer: ResultWriter
) -> Unit:
    regions = writer.allocate(bundle, sizes_known=recompression.quality is None)
    return Unit(
        plan.cache,
        plan.selection,
        lod,
        bundle.address,
        recompression,
        kind.storage_format,
        kind.needs_checksums,
        regions,
    )


def check_apart(target: Path, cache: TileCache) -> None:
    """Refuse a result that would take the place of the cache it comes from, or lie among its tiles.

    Raises
    ------
    ParameterError
        When it would.
    """
    # Not Path.resolve: links that lead in a circle make it raise.
    paths = (cache.location, cache.files.where(cache.tiles_folder), target)
    source, tiles, place = (Path(os.path.realpath(path)) for path in paths)
    if source.is_relative_to(place) or tiles.is_relative_to(place) or place.is_relative_to(tiles):
        raise ParameterError("the output is the cache itself, or a part of it", where=target, expected="another place")


def _empty_reports(plan: Plan) -> dict[int, LevelReport]:
    """Return the reports that the units' are added to: of each level what the plan has found already."""
    return {
        level.lod.level: LevelReport(
            tiles_damaged=level.empty, damaged=[DamagedTile(*tile, EMPTY) for tile in level.empty_listed]
        )
        for level in plan.levels
        if level.tiles or level.empty
    }


def _check_unchanged(plan: Plan, planned: BundlePlan, found: LevelReport) -> None:
    if (found.tiles, found.bytes_read) != (planned.tiles, planned.bytes):
        raise CacheError(
            f"{bundle_path(planned.address)} changed while it was exported",
            where=plan.cache.location,
            found=f"{found.tiles} tiles of {found.bytes_read} bytes",
            expected=f"{planned.tiles} of {planned.bytes}",
        )

"""The operation as Python functions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from gptool.cache import TileCache, as_tile_cache
from gptool.display.progress_bar import as_progress
from gptool.errors import ParameterError
from gptool.export.estimate import Estimate
from gptool.export.prepare import PreparedExport, prepare
from gptool.export.report import ExportResult
from gptool.model import Progress, StorageFormat, Tables
from gptool.output.registry import resolve_output
from gptool.output.staging import Staging, created_folder
from gptool.output.tpkx import TPKX
from gptool.request import Request, read_call
from gptool.request.limits import read_limit, read_workers


def export_tiles(
    cache: TileCache | str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    levels: str | float | Iterable[float] | None = None,
    export_by: str = "LevelID",
    nearest_level: bool = False,
    export_extent: str | Sequence[float] | Mapping[str, Any] | None = None,
    area_of_interest: str | Mapping[str, Any] | os.PathLike[str] | None = None,
    storage_format_type: str | None = None,
    optimize_tiles_for_size: bool | None = None,
    compression_quality: int | None = None,
    tables: Tables = "efficient",
    max_export_tiles_count: int | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress | bool | None = None,
) -> ExportResult:
    """Export tiles of a cache into a tile package or a cache raster dataset.

    Parameters
    ----------
    cache : TileCache or path
        A cache folder, a `.tpkx` or a `.tpk`.
    output : path
        The result: a tile package if the name ends in `.tpkx` or `.tpk`, otherwise a folder, a cache raster dataset. It
        appears whole or not at all.
    levels : str, number, iterable of numbers or None
        The levels, as in `0-6` or `1,2,7-9`. By default, all levels that hold tiles.
    export_by : {"LevelID", "Resolution", "Scale"}
        The unit of `levels`.
    nearest_level : bool
        True: a resolution or scale that no level has stands for the nearest level. By default, it is an error.
    export_extent : str, 4 floats, mapping or None
        `xmin,ymin,xmax,ymax` in the cache's spatial reference, or an envelope in Esri's JSON with a spatial reference
        of its own. Tiles that share area with it are exported whole. By default, all tiles.
    area_of_interest : str, mapping, path or None
        A feature set or a polygon in Esri's JSON, or GeoJSON, or the path of a file that holds one of them; with
        pyogrio also that of a shapefile, GeoPackage, KML or other file of GDAL. Or well-known text in the cache's
        spatial reference. Tiles that share area with its polygons are exported whole. It supersedes `export_extent`.
    storage_format_type : str or None
        The storage format of a dataset: `compactV2` (the default) or `compact`, or Esri's long names for them.
    optimize_tiles_for_size : bool or None
        True: JPEG tiles become smaller without loss, by Huffman tables of their own; EXIF, XMP and comments are
        removed. By default, they do if a compression quality is given, which contradicts False.
    compression_quality : int or None
        The IJG quality, 0 to 100, that JPEG tiles are recompressed to, capped at each tile's own quality. With the
        efficient tables the quality moves in steps: a request slightly below a tile's quality may not lower it; a
        message says so. By default, every tile keeps its quality.
    tables : {"efficient", "exact"}
        The quantisation tables of recompressed tiles: integer multiples of each tile's own (smaller at equal quality),
        or the IJG table of the requested quality.
    max_export_tiles_count : int or None
        The maximum number of tiles. By default, there is no limit.
    overwrite : bool
        Replace an existing output.
    workers : int or None
        The number of threads. By default, the number of processors.
    progress : Progress, bool or None
        Called as `progress(phase, done, total)`; see `gptool.model.Progress`. True shows a bar on a terminal and in a
        notebook.

    Returns
    -------
    ExportResult

    Raises
    ------
    ParameterError
        If the request is invalid, selects no tile, or selects more tiles than the maximum.
    CacheError
        If the cache cannot be read.
    OutputError
        If the result cannot be written, or exists.
    """
    return run_call(
        cache,
        output,
        max_export_tiles_count=max_export_tiles_count,
        overwrite=overwrite,
        workers=workers,
        progress=progress,
        levels=levels,
        export_by=export_by,
        nearest_level=nearest_level,
        export_extent=export_extent,
        area_of_interest=area_of_interest,
        storage_format_type=storage_format_type,
        optimize_tiles_for_size=optimize_tiles_for_size,
        compression_quality=compression_quality,
        tables=tables,
    ).result


class FinishedExport(NamedTuple):
    """An export with what its report needs: the request, its preparation, and the result."""

    request: Request
    prepared: PreparedExport
    result: ExportResult


def run_call(
    cache: TileCache | str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    max_export_tiles_count: int | None,
    overwrite: bool,
    workers: int | None,
    progress: Progress | bool | None,
    **selection: Any,
) -> FinishedExport:
    """Run `export_tiles`, with the same parameters, and return what its report needs too."""
    request = read_call(**selection)
    limit, threads = read_limit(max_export_tiles_count), read_workers(workers)
    target, kind = resolve_output(output, request.storage)
    request = replace(request, tile_package=kind.is_file)
    with created_folder(target.parent):
        staging = Staging(target, is_folder=not kind.is_file, overwrite=overwrite)
        with as_progress(progress) as report:
            prepared = prepare(cache, request, kind=kind, target=target, limit=limit, progress=report)
            result = prepared.export(staging, threads, report)
    result = replace(result, messages=(*prepared.notices, *result.messages))
    return FinishedExport(request, prepared, result)


def estimate_export_tiles_size(
    cache: TileCache | str | os.PathLike[str],
    *,
    levels: str | float | Iterable[float] | None = None,
    export_by: str = "LevelID",
    nearest_level: bool = False,
    export_extent: str | Sequence[float] | Mapping[str, Any] | None = None,
    area_of_interest: str | Mapping[str, Any] | os.PathLike[str] | None = None,
    tile_package: bool | None = None,
    output: str | os.PathLike[str] | None = None,
    storage_format_type: str | None = None,
    optimize_tiles_for_size: bool | None = None,
    compression_quality: int | None = None,
    tables: Tables = "efficient",
    max_export_tiles_count: int | None = None,
    progress: Progress | bool | None = None,
) -> Estimate:
    """Count the tiles of an export and estimate the size of its result. Nothing is written.

    Parameters as for `gptool.export_tiles`, and:

    Parameters
    ----------
    tile_package : bool or None
        Whether the result is a tile package (`.tpk` if `storage_format_type` is compact, otherwise `.tpkx`) or a cache
        raster dataset. By default, a package, or a dataset if a `.tpkx` cannot state the cache's spatial reference.
    output : path or None
        The output of the export, in place of `tile_package`: its suffix is the kind of the result, and the metadata
        state its name. By default, the result has the name of the cache. Nothing is written.

    Returns
    -------
    Estimate

    Raises
    ------
    ParameterError
        If the request is invalid, selects no tile, or selects more tiles than the maximum.
    CacheError
        If the cache cannot be read.
    """
    request = read_call(
        levels=levels,
        export_by=export_by,
        nearest_level=nearest_level,
        export_extent=export_extent,
        area_of_interest=area_of_interest,
        tile_package=tile_package,
        storage_format_type=storage_format_type,
        optimize_tiles_for_size=optimize_tiles_for_size,
        compression_quality=compression_quality,
        tables=tables,
    )
    tile_cache, kind, name = as_tile_cache(cache), None, None
    if output is not None:
        if tile_package is not None:
            raise ParameterError("contradicts output, whose suffix is the kind of the result", where="tilePackage")
        target, kind = resolve_output(output, request.storage)
        name = target.stem
    elif tile_package is None:
        is_package = request.storage is StorageFormat.COMPACT or TPKX.can_hold(tile_cache)
        request = replace(request, tile_package=is_package)
    limit = read_limit(max_export_tiles_count)
    with as_progress(progress) as report:
        prepared = prepare(tile_cache, request, kind=kind, limit=limit, progress=report)
        estimate = prepared.estimate(report, name=name)
    return replace(estimate, messages=(*prepared.notices, *estimate.messages))

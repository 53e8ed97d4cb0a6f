"""The operation as Python functions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from gptool.cache import TileCache
from gptool.errors import LimitError, OutputExistsError, ParameterError, notes
from gptool.export.calls import run_call, run_estimate
from gptool.export.estimate import Estimate
from gptool.export.report import ExportResult
from gptool.model import Message, Progress, Tables
from gptool.output.staging import with_option_names
from gptool.request.parameters import BY_NAME
from gptool.request.renaming import with_names
from gptool.request.values import read_boolean

T = TypeVar("T")

PYTHON_NAMES = {name: parameter.python_name for name, parameter in BY_NAME.items()}
"""The names of the arguments by the operation's names of its parameters."""

PYTHON_OPTIONS = partial(with_option_names, overwrite="overwrite=True", restart="resume=False")


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
    target_size: int | str | None = None,
    max_part_size: int | str | None = None,
    max_part_tiles: int | None = None,
    tables: Tables = "efficient",
    optimize_png: bool = False,
    max_export_tiles_count: int | None = None,
    overwrite: bool = False,
    resume: bool = True,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: Progress | bool | None = None,
) -> ExportResult:
    """Export tiles of a cache into a tile package, another file, or a cache raster dataset.

    Parameters
    ----------
    cache : TileCache, path or URL
        A cache folder, a `.tpkx` or a `.tpk`, on a disk or in an object store; or a `.mbtiles` on a disk.
    output : path or URL
        The result: a tile package if the name ends in `.tpkx` or `.tpk`, a file for other clients if it ends in
        `.mbtiles`, `.pmtiles` or `.gpkg`, otherwise a folder, a cache raster dataset. It appears whole or not at all.
        With parts, the name of their folder. A URL begins with `s3://`, `gs://` or `az://`.
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
        The storage format of a dataset, or of parts: `compactV2` (the default) or `compact`, or Esri's long names for
        them.
    optimize_tiles_for_size : bool or None
        True: JPEG tiles become smaller without loss, by Huffman tables of their own; EXIF, XMP and comments are
        removed. By default, they do if a compression quality is given, which contradicts False.
    compression_quality : int or None
        The IJG quality, 0 to 100, that JPEG tiles are recompressed to, capped at each tile's own quality. With the
        efficient tables the quality moves in steps: a request slightly below a tile's quality may not lower it; a
        message says so. By default, every tile keeps its quality.
    target_size : int, str or None
        The bytes that the result must not exceed, also as in `500MB`, `1.5 GB` or `200 MiB`. Tiles are copied if the
        result fits then, else optimised without loss, else recompressed to the highest quality whose result fits. It
        cannot be combined with `compression_quality`.
    max_part_size : int, str or None
        The bytes that no part of the result must exceed, as `target_size`. The output is a folder then: of tile
        packages, each with all tiles of its area, one with the coarse levels, and of `manifest.json`, which appears
        last. `ExportResult.parts` lists them.
    max_part_tiles : int or None
        The maximum number of tiles in a part of the result, which is divided as with `max_part_size`.
    tables : {"efficient", "exact"}
        The quantisation tables of recompressed tiles: integer multiples of each tile's own (smaller at equal quality),
        or the IJG table of the requested quality.
    optimize_png : bool
        True: PNG tiles become smaller without loss: their pixels, bit depth and colour type stay. It takes 10 to 100 ms
        per tile of 256 x 256 pixels, and needs the extra `png`.
    max_export_tiles_count : int or None
        The maximum number of tiles, or of the tiles of each part. By default, there is no limit.
    overwrite : bool
        Replace an existing output.
    resume : bool
        Go on with what an interrupted run of the same export has finished, which is kept in a hidden folder beside the
        output; for a URL, in the folder of temporary files. False discards it.
    workers : int or None
        The number of threads, or with an executor of tasks at once. By default, the number of processors, or of the
        executor's workers.
    executor : concurrent.futures.Executor or None
        Where tiles are read, recompressed and written: a process pool, or `Client.get_executor()` of a Dask cluster.
        Its workers must see the cache and the folder of the output under the same paths, and have the same version of
        gptool. By default, threads of this process.
    progress : Progress, bool or None
        Called as `progress(phase, done, total)`; see `gptool.model.Progress`. True shows a bar on a terminal and in a
        notebook.

    Returns
    -------
    ExportResult

    Raises
    ------
    ParameterError
        If the request is invalid, selects no tile, or selects more tiles than the maximum, or if no result of it fits
        the target size.
    CacheError
        If the cache cannot be read.
    OutputError
        If the result cannot be written, or exists.
    """
    result = call_for_python(
        run_call,
        cache,
        output,
        max_export_tiles_count=max_export_tiles_count,
        overwrite=overwrite,
        restart=not read_boolean(resume, "resume"),
        workers=workers,
        executor=executor,
        progress=progress,
        levels=levels,
        export_by=export_by,
        nearest_level=nearest_level,
        export_extent=export_extent,
        area_of_interest=area_of_interest,
        storage_format_type=storage_format_type,
        optimize_tiles_for_size=optimize_tiles_for_size,
        compression_quality=compression_quality,
        target_size=target_size,
        max_part_size=max_part_size,
        max_part_tiles=max_part_tiles,
        tables=tables,
        optimize_png=optimize_png,
    ).result
    return replace(result, messages=with_python_names(result.messages))


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
    target_size: int | str | None = None,
    max_part_size: int | str | None = None,
    max_part_tiles: int | None = None,
    tables: Tables = "efficient",
    optimize_png: bool = False,
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
        If the request is invalid, selects no tile, or selects more tiles than the maximum, or if no result of it fits
        the target size.
    CacheError
        If the cache cannot be read.
    """
    estimate = call_for_python(
        run_estimate,
        cache,
        tile_package=tile_package,
        output=output,
        max_export_tiles_count=max_export_tiles_count,
        progress=progress,
        levels=levels,
        export_by=export_by,
        nearest_level=nearest_level,
        export_extent=export_extent,
        area_of_interest=area_of_interest,
        storage_format_type=storage_format_type,
        optimize_tiles_for_size=optimize_tiles_for_size,
        compression_quality=compression_quality,
        target_size=target_size,
        max_part_size=max_part_size,
        max_part_tiles=max_part_tiles,
        tables=tables,
        optimize_png=optimize_png,
    )
    return replace(estimate, messages=with_python_names(estimate.messages))


def call_for_python(function: Callable[..., T], *arguments: Any, **selection: Any) -> T:
    """Call a function; errors about parameters name them as in Python, and the advice is shown by tracebacks."""
    try:
        return _call(function, *arguments, **selection)
    except OutputExistsError as error:
        error.change_texts(PYTHON_OPTIONS)
        raise
    except ParameterError as error:
        error.change_texts(partial(with_names, names=PYTHON_NAMES))
        for line in error.advice if isinstance(error, LimitError) else ():
            error.add_note(line)
        raise


def _call(function: Callable[..., T], *arguments: Any, **selection: Any) -> T:
    """Call a function; notes about an interruption name the argument that discards what is kept."""
    try:
        return function(*arguments, **selection)
    except BaseException as error:
        if found := notes(error):
            error.__notes__ = list(map(PYTHON_OPTIONS, found))
        raise


def with_python_names(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Return messages with the names of arguments in place of the operation's names of parameters."""
    return tuple(message._replace(description=with_names(message.description, PYTHON_NAMES)) for message in messages)

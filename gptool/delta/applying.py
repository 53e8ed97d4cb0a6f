"""`gptool.apply`: the new state of a cache, from the old one and a delta."""

from __future__ import annotations

from typing import Any

from gptool.cache import TileCache, as_tile_cache
from gptool.delta.check import check_base, check_counts
from gptool.delta.export import open_target
from gptool.delta.in_place import update_in_place
from gptool.delta.package import Delta, open_delta
from gptool.delta.results import ApplyResult
from gptool.delta.scheme import check_same_scheme
from gptool.display.progress_bar import as_progress
from gptool.errors import ParameterError
from gptool.export.functions import call_for_python
from gptool.model import Progress
from gptool.output.registry import resolve_output
from gptool.plan import count_tiles
from gptool.request import read_call, read_request
from gptool.request.limits import read_workers
from gptool.request.values import read_boolean
from gptool.system.store_url import AnyLocation


def apply(
    base: TileCache | AnyLocation,
    delta: AnyLocation,
    output: AnyLocation | None = None,
    *,
    in_place: bool = False,
    storage_format_type: str | None = None,
    overwrite: bool = False,
    resume: bool = True,
    workers: int | None = None,
    progress: Progress | bool | None = None,
) -> ApplyResult:
    """Make the new state of a cache, from the old one and a delta.

    Parameters
    ----------
    base : TileCache, path or URL
        The old state, of any storage format: its tiles must be those that the delta was made from.
    delta : path or URL
        What `gptool.diff` has written.
    output : path, URL or None
        The new state, as of `gptool.export_tiles`; None in place.
    in_place : bool
        Bring the base itself, a cache folder, to the new state. If it is interrupted, the same call goes on with it.
    storage_format_type : str or None
        The storage format of a folder as output: `compactV2` (the default) or `compact`.
    overwrite : bool
        Replace an existing output.
    resume : bool
        Go on with what an interrupted run has finished; see `gptool.export_tiles`.
    workers : int or None
        The number of threads. By default, the number of processors.
    progress : Progress, bool or None
        As of `gptool.export_tiles`.

    Returns
    -------
    ApplyResult

    Raises
    ------
    ParameterError
        If a value is invalid.
    CacheError
        If the base or the delta cannot be read, or the base is not that of the delta.
    OutputError
        If the result cannot be written, or exists.
    """
    restart = not read_boolean(resume, "resume")
    options = {"overwrite": overwrite, "restart": restart, "workers": workers, "progress": progress}
    values = {"in_place": in_place, "storage_format_type": storage_format_type}
    result: ApplyResult = call_for_python(run_apply, base, delta, output, **values, **options)
    return result


def run_apply(
    base: TileCache | AnyLocation,
    delta: AnyLocation,
    output: AnyLocation | None = None,
    *,
    in_place: bool = False,
    storage_format_type: str | None = None,
    **options: Any,
) -> ApplyResult:
    """Run `apply`. The other options are those of `open_target`."""
    is_in_place = read_boolean(in_place, "in_place")
    if is_in_place == (output is not None):
        found = "an output" if is_in_place else "no output"
        raise ParameterError(
            "contradicts in_place" if is_in_place else "is missing",
            where="output",
            found=found,
            expected="either an output, or the base to be changed in place",
        )
    cache, opened = as_tile_cache(base), open_delta(delta)
    check_same_scheme(cache.scheme, cache.location, opened.described.scheme)
    storage = read_call(storage_format_type=storage_format_type).storage
    if output is not None:
        path, kind = resolve_output(output, storage)
        sources = {"is the base or a part of it": cache, "is the delta or a folder that contains it": opened.cache}
        with open_target(path, kind, sources, **options) as target:
            checked = _check(cache, opened, target.workers, target.progress)
            export = target.export(opened.state_of(cache, checked))
        return ApplyResult(export.path, opened.document, export.size, None, export.messages)
    if storage is not None:
        raise ParameterError("has no effect in place", where="storageFormatType", expected="no value")
    with as_progress(options.get("progress")) as report:
        return update_in_place(cache, opened, read_workers(options.get("workers")), report)


def _check(base: TileCache, delta: Delta, workers: int, progress: Progress | None) -> dict[Any, tuple[int, ...]]:
    """Check a base, first the numbers of its tiles; return the state of its bundles."""
    request = read_request({})
    plan = count_tiles(base, request, progress)
    check_counts(base, {level.lod.level: level.tiles for level in plan.levels if level.tiles}, delta.document.base)
    tiles = plan.tiles + count_tiles(delta.cache, request).tiles
    return check_base(base, delta, tiles, workers=workers, progress=progress).stamps

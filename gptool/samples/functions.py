"""Sample compressions as a Python function, and with the names of parameters that the operation has."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gptool.cache import TileCache
from gptool.display.progress_bar import as_progress
from gptool.errors import ParameterError
from gptool.export.calls import prepare_estimate
from gptool.export.functions import call_for_python, with_python_names
from gptool.model import Progress, Tables
from gptool.request.limits import read_workers
from gptool.request.parameters import BY_NAME, MAX_QUALITY, MIN_QUALITY, TABLES
from gptool.request.values import format_value, read_integer
from gptool.samples.defaults import DEFAULT_COUNT, DEFAULT_QUALITIES, MAX_COUNT, MAX_QUALITIES
from gptool.samples.report import Samples
from gptool.samples.run import make_samples


def sample_compressions(
    cache: TileCache | str | os.PathLike[str],
    *,
    qualities: str | Iterable[int] = DEFAULT_QUALITIES,
    count: int = DEFAULT_COUNT,
    levels: str | float | Iterable[float] | None = None,
    export_by: str = "LevelID",
    nearest_level: bool = False,
    export_extent: str | Sequence[float] | Mapping[str, Any] | None = None,
    area_of_interest: str | Mapping[str, Any] | os.PathLike[str] | None = None,
    tile_package: bool | None = None,
    storage_format_type: str | None = None,
    tables: Tables = "efficient",
    max_export_tiles_count: int | None = None,
    progress: Progress | bool | None = None,
) -> Samples:
    """Recompress and score representative tiles at several qualities, and recommend a quality. Nothing is written.

    Parameters as for `gptool.estimate_export_tiles_size`, and:

    Parameters
    ----------
    qualities : str or iterable of int
        One to twelve compression qualities, 0 to 100, as in `30,50,70`.
    count : int
        The maximum number of tiles in the result, 1 to 200: of each level the busiest, the median and the flattest by
        bytes, and the worst of all tiles that are scored, which are more.

    Returns
    -------
    Samples
        `Samples.write_html` writes a page to look at.

    Raises
    ------
    ParameterError
        If the request is invalid, selects no tile, or selects more tiles than the maximum.
    CacheError
        If the cache cannot be read, or no selected tile is a valid JPEG.
    """
    samples = call_for_python(
        run_samples,
        cache,
        qualities=qualities,
        count=count,
        tile_package=tile_package,
        max_export_tiles_count=max_export_tiles_count,
        progress=progress,
        levels=levels,
        export_by=export_by,
        nearest_level=nearest_level,
        export_extent=export_extent,
        area_of_interest=area_of_interest,
        storage_format_type=storage_format_type,
        tables=tables,
    )
    return replace(samples, messages=with_python_names(samples.messages))


def run_samples(
    cache: TileCache | str | os.PathLike[str],
    *,
    qualities: str | Iterable[int] = DEFAULT_QUALITIES,
    count: int = DEFAULT_COUNT,
    tables: Any = TABLES[0],
    target: Path | None = None,
    progress: Progress | bool | None = None,
    **selection: Any,
) -> Samples:
    """Run `sample_compressions`, with the same parameters. Messages have the operation's names of parameters.

    `target` is the file that the page will be written to, which must not lie among the tiles.
    """
    wanted, most = read_qualities(qualities), read_integer(count, "count", 1, MAX_COUNT)
    used: Tables = BY_NAME["tables"].read(tables)
    with as_progress(progress) as report:
        prepared, _ = prepare_estimate(
            cache,
            optimize_tiles_for_size=None,
            compression_quality=None,
            target=target,
            progress=report,
            **selection,
        )
        return make_samples(prepared, wanted, most, used, read_workers(None), report)


def read_qualities(value: str | Iterable[int]) -> list[int]:
    """Return compression qualities, ascending and each once.

    Raises
    ------
    ParameterError
        If there are none or too many, or one is invalid.
    """
    items: Iterable[Any] = value.split(",") if isinstance(value, str) else value
    try:
        found = sorted({read_integer(item, "qualities", MIN_QUALITY, MAX_QUALITY) for item in items})
    except TypeError:
        raise _qualities_error(value) from None
    if not 1 <= len(found) <= MAX_QUALITIES:
        raise _qualities_error(value)
    return found


def _qualities_error(value: Any) -> ParameterError:
    expected = f"1 to {MAX_QUALITIES} qualities, as in 30,50,70"
    return ParameterError("invalid list of qualities", where="qualities", found=format_value(value), expected=expected)

"""Options that several commands share; most come from the parameter table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from gptool import system
from gptool.cli.console import with_options
from gptool.cli.usage import Integer, StoreLocation
from gptool.request.limits import MAX_WORKERS
from gptool.request.parameters import BY_NAME, Parameter
from gptool.system.store_url import LOCATIONS, hide_secrets

CommandFunction = TypeVar("CommandFunction", bound=Callable[..., Any])

Value = TypeVar("Value", str | None, tuple[str, ...])

SELECTION = {
    "levels": "LIST",
    "exportBy": "LevelID|Resolution|Scale",
    "nearestLevel": None,
    "exportExtent": "BOX",
    "areaOfInterest": "FILE|JSON|WKT",
    "optimizeTilesForSize": None,
    "compressionQuality": "0-100",
    "targetSize": "SIZE",
    "maxPartSize": "SIZE",
    "maxPartTiles": "N",
    "tables": "efficient|exact",
    "optimizePng": None,
    "storageFormatType": "compactV2|compact",
}
"""The parameters of the table that are options, and the placeholders for their values in the help; None for flags."""

MORE = {
    "areaOfInterest": " Also a file in another format of GDAL, if the extra `areas` is installed, and POLYGON or "
    "MULTIPOLYGON as well-known text.",
    "optimizeTilesForSize": " Implied by --compression-quality.",
    "optimizePng": " Needs the extra `png`.",
}
"""What the help of an option says besides the documentation of its parameter."""

cache_argument = click.argument("cache", type=StoreLocation(LOCATIONS))

json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print JSON on standard output, and nothing else there.",
)

json_progress_option = click.option(
    "--json-progress",
    is_flag=True,
    help="For other programs: show the progress on standard error as lines of JSON, with phase, done and total.",
)

limit_option = click.option(
    "--max-export-tiles-count",
    type=Integer(0),
    metavar="N",
    help="Fail if more than N tiles are selected. With --max-part-size or --max-part-tiles, N limits the tiles of "
    "each part instead.",
)

tile_package_option = click.option(
    "--tile-package/--no-tile-package",
    default=None,
    help="Estimate a tile package, or a cache raster dataset. By default, a package.",
)


def reject_empty(_context: click.Context, option: click.Parameter, value: Value) -> Value:
    """Return the value or values, unless one is empty: that of a variable that is not set would select everything."""
    values = value if isinstance(value, tuple) else (value,)
    if any(each is not None and not each.strip() for each in values):
        raise click.BadParameter(f"is empty; expected {option.metavar}, or no {option.opts[0]} at all")
    return value


def reject_url(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Return the area of interest, unless it is empty or a URL, which may have a password, and would be in reports."""
    if value and system.is_url(value):
        raise click.BadParameter(f"is a URL, not a path; found {hide_secrets(value)}, expected {option.metavar}")
    return reject_empty(context, option, value)


def selection_options(command: CommandFunction) -> CommandFunction:
    """Add the options that select tiles, and set their recompression and storage."""
    return _add_options(command, SELECTION)


def sample_options(command: CommandFunction) -> CommandFunction:
    """Add the options that select tiles, their tables and storage: tiles are recompressed to several qualities."""
    others = "optimizeTilesForSize", "compressionQuality", "targetSize", "maxPartSize", "maxPartTiles"
    return _add_options(command, {name: metavar for name, metavar in SELECTION.items() if name not in others})


def storage_option(command: CommandFunction) -> CommandFunction:
    """Add the option for the storage format of a folder."""
    return _add_options(command, {"storageFormatType": SELECTION["storageFormatType"]})


def result_options(command: CommandFunction) -> CommandFunction:
    """Add the options of a command that writes a result of the tiles of caches as they are."""
    for option in (
        json_option,
        click.option("--no-progress", is_flag=True, help="Show no progress."),
        click.option("--quiet", is_flag=True, help="Print errors only."),
        click.option(
            "--workers",
            type=Integer(1, MAX_WORKERS),
            metavar="N",
            help="Number of threads, 1 to 1024. By default, the number of processors.",
        ),
        click.option(
            "--restart",
            is_flag=True,
            help="Discard what an interrupted run of the same command has finished. By default, it is gone on with.",
        ),
        click.option("--overwrite", is_flag=True, help="Replace an existing result."),
    ):
        command = option(command)
    return command


def _add_options(command: CommandFunction, options: Mapping[str, str | None]) -> CommandFunction:
    for name, metavar in reversed(list(options.items())):
        parameter, is_flag = BY_NAME[name], metavar is None
        default = None if is_flag else parameter.default  # a flag that is not given may be implied
        command = click.option(
            parameter.option,
            metavar=metavar,
            is_flag=is_flag,
            callback=None if is_flag else reject_url if name == "areaOfInterest" else reject_empty,
            default=default,
            show_default=default is not None,
            help=with_options(parameter.documentation) + MORE.get(name, ""),
            shell_complete=partial(_complete, parameter),
        )(command)
    return command


def _complete(parameter: Parameter, _ctx: click.Context, _option: click.Parameter, start: str) -> list[CompletionItem]:
    """Return what a shell offers for the start of a value: the choices of a parameter, or files for an area."""
    if parameter.name == "areaOfInterest":
        return [CompletionItem(start, type="file")]
    return [CompletionItem(choice) for choice in parameter.choices if choice.lower().startswith(start.lower())]

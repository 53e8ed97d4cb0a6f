"""`gptool estimate`: the tiles and the size of an export, before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gptool.cli.console import print_json, print_table, running, show_messages, show_progress
from gptool.cli.options import (
    cache_argument,
    json_option,
    json_progress_option,
    limit_option,
    selection_options,
    tile_package_option,
)
from gptool.cli.usage import Command, StoreLocation
from gptool.system.store_url import OUTPUTS
from gptool.text import format_bytes, format_count

if TYPE_CHECKING:
    from gptool.export.estimate import Estimate

EPILOG = """\b
Examples:
  gptool estimate relief --levels 0-6 --compression-quality 50
  gptool estimate relief --area-of-interest north.geojson --json
  gptool estimate relief --output relief.tpkx --max-export-tiles-count 100000
"""


@click.command("estimate", cls=Command, epilog=EPILOG)
@cache_argument
@selection_options
@tile_package_option
@click.option(
    "--output",
    type=StoreLocation(OUTPUTS),
    metavar="OUTPUT",
    help="OUTPUT of the export: its suffix and name. Nothing is written.",
)
@limit_option
@json_progress_option
@json_option
def command(cache: str, json_progress: bool, as_json: bool, **options: Any) -> None:
    """Count the tiles that an export of CACHE takes and estimate the size of its result. Writes nothing.

    The number of tiles is exact. So is the size, unless tiles are recompressed: then it is estimated from a sample. The
    size of a .mbtiles, .pmtiles or .gpkg has bounds.
    """
    from gptool.export.calls import run_estimate
    from gptool.jobs.job import Job
    from gptool.jobs.record import ESTIMATE_SIZE

    with running(Job(ESTIMATE_SIZE, options), as_json), show_progress(as_json=json_progress) as progress:
        estimate = run_estimate(cache, progress=progress, **options)
    show_messages(estimate.messages)
    if as_json:
        print_json(estimate.to_json())
        return
    rows = [
        (str(level.level), f"{level.tiles:,}", *map(format_bytes, (level.bytes_read, level.bytes_written, level.size)))
        for level in estimate.levels
    ]
    print_table(("Level", "Tiles", "Bytes in", "Bytes out", "With indexes"), rows)
    tiles = format_count(estimate.total_tiles_to_export, "tile")
    click.echo(f"{tiles}, {_size(estimate)} as {estimate.result} named {estimate.name}")


def _size(estimate: Estimate) -> str:
    low, high = estimate.interval
    size = format_bytes(estimate.total_size)
    if low == high:
        return size
    sample = f", from a sample of {format_count(estimate.sampled_tiles, 'tile')}" if estimate.sampled_tiles else ""
    return f"about {size} ({format_bytes(low)} to {format_bytes(high)}{sample})"

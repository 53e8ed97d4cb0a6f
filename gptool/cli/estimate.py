"""`gptool estimate`: count and weigh an export first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gptool.cli.console import bytes_text, print_json, print_table, running, show_messages, show_progress
from gptool.cli.options import cache_argument, json_option, selection_options, tile_package_option

if TYPE_CHECKING:
    from gptool.export.estimate import Estimate

EPILOG = """\b
Example:
  gptool estimate relief --levels 0-6 --compression-quality 50
  gptool estimate relief --area-of-interest north.geojson --json
"""


@click.command("estimate", epilog=EPILOG)
@cache_argument
@selection_options
@tile_package_option
@json_option
def command(cache: str, as_json: bool, **options: Any) -> None:
    """Count the tiles an export of CACHE would take and weigh its result. Writes nothing.

    Tiles are counted exactly. So are bytes, unless tiles are to be recompressed: then they follow from a sample.
    """
    from gptool.export.estimate import estimate_export_tiles_size
    from gptool.jobs.job import Job

    with running(Job("EstimateExportTilesSize", options), as_json), show_progress("Counting") as progress:
        estimate = estimate_export_tiles_size(cache, progress=progress, **options)
    show_messages(estimate.messages)
    if as_json:
        print_json(estimate.to_json())
        return
    rows = [
        (str(level.level), f"{level.tiles:,}", bytes_text(level.bytes_read), bytes_text(level.bytes_written))
        for level in estimate.levels
    ]
    print_table(("Level", "Tiles", "Bytes in", "Bytes out"), rows)
    click.echo(f"{estimate.total_tiles_to_export:,} tiles, {_size(estimate)} as {estimate.result}")


def _size(estimate: Estimate) -> str:
    low, high = estimate.interval
    size = bytes_text(estimate.total_size)
    if low == high:
        return size
    sample = f"a sample of {estimate.sampled_tiles:,} tiles"
    return f"about {size} ({bytes_text(low)} to {bytes_text(high)}, from {sample})"

"""`gptool estimate`: count and weigh an export first."""

from __future__ import annotations

from typing import Any

import click

from gptool.cli.console import bytes_text, print_json, print_table
from gptool.cli.options import cache_argument, json_option, selection_options

EPILOG = """\b
Example:
  gptool estimate relief --levels 0-6 --compression-quality 50
"""


@click.command("estimate", epilog=EPILOG)
@cache_argument
@selection_options
@json_option
def command(cache: str, as_json: bool, **options: Any) -> None:
    """Count the tiles an export of CACHE would take and weigh its result, a .tpkx. Writes nothing.

    Tiles are counted exactly. So are bytes, unless tiles are to be recompressed: then they follow from a sample.
    """
    from gptool.estimate import estimate_export_tiles_size

    estimate = estimate_export_tiles_size(cache, **options)
    if as_json:
        print_json(estimate.to_json())
        return
    rows = [
        (str(level.level), f"{level.tiles:,}", bytes_text(level.bytes_read), bytes_text(level.bytes_written))
        for level in estimate.levels
    ]
    print_table(("Level", "Tiles", "Bytes in", "Bytes out"), rows)
    about = "" if options["compression_quality"] is None else "about "
    click.echo(
        f"{estimate.total_tiles_to_export:,} tiles, {about}{bytes_text(estimate.total_size)} as {estimate.result}"
    )

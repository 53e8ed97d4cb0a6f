"""`gptool diff`: what changed between two states of a cache, as a small tile package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gptool.cli.console import print_json, print_table, show_messages, show_progress
from gptool.cli.options import result_options
from gptool.cli.usage import Command, StoreLocation
from gptool.system.store_url import LOCATIONS, OUTPUTS

if TYPE_CHECKING:
    from gptool.delta.results import DiffResult

EPILOG = """\b
Examples:
  gptool diff may.tpkx june.tpkx june-delta.tpkx
  gptool diff /srv/old-cache s3://maps/cache delta.tpkx --trust-indexes

Exit status: 0 if the delta is in place, also if nothing changed; 1 if it failed, 2 for wrong usage.
"""


@click.command("diff", cls=Command, epilog=EPILOG)
@click.argument("old", type=StoreLocation(LOCATIONS))
@click.argument("new", type=StoreLocation(LOCATIONS))
@click.argument("delta", type=StoreLocation(OUTPUTS), metavar="DELTA.tpkx")
@click.option(
    "--trust-indexes",
    is_flag=True,
    help="Take the tiles of a bundle for equal if both states of it have files of one size, and the same offsets and "
    "sizes of tiles; those of OLD are not read then. By default, all tiles are compared by their bytes.",
)
@result_options
def command(old: str, new: str, delta: str, quiet: bool, no_progress: bool, as_json: bool, **options: Any) -> None:
    """Write the tiles that NEW has and OLD has not, or has otherwise, into DELTA.tpkx.

    OLD and NEW are two states of a cache: folders, tile packages or URLs, of any storage formats, with one tiling
    scheme. The delta is a tile package that clients can open; gptool apply makes NEW of OLD and the delta.
    """
    from gptool.delta.differ import run_diff

    with show_progress(hidden=quiet or no_progress) as progress:
        result = run_diff(old, new, delta, progress=progress, **options)
    if not quiet:
        show_messages(result.messages)
    if as_json:
        print_json(result.to_json())
    elif not quiet:
        _show(result)


def _show(result: DiffResult) -> None:
    names = list(result.total)
    rows = [(str(counts.level), *(f"{getattr(counts, name):,}" for name in names)) for counts in result.levels]
    total = "All", *(f"{count:,}" for count in result.total.values())
    print_table(("Level", *(name.capitalize() for name in names)), rows, total)
    click.echo(f"{result.path}: {result.summary}")

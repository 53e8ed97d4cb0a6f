"""`gptool apply`: the new state of a cache, from the old one and a delta."""

from __future__ import annotations

from typing import Any

import click

from gptool.cli.console import print_json, show_messages, show_progress
from gptool.cli.options import result_options, storage_option
from gptool.cli.usage import Command, StoreLocation
from gptool.system.store_url import LOCATIONS, OUTPUTS

EPILOG = """\b
Examples:
  gptool apply may.tpkx june-delta.tpkx june.tpkx
  gptool apply /srv/cache june-delta.tpkx --in-place

Exit status: 0 if the whole new state is in place, 1 if it failed, 2 for wrong usage.
"""


@click.command("apply", cls=Command, epilog=EPILOG)
@click.argument("base", type=StoreLocation(LOCATIONS))
@click.argument("delta", type=StoreLocation(LOCATIONS), metavar="DELTA.tpkx")
@click.argument("output", type=StoreLocation(OUTPUTS), required=False)
@click.option(
    "--in-place",
    is_flag=True,
    help="Bring BASE, a cache folder, to the new state, in place of an OUTPUT. Each bundle is replaced in one step; if "
    "it is interrupted, the same command completes it.",
)
@storage_option
@result_options
def command(
    base: str,
    delta: str,
    output: str | None,
    in_place: bool,
    quiet: bool,
    no_progress: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Make the new state of BASE, which is the old one of DELTA.tpkx, and write it to OUTPUT.

    BASE is a cache folder, a tile package or a URL, of any storage format. A BASE whose tiles are not those that the
    delta was made from is refused. OUTPUT is as that of gptool export-tiles.
    """
    if in_place == (output is not None):
        what = "OUTPUT and --in-place exclude each other" if in_place else "OUTPUT: is missing"
        raise click.UsageError(f"{what}; expected the name of a result, or --in-place")
    from gptool.delta.applying import run_apply

    with show_progress(hidden=quiet or no_progress) as progress:
        result = run_apply(base, delta, output, in_place=in_place, progress=progress, **options)
    if not quiet:
        show_messages(result.messages)
    if as_json:
        print_json(result.to_json())
    elif not quiet:
        click.echo(f"{result.path}: {result.summary}")

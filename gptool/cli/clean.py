"""`gptool clean`: what interrupted exports have left in a folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gptool.cli.console import print_json, print_table
from gptool.cli.usage import AGE_UNITS, Age, Command, Location
from gptool.text import format_bytes, format_count

if TYPE_CHECKING:
    from gptool.export.leftovers import Leftover

EPILOG = """\b
Examples:
  gptool clean /srv/exports
  gptool clean /srv/exports --older-than 7d
"""


@click.command("clean", cls=Command, epilog=EPILOG)
@click.argument("folder", type=Location())
@click.option(
    "--older-than",
    type=Age(),
    metavar="AGE",
    help="Remove what was changed last before this time, such as 7d, 12h or 90m. By default, nothing is removed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, and nothing else there.")
def command(folder: str, older_than: int | None, as_json: bool) -> None:
    """List, and with --older-than remove, what interrupted exports have left in FOLDER, the folder of outputs.

    The next run of the same export would go on with it. What a running export uses is never removed. A dataset that was
    about to be overwritten is put back first. Exports to stores leave it in the folder of temporary files, and objects
    of a dataset in the store, which are removed, too.
    """
    from gptool.export.leftovers import list_leftovers, remove_leftover

    now, removed = time.time(), set[Path]()
    leftovers = list_leftovers(Path(folder).absolute())
    if older_than is not None:
        removed = {each.path for each in leftovers if remove_leftover(each, before=now - older_than)}
    if as_json:
        print_json({"leftovers": [each.to_json(now=now, is_removed=each.path in removed) for each in leftovers]})
        return
    if leftovers:
        rows = [_cells(each, now, removed) for each in leftovers]
        print_table(("Output<", "Bundles", "Bytes", "Age", "State<"), rows)
    counted = [each for each in leftovers if older_than is None or each.path in removed]
    count, size = format_count(len(leftovers), "interrupted export"), format_bytes(sum(each.size for each in counted))
    removal = "" if older_than is None else f"; {len(counted):,} of them removed"
    click.echo(f"{folder}: {count}{removal}, {size}")


def _cells(leftover: Leftover, now: float, removed: set[Path]) -> tuple[str, ...]:
    state = "removed" if leftover.path in removed else "in use" if leftover.is_in_use else "interrupted"
    output = leftover.output or leftover.path.name
    return output, f"{leftover.bundles:,}", format_bytes(leftover.size), _age(now - leftover.modified), state


def _age(seconds: float) -> str:
    """Return an age in the largest unit that it has twice."""
    unit = next((unit for unit in "wdhm" if seconds >= 2 * AGE_UNITS[unit]), "s")
    return f"{max(seconds, 0) // AGE_UNITS[unit]:.0f} {unit}"

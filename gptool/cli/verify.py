"""`gptool verify`: whether a package or cache is what clients expect."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from gptool.cli.console import WIDE, output_width, print_json, print_table
from gptool.cli.options import json_option
from gptool.cli.usage import Choice, Command, StoreLocation
from gptool.errors import CacheError, ParameterError
from gptool.system.store_url import LOCATIONS
from gptool.verification.profiles import PROFILES

if TYPE_CHECKING:
    from gptool.verification import Finding, Verification
    from gptool.verification.inspection import Tiles

EPILOG = """\b
Examples:
  gptool verify area.tpkx
  gptool verify area.tpkx --client fieldmaps --client arcgis-online
  gptool verify area.tpkx --source relief

Exit status: 0 if every rule holds, 1 if one does not, 2 for wrong usage.
"""

MAX_LISTED = 100
"""Findings that are listed for people; --json lists more."""


@click.command("verify", cls=Command, epilog=EPILOG)
@click.argument("package", type=StoreLocation(LOCATIONS), metavar="PACKAGE|CACHE")
@click.option(
    "--client",
    "clients",
    type=Choice(list(PROFILES)),
    multiple=True,
    help="Check the rules that this client is known to need. May be given several times. By default, the rules that "
    "all packages of Esri's programs keep.",
)
@click.option(
    "--tiles",
    type=Choice(["all", "sample", "none"]),
    default="all",
    show_default=True,
    help="Decode all tiles, a few of each level, or none.",
)
@click.option(
    "--source",
    type=StoreLocation(LOCATIONS),
    metavar="CACHE",
    help="The cache that the package was exported from: each tile must be its tile or a coarser quantisation of it, "
    "and none may be missing within the levels and the full extent.",
)
@json_option
def command(package: str, clients: tuple[str, ...], tiles: Tiles, source: str | None, as_json: bool) -> None:
    """Check whether a tile package or cache, from any producer, is what clients expect.

    No device is involved: the result says which public rules hold, not whether a client accepts the package.
    """
    from gptool.verification import verify

    try:
        result = verify(package, clients=clients, tiles=tiles, source=source)
    except CacheError as error:
        raise ParameterError(str(error)) from error  # status 1 means that a rule does not hold
    if as_json:
        print_json(result.to_json())
    else:
        _show(result)
    sys.exit(0 if result.passed else 1)


def _show(result: Verification) -> None:
    from gptool.verification.finding import NOTE

    wide = output_width() >= WIDE
    if result.findings:
        columns = ["Rule<", "Where<", "Found<", "Expected<"]
        print_table(
            [*columns, "Severity<", "Clients<"] if wide else columns,
            [_cells(finding, wide) for finding in result.findings[:MAX_LISTED]],
        )
    more = len(result.findings) - MAX_LISTED + result.omitted
    if more > 0:
        click.echo(f"... and {more:,} more; --json lists them")
    click.echo(f"{result.location}, {result.kind}: {result.summary}")
    click.echo(NOTE)


def _cells(finding: Finding, wide: bool) -> tuple[str, ...]:
    cells = (finding.rule, str(finding.where), finding.found, finding.expected)
    return (*cells, finding.severity, ", ".join(finding.clients)) if wide else cells

"""`gptool doctor`: what is installed and in use, what is missing, and whether an export works.

It must work whatever is missing, and so imports nothing but click and what needs no other library.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from gptool.cli.environment import Check, State, check_environment, run_check
from gptool.cli.usage import Command
from gptool.text import format_count

EPILOG = """\b
Examples:
  gptool doctor
  gptool doctor --json

Exit status: 0 if all that gptool needs is there and works, 1 if not. Extras may be absent.
"""

LEVELS = 2
"""Levels of the cache that is exported as a test: five tiles."""


@click.command("doctor", cls=Command, epilog=EPILOG)
@click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, and nothing else there.")
def command(as_json: bool) -> None:
    """Show what is installed and in use, and what is missing, and test an export.

    The test draws a small cache in a temporary folder, exports it with lower quality, and verifies the package.
    """
    checks = []
    for check in _checks():
        checks.append(check)
        if not as_json:
            _show(check)
    failed = [check for check in checks if check.state is State.FAILED]
    if as_json:
        click.echo(json.dumps({"passed": not failed, "checks": [check._asdict() for check in checks]}, indent=2))
    elif failed:
        click.echo(f"{format_count(len(failed), 'problem')}: {', '.join(check.name for check in failed)}")
    else:
        click.echo("All that gptool needs is there and works.")
    sys.exit(1 if failed else 0)


def _checks() -> Iterator[Check]:
    yield from check_environment()
    yield run_check("test of an export", _test_export)


def _show(check: Check) -> None:
    click.echo(f"{check.state:<7} {check.name}: {check.found}")
    if check.fix:
        click.echo(f"{'':<7} {check.fix}")


def _test_export() -> str:
    """Export a cache of five JPEG tiles and verify the package. Raises what goes wrong."""
    from gptool.demo import make_cache
    from gptool.export.functions import export_tiles
    from gptool.verification import verify

    with tempfile.TemporaryDirectory(prefix="gptool-doctor-") as name:
        cache, package = Path(name, "world"), Path(name, "world.tpkx")
        make_cache(cache, LEVELS)
        result = export_tiles(cache, package, compression_quality=50)
        verification = verify(package, source=cache)
    if not verification.passed or result.tiles_recompressed != result.tiles:
        raise ValueError(f"{result.tiles_recompressed} of {result.tiles} tiles recompressed; {verification.summary}")
    return f"{format_count(result.tiles, 'tile')} recompressed, written, read and compared in {tempfile.gettempdir()}"

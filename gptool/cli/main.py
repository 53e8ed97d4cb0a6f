"""The `gptool` command: finds a command's file when it is asked for, turns errors into one line and an exit status."""

from __future__ import annotations

import importlib
import signal
import sys
from typing import Any, NamedTuple, NoReturn

import click

from gptool.cli.console import fail
from gptool.errors import GptoolError


class _Listed(NamedTuple):
    """A command: its module, and what the help of all of them says."""

    module: str
    summary: str


COMMANDS = {
    "demo": _Listed("gptool.cli.demo", "Draw a small cache of an invented world and export it."),
    "estimate": _Listed("gptool.cli.estimate", "Count the tiles of an export and weigh its result."),
    "export-tiles": _Listed("gptool.cli.export_tiles", "Cut tiles out of a cache into a package or dataset."),
    "info": _Listed("gptool.cli.info", "Show scheme and format of a cache, tiles and bytes per level."),
    "register": _Listed("gptool.cli.register", "Write what ArcGIS Server needs to offer the tools."),
    "serve": _Listed("gptool.cli.serve", "Offer caches as a REST service that ArcGIS clients speak."),
    "token": _Listed("gptool.cli.token", "Make a token for somebody who may ask a service."),
}

EPILOG = """\b
Example:
  gptool export-tiles CACHE area.tpkx --levels 0-12 --compression-quality 50

Exit status: 0 only when the whole result is in place, 1 a failed job, 2 wrong usage.
"""


class _Commands(click.Group):
    """Imports a command only when it runs, or when its own help is shown."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name].module).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # Not from the commands themselves: their options are made from the table of parameters, which needs NumPy.
        with formatter.section("Commands"):
            formatter.write_dl([(name, listed.summary) for name, listed in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # click ends quietly when nobody reads on
        except (GptoolError, OSError) as error:
            fail(error)


def _stop(number: int, frame: object) -> NoReturn:
    """End as after Ctrl-C, so that nothing half-written stays."""
    sys.exit(128 + number)


@click.command(cls=_Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gptool-export-tiles", message="%(package)s %(version)s")
def main() -> None:
    """Cut tiles out of an Esri tile cache into a tile package, JPEG tiles recompressed on the way."""
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _stop)

"""The `gptool` command: imports a command when it is used; prints errors in one line and sets the exit status."""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, NoReturn

import click
from click.shell_completion import CompletionItem

from gptool import __version__, system
from gptool.cli.console import INTERRUPTED, fail
from gptool.cli.usage import unknown_command_text, usage_text
from gptool.errors import GptoolError


class _Listed(NamedTuple):
    """A command: its module, and its line in the list of commands."""

    module: str
    summary: str


COMMANDS = {
    "apply": _Listed("gptool.cli.apply", "Make the new state of a cache, from the old one and a delta."),
    "batch": _Listed("gptool.cli.batch", "Run many exports that one file describes."),
    "clean": _Listed("gptool.cli.clean", "List and remove what interrupted exports have left."),
    "demo": _Listed("gptool.cli.demo", "Draw a small cache of an invented world and export it."),
    "diff": _Listed("gptool.cli.diff", "Write what changed between two states of a cache into a delta."),
    "doctor": _Listed("gptool.cli.doctor", "Show what is installed and what is missing, and test an export."),
    "estimate": _Listed("gptool.cli.estimate", "Count the tiles of an export and estimate its size."),
    "export-tiles": _Listed("gptool.cli.export_tiles", "Export tiles of a cache into a package or dataset."),
    "info": _Listed("gptool.cli.info", "Show the tiling scheme, format and levels of a cache."),
    "qgis-plugin": _Listed("gptool.cli.qgis_plugin", "Install the plugin for QGIS."),
    "register": _Listed("gptool.cli.register", "Write the files that publish the tools to ArcGIS Server."),
    "samples": _Listed("gptool.cli.samples", "Show tiles at several qualities, and recommend one."),
    "serve": _Listed("gptool.cli.serve", "Serve caches to ArcGIS clients over REST."),
    "token": _Listed("gptool.cli.token", "Create, list and revoke tokens for users of a service."),
    "user": _Listed("gptool.cli.user", "Add and remove users who log in to a service by password."),
    "verify": _Listed("gptool.cli.verify", "Check whether a package or cache is what clients expect."),
}

EPILOG = """\b
Example:
  gptool export-tiles CACHE area.tpkx --levels 0-12 --compression-quality 50

Exit status: 0 if the whole result is in place, 1 if the job failed, 2 for wrong usage.
"""


class _Commands(click.Group):
    """Imports a command when it runs or its own help is shown."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(unknown_command_text(args[0], COMMANDS), ctx)
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name].module).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # Not taken from the commands: their options come from the parameter table, whose import takes NumPy.
        with formatter.section("Commands"):
            formatter.write_dl([(name, listed.summary) for name, listed in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        # Not taken from the commands either: a shell should not wait.
        commands = [
            CompletionItem(name, help=listed.summary)
            for name, listed in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        with _one_line_errors():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        with _one_line_errors():
            return super().invoke(ctx)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Print what ends a command in one line, and exit with its status."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo("Interrupted; nothing half-written is left.", err=True)
        sys.exit(INTERRUPTED)
    except click.Abort:  # of a prompt
        click.echo("\nInterrupted; nothing is changed.", err=True)
        sys.exit(INTERRUPTED)
    except click.UsageError as error:
        _refuse(error)
    except BrokenPipeError:
        raise  # click exits quietly if standard output is closed
    except (GptoolError, OSError) as error:
        fail(error)
    except (ImportError, AttributeError) as error:
        if not _is_of_native_module(error):
            raise
        click.echo(f"Error: gptool: native modules cannot be used, gptool doctor says more: {error}", err=True)
        sys.exit(1)  # not by `fail`, which needs them


def _refuse(error: click.UsageError) -> NoReturn:
    """Print an error of usage in one line and exit with 2. Help that is shown in place of an error is printed."""
    if type(error).__name__ == "NoArgsIsHelpError":  # of click 8.2 and later
        raise error
    click.echo(f"Error: {GptoolError(usage_text(error))}", err=True)  # in one line, whatever the arguments contain
    sys.exit(error.exit_code)


def _is_of_native_module(error: ImportError | AttributeError) -> bool:
    """Return True if an error is that a module of the native core, or a name in it, is missing."""
    module = error.name if isinstance(error, ImportError) else getattr(error.obj, "__name__", None)
    return isinstance(module, str) and (module == "gptool" or module.startswith("gptool._"))


def _stop(number: int, frame: object) -> NoReturn:
    """Exit as after Ctrl-C, so that nothing half-written stays behind."""
    sys.exit(128 + number)


def _show_version(context: click.Context, _option: click.Parameter, is_requested: bool) -> None:
    if not is_requested:
        return
    try:
        from gptool import _jpeg

        core = f"libjpeg-turbo {_jpeg.LIBJPEG_TURBO_VERSION}"
    except ImportError as error:
        core = f"cannot be loaded: {error}"
    click.echo(f"gptool-export-tiles {__version__}, native core: {core}")
    context.exit()


@click.command(cls=_Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Show the versions of gptool and of the libjpeg-turbo of its native core, and exit.",
)
def main() -> None:
    """Export tiles of an Esri tile cache into a tile package, and recompress JPEG tiles."""
    for number in (*system.STOP_SIGNALS, *system.HANGUP_SIGNALS):
        if number != signal.SIGINT:  # Python raises KeyboardInterrupt
            signal.signal(number, _stop)

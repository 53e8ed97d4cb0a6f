"""`gptool serve`: the operation as a REST service for ArcGIS clients."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from gptool.cli.options import CommandFunction
from gptool.cli.usage import Command, Integer
from gptool.errors import SettingsError
from gptool.service.settings import SERVICE_KEYS, ServiceSettings, option_name

EPILOG = """\b
Examples:
  gptool serve World=relief --port 6080
  gptool serve --config service.toml
"""

FILES = {"output_directory": "DIR", "token_file": "FILE", "user_file": "FILE", "access_log": "FILE"}
METAVARS = {**FILES, "public_url": "URL", "allow_origins": "ORIGIN"}


def settings_options(command: CommandFunction) -> CommandFunction:
    """Add an option for each setting of a service."""
    for item in reversed(SERVICE_KEYS.values()):
        option = option_name(item)
        text = item.metadata["help"]
        if isinstance(item.default, bool):
            command = click.option(option, is_flag=True, default=None, help=text)(command)
            continue
        if item.name in FILES:
            kind: Any = click.Path(path_type=Path)
        else:
            kind = Integer(0) if isinstance(item.default, int) else str
        shown = "" if item.default in (None, "", ()) else f"  [default: {item.default}]"
        metavar = METAVARS.get(item.name, "ADDRESS" if kind is str else "N")
        is_list = isinstance(item.default, tuple)
        command = click.option(
            option, item.name, type=kind, multiple=is_list, default=None, metavar=metavar, help=text + shown
        )(command)
    return command


@click.command("serve", cls=Command, epilog=EPILOG)
@click.argument("caches", nargs=-1, metavar="[NAME=CACHE]...")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A TOML file of settings, and of caches in its table [caches].",
)
@settings_options
def command(caches: tuple[str, ...], config: Path | None, **options: Any) -> None:
    """Serve exportTiles of caches as ArcGIS Server does, by default at http://127.0.0.1:6080/arcgis/rest/services.

    NAME is the name of the service, such as World, or Maps/World in a folder. Options override the settings file, and
    CACHEs are added to its caches.
    """
    from gptool.cli.named_caches import read_named
    from gptool.service.settings import named_caches, read_service_settings

    settings = read_service_settings(config) if config else ServiceSettings()
    given = {name: value for name, value in options.items() if value not in (None, ())}
    settings = replace(settings, caches={**settings.caches, **named_caches(read_named(caches))}, **given)
    try:
        from gptool.service.log import configure_logging
        from gptool.service.server import serve
    except ModuleNotFoundError as error:
        raise click.UsageError(f"{error.name} is missing: pip install 'gptool-export-tiles[service]'") from None
    configure_logging()
    with _named_options(given):
        serve(settings, lambda url: click.echo(f"{url} is ready", err=True))


@contextmanager
def _named_options(given: Iterable[str]) -> Iterator[None]:
    """Name options in errors about settings that were given as options."""
    keys = {key: option_name(item) for key, item in SERVICE_KEYS.items() if item.name in given}
    try:
        yield
    except SettingsError as error:
        if error.where is None:
            error.change_texts(lambda text: re.sub(r"^\w+", lambda match: keys.get(match[0], match[0]), text))
        raise

"""`gptool serve`: the operation as a REST service for ArcGIS clients."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from gptool.cli.options import CommandFunction, reject_empty
from gptool.cli.usage import Command, Integer, Location
from gptool.errors import SettingsError
from gptool.service.settings import SERVICE_KEYS, ServiceSettings, option_name

EPILOG = """\b
Examples:
  gptool serve World=relief --port 6080
  gptool serve --config service.toml
"""

FILES = {"output_directory": "DIR", "token_file": "FILE", "user_file": "FILE", "access_log": "FILE"}
CAMEL_CASE = re.compile(r"\b[a-z]+[A-Z]\w+")
"""A key of the settings file in a message, unless it is a single word."""

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
            kind: Any = Location(Path)
        else:
            kind = Integer(0) if isinstance(item.default, int) else str
        shown = "" if item.default in (None, "", ()) else f"  [default: {item.default}]"
        metavar = METAVARS.get(item.name, "ADDRESS" if kind is str else "N")
        is_list = isinstance(item.default, tuple)
        command = click.option(
            option, item.name, type=kind, multiple=is_list, default=None, metavar=metavar, help=text + shown,
            callback=reject_empty if kind is str else None,
        )(command)  # fmt: skip
    return command


@click.command("serve", cls=Command, epilog=EPILOG)
@click.argument("caches", nargs=-1, metavar="[NAME=CACHE]...")
@click.option(
    "--config",
    type=Location(Path),
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
    settings = replace(settings, caches={**settings.caches, **named_caches(read_named(caches, "NAME=CACHE"))}, **given)
    try:
        from gptool.service.log import configure_logging
        from gptool.service.server import serve
    except ModuleNotFoundError as error:
        raise click.UsageError(f"{error.name} is missing: pip install 'gptool-export-tiles[service]'") from None
    configure_logging()
    with _named_settings(given, config):
        serve(settings, lambda url: click.echo(f"{url} is ready", err=True))


@contextmanager
def _named_settings(given: Collection[str], config: Path | None) -> Iterator[None]:
    """Name the option in errors about settings that were given as options, and the file in those about others."""
    options = {key: option_name(item) for key, item in SERVICE_KEYS.items()}
    try:
        yield
    except SettingsError as error:
        key = re.split(r"\W", str(error), maxsplit=1)[0]
        if error.where is None and key in options:
            is_option = config is None or SERVICE_KEYS[key].name in given
            start = options[key] if is_option else f"{config}: service.{key}"
            error.change_texts(lambda text: re.sub(rf"^{key}\b", lambda _: start, text))
        if config is None:
            error.change_texts(lambda text: CAMEL_CASE.sub(lambda match: options.get(match[0], match[0]), text))
        raise

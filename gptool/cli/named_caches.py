"""Arguments of the form NAME=CACHE."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click


def read_named(arguments: Iterable[str], where: str) -> dict[str, Path]:
    """Return the locations of caches by their names; `where` is the option or argument that they belong to.

    Raises
    ------
    click.UsageError
        If an argument does not have this form, or two have the same name.
    """
    named: dict[str, Path] = {}
    for argument in arguments:
        name, equals, location = argument.partition("=")
        if not equals or not location:
            raise click.UsageError(f"{where}: invalid cache; found {argument!r}, expected NAME=CACHE")
        if name in named:
            raise click.UsageError(
                f"{where}: two caches have the same name; found {name!r} twice, expected one name for each"
            )
        named[name] = Path(location)
    return named

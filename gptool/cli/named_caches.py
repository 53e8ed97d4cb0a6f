"""Arguments of the form NAME=CACHE."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click


def read_named(arguments: Iterable[str]) -> dict[str, Path]:
    """Return the locations of caches by their names.

    Raises
    ------
    click.UsageError
        If an argument does not have this form, or two have the same name.
    """
    named: dict[str, Path] = {}
    for argument in arguments:
        name, equals, location = argument.partition("=")
        if not equals or not location:
            raise click.UsageError(f"invalid cache {argument!r}; expected NAME=CACHE")
        if name in named:
            raise click.UsageError(f"two caches have the name {name!r}")
        named[name] = Path(location)
    return named

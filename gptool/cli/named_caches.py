"""Arguments of the form NAME=CACHE."""

from __future__ import annotations

from collections.abc import Iterable

import click

from gptool.system.store_url import LOCATIONS, Location, hide_secrets, read_location


def read_named(arguments: Iterable[str], where: str) -> dict[str, Location]:
    """Return the locations of caches by their names; `where` is the option or argument that they belong to.

    Raises
    ------
    click.UsageError
        If an argument does not have this form, or two have the same name.
    """
    named: dict[str, Location] = {}
    for argument in arguments:
        name, equals, location = argument.partition("=")
        if "://" in name:  # a query may contain a =
            raise click.UsageError(f"{where}: invalid cache; found a URL without a name, expected NAME=CACHE")
        if not equals or not location:
            raise click.UsageError(f"{where}: invalid cache; found {hide_secrets(argument)!r}, expected NAME=CACHE")
        if name in named:
            raise click.UsageError(
                f"{where}: two caches have the same name; found {name!r} twice, expected one name for each"
            )
        try:
            named[name] = read_location(location)
        except ValueError as error:
            raise click.UsageError(
                f"{where}: invalid location of the cache {name!r}: {error}; expected {LOCATIONS}"
            ) from None
    return named

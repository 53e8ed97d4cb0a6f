"""Caches as commands name them: NAME=CACHE."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click


def read_named(words: Iterable[str]) -> dict[str, Path]:
    """Return the caches of `NAME=CACHE` words.

    Raises
    ------
    click.UsageError
        When a word is none, or two have one name.
    """
    named: dict[str, Path] = {}
    for word in words:
        name, equals, location = word.partition("=")
        if not equals or not location:
            raise click.UsageError(f"caches: found {word}, expected NAME=CACHE")
        if name in named:
            raise click.UsageError(f"caches: two are called {name}")
        named[name] = Path(location)
    return named

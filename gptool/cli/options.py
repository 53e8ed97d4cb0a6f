"""Options that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

cache_argument = click.argument("cache", type=click.Path())

json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="JSON on standard output and nothing else there.",
)


def selection_options(command: Command) -> Command:
    """Add the options that say which tiles are meant, and how they are recompressed."""
    for option in reversed(
        (
            click.option(
                "--levels",
                metavar="LIST",
                help="Level IDs: 0-6, 1,2,3, 1-4,7-9. All levels that hold tiles when silent.",
            ),
            click.option(
                "--export-extent",
                metavar="XMIN,YMIN,XMAX,YMAX",
                help="A box in the cache's reference; whole tiles that share area with it.",
            ),
            click.option(
                "--compression-quality",
                type=int,
                metavar="0-100",
                help="Recompress JPEG tiles, capped at each tile's own quality. Every tile as it is when silent.",
            ),
            click.option(
                "--tables",
                type=click.Choice(["efficient", "exact"]),
                default="efficient",
                show_default=True,
                help="Quantisers that are multiples of each tile's own (smaller at equal quality), or those of the "
                "quality's own table.",
            ),
        )
    ):
        command = option(command)
    return command

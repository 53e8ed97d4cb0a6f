"""`gptool token`: a token for somebody who may ask a service."""

from __future__ import annotations

from pathlib import Path

import click

EPILOG = """\b
Example:
  gptool token tokens field-crew
  gptool serve World=relief --host 0.0.0.0 --token-file tokens
"""


@click.command("token", epilog=EPILOG)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("name")
def command(file: Path, name: str) -> None:
    """Make a token, add its digest to FILE under NAME, and print it: it can't be had again.

    A service whose --token-file this is takes it at once, also while it runs; to end it, take its line out.
    """
    from gptool.service.tokens import add_token

    click.echo(add_token(file, name))

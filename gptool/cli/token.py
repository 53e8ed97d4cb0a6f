"""`gptool token`: a token for users of a service."""

from __future__ import annotations

from pathlib import Path

import click

EPILOG = """\b
Examples:
  gptool token tokens field-crew
  gptool serve World=relief --host 0.0.0.0 --token-file tokens
"""


@click.command("token", epilog=EPILOG)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("name")
def command(file: Path, name: str) -> None:
    """Create a token, add its digest to FILE under NAME, and print it. It cannot be shown again.

    A running service with --token-file FILE accepts the token at once. To revoke it, remove its line from FILE.
    """
    from gptool.service.tokens import add_token

    click.echo(add_token(file, name))

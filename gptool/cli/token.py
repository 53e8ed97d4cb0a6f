"""`gptool token`: the tokens for users of a service."""

from __future__ import annotations

from pathlib import Path

import click

from gptool.cli.usage import Command, Integer, Location

MAX_DAYS = 36_500

EPILOG = """\b
Examples:
  gptool token tokens field-crew --days 90
  gptool token tokens --list
  gptool token tokens --revoke field-crew
  gptool serve World=relief --host 0.0.0.0 --token-file tokens
"""


@click.command("token", cls=Command, epilog=EPILOG)
@click.argument("file", type=Location(Path))
@click.argument("name", required=False)
@click.option("--days", type=Integer(1, MAX_DAYS), metavar="N", help="Let the token expire after N days.")
@click.option("--list", "lists", is_flag=True, help="List the names of the tokens, and when they expire.")
@click.option("--revoke", metavar="NAME", help="Revoke the token of this name.")
def command(file: Path, name: str | None, days: int | None, lists: bool, revoke: str | None) -> None:
    """Create a token, add its digest to FILE under NAME, and print it. It cannot be shown again.

    A running service with --token-file FILE accepts the token at once, and no longer accepts one that is revoked.
    """
    from gptool.service.tokens import add_token, read_tokens, revoke_token

    if [name is not None, lists, revoke is not None].count(True) != 1 or (days is not None and name is None):
        raise click.UsageError("expected one of NAME (with or without --days), --list and --revoke NAME")
    if name is not None:
        click.echo(add_token(file, name, days))
    elif revoke is not None:
        revoke_token(file, revoke)
    else:
        for token in read_tokens(file):
            verb = "expired" if token.is_expired else "expires"
            click.echo(
                f"{token.name}  {f'{verb} {token.expires:%Y-%m-%d %H:%M} UTC' if token.expires else 'no expiry'}"
            )

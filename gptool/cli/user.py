"""`gptool user`: the users who log in to a service with name and password."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gptool.cli.usage import Command, Location

EPILOG = """\b
Examples:
  gptool user users anna
  gptool user users anna < password.txt
  gptool user users --list
  gptool user users --remove anna
  gptool serve World=relief --host 0.0.0.0 --user-file users
"""


@click.command("user", cls=Command, epilog=EPILOG)
@click.argument("file", type=Location(Path))
@click.argument("name", required=False)
@click.option("--list", "lists", is_flag=True, help="List the names of the users.")
@click.option("--remove", metavar="NAME", help="Remove the user of this name.")
def command(file: Path, name: str | None, lists: bool, remove: str | None) -> None:
    """Add a user to FILE, or change the password of one. The password is asked for, or read from standard input.

    A running service with --user-file FILE admits the user at once, and no longer admits one who is removed. Tokens
    that a user has obtained are no longer valid after a change of the password.
    """
    from gptool.service.users import add_user, read_users, remove_user

    if [name is not None, lists, remove is not None].count(True) != 1:
        raise click.UsageError("expected one of NAME, --list and --remove NAME")
    if name is not None:
        add_user(file, name, _read_password())
    elif remove is not None:
        remove_user(file, remove)
    else:
        for user in read_users(file):
            click.echo(user)


def _read_password() -> str:
    """Return the password: an argument would be shown to all users of the machine."""
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")

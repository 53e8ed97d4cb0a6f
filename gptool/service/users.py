"""User file: the names and password hashes of the users of a service.

A line is `name scrypt$LOG2N$R$P$SALT$HASH`, with the parameters of RFC 7914 and salt and hash in URL-safe base64.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import unicodedata
from pathlib import Path
from typing import NamedTuple

from gptool.errors import SettingsError
from gptool.service.watched_file import read_lines, rewrite
from gptool.settings import NAME_PATTERN, NAME_RULE

MIN_PASSWORD_CHARACTERS = 8
MAX_PASSWORD_CHARACTERS = 1000

LOG2_COST, BLOCK_SIZE, PARALLELISM = 15, 8, 1
"""Parameters of scrypt for new passwords: 32 MiB, and about 0.1 s for each attempt to guess one."""

MAX_MEMORY = 256 * 1024 * 1024
"""Memory that the parameters in a file may ask for."""

LINE = re.compile(
    rf"({NAME_PATTERN.pattern})\s+(scrypt\$([0-9]{{1,2}})\$([0-9]{{1,2}})\$([0-9]{{1,2}})\$([\w-]+={{0,2}})\$([\w-]+={{0,2}}))"
)

FILE_COMMENT = "# Users of the service: names and password hashes. Removing a line removes the user at once."


class User(NamedTuple):
    """A line of a user file; `entry` is all of it but the name."""

    name: str
    entry: str
    log2_cost: int
    block_size: int
    parallelism: int
    salt: bytes
    digest: bytes

    def has_password(self, password: str) -> bool:
        """Return whether a password is that of the user. This takes about 0.1 s and 32 MiB."""
        return hmac.compare_digest(_scrypt(password, self), self.digest)


def add_user(path: str | os.PathLike[str], name: str, password: str) -> None:
    """Add a user to a user file, or change the password of a user.

    Parameters
    ----------
    path : path-like
        The user file; it is created if it does not exist, with mode 0600.
    name, password : str

    Raises
    ------
    SettingsError
        If the name is invalid, the password is too short or too long, or the file is not a user file.
    OutputError
        If the file cannot be written.
    """
    path = Path(path)
    if not NAME_PATTERN.fullmatch(name):
        raise SettingsError("invalid user name", where=path, found=repr(name), expected=NAME_RULE)
    if not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS:
        raise SettingsError(
            "password has an invalid length", found=f"{len(password)} characters",
            expected=f"{MIN_PASSWORD_CHARACTERS} to {MAX_PASSWORD_CHARACTERS}",
        )  # fmt: skip
    if path.exists():
        read_users(path)
    salt = secrets.token_bytes(16)
    parameters = LOG2_COST, BLOCK_SIZE, PARALLELISM
    digest = _scrypt(password, User(name, "", *parameters, salt, b""))
    texts = [base64.urlsafe_b64encode(data).decode() for data in (salt, digest)]
    rewrite(path, FILE_COMMENT, f"{name} {'$'.join(['scrypt', *map(str, parameters), *texts])}", without=name)


def remove_user(path: str | os.PathLike[str], name: str) -> None:
    """Remove a user from a user file.

    Raises
    ------
    SettingsError
        If there is no such user, or the file is not a user file.
    OutputError
        If the file cannot be written.
    """
    path = Path(path)
    names = list(read_users(path))
    if name not in names:
        expected = f"one of {', '.join(names)}" if names else None
        raise SettingsError("user name is unknown", where=path, found=repr(name), expected=expected)
    rewrite(path, FILE_COMMENT, None, without=name)


def read_users(path: Path) -> dict[str, User]:
    """Return the users of a user file by name.

    Raises
    ------
    SettingsError
        If the file cannot be read or a line is malformed. The line is not repeated: it may be a password.
    """
    users = {}
    for number, line in read_lines(path, "names and password hashes of users"):
        match = LINE.fullmatch(line)
        user = _read_user(match) if match else None
        if user is None:
            expected = "a name and a hash, as gptool user writes them"
            raise SettingsError(f"line {number} is malformed", where=path, expected=expected)
        users[user.name] = user
    return users


def unknown_user() -> User:
    """Return a user that no password is right for: to refuse an unknown name takes as long as to refuse a password."""
    return User("", "", LOG2_COST, BLOCK_SIZE, PARALLELISM, bytes(16), b"")


def _read_user(match: re.Match[str]) -> User | None:
    log2_cost, block_size, parallelism = (int(match[i]) for i in (3, 4, 5))
    memory = 128 * block_size * 2**log2_cost * max(parallelism, 1)
    try:
        salt, digest = (base64.urlsafe_b64decode(match[i]) for i in (6, 7))
    except ValueError:
        return None
    is_valid = min(log2_cost, block_size, parallelism) >= 1 and memory <= MAX_MEMORY
    return User(match[1], match[2], log2_cost, block_size, parallelism, salt, digest) if is_valid else None


def _scrypt(password: str, user: User) -> bytes:
    text = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(
        text, salt=user.salt, n=2**user.log2_cost, r=user.block_size, p=user.parallelism,
        maxmem=2 * MAX_MEMORY, dklen=32,
    )  # fmt: skip

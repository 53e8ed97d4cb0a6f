"""Token file: the names and SHA-256 digests of the tokens that a service accepts, and when they expire.

The file contains one `name digest [expiry]` per line, so no token can be recovered from it.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from gptool.errors import ServiceError, SettingsError
from gptool.service.watched_file import WatchedFile, read_lines, rewrite
from gptool.settings import NAME_PATTERN, NAME_RULE

LINE = re.compile(rf"({NAME_PATTERN.pattern})\s+([0-9a-f]{{64}})(?:\s+(\S+))?")
EXPIRY_FORMAT = "%Y-%m-%dT%H:%M:%SZ"

FILE_COMMENT = "# Tokens that the service accepts: names, SHA-256 digests, expiry. Removing a line revokes its token."


class Token(NamedTuple):
    """A line of a token file; `expires` is None for a token that does not expire."""

    name: str
    digest: str
    expires: datetime | None

    @property
    def is_expired(self) -> bool:
        """Whether the token is no longer accepted."""
        return self.expires is not None and self.expires <= datetime.now(UTC)


def token_digest(token: str) -> str:
    """Return the SHA-256 digest of a token. A token has 256 random bits, so the digest needs no salt."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def add_token(path: str | os.PathLike[str], name: str, days: int | None = None) -> str:
    """Create a token, add its digest to a token file, and return the token.

    Parameters
    ----------
    path : path-like
        The token file; it is created if it does not exist, with mode 0600.
    name : str
    days : int, optional
        Days after which the token expires. By default, never.

    Raises
    ------
    SettingsError
        If the name is invalid or already used, or the file is not a token file.
    OutputError
        If the file cannot be written.
    """
    path = Path(path)
    if not NAME_PATTERN.fullmatch(name):
        raise SettingsError("invalid token name", where=path, found=repr(name), expected=NAME_RULE)
    if path.exists() and name in {token.name for token in read_tokens(path)}:
        raise SettingsError("token name is already used", where=path, found=repr(name), expected="another name")
    token = secrets.token_urlsafe(32)
    expiry = "" if days is None else f" {datetime.now(UTC) + timedelta(days=days):{EXPIRY_FORMAT}}"
    rewrite(path, FILE_COMMENT, f"{name} {token_digest(token)}{expiry}")
    return token


def revoke_token(path: str | os.PathLike[str], name: str) -> None:
    """Remove the tokens of a name from a token file.

    Raises
    ------
    SettingsError
        If there is none, or the file is not a token file.
    OutputError
        If the file cannot be written.
    """
    path = Path(path)
    names = [token.name for token in read_tokens(path)]
    if name not in names:
        raise SettingsError(
            "token name is unknown",
            where=path,
            found=repr(name),
            expected=f"one of {', '.join(names)}" if names else None,
        )
    rewrite(path, FILE_COMMENT, None, without=name)


def read_tokens(path: Path) -> list[Token]:
    """Return the tokens of a token file.

    Raises
    ------
    SettingsError
        If the file cannot be read or a line is malformed. The line is not repeated: it may be a token.
    """
    tokens = []
    for number, line in read_lines(path, "names and digests of tokens"):
        match = LINE.fullmatch(line)
        if match is None:
            raise SettingsError(f"line {number} is malformed", where=path, expected="a name and 64 hexadecimal digits")
        tokens.append(Token(match[1], match[2], _read_expiry(path, number, match[3])))
    return tokens


class TokenFile:
    """The tokens of a token file. The file is read again after it has changed.

    Raises
    ------
    SettingsError
        If the file cannot be read or a line is malformed.
    """

    def __init__(self, path: Path) -> None:
        self._file = WatchedFile(path, lambda path: {token.digest: token for token in read_tokens(path)})

    def owner(self, token: str) -> str:
        """Return the digest of a token, which identifies the owner of a job.

        Raises
        ------
        ServiceError
            If the token is not in the file or has expired (code 498), or the file no longer exists (code 500).
        """
        digest = token_digest(token)
        try:
            found = self._file.content.get(digest)
        except SettingsError as error:
            raise ServiceError("token file cannot be read", code=500) from error
        if found is None or found.is_expired:
            raise ServiceError("Invalid Token", code=498)
        return digest

    def name(self, owner: str) -> str:
        """Return the name of the token that identifies an owner, for logs; an empty string if it was removed."""
        try:
            found = self._file.content.get(owner)
        except SettingsError:
            return ""
        return found.name if found else ""


def _read_expiry(path: Path, number: int, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, EXPIRY_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        raise SettingsError(
            f"line {number} has an invalid expiry", where=path, expected="a time such as 2030-12-31T12:00:00Z"
        ) from None

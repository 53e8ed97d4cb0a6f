"""The tokens that a service takes: a file of names and digests, from which no token can be had."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from pathlib import Path

from gptool.errors import ServiceError, SettingsError, translate_os_errors
from gptool.settings import NAME_PATTERN, NAME_RULE

LINE = re.compile(rf"({NAME_PATTERN.pattern})\s+([0-9a-f]{{64}})")

HEAD = (
    "# Who may ask the service: names, and SHA-256 digests of their tokens. A line that is taken out ends its token.\n"
)


def digest_of(token: str) -> str:
    """Return what is kept of a token. It has 256 random bits, so its SHA-256 can't be guessed back."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def add_token(path: str | os.PathLike[str], name: str) -> str:
    """Make a token, add its digest to a file that is made where there is none, and return the token.

    Raises
    ------
    SettingsError
        When the file holds other things, or a token of this name, or the name can't be.
    OutputError
        When the file can't be written.
    """
    path = Path(path)
    if not NAME_PATTERN.fullmatch(name):
        raise SettingsError("a token's name", where=path, found=repr(name), expected=NAME_RULE)
    if path.exists() and name in _read(path).values():
        raise SettingsError("has a token of this name", where=path, found=name, expected="another name")
    token = secrets.token_urlsafe(32)
    with translate_os_errors(path):
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        # Editors may have left the last line without its end.
        before = HEAD if not text else "" if text.endswith("\n") else "\n"
        # Only its owner can read it, from its first byte on.
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(file, "a", encoding="utf-8") as lines:
            lines.write(f"{before}{name} {digest_of(token)}\n")
    return token


class Tokens:
    """The tokens of a file, which is read again when it has changed.

    Raises
    ------
    SettingsError
        When it can't be read, or a line is no name and digest.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state = _state(path)
        self._names = _read(path)

    def owner(self, token: str) -> str:
        """Return the digest of a token that the file has.

        Raises
        ------
        ServiceError
            When it has none such, or can't be read any more.
        """
        digest = digest_of(token)
        try:
            state = _state(self._path)
            if state != self._state:
                self._names, self._state = _read(self._path), state
        except SettingsError as error:
            raise ServiceError("the tokens can't be read now", code=500) from error
        if digest not in self._names:
            raise ServiceError("Invalid Token", code=498)
        return digest


def _state(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise SettingsError(f"can't be read: {error.strerror}", where=path) from error
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read(path: Path) -> dict[str, str]:
    """Return the names in the file by their digests."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SettingsError(f"can't be read: {error.strerror}", where=path) from error
    except ValueError:
        raise SettingsError("no text", where=path, expected="names and digests") from None
    names = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = LINE.fullmatch(line.strip())
        if match is None:  # it may be a token itself, which must not be shown
            raise SettingsError(f"line {number}", where=path, expected="a name and 64 hexadecimal digits")
        names[match[2]] = match[1]
    return names

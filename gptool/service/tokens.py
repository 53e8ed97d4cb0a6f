"""Token file: the names and SHA-256 digests of the tokens that a service accepts.

The file contains one `name digest` pair per line, so no token can be recovered from it.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from pathlib import Path

from gptool.errors import ServiceError, SettingsError, translate_os_errors
from gptool.settings import NAME_PATTERN, NAME_RULE

LINE = re.compile(rf"({NAME_PATTERN.pattern})\s+([0-9a-f]{{64}})")

FILE_COMMENT = "# Tokens that the service accepts: names and SHA-256 digests. Removing a line revokes its token.\n"


def token_digest(token: str) -> str:
    """Return the SHA-256 digest of a token. A token has 256 random bits, so the digest needs no salt."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def add_token(path: str | os.PathLike[str], name: str) -> str:
    """Create a token, append its digest to a token file, and return the token.

    Parameters
    ----------
    path : path-like
        The token file; it is created if it does not exist, with mode 0600.
    name : str

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
    if path.exists() and name in _read_names(path).values():
        raise SettingsError("token name is already used", where=path, found=repr(name), expected="another name")
    token = secrets.token_urlsafe(32)
    with translate_os_errors(path):
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        # Editors may have saved the file without a final newline.
        prefix = FILE_COMMENT if not text else "" if text.endswith("\n") else "\n"
        # The mode is set when the file is created: the digests are never readable by others.
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(file, "a", encoding="utf-8") as lines:
            lines.write(f"{prefix}{name} {token_digest(token)}\n")
    return token


class TokenFile:
    """The tokens of a token file. The file is read again after it has changed.

    Raises
    ------
    SettingsError
        If the file cannot be read or a line is malformed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._signature = _file_signature(path)
        self._names = _read_names(path)

    def owner(self, token: str) -> str:
        """Return the digest of a token, which identifies the owner of a job.

        Raises
        ------
        ServiceError
            If the token is not in the file (code 498), or the file can no longer be read (code 500).
        """
        digest = token_digest(token)
        try:
            signature = _file_signature(self._path)
            if signature != self._signature:
                self._names, self._signature = _read_names(self._path), signature
        except SettingsError as error:
            raise ServiceError("token file cannot be read", code=500) from error
        if digest not in self._names:
            raise ServiceError("Invalid Token", code=498)
        return digest


def _file_signature(path: Path) -> tuple[int, int, int]:
    """Return modification time, size and inode: they change when the file is edited or replaced."""
    try:
        status = path.stat()
    except OSError as error:
        raise SettingsError(f"cannot be read: {error.strerror}", where=path) from error
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read_names(path: Path) -> dict[str, str]:
    """Return the names of the tokens by digest."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SettingsError(f"cannot be read: {error.strerror}", where=path) from error
    except ValueError:
        raise SettingsError("is not UTF-8 text", where=path, expected="names and digests of tokens") from None
    names = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = LINE.fullmatch(line.strip())
        if match is None:  # the line is not repeated in the message: it may be a token
            raise SettingsError(f"line {number} is malformed", where=path, expected="a name and 64 hexadecimal digits")
        names[match[2]] = match[1]
    return names

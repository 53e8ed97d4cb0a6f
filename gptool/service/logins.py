"""Logins of users with name and password, and the signed tokens that they obtain.

A token is `PAYLOAD.SIGNATURE`: the name and the expiry, signed with the secret of the output directory and the user's
entry in the user file. It is valid in each process of the service, until it expires, the password changes or the user
is removed.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from gptool.errors import ServiceError, SettingsError, translate_os_errors
from gptool.output.staging import created_folder
from gptool.service.login_attempts import LoginAttempts
from gptool.service.users import MAX_PASSWORD_CHARACTERS, User, read_users, unknown_user
from gptool.service.watched_file import WatchedFile

SECRET_FILE = "token-secret"
SECRET_BYTES = 32

DEFAULT_MINUTES = 60
MAX_MINUTES = 24 * 60

HASHING_THREADS = 2
MAX_WAITING = 32
"""Number of logins that may wait for their password to be hashed."""

MAX_TOKEN_CHARACTERS = 1000
USER_OWNER = "user:"
"""Beginning of the owners that are users, not tokens."""

SEPARATOR = "."
"""Part of signed tokens, but not of those of token files."""


class IssuedToken(NamedTuple):
    """A signed token, and when it expires, seconds since 1970."""

    token: str
    expires: float


class Logins:
    """The users of a user file, which is read again after it has changed.

    Parameters
    ----------
    user_file : Path
    secret : bytes
        See `read_secret`.

    Raises
    ------
    SettingsError
        If the file cannot be read or a line is malformed.
    """

    def __init__(self, user_file: Path, secret: bytes) -> None:
        self._users = WatchedFile(user_file, read_users)
        self._secret = secret
        self._attempts = LoginAttempts()
        self._hashing = ThreadPoolExecutor(HASHING_THREADS, "password")
        self._waiting = 0

    async def log_in(self, name: str, password: str, address: str, minutes: int = DEFAULT_MINUTES) -> IssuedToken:
        """Return a token for a user.

        Parameters
        ----------
        name, password : str
        address : str
            The address of the client.
        minutes : int
            For how long the token is to be valid; at most `MAX_MINUTES`.

        Raises
        ------
        ServiceError
            If the name or password is wrong (code 400), too many attempts have failed (429), or too many clients log
            in at the same time (503).
        """
        if self._waiting >= MAX_WAITING:
            raise ServiceError("too many logins at a time, try again later", code=503)
        self._attempts.begin(name, address)
        user = self._find(name)
        self._waiting += 1
        try:
            has_password = (user or unknown_user()).has_password
            is_right = await asyncio.get_running_loop().run_in_executor(
                self._hashing, has_password, password[: MAX_PASSWORD_CHARACTERS + 1]
            )
        finally:
            self._waiting -= 1
        if user is None or not is_right:
            raise ServiceError("Invalid username or password.", code=400)
        self._attempts.succeed(name, address)
        return self._issue(user, time.time() + 60 * max(1, min(minutes, MAX_MINUTES)))

    def owner(self, token: str) -> str:
        """Return the owner of a user's jobs, which is the same for all tokens of the user.

        Raises
        ------
        ServiceError
            See `check`.
        """
        return f"{USER_OWNER}{self._read(token)[0].name}"

    def check(self, token: str) -> IssuedToken:
        """Return a token, and when it expires, if it is valid.

        Raises
        ------
        ServiceError
            If the token is not valid (code 498), or the user file no longer exists (code 500).
        """
        return IssuedToken(token, self._read(token)[1])

    def _read(self, token: str) -> tuple[User, float]:
        payload, _, _ = token.partition(SEPARATOR)
        try:
            value = json.loads(base64.urlsafe_b64decode(f"{payload}==")) if len(token) <= MAX_TOKEN_CHARACTERS else {}
            name, expires = str(value["user"]), float(value["expires"])
        except (ValueError, TypeError, KeyError, RecursionError):
            raise ServiceError("Invalid Token", code=498) from None
        user = self._find(name)
        signed = self._sign(payload, user) if user else ""
        if user is None or not hmac.compare_digest(signed.encode(), token.encode()) or expires <= time.time():
            raise ServiceError("Invalid Token", code=498)
        return user, expires

    def _find(self, name: str) -> User | None:
        try:
            return self._users.content.get(name)
        except SettingsError as error:
            raise ServiceError("user file cannot be read", code=500) from error

    def _issue(self, user: User, expires: float) -> IssuedToken:
        payload = json.dumps({"user": user.name, "expires": round(expires, 3)}).encode()
        return IssuedToken(self._sign(_encoded(payload), user), round(expires, 3))

    def _sign(self, payload: str, user: User) -> str:
        signature = hmac.digest(self._secret, f"{payload} {user.entry}".encode(), hashlib.sha256)
        return f"{payload}{SEPARATOR}{_encoded(signature)}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def read_secret(output_directory: Path) -> bytes:
    """Return the secret that signs the tokens of a service; it is created, with mode 0600, if there is none.

    Raises
    ------
    OutputError
        If it cannot be read or created.
    SettingsError
        If the file is damaged.
    """
    path = output_directory / SECRET_FILE
    with created_folder(output_directory), translate_os_errors(path):
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        except FileExistsError:
            secret = path.read_bytes()
        else:
            secret = secrets.token_bytes(SECRET_BYTES)
            with os.fdopen(file, "wb") as output:
                output.write(secret)
    if len(secret) != SECRET_BYTES:
        raise SettingsError("secret of tokens is damaged: remove the file", where=path, found=f"{len(secret)} bytes")
    return secret

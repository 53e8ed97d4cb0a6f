"""Limits of failed attempts to log in."""

from __future__ import annotations

import time

from gptool.errors import ServiceError

INTERVAL_SECONDS = 600.0

MAX_FAILURES = {"user and address": 10, "address": 50, "user": 100}
"""Failed attempts within an interval, of one user from one address, from one address, and of one user."""

MAX_KEYS = 10_000
"""Number of users and addresses that are remembered."""


class LoginAttempts:
    """The failed attempts of the last minutes."""

    def __init__(self) -> None:
        self._failures: dict[tuple[str, ...], tuple[float, int]] = {}

    def begin(self, user: str, address: str) -> None:
        """Count an attempt as failed, until `succeed` is called: so attempts at the same time are limited too.

        Raises
        ------
        ServiceError
            If too many have failed (code 429).
        """
        now = time.monotonic()
        for key in _keys(user, address):
            start, count = self._failures.get(key, (now, 0))
            if now - start < INTERVAL_SECONDS and count >= MAX_FAILURES[key[0]]:
                minutes = 1 + int((INTERVAL_SECONDS - (now - start)) / 60)
                raise ServiceError(f"too many failed attempts to log in, try again in {minutes} minutes", code=429)
        if len(self._failures) >= MAX_KEYS:
            self._forget(now)
        for key in _keys(user, address):
            start, count = self._failures.get(key, (now, 0))
            self._failures[key] = (start, count + 1) if now - start < INTERVAL_SECONDS else (now, 1)

    def succeed(self, user: str, address: str) -> None:
        """Note that an attempt has not failed."""
        for key in _keys(user, address):
            if key in self._failures:
                start, count = self._failures[key]
                self._failures[key] = start, count - 1

    def _forget(self, now: float) -> None:
        """Forget what is old; if all is recent, the oldest half."""
        recent = {key: value for key, value in self._failures.items() if now - value[0] < INTERVAL_SECONDS}
        self._failures = dict(list(recent.items())[-MAX_KEYS // 2 :])


def _keys(user: str, address: str) -> tuple[tuple[str, ...], ...]:
    return ("user and address", user, address), ("address", address), ("user", user)

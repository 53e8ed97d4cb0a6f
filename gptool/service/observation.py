"""Observation of requests: what the metrics and the access log know of each request."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class AnsweredRequest(NamedTuple):
    """A request that has been answered.

    Attributes
    ----------
    client : str
        The address of the client, see `client_address`.
    owner : str
        The owner that a token identifies; an empty string without a token.
    method, path : str
        The path is that of the request, without the query.
    status : int
        The HTTP status; 0 if the connection ended before.
    size : int
        Number of bytes of the body of the response.
    seconds : float
        The time from the header of the request to the end of the response.
    """

    client: str
    owner: str
    method: str
    path: str
    status: int
    size: int
    seconds: float


OWNER = "gptool.owner"
"""Key of a scope: the owner, once the token of the request has been checked."""

Observer = Callable[[AnsweredRequest], None]


class ObservationMiddleware:
    """Middleware that reports each request to observers.

    Parameters
    ----------
    app : ASGI application
    observers : sequence of callable
    """

    def __init__(self, app: ASGIApp, observers: Sequence[Observer]) -> None:
        self._app, self._observers = app, observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, started = scope["path"], time.perf_counter()  # the application changes the path
        status = size = 0

        async def count(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, count)
        finally:
            owner, seconds = scope.get(OWNER, ""), time.perf_counter() - started
            request = AnsweredRequest(client_address(scope), owner, scope["method"], path, status, size, seconds)
            for observe in self._observers:
                observe(request)


def client_address(scope: Scope) -> str:
    """Return the address of the client of a request, which a trusted proxy may have stated, in characters for logs."""
    client = scope.get("client")
    return quote(client[0], safe=":.") if client else ""

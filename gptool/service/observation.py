"""Observation of requests: what the metrics and the access log know of each request."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class AnsweredRequest(NamedTuple):
    """A request that has been answered.

    Attributes
    ----------
    client : str
        The address of the client.
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
    method: str
    path: str
    status: int
    size: int
    seconds: float


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
            client = scope["client"][0] if scope.get("client") else ""
            seconds = time.perf_counter() - started
            request = AnsweredRequest(client, scope["method"], path, status, size, seconds)
            for observe in self._observers:
                observe(request)

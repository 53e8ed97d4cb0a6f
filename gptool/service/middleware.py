"""What goes for every request, whatever it asks for: the name of the host, and headers of answers."""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # To other sites nothing: addresses may hold a token. To pages of our own the whole: browsers tell by it that a
    # form is our own.
    "Referrer-Policy": "same-origin",
}


class Guard:
    """Around the application.

    Parameters
    ----------
    hosts : frozenset of str or None
        The names by which the service answers. One that is open to this machine alone answers by that machine's own
        names: else a page whose host's name is made to point here could read and start what it likes.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str] | None) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        host = Headers(scope=scope).get("host", "")
        if self._hosts is not None and _name_of(host) not in self._hosts:
            refusal = PlainTextResponse("no host of this name is served here", HTTPStatus.MISDIRECTED_REQUEST)
            await refusal(scope, receive, send_with_headers)
            return
        # Clients write folders with a slash at their end, or without.
        scope["path"] = scope["path"].rstrip("/") or "/"
        await self._app(scope, receive, send_with_headers)


def _name_of(host: str) -> str:
    """Return the name of a host without its port."""
    if host.startswith("["):
        return host.partition("]")[0].lstrip("[").lower()
    return host.partition(":")[0].lower()

"""ASGI middleware: host check, security headers, and access from pages of other origins."""

from __future__ import annotations

from http import HTTPStatus

from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gptool.service.settings import ServiceSettings
from gptool.service.urls import OUTPUT_FILES

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # URLs may contain a token, so other sites receive no referrer. Requests from the service's own pages carry the
    # full referrer, by which browsers that send no Sec-Fetch-Site are recognised as same-origin.
    "Referrer-Policy": "same-origin",
}

NOSNIFF = b"x-content-type-options", b"nosniff"
"""What images need of the security headers. A response that has it gets no others, which are for pages."""

RAW_SECURITY_HEADERS = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]

EXPOSED_HEADERS = "Accept-Ranges", "Content-Disposition", "Content-Length", "Content-Range", "ETag"
"""Headers of tiles and results that pages of allowed origins may read, beside those that every page may read."""

MIN_COMPRESSED_BYTES = 1000

PREFLIGHT_SECONDS = 3600
"""How long a browser remembers that an origin is allowed."""


def cross_origin_access(app: ASGIApp, settings: ServiceSettings) -> ASGIApp:
    """Return the application for browsers whose pages have one of the allowed origins (Fetch standard, CORS protocol).

    Credentials are never allowed: pages of other origins send tokens explicitly, and the browser adds none.
    """
    if not settings.allow_origins:
        return app
    return CORSMiddleware(
        app, allow_origins=settings.allow_origins, allow_methods=("GET", "HEAD", "POST"), allow_headers=("*",),
        expose_headers=EXPOSED_HEADERS, max_age=PREFLIGHT_SECONDS,
    )  # fmt: skip


def compressed(app: ASGIApp) -> ASGIApp:
    """Return the application with its texts compressed for clients that accept it, but not the results of jobs.

    Results are compressed already, and are sent in ranges. Pages contain no secrets, which their compressed size could
    tell.
    """
    texts = GZipMiddleware(app, minimum_size=MIN_COMPRESSED_BYTES)

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        is_result = scope["type"] == "http" and scope["path"].lower().startswith(f"{OUTPUT_FILES}/")
        await (app if is_result else texts)(scope, receive, send)

    return respond


class HostCheckMiddleware:
    """Middleware that rejects unknown host names, adds security headers and normalises paths.

    Parameters
    ----------
    app : ASGI application
    hosts : frozenset of str or None
        The accepted host names; None accepts every name. A service that only this machine can reach must accept local
        names only: otherwise a page whose host name resolves to 127.0.0.1 (DNS rebinding) could use the service.
    public_path : str
        The path of the public URL, which is removed from paths: some reverse proxies leave it there.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str] | None, public_path: str) -> None:
        self._app, self._hosts, self._public_path = app, hosts, public_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start" and NOSNIFF not in message["headers"]:
                message["headers"] = [*message["headers"], *RAW_SECURITY_HEADERS]
            await send(message)

        if self._hosts is not None and without_port(header(scope, b"host")) not in self._hosts:
            rejection = PlainTextResponse("unknown host name", HTTPStatus.MISDIRECTED_REQUEST)
            await rejection(scope, receive, send_with_headers)
            return
        path = scope["path"]
        if self._public_path and f"{path}/".startswith(f"{self._public_path}/"):
            path = path.removeprefix(self._public_path)
        # Clients request folders with and without a trailing slash.
        scope["path"] = path.rstrip("/") or "/"
        await self._app(scope, receive, send_with_headers)


def header(scope: Scope, name: bytes) -> str:
    """Return a header of a request, whose name is in lower case; an empty string if there is none."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return ""


def without_port(host: str) -> str:
    """Return a host name in lower case, without its port and without the brackets of an IPv6 address."""
    if host.startswith("["):
        return host.partition("]")[0].lstrip("[").lower()
    return host.partition(":")[0].lower()

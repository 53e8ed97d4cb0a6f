"""ASGI application for tiles: requests without anything special do not pass through routes, forms and pages."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from gptool.service.catalog import CAPABILITIES
from gptool.service.middleware import header
from gptool.service.resources.authentication import identify
from gptool.service.resources.request_parameters import read_query
from gptool.service.resources.responses import error_response
from gptool.service.resources.tile_response import tile_response
from gptool.service.state import ServiceState
from gptool.service.urls import SERVICES

PATH = re.compile(rf"{SERVICES}/(.+)/(?:{'|'.join(CAPABILITIES)})/tile/([^/]+)/([^/]+)/([^/]+)", re.IGNORECASE)

BODY_HEADERS = b"content-length", b"transfer-encoding"

OTHER_FORMAT = re.compile(rb"(?:^|&)(?:f|callback)(?:=|&|$)|%", re.IGNORECASE)
"""Parameters that decide about the response; escapes may hide them."""


class TileApp:
    """The application, in front of that with the other resources.

    Parameters
    ----------
    app : ASGI application
        Answers all other requests, and those for tiles that have a body or state a format.
    state : ServiceState
    """

    def __init__(self, app: ASGIApp, state: ServiceState) -> None:
        self._app, self._state = app, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        match = PATH.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        if match is None or not _is_simple(scope):
            await self._app(scope, receive, send)
            return
        try:
            if scope["query_string"] or self._state.tokens is not None:
                request = Request(scope)
                identify(request, read_query(request), self._state)
            tags = header(scope, b"if-none-match")
            status, headers, body = await tile_response(self._state, *match.groups(), if_none_match=tags)
        except Exception as error:
            failure = error_response(error, "json", Request(scope), self._state.settings.public_path)
            await failure(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _is_simple(scope: Scope) -> bool:
    """Return True if a request has no body and, as far as can be seen at a glance, does not ask for another format."""
    for name, _ in scope["headers"]:
        if name in BODY_HEADERS:
            return False
    return not scope["query_string"] or OTHER_FORMAT.search(scope["query_string"]) is None

"""Responses: representations in the requested format, and error objects.

Error objects have HTTP status 200, which ArcGIS's clients require.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gptool.errors import GptoolError, OutputError, ParameterError, ServiceError
from gptool.output.json_text import to_json_bytes
from gptool.service.pages import render
from gptool.service.resources.request_context import RequestContext
from gptool.service.resources.request_parameters import read_format, read_query, read_request
from gptool.service.state import ServiceState
from gptool.service.urls import breadcrumbs

LOG = logging.getLogger(__name__)

MESSAGES = {
    400: "Invalid or missing input parameters.",
    403: "You do not have permissions to access this resource or perform this operation.",
    404: "Not found.",
    405: "Method is not supported.",
    413: "Request is too large.",
    429: "Too many requests.",
    498: "Invalid Token",
    499: "Token Required",
    500: "Error performing the operation.",
    503: "Service is busy.",
    507: "Insufficient storage.",
}
"""Messages of error objects by code; those that clients compare are ArcGIS Server's."""


@dataclass(frozen=True)
class Representation:
    """Representation of a resource.

    Attributes
    ----------
    value : mapping
        The JSON object.
    template : str
        The template of the HTML page, see `gptool.service.pages`.
    page : mapping
        The variables of the template, beside `token` and `page_url`.
    """

    value: Mapping[str, Any]
    template: str
    page: Mapping[str, Any] = field(default_factory=dict)


Resource = Callable[[RequestContext], Awaitable[Representation | Response]]


def endpoint(resource: Resource, *, is_public: bool, default_format: str) -> Callable[[Request], Awaitable[Response]]:
    """Return the ASGI endpoint of a resource.

    Parameters
    ----------
    resource : callable
    is_public : bool
        Whether requests without a token are accepted in any case.
    default_format : str
        The response format if the request does not state one.
    """

    async def respond(request: Request) -> Response:
        state: ServiceState = request.app.state.service
        response_format = "json"
        try:
            response_format = _format_of_errors(request, default_format)
            async with read_request(request, state, is_public=is_public) as (parameters, owner):
                response_format = read_format(parameters, default_format)
                context = RequestContext(state, request, parameters, response_format, owner)
                result = await resource(context)
            if isinstance(result, Response):
                return result
            if response_format == "html":
                return _page_response(context, result)
            return json_response(result.value, indented=response_format == "pjson")
        except Exception as error:
            return _error_response(error, response_format, request.url.path, state.settings.public_path)

    return respond


def json_response(value: Mapping[str, Any], *, indented: bool = False) -> Response:
    """Return a JSON response. Numbers of a cache are written as the cache states them."""
    data = to_json_bytes(dict(value))
    if indented:
        data = json.dumps(json.loads(data), indent=2, ensure_ascii=False).encode()
    return Response(data, media_type="application/json")


def redirect(path: str) -> Response:
    """Return a response that redirects a browser to a page by GET."""
    return RedirectResponse(path, status_code=HTTPStatus.SEE_OTHER)


def etag_matches(request: Request, etag: str) -> bool:
    """Return True if the client has the content of an entity tag (If-None-Match, RFC 9110, 13.1.2)."""
    tags = request.headers.get("if-none-match", "").split(",")
    return etag in [tag.strip().removeprefix("W/") for tag in tags]


def _format_of_errors(request: Request, default_format: str) -> str:
    """Return the format of an error that occurs before the body is read: most bodies of clients state `f=json`."""
    may_have_body = request.method == "POST" and "text/html" not in request.headers.get("accept", "")
    return read_format(read_query(request), "json" if may_have_body else default_format)


def _page_response(context: RequestContext, result: Representation) -> Response:
    public_path = context.state.settings.public_path
    page_url = context.page_path(context.request.url.path)
    text = render(result.template, public_path, token=context.token, page_url=page_url, **result.page)
    # The page may contain a token.
    return Response(text, media_type="text/html", headers={"Cache-Control": "no-store"})


def _error_response(error: Exception, response_format: str, path: str, public_path: str) -> Response:
    code, details = _code_and_details(error)
    if isinstance(error, OutputError) or code == 500:
        # The traceback is logged for unexpected exceptions only.
        known = [str(one) for one in (error, error.__cause__) if isinstance(one, GptoolError)]
        LOG.error("%s: %s", path, "; ".join(known) or "internal error", exc_info=None if known else error)
    message = MESSAGES.get(code, MESSAGES[400])
    if response_format == "html":
        crumbs = [(label, public_path + step) for label, step in breadcrumbs()]
        page = {"title": "Error", "token": "", "breadcrumbs": crumbs, "needs_token": code in (498, 499)}
        text = render("error.html", public_path, code=code, message=message, details=details, **page)
        return Response(text, media_type="text/html")
    value = {"error": {"code": code, "message": message, "details": details}}
    return json_response(value, indented=response_format == "pjson")


def _code_and_details(error: Exception) -> tuple[int, list[str]]:
    """Return the code of an error, and the details that the client may read."""
    if isinstance(error, ServiceError):
        text = str(error)
        return error.code, [] if text == MESSAGES.get(error.code) else [text]
    if isinstance(error, ParameterError):
        return 400, [str(error)]
    if isinstance(error, OutputError):
        return 507, ["job data cannot be stored; see the log of the service"]
    if isinstance(error, GptoolError):
        return 500, ["cache cannot be read; see the log of the service"]
    return 500, ["internal error; see the log of the service"]

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
from urllib.parse import quote, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gptool.errors import GptoolError, OutputError, ParameterError, ServiceError
from gptool.output.json_text import to_json_bytes
from gptool.request.parameters import RESPONSE_FORMATS
from gptool.service.pages import render
from gptool.service.resources.authentication import COOKIE
from gptool.service.resources.cross_site import may_be_cross_site
from gptool.service.resources.request_context import RequestContext
from gptool.service.resources.request_parameters import read_format, read_query, read_request
from gptool.service.state import ServiceState
from gptool.service.urls import ROOT, SERVICES, SIGN_IN, SIGN_OUT, breadcrumbs

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
        The variables of the template, beside those that all have.
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
            async with read_request(request, state, is_public=is_public) as (parameters, identity):
                response_format = read_format(parameters, default_format)
                context = RequestContext(state, request, parameters, response_format, identity)
                result = await resource(context)
            if response_format == "html":
                return _signed_in(context, result)
            if isinstance(result, Response):
                return result
            return json_response(result.value, indented=response_format == "pjson")
        except Exception as error:
            return error_response(error, response_format, request, state.settings.public_path)

    return respond


async def respond_to_http_error(request: Request, error: Exception) -> Response:
    """Return the response to a path or a method that no resource has.

    Below the root of the services, it is an error object with HTTP status 200 for clients that request JSON.
    """
    assert isinstance(error, HTTPException)
    state: ServiceState = request.app.state.service
    path = request.scope["path"]
    what = "method is not supported" if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED else "resource not found"
    known = ServiceError(what, code=error.status_code, where=path)
    try:
        response_format = _format_of_errors(request, RESPONSE_FORMATS[0])
    except GptoolError:
        response_format = RESPONSE_FORMATS[0]
    response = error_response(known, response_format, request, state.settings.public_path)
    if response_format == "html" or not f"{path}/".lower().startswith(f"{ROOT}/"):
        response.status_code = error.status_code
    response.headers.update(error.headers or {})
    return response


def json_response(value: Mapping[str, Any], *, indented: bool = False) -> Response:
    """Return a JSON response. Numbers of a cache are written as the cache states them."""
    data = to_json_bytes(dict(value))
    if indented:
        data = json.dumps(json.loads(data), indent=2, ensure_ascii=False).encode()
    return Response(data, media_type="application/json")


def redirect(path: str) -> RedirectResponse:
    """Return a response that redirects a browser to a page by GET."""
    return RedirectResponse(path, status_code=HTTPStatus.SEE_OTHER)


def set_cookie(context: RequestContext, response: Response, name: str, value: str, seconds: int | None = None) -> None:
    """Let the browser keep a value for the pages: not for scripts, nor for requests that other sites cause."""
    is_secure = context.absolute_url("/").startswith("https:")
    path = context.page_path(ROOT)
    response.set_cookie(name, value, seconds, path=path, secure=is_secure, httponly=True, samesite="strict")


def etag_matches(if_none_match: str, etag: str) -> bool:
    """Return True if the header If-None-Match states an entity tag: the client has its content (RFC 9110, 13.1.2)."""
    return etag in [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]


def _format_of_errors(request: Request, default_format: str) -> str:
    """Return the format of an error that occurs before the body is read: most bodies of clients state `f=json`."""
    may_have_body = request.method == "POST" and "text/html" not in request.headers.get("accept", "")
    return read_format(read_query(request), "json" if may_have_body else default_format)


def _signed_in(context: RequestContext, result: Representation | Response) -> Response:
    """Return a page. If the browser sent a token as a parameter, it is kept in the cookie, not in the URL."""
    token = context.parameters.get("token", "").strip()
    is_new = token and context.owner and not context.identity.has_cookie and not may_be_cross_site(context)
    if isinstance(result, Response):
        response = result
    elif is_new and context.request.method == "GET":
        response = redirect(_page_without_token(context.request, context.state.settings.public_path))
    else:
        response = _page_response(context, result)
    if is_new:
        set_cookie(context, response, COOKIE, token)
    return response


def _page_without_token(request: Request, public_path: str) -> str:
    """Return path and query of a page; for the answer to a form, the path only."""
    parameters = {} if request.method == "POST" else read_query(request)
    query = urlencode({name: value for name, value in parameters.items() if name != "token"})
    path = public_path + quote(request.scope["path"])
    return f"{path}?{query}" if query else path


def _page_response(context: RequestContext, result: Representation) -> Response:
    public_path = context.state.settings.public_path
    page_url = context.page_path(context.request.url.path)
    sign_out_url = context.page_path(SIGN_OUT) if context.identity.has_cookie else ""
    text = render(result.template, public_path, page_url=page_url, sign_out_url=sign_out_url, **result.page)
    return Response(text, media_type="text/html", headers={"Cache-Control": "no-store"})


def error_response(error: Exception, response_format: str, request: Request, public_path: str) -> Response:
    """Return the error object, or the page, of an exception, and log what is not the client's mistake."""
    code, details = _code_and_details(error)
    path = request.scope["path"]
    if isinstance(error, OutputError) or code == 500:
        # The traceback is logged for unexpected exceptions only.
        known = [str(one) for one in (error, error.__cause__) if isinstance(one, GptoolError)]
        LOG.error("%s: %s", path, "; ".join(known) or "internal error", exc_info=None if known else error)
    message = MESSAGES.get(code, MESSAGES[400])
    if response_format == "html":
        return _error_page(request, public_path, code, message, details)
    value = {"error": {"code": code, "message": message, "details": details}}
    return json_response(value, indented=response_format == "pjson")


def _error_page(request: Request, public_path: str, code: int, message: str, details: list[str]) -> Response:
    """Return the page of an error, with the forms to sign in if that is what is missing."""
    tokens = request.app.state.service.tokens
    page: dict[str, Any] = {
        "title": "Error",
        "breadcrumbs": [(label, public_path + step) for label, step in breadcrumbs()],
        "has_users": False,
        "has_tokens": False,
    }
    is_sign_in = request.scope["path"] == SIGN_IN
    if tokens and (code in (498, 499) or is_sign_in):
        default = public_path + SERVICES if is_sign_in else _page_without_token(request, public_path)
        page |= {
            "has_users": tokens.logins is not None,
            "has_tokens": tokens.token_file is not None,
            "sign_in_url": public_path + SIGN_IN,
            "next_page": getattr(request.state, "next_page", default),
        }
    text = render("error.html", public_path, code=code, message=message, details=details, **page)
    return Response(text, media_type="text/html", headers={"Cache-Control": "no-store"})


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

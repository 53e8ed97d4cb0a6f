"""Answers in the form that was asked for; errors are answers too, with HTTP status 200, as ArcGIS's clients need."""

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
from gptool.service.resources.call import Call, read_form, read_owner, read_sent
from gptool.service.state import ServiceState
from gptool.service.urls import breadcrumbs

LOG = logging.getLogger(__name__)

MESSAGES = {
    400: "Invalid or missing input parameters.",
    403: "You do not have permissions to access this resource or perform this operation.",
    404: "Not found.",
    413: "The request is too large.",
    429: "Too many jobs.",
    498: "Invalid Token",
    499: "Token Required",
    500: "Error performing the operation.",
    507: "No place for the result.",
}
"""By code, in ArcGIS's words where clients look for them."""


@dataclass(frozen=True)
class Answer:
    """What a resource says.

    Attributes
    ----------
    value : dict
        As JSON.
    template : str
        The page that shows it.
    context : dict
        What the page needs besides.
    """

    value: Mapping[str, Any]
    template: str
    context: Mapping[str, Any] = field(default_factory=dict)


Resource = Callable[[Call], Awaitable[Answer | Response]]


def endpoint(resource: Resource, *, is_open: bool, form_when_silent: str) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of a resource: reads the call, and answers in the form that it asks for.

    Parameters
    ----------
    is_open : bool
        Whether it is answered without a token too.
    form_when_silent : str
        The form of answers to those who do not ask for one.
    """

    async def answer(request: Request) -> Response:
        site: ServiceState = request.app.state.service
        form = "json"
        try:
            sent = await read_sent(request, site.settings.max_body_bytes)
            form = read_form(sent, form_when_silent)
            owner = "" if is_open else read_owner(request, sent, site)
            call = Call(site, request, sent, form, owner)
            said = await resource(call)
            if isinstance(said, Response):
                return said
            if form == "html":
                return _page(call, said)
            return json_response(said.value, indented=form == "pjson")
        except Exception as error:
            return _say_error(error, form, str(request.url.path))

    return answer


def _page(call: Call, said: Answer) -> Response:
    page_url = call.request.url.path
    text = render(said.template, token=call.token, page_url=page_url, **said.context)
    # It may hold a token.
    return Response(text, media_type="text/html", headers={"Cache-Control": "no-store"})


def json_response(value: Mapping[str, Any], *, indented: bool = False) -> Response:
    """Return a value as JSON, numbers as the cache states them."""
    data = to_json_bytes(dict(value))
    if indented:
        data = json.dumps(json.loads(data), indent=2, ensure_ascii=False).encode()
    return Response(data, media_type="application/json")


def see(path: str) -> Response:
    """Return the answer that sends a browser on to a page."""
    return RedirectResponse(path, status_code=HTTPStatus.SEE_OTHER)


def _say_error(error: Exception, form: str, path: str) -> Response:
    code, details = _understand(error)
    if isinstance(error, OutputError) or code == 500:
        # Of what is known to happen, a line says enough.
        known = [str(one) for one in (error, error.__cause__) if isinstance(one, GptoolError)]
        LOG.error("%s: %s", path, "; ".join(known) or "an error of the program", exc_info=None if known else error)
    message = MESSAGES.get(code, MESSAGES[400])
    if form == "html":
        context = {"title": "Error", "token": "", "trail": breadcrumbs(), "token_wanted": code in (498, 499)}
        page = render("error.html", code=code, message=message, details=details, **context)
        return Response(page, media_type="text/html")
    return json_response({"error": {"code": code, "message": message, "details": details}}, indented=form == "pjson")


def _understand(error: Exception) -> tuple[int, list[str]]:
    """Return the code of an error, and what may be said of it to whoever asked."""
    if isinstance(error, ServiceError):
        said = str(error)
        return error.code, [] if said == MESSAGES.get(error.code) else [said]
    if isinstance(error, ParameterError):
        return 400, [str(error)]
    if isinstance(error, OutputError):
        return 507, ["the service can't store anything now; its log says why"]
    if isinstance(error, GptoolError):
        return 500, ["the cache can't be read now; the service's log says why"]
    return 500, ["an error of the program; its trace is in the service's log"]

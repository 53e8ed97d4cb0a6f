"""Signing in to the pages and out of them: the token is kept in a cookie that scripts and other sites cannot use."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from gptool.errors import ServiceError
from gptool.service.resources.authentication import COOKIE
from gptool.service.resources.cross_site import check_own_page
from gptool.service.resources.request_context import RequestContext
from gptool.service.resources.responses import redirect, set_cookie
from gptool.service.resources.token_service import log_in
from gptool.service.urls import ROOT, SERVICES

SESSION_MINUTES = 12 * 60
"""For how long a user is signed in: a working day."""


async def sign_in(context: RequestContext) -> Response:
    """Keep a token, or that of a user's name and password, in the cookie, and return to the page."""
    context.request.state.next_page = _next_page(context)
    if context.request.method != "POST":
        raise ServiceError("Token Required", code=499)
    check_own_page(context)
    token = context.parameters.get("token", "").strip()
    if not token:
        token = (await log_in(context, SESSION_MINUTES)).token
    elif context.state.tokens:
        context.state.tokens.owner(token)
    response = redirect(context.request.state.next_page)
    set_cookie(context, response, COOKIE, token)
    return response


async def sign_out(context: RequestContext) -> Response:
    """Forget the cookie."""
    if context.request.method != "POST":
        raise ServiceError("HTTP GET method is not supported", code=405, expected="POST")
    check_own_page(context)
    response: RedirectResponse = redirect(context.page_path(SERVICES))
    response.delete_cookie(COOKIE, path=context.page_path(ROOT), httponly=True, samesite="strict")
    return response


def _next_page(context: RequestContext) -> str:
    """Return the page to return to: a path of this service, whatever the form says."""
    path = context.parameters.get("next", "")
    return path if path.startswith(f"{context.page_path(ROOT)}/") else context.page_path(SERVICES)

"""Token service: users exchange name and password for a token (ArcGIS REST API, "Generate Token")."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from gptool.errors import ServiceError
from gptool.service.logins import DEFAULT_MINUTES, IssuedToken, Logins
from gptool.service.resources.request_context import RequestContext
from gptool.service.resources.request_parameters import read_query
from gptool.service.resources.responses import json_response

MAX_DIGITS = 9


async def generate_token(context: RequestContext) -> Response:
    """Return a token for a user. It is not bound to a referrer or an address, whatever `client` says."""
    if context.request.method != "POST":
        raise ServiceError("HTTP GET method is not supported", code=405, expected="POST")
    token = context.parameters.get("token", "")
    # ArcGIS REST JS asks with the token of a user for one for the server, which is the same here.
    is_exchange = token and "username" not in context.parameters
    issued = _logins(context).check(token) if is_exchange else await log_in(context)
    response = json_response(
        {
            "token": issued.token,
            "expires": int(1000 * issued.expires),
            "ssl": context.absolute_url("/").startswith("https:"),
        },
        indented=context.format == "pjson",
    )
    response.headers["Cache-Control"] = "no-store"
    return response


async def log_in(context: RequestContext, default_minutes: int = DEFAULT_MINUTES) -> IssuedToken:
    """Return a token for the user whose name and password a form contains.

    Parameters
    ----------
    context : RequestContext
    default_minutes : int
        For how long the token is valid if the parameter `expiration` does not say so.

    Raises
    ------
    ServiceError
        If the service has no users, the password is in the URL, the name or password is wrong, or there are too many
        attempts.
    """
    logins = _logins(context)
    if "password" in read_query(context.request):  # URLs are kept in logs and histories
        raise ServiceError("the password must be in the body of the request, not in its URL", code=400)
    parameters = context.parameters
    return await logins.log_in(
        parameters.get("username", ""),
        parameters.get("password", ""),
        client_address(context.request),
        _read_minutes(parameters.get("expiration", "").strip() or str(default_minutes)),
    )


def _logins(context: RequestContext) -> Logins:
    logins = context.state.tokens.logins if context.state.tokens else None
    if logins is None:
        raise ServiceError("this service has no users: its tokens are issued by its administrator", code=404)
    return logins


def client_address(request: Request) -> str:
    """Return the address of the client."""
    return request.client.host if request.client else ""


def _read_minutes(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise ServiceError(
            "invalid value", code=400, where="expiration", found=repr(text[:20]), expected="a number of minutes"
        )
    return int(text)

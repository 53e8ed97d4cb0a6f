"""Authentication by tokens: in a header, in the parameters, or in the cookie of the service's pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from starlette.requests import Request

from gptool.errors import ServiceError
from gptool.service.observation import OWNER
from gptool.service.state import ServiceState

COOKIE = "gptool_token"


class Identity(NamedTuple):
    """Who sent a request: the owner of the jobs, an empty string without a token, and whether a cookie says so."""

    owner: str
    has_cookie: bool


NOBODY = Identity("", has_cookie=False)


def sent_token(request: Request, parameters: Mapping[str, str]) -> str:
    """Return the token of a request's headers, or of the parameter `token`; an empty string if there is none."""
    for name in ("x-esri-authorization", "authorization"):
        scheme, _, value = request.headers.get(name, "").partition(" ")
        if scheme.lower() == "bearer" and value.strip():
            return value.strip()
    return parameters.get("token", "").strip()


def identify(request: Request, parameters: Mapping[str, str], state: ServiceState) -> Identity:
    """Return who sent a request. The cookie counts only without another token.

    Raises
    ------
    ServiceError
        If a token is required and missing (code 499), or the token is unknown (code 498).
    """
    if state.tokens is None:
        return NOBODY
    token = sent_token(request, parameters)
    owner = state.tokens.owner(token) if token else _owner_of_cookie(request, state)
    if owner:
        request.scope[OWNER] = owner
        return Identity(owner, has_cookie=not token)
    if not state.settings.allow_anonymous:
        raise ServiceError("Token Required", code=499)
    return NOBODY


def _owner_of_cookie(request: Request, state: ServiceState) -> str:
    """Return the owner of the token in the cookie; an empty string if it is no longer valid: browsers keep it."""
    token = request.cookies.get(COOKIE, "")
    try:
        return state.tokens.owner(token) if token and state.tokens else ""
    except ServiceError as error:
        if error.code != 498:
            raise
        return ""

"""Authentication by tokens."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request

from gptool.errors import ServiceError
from gptool.service.state import ServiceState


def sent_token(request: Request, parameters: Mapping[str, str]) -> str:
    """Return the token of a request's headers, or of the parameter `token`; an empty string if there is none."""
    for name in ("x-esri-authorization", "authorization"):
        scheme, _, value = request.headers.get(name, "").partition(" ")
        if scheme.lower() == "bearer" and value.strip():
            return value.strip()
    return parameters.get("token", "").strip()


def is_token_required(state: ServiceState) -> bool:
    """Return whether requests need a token."""
    return state.tokens is not None and not state.settings.allow_anonymous


def read_owner(request: Request, parameters: Mapping[str, str], state: ServiceState) -> str:
    """Return the digest of the request's token; an empty string without a token, if none is required.

    Raises
    ------
    ServiceError
        If a token is required and missing (code 499), or the token is unknown (code 498).
    """
    if state.tokens is None:
        return ""
    token = sent_token(request, parameters)
    if token:
        return state.tokens.owner(token)
    if is_token_required(state):
        raise ServiceError("Token Required", code=499)
    return ""

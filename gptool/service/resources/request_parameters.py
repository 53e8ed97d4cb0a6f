"""Parameters of a request: query and form body.

A body of more than `SMALL_BODY_BYTES` is read only from a client that may use the service, and only a few are in memory
at a time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from starlette.requests import ClientDisconnect, Request

from gptool.errors import ServiceError
from gptool.request.parameters import BY_NAME
from gptool.service.resources.authentication import NOBODY, Identity, identify
from gptool.service.resources.form_parser import FormParser
from gptool.service.resources.multipart_parser import MULTIPART_TYPE, MultipartFormParser
from gptool.service.state import ServiceState

FORM_TYPE = "application/x-www-form-urlencoded"

SMALL_BODY_BYTES = 64 * 1024
"""Size of a body that is read from everybody, since it may contain the token."""


SHARED_NAMES = {
    name.lower(): name for name in ("f", "token", "callback", "returnMessages", "username", "password", "expiration")
}
"""Names of parameters that all resources share, by their lower case: clients send them in any letter case."""


class Received(NamedTuple):
    """What was read from a request: its parameters, and who sent it."""

    parameters: dict[str, str]
    identity: Identity


@asynccontextmanager
async def read_request(request: Request, state: ServiceState, *, is_public: bool) -> AsyncIterator[Received]:
    """Read a request. While the context lasts, a large body has one of the places for such bodies.

    The parameters of the body take precedence over those of the query. A token of the headers, the query or the cookie
    is checked before the body is read; one of the headers or the query takes precedence over one in the body.

    Parameters
    ----------
    request : Request
    state : ServiceState
    is_public : bool
        Whether requests without a token are accepted in any case. A large body is not.

    Raises
    ------
    ServiceError
        If the token is missing or unknown (codes 499 and 498), the body is too large (413), incomplete, or not a form,
        there are too many parameters (400), or too many large bodies are being read (503).
    """
    query = read_query(request)
    identity = NOBODY if is_public else _known_identity(request, query, state)
    limit = SMALL_BODY_BYTES if is_public else state.settings.max_body_bytes
    async with AsyncExitStack() as places:
        form, size = _form_parser(request), 0
        async for part in _body_parts(request, limit):
            form.feed(part)
            if size <= SMALL_BODY_BYTES < size + len(part):
                identity = identity or _sender_of_large_body(request, query | _with_shared_names(form.fields), state)
                await places.enter_async_context(state.large_bodies.place())
            size += len(part)
        parameters = query | _with_shared_names(form.finish())
        if not is_public and (identity is None or identity.has_cookie or not identity.owner):
            identity = identify(request, parameters, state)  # the body may contain a token
        yield Received(parameters, identity or NOBODY)


def read_query(request: Request) -> dict[str, str]:
    """Return the parameters of the query.

    Raises
    ------
    ServiceError
        If there are too many (code 400).
    """
    query = FormParser()
    query.feed(request.scope["query_string"])
    return _with_shared_names(query.finish())


def _with_shared_names(fields: Mapping[str, str]) -> dict[str, str]:
    return {SHARED_NAMES.get(name.lower(), name): value for name, value in fields.items()}


def read_format(parameters: Mapping[str, str], default: str) -> str:
    """Return the response format.

    Parameters
    ----------
    parameters : mapping of str to str
    default : str
        The format if `f` is omitted or empty. The last value counts if it is sent repeatedly.

    Raises
    ------
    ParameterError
        If the format is unknown.
    ServiceError
        If JSONP is requested.
    """
    if "callback" in parameters:
        raise ServiceError("JSONP is not supported: scripts of other sites must not read responses", code=400)
    sent = [value for value in parameters.get("f", "").split(",") if value.strip()]
    return str(BY_NAME["f"].read(sent[-1]) if sent else default)


def _known_identity(request: Request, parameters: Mapping[str, str], state: ServiceState) -> Identity | None:
    """Return who sent a request; None if a token is required and has not been read yet."""
    try:
        return identify(request, parameters, state)
    except ServiceError as error:
        if error.code != 499:
            raise
        return None


def _sender_of_large_body(request: Request, parameters: Mapping[str, str], state: ServiceState) -> Identity:
    identity = _known_identity(request, parameters, state)
    if identity is None:
        raise ServiceError(
            "large request without a token", code=499,
            expected=f"the token in a header, in the query, or in the first {SMALL_BODY_BYTES} bytes of the body",
        )  # fmt: skip
    return identity


async def _body_parts(request: Request, limit: int) -> AsyncIterator[bytes]:
    """Yield the parts of a body as they arrive. What is not read of a body is discarded by the HTTP protocol."""
    size = int(request.headers.get("content-length", 0))
    if size > limit:
        raise _too_large(size, limit)
    size = 0
    try:
        async for part in request.stream():
            if part and not size:
                _check_type(request)
            size += len(part)
            if size > limit:
                raise _too_large(size, limit)
            yield part
    except ClientDisconnect:
        raise ServiceError("request body is incomplete", code=400, found=f"{size} bytes") from None


def _form_parser(request: Request) -> FormParser | MultipartFormParser:
    is_multipart = _content_type(request) == MULTIPART_TYPE
    return MultipartFormParser(request.headers["content-type"]) if is_multipart else FormParser()


def _check_type(request: Request) -> None:
    content_type = _content_type(request)
    if content_type not in (FORM_TYPE, MULTIPART_TYPE):
        raise ServiceError(
            "unsupported content type", code=400, found=content_type, expected=f"{FORM_TYPE} or {MULTIPART_TYPE}"
        )


def _content_type(request: Request) -> str:
    return str(request.headers.get("content-type", FORM_TYPE)).partition(";")[0].strip().lower()


def _too_large(size: int, limit: int) -> ServiceError:
    return ServiceError(
        "request body is too large", code=413, found=f"at least {size} bytes", expected=f"at most {limit}"
    )

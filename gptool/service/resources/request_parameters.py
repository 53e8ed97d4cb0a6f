"""Parameters of a request: query and form body."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from gptool.errors import ServiceError
from gptool.request.parameters import BY_NAME

FORM_TYPE = "application/x-www-form-urlencoded"
MAX_FIELDS = 1000

MAX_INLINE_CHARACTERS = 64 * 1024
"""Length of a form that is parsed in the event loop; a longer one is parsed in a thread."""

MAX_SILENCE_SECONDS = 30.0
"""How long a client may pause in the middle of a body."""

DISCARDED_FACTOR = 4
"""A body that is too large is read on up to this multiple of the limit."""


async def read_parameters(request: Request, max_bytes: int) -> dict[str, str]:
    """Return the parameters of the query and of the body; those of the body take precedence.

    The values of a name that occurs more than once are joined by commas: some clients send lists this way.

    Parameters
    ----------
    request : Request
    max_bytes : int
        Maximum size of the body.

    Raises
    ------
    ServiceError
        If the body is too large (code 413), incomplete, or not a form, or there are too many parameters (code 400).
    """
    values = await _parse_form(request.url.query)
    body = await _read_body(request, max_bytes)
    if body:
        content_type = request.headers.get("content-type", FORM_TYPE).partition(";")[0].strip().lower()
        if content_type != FORM_TYPE:
            raise ServiceError("unsupported content type", code=400, found=content_type, expected=FORM_TYPE)
        values |= await _parse_form(body.decode("utf-8", "replace"))
    return {name: ",".join(texts) for name, texts in values.items()}


def read_format(parameters: Mapping[str, str], default: str) -> str:
    """Return the response format.

    Parameters
    ----------
    parameters : mapping of str to str
    default : str
        The format if `f` is omitted or empty.

    Raises
    ------
    ParameterError
        If the format is unknown.
    ServiceError
        If JSONP is requested.
    """
    if "callback" in parameters:
        raise ServiceError("JSONP is not supported: scripts of other sites must not read responses", code=400)
    return str(BY_NAME["f"].read(parameters["f"]) if parameters.get("f", "").strip() else default)


async def _parse_form(text: str) -> dict[str, list[str]]:
    parse = partial(parse_qsl, text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    try:
        # Parsing an area of interest of several megabytes takes seconds.
        pairs = await run_in_threadpool(parse) if len(text) > MAX_INLINE_CHARACTERS else parse()
    except ValueError:
        raise ServiceError("too many parameters", code=400, expected=f"at most {MAX_FIELDS}") from None
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values


async def _read_body(request: Request, max_bytes: int) -> bytes:
    """Return the body.

    A body that is too large is read on for a while, and discarded: many clients read the response only after they
    have sent the whole body.
    """
    limit = DISCARDED_FACTOR * max_bytes
    parts, size = [], int(request.headers.get("content-length", 0))
    if size <= limit:
        size, stream = 0, request.stream()
        try:
            while size <= limit:
                async with asyncio.timeout(MAX_SILENCE_SECONDS):
                    part = await anext(stream)
                size += len(part)
                if size <= max_bytes:
                    parts.append(part)
        except StopAsyncIteration:
            pass
        except (ClientDisconnect, TimeoutError):
            raise ServiceError("request body is incomplete", code=400, found=f"{size} bytes") from None
    if size > max_bytes:
        raise ServiceError(
            "request body is too large", code=413, found=f"at least {size} bytes", expected=f"at most {max_bytes}"
        )
    return b"".join(parts)

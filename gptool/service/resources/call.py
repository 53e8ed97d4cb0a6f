"""One call of a resource: what was sent, who sent it, and in which form the answer is to be."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from gptool.errors import ServiceError
from gptool.request.parameters import BY_NAME, known

if TYPE_CHECKING:
    from gptool.service.state import ServiceState

FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 1000
SHORT = 64 * 1024
"""Characters of a form that are understood in no time."""
ENGINES = "AppleWebKit/", "Gecko/"
"""What browsers, of those who may send a request, say they are."""

LONGEST_SILENCE = 30.0
"""Seconds that a client may let us wait in the middle of a body."""


@dataclass(frozen=True)
class Call:
    """One call.

    Attributes
    ----------
    sent : dict
        Names and values, of the query and of the body, which counts more. A name that comes several times has its
        values joined by commas: lists are sent so, and by some clients' mistake the parts of other things.
    form : str
        html, json or pjson.
    owner : str
        The digest of the token that was sent; empty when none was.
    """

    site: ServiceState
    request: Request
    sent: Mapping[str, str]
    form: str
    owner: str

    @property
    def token(self) -> str:
        """The token to put into links; empty where the service does without."""
        return _token(self.request, self.sent) if self.owner else ""

    @property
    def inputs(self) -> dict[str, Any]:
        """What was sent of the operation's parameters, under their own names."""
        return known(self.sent)

    def path(self, name: str) -> str:
        """Return a part of the path that the route names."""
        return str(self.request.path_params[name])

    def flag(self, name: str, default: bool) -> bool:
        """Return whether a parameter of the answer is `true`."""
        return self.sent.get(name, str(default)).strip().lower() == "true"

    def address(self, path: str) -> str:
        """Return the address of a path as this client knows the service."""
        base = self.request.base_url
        return f"{base.scheme}://{base.netloc}{quote(path)}"

    def with_token(self, path: str) -> str:
        """Return a path with the token, to send a browser to."""
        return path + (f"?{urlencode({'token': self.token})}" if self.token else "")


async def read_sent(request: Request, most: int) -> dict[str, str]:
    """Return what was sent, by query and body.

    Raises
    ------
    ServiceError
        When the body is larger than `most` bytes, or no form.
    """
    pairs = await _pairs(request.url.query)
    body = await _body(request, most)
    if body:
        kind = request.headers.get("content-type", FORM).partition(";")[0].strip().lower()
        if kind != FORM:
            raise ServiceError("the body is no form", code=400, found=kind, expected=FORM)
        form = await _pairs(body.decode("utf-8", "replace"))
        pairs = {**pairs, **form}
    return {name: ",".join(values) for name, values in pairs.items()}


async def _pairs(text: str) -> dict[str, list[str]]:
    try:
        # An area of megabytes takes seconds, in which others are to be answered.
        parse = partial(parse_qsl, text, keep_blank_values=True, max_num_fields=MOST_FIELDS)
        pairs = await run_in_threadpool(parse) if len(text) > SHORT else parse()
    except ValueError:
        raise ServiceError("too many parameters", code=400, expected=f"{MOST_FIELDS} at most") from None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


async def _body(request: Request, most: int) -> bytes:
    """Return the body. What is too large is read on for a while: who sends it hears no answer before its end."""
    parts, size = [], int(request.headers.get("content-length", 0))
    if size <= 4 * most:
        size, stream = 0, request.stream()
        try:
            while size <= 4 * most:
                async with asyncio.timeout(LONGEST_SILENCE):
                    part = await anext(stream)
                size += len(part)
                if size <= most:
                    parts.append(part)
        except StopAsyncIteration:
            pass
        except (ClientDisconnect, TimeoutError):
            raise ServiceError("the body did not come whole", code=400, found=f"{size} bytes") from None
    if size > most:
        raise ServiceError("the body is too large", code=413, found=f"{size} bytes or more", expected=f"{most} at most")
    return b"".join(parts)


def read_form(sent: Mapping[str, str], when_silent: str) -> str:
    """Return the form of the answer. Raises ParameterError when it is none, ServiceError for JSONP."""
    if "callback" in sent:
        raise ServiceError("callback is not taken: other sites' scripts must not read answers", code=400)
    parameter = BY_NAME["f"]
    return str(parameter.read(sent["f"]) if sent.get("f", "").strip() else when_silent)


def read_owner(request: Request, sent: Mapping[str, str], site: ServiceState) -> str:
    """Return whose call it is: the digest of a token, or nothing where none is needed or known of.

    Raises
    ------
    ServiceError
        When a token is needed and missing (499), or not a good one (498).
    """
    if site.tokens is None:
        return ""
    token = _token(request, sent)
    if token:
        return site.tokens.owner(token)
    if not site.settings.allow_anonymous:
        raise ServiceError("Token Required", code=499)
    return ""


def _token(request: Request, sent: Mapping[str, str]) -> str:
    for name in ("x-esri-authorization", "authorization"):
        scheme, _, value = request.headers.get(name, "").partition(" ")
        if scheme.lower() == "bearer" and value.strip():
            return value.strip()
    return sent.get("token", "").strip()


def check_may_act(call: Call) -> None:
    """Make sure that a call may start or cancel a job: no other site's page, shown in somebody's browser, makes it.

    A token says that its holder wants it: browsers don't add it by themselves. Clients that are no browsers send none
    of these headers.

    Raises
    ------
    ServiceError
        When one does, or the method is HEAD, which is to change nothing.
    """
    if call.request.method == "HEAD":
        raise ServiceError("HEAD starts and cancels nothing", code=400, expected="GET or POST")
    if not call.owner and _may_be_foreign(call.request):
        raise ServiceError("another site's page must not start or cancel jobs", code=403)


def _may_be_foreign(request: Request) -> bool:
    """Tell whether a call may come from another site's page, in a browser.

    Browsers say so in `Sec-Fetch-Site`, but not when they are old, nor to a host that is neither this machine nor
    reached by TLS. Then `Origin` and `Referer` tell; and a browser's GET that has neither may be an image's.
    """
    headers = request.headers
    where = headers.get("sec-fetch-site")
    if where is not None:
        return where not in ("same-origin", "none")
    pages = [page for page in (headers.get("origin"), headers.get("referer")) if page]
    sites = [page.partition("://")[2].partition("/")[0] for page in pages if "://" in page or page == "null"]
    if sites:
        return any(site != headers.get("host") for site in sites)
    return request.method == "GET" and any(engine in headers.get("user-agent", "") for engine in ENGINES)


def is_known(call: Call, etag: str) -> bool:
    """Tell whether who calls has what an entity tag stands for."""
    tags = call.request.headers.get("if-none-match", "").split(",")
    return etag in [tag.strip().removeprefix("W/") for tag in tags]


def whole_path_number(text: str, most: int) -> int | None:
    """Return the whole number that a part of a path is, or None."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= most else None

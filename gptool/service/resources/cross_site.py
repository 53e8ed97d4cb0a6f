"""Protection against cross-site request forgery."""

from __future__ import annotations

from gptool.errors import ServiceError
from gptool.service.resources.request_context import RequestContext

BROWSER_ENGINES = "AppleWebKit/", "Gecko/"
"""Parts of the user agent of browsers."""


def check_same_site(context: RequestContext) -> None:
    """Check that a request that starts or cancels a job was not made by a page of another site.

    A token proves that its holder intends the request, since browsers do not add it by themselves. They do add the
    cookie, so it proves nothing. Without either, pages of allowed origins may start jobs too; browsers state the origin
    of each of their requests. Clients that are not browsers send none of the headers that are checked.

    Raises
    ------
    ServiceError
        If the request comes from another site, or the method is HEAD, which must not change anything.
    """
    if context.request.method == "HEAD":
        raise ServiceError("method HEAD cannot start or cancel jobs", code=400, expected="GET or POST")
    if context.identity.has_cookie or not (context.owner or _is_allowed_origin(context)):
        check_own_page(context)


def check_own_page(context: RequestContext) -> None:
    """Check that a request was not made by a page of another site, nor by one of an allowed origin.

    Raises
    ------
    ServiceError
        If it may come from another site.
    """
    if may_be_cross_site(context):
        raise ServiceError("pages of other sites cannot start or cancel jobs, or sign in", code=403)


def _is_allowed_origin(context: RequestContext) -> bool:
    """Return True if a page of an allowed origin sent the request. Requests of images and links have no origin."""
    origin, allowed = context.request.headers.get("origin"), context.state.settings.allow_origins
    return origin is not None and (origin in allowed or "*" in allowed)


def may_be_cross_site(context: RequestContext) -> bool:
    """Return True if a browser may have sent the request for a page of another site.

    Browsers state this in `Sec-Fetch-Site`, but old ones do not, nor do others if the host is neither local nor
    reached by TLS. Then `Origin` and `Referer` are compared with the host and that of the public URL; a browser's GET
    request without either may be that of an image in a page.
    """
    request, headers = context.request, context.request.headers
    fetch_site = headers.get("sec-fetch-site")
    if fetch_site is not None:
        return fetch_site not in ("same-origin", "none")
    pages = [page for page in (headers.get("origin"), headers.get("referer")) if page]
    hosts = [page.partition("://")[2].partition("/")[0] for page in pages if "://" in page or page == "null"]
    if hosts:
        own = {headers.get("host", ""), context.state.settings.public_host} - {""}  # the host of the origin `null`
        return not own.issuperset(hosts)
    return request.method == "GET" and any(engine in headers.get("user-agent", "") for engine in BROWSER_ENGINES)

"""Resources above the services: server info, the list of services, and folders."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from gptool.errors import ServiceError
from gptool.service.catalog import CAPABILITIES, CURRENT_VERSION
from gptool.service.logins import DEFAULT_MINUTES
from gptool.service.resources.cache_entries import cache_entries
from gptool.service.resources.gp_service import GP_SERVICE
from gptool.service.resources.request_context import RequestContext
from gptool.service.resources.responses import Representation, redirect
from gptool.service.urls import ROOT, SERVICES, TOKENS, Breadcrumbs, service_path


async def home(context: RequestContext) -> Response:
    """Redirect a browser to the list of services."""
    query = context.request.url.query
    path = context.page_path(SERVICES)
    return redirect(f"{path}?{query}" if query else path)


async def info(context: RequestContext) -> Representation:
    """Return the server info. It has the URL of the token service if there are users who log in by password."""
    tokens = context.state.tokens
    token_service: dict[str, Any] = {}
    if tokens and tokens.logins:
        url = f"{context.absolute_url(TOKENS)}/"
        token_service = {"tokenServicesUrl": url, "shortLivedTokenValidity": DEFAULT_MINUTES}
    value: dict[str, Any] = {
        "currentVersion": CURRENT_VERSION,
        "fullVersion": f"{CURRENT_VERSION}.0",
        "authInfo": {"isTokenBasedSecurity": tokens is not None, **token_service},
    }
    page = {"title": "Server info", "breadcrumbs": [("Info", context.page_path(f"{ROOT}/info"))], "result": value}
    return Representation(value, "result.html", page)


async def services(context: RequestContext) -> Representation:
    """Return the folders, and the services that are not in a folder."""
    catalog = context.state.catalog
    names = [name for name in catalog.names if "/" not in name]
    others = [(GP_SERVICE, "GPServer")]
    return await _listing(context, names, others, catalog.folders, context.breadcrumbs(), "Services")


async def folder(context: RequestContext) -> Representation:
    """Return the services of a folder."""
    catalog, name = context.state.catalog, context.path_parameter("folder")
    if name not in catalog.folders:
        raise ServiceError("folder or service not found", code=404, where=name)
    names = [other for other in catalog.names if other.startswith(f"{name}/")]
    return await _listing(context, names, [], [], context.breadcrumbs(name), name)


async def _listing(
    context: RequestContext,
    names: list[str],
    others: list[tuple[str, str]],
    folders: list[str],
    crumbs: Breadcrumbs,
    title: str,
) -> Representation:
    """Return the listing of caches, of other services as names and types, and of folders.

    Each cache is a service of two types in JSON, and one entry of the page.
    """
    services = [*((name, kind) for name in names for kind in CAPABILITIES), *others]
    value = {
        "currentVersion": CURRENT_VERSION,
        "folders": folders,
        "services": [{"name": name, "type": service_type} for name, service_type in services],
    }
    if context.format != "html":
        return Representation(value, "directory.html")
    page = {
        "title": title,
        "breadcrumbs": crumbs,
        "folders": [(name, context.page_path(service_path(name))) for name in folders],
        "caches": await cache_entries(context, names),
        "services": [(name, kind, context.page_path(service_path(name, kind))) for name, kind in others],
    }
    return Representation(value, "directory.html", page)

"""Resources above the services: server info, the list of services, and folders."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from gptool.errors import ServiceError
from gptool.service.catalog import CAPABILITIES, CURRENT_VERSION
from gptool.service.logins import DEFAULT_MINUTES
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
    found = [(name, kind) for name in catalog.names if "/" not in name for kind in CAPABILITIES]
    return _listing(context, [*found, (GP_SERVICE, "GPServer")], catalog.folders, context.breadcrumbs(), "Services")


async def folder(context: RequestContext) -> Representation:
    """Return the services of a folder."""
    catalog, name = context.state.catalog, context.path_parameter("folder")
    if name not in catalog.folders:
        raise ServiceError("folder or service not found", code=404, where=name)
    found = [(other, kind) for other in catalog.names if other.startswith(f"{name}/") for kind in CAPABILITIES]
    return _listing(context, found, [], context.breadcrumbs(name), name)


def _listing(
    context: RequestContext, services: list[tuple[str, str]], folders: list[str], crumbs: Breadcrumbs, title: str
) -> Representation:
    """Return the listing of services, given as names and types, and folders."""
    value = {
        "currentVersion": CURRENT_VERSION,
        "folders": folders,
        "services": [{"name": name, "type": service_type} for name, service_type in services],
    }
    page = {
        "title": title,
        "breadcrumbs": crumbs,
        "folders": [(name, context.page_path(service_path(name))) for name in folders],
        "services": [
            (name, service_type, context.page_path(service_path(name, service_type))) for name, service_type in services
        ],
    }
    return Representation(value, "directory.html", page)

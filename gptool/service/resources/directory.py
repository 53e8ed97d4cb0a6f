"""The resources above the services: what the server is, and which services and folders there are."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from gptool.errors import ServiceError
from gptool.service.catalog import CAPABILITIES, CURRENT_VERSION
from gptool.service.resources.answers import Answer, see
from gptool.service.resources.call import Call
from gptool.service.resources.gp_service import SERVICE
from gptool.service.urls import ROOT, SERVICES, breadcrumbs, service_path


async def home(call: Call) -> Response:
    """Send a browser on to the list of services."""
    query = call.request.url.query
    return see(f"{SERVICES}?{query}" if query else SERVICES)


async def info(call: Call) -> Answer:
    """Say what server this is. No address of a token service: there is none, tokens are handed out by hand."""
    value: dict[str, Any] = {
        "currentVersion": CURRENT_VERSION,
        "fullVersion": f"{CURRENT_VERSION}.0",
        "authInfo": {"isTokenBasedSecurity": call.site.tokens is not None},
    }
    return Answer(value, "result.html", {"title": "Server info", "trail": [("Info", f"{ROOT}/info")], "result": value})


async def services(call: Call) -> Answer:
    """List folders, and services that are in none."""
    found = [(name, kind) for name in call.site.catalog.names if "/" not in name for kind in CAPABILITIES]
    return _listing(call, [*found, (SERVICE, "GPServer")], call.site.catalog.folders, breadcrumbs(), "Services")


async def folder(call: Call) -> Answer:
    """List the services of a folder."""
    name = call.path("folder")
    if name not in call.site.catalog.folders:
        raise ServiceError("no such folder or service", code=404, found=name)
    found = [
        (other, kind) for other in call.site.catalog.names if other.startswith(f"{name}/") for kind in CAPABILITIES
    ]
    return _listing(call, found, [], breadcrumbs(name), name)


def _listing(
    call: Call, found: list[tuple[str, str]], folders: list[str], crumbs: list[tuple[str, str]], title: str
) -> Answer:
    value = {
        "currentVersion": CURRENT_VERSION,
        "folders": folders,
        "services": [{"name": name, "type": kind} for name, kind in found],
    }
    context = {
        "title": title,
        "trail": crumbs,
        "folders": [(name, service_path(name)) for name in folders],
        "services": [(name, kind, service_path(name, kind)) for name, kind in found],
    }
    return Answer(value, "directory.html", context)

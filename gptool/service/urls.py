"""URL paths of the service's resources, as in ArcGIS Server."""

from __future__ import annotations

from urllib.parse import quote

ROOT = "/arcgis/rest"
SERVICES = f"{ROOT}/services"
OUTPUT_FILES = f"{ROOT}/directories/arcgisoutput"
SIGN_IN, SIGN_OUT = f"{ROOT}/signIn", f"{ROOT}/signOut"
TOKENS = f"{ROOT.rpartition('/')[0]}/tokens"
STATIC_FILES = f"{ROOT}/static"
MY_JOBS = f"{ROOT}/jobs"
HEALTH = "/healthz"

SERVICE_TYPES = "ImageServer", "MapServer", "GPServer"

Breadcrumbs = list[tuple[str, str]]
"""Labels and paths of a resource and the resources above it, outermost first."""


def service_path(*parts: str) -> str:
    """Return the path of a service or of a resource below it, percent-encoded."""
    return quote("/".join((SERVICES, *parts)))


def operation_resource(operation: str) -> str:
    """Return the name of the resource of an operation: `exportTiles` for `ExportTiles`."""
    return operation[0].lower() + operation[1:]


def breadcrumbs(*parts: str) -> Breadcrumbs:
    """Return the breadcrumbs of a resource below the list of services.

    Parameters
    ----------
    *parts : str
        The parts of its path. A service and its type are one step, `World (ImageServer)`.
    """
    steps = [("Services", SERVICES)]
    for i, part in enumerate(parts):
        if parts[i + 1 : i + 2] and parts[i + 1] in SERVICE_TYPES:
            continue
        label = f"{parts[i - 1]} ({part})" if part in SERVICE_TYPES else part
        steps.append((label, service_path(*parts[: i + 1])))
    return steps

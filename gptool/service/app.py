"""ASGI application: the routes of the service."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator, Sequence
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from gptool.request.parameters import RESPONSE_FORMATS
from gptool.service.catalog import CAPABILITIES
from gptool.service.middleware import HostCheckMiddleware, compressed, cross_origin_access
from gptool.service.observation import ObservationMiddleware, Observer
from gptool.service.pages import static_files
from gptool.service.resources import (
    directory,
    gp_service,
    image_service,
    my_jobs,
    openapi,
    output_files,
    previews,
    sign_in,
    tilemap,
    token_service,
    wmts,
)
from gptool.service.resources.dataset_zip import dataset_zip
from gptool.service.resources.gp_service import TASKS, TaskJobs
from gptool.service.resources.health import HealthResource
from gptool.service.resources.image_service import OPERATIONS
from gptool.service.resources.job_resources import JobResources
from gptool.service.resources.previews import PreviewResource
from gptool.service.resources.responses import Resource, endpoint, respond_to_http_error
from gptool.service.resources.wmts_capabilities import VERSION as WMTS_VERSION
from gptool.service.state import ServiceState
from gptool.service.tile_app import TileApp
from gptool.service.urls import HEALTH, MY_JOBS, OUTPUT_FILES, ROOT, SERVICES, SIGN_IN, SIGN_OUT, STATIC_FILES, TOKENS


def make_app(state: ServiceState, hosts: frozenset[str] | None, observers: Sequence[Observer] = ()) -> ASGIApp:
    """Return the service as an ASGI application.

    Parameters
    ----------
    state : ServiceState
    hosts : frozenset of str or None
        The accepted host names; None accepts every name.
    observers : sequence of callable
        Called with each request that has been answered.
    """
    health = HealthResource(state.settings)
    routes = [*_routes(), Route(HEALTH, health.respond, methods=["GET"])]
    app = Starlette(routes=routes, exception_handlers={HTTPException: respond_to_http_error})
    app.state.service = state
    inner = cross_origin_access(TileApp(compressed(app), state), state.settings)
    checked = HostCheckMiddleware(inner, hosts, state.settings.public_path)
    return ObservationMiddleware(checked, observers) if observers else checked


def _routes() -> Iterator[Route]:
    for path in ("/", "/arcgis", ROOT):
        yield _route(path, directory.home, is_public=True)
    yield _route(f"{ROOT}/info", directory.info, is_public=True)
    for path in (TOKENS, f"{TOKENS}/generateToken", "/arcgis/admin/generateToken", f"{ROOT}/generateToken"):
        yield _route(path, token_service.generate_token, is_public=True, default_format="json")
    yield _route(SIGN_IN, sign_in.sign_in, is_public=True)
    yield _route(SIGN_OUT, sign_in.sign_out, is_public=True)
    yield _route(f"{ROOT}/openapi.json", openapi.description)
    yield Route(f"{STATIC_FILES}/{{path:path}}", _static_file)
    yield _route(SERVICES, directory.services)
    yield _route(MY_JOBS, my_jobs.my_jobs)
    result = f"{OUTPUT_FILES}/{{job}}"
    yield _route(f"{result}.zip", dataset_zip, default_format="json")
    for path in (result, f"{result}/{{path:path}}"):
        yield _route(path, output_files.output, default_format="json")
    yield from _gp_routes(f"{SERVICES}/{gp_service.GP_SERVICE}/GPServer")
    preview = PreviewResource()
    for service_type in CAPABILITIES:
        yield from _image_routes(f"{SERVICES}/{{service:path}}/{service_type}", service_type, preview)
    yield _route(f"{SERVICES}/{{folder}}", directory.folder)


def _gp_routes(url: str) -> Iterator[Route]:
    yield _route(url, gp_service.service)
    for name in TASKS:
        yield _route(f"{url}/{name}", partial(gp_service.task, name))
        yield _route(f"{url}/{name}/submitJob", partial(gp_service.submit, name))
        yield from _job_routes(f"{url}/{name}", TaskJobs(name))


def _image_routes(url: str, service_type: str, preview: PreviewResource) -> Iterator[Route]:
    yield _route(url, partial(image_service.service, service_type))
    yield _route(f"{url}/tile/{{level}}/{{row}}/{{column}}", image_service.tile, default_format="json")
    yield _route(f"{url}/legend", image_service.legend)
    for size in ("", "/{width}/{height}"):
        yield _route(f"{url}/tilemap/{{level}}/{{row}}/{{column}}{size}", tilemap.tilemap)
    yield from _wmts_routes(f"{url}/WMTS", service_type)
    yield _route(f"{url}/info/thumbnail", previews.thumbnail, default_format="json")
    yield _route(f"{url}/preview", preview.respond, default_format="json")
    yield from _job_routes(url, JobResources())
    for name in OPERATIONS:
        operation = partial(image_service.operation, service_type, name)
        yield _route(f"{url}/{name}", operation)
        yield _route(f"{url}/{name}/submitJob", operation)
        yield from _job_routes(f"{url}/{name}", JobResources())


def _wmts_routes(url: str, service_type: str) -> Iterator[Route]:
    # JSON: errors of whoever may not use the service are those of the other resources.
    yield _route(url, partial(wmts.key_value_pairs, service_type), default_format="json")
    path = f"{url}/{WMTS_VERSION}/WMTSCapabilities.xml"
    yield _route(path, partial(wmts.capabilities_file, service_type), default_format="json")
    tile = "{layer}/{style}/{tilematrixset}/{tilematrix}/{tilerow}/{tilecol}"
    yield _route(f"{url}/tile/{WMTS_VERSION}/{tile}", wmts.tile, default_format="json")


def _job_routes(url: str, jobs: JobResources) -> Iterator[Route]:
    job = f"{url}/jobs/{{job}}"
    yield _route(job, jobs.job)
    yield _route(f"{job}/results", jobs.result_list)
    yield _route(f"{job}/inputs", jobs.input_list)
    yield _route(f"{job}/results/{{name}}", jobs.result)
    yield _route(f"{job}/inputs/{{name}}", jobs.input)
    yield _route(f"{job}/cancel", jobs.cancel)


def _route(
    path: str, resource: Resource, *, is_public: bool = False, default_format: str = RESPONSE_FORMATS[0]
) -> Route:
    respond = endpoint(resource, is_public=is_public, default_format=default_format)
    route = Route(path, respond, methods=["GET", "POST"])
    # As in ArcGIS Server, the letter case of paths does not matter, but that of the names in them does.
    route.path_regex = re.compile(route.path_regex.pattern, re.IGNORECASE)
    return route


async def _static_file(request: Request) -> Response:
    """Return a static file of the pages. All of them are in memory, so no path reaches the file system."""
    name = request.path_params["path"]
    data = static_files().get(name)
    if data is None:
        return Response("file not found", 404, media_type="text/plain")
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response(data, media_type=media_type, headers={"Cache-Control": "max-age=3600"})

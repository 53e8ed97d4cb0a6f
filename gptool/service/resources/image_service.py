"""A cache as image service and as map service: description, tiles, and the operations."""

from __future__ import annotations

import json
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from gptool.jobs.record import ESTIMATE_SIZE, EXPORT_TILES, SAMPLE_COMPRESSIONS
from gptool.output.json_text import to_json_bytes
from gptool.request import PARAMETERS
from gptool.service.catalog import CachedService, service_json
from gptool.service.queue.admission import exportable_cache
from gptool.service.resources.cross_site import check_same_site
from gptool.service.resources.form_values import form_values
from gptool.service.resources.gp_service import TASKS
from gptool.service.resources.job_resources import start_job
from gptool.service.resources.request_context import RequestContext
from gptool.service.resources.responses import Representation
from gptool.service.resources.tile_response import tile_response
from gptool.service.urls import SERVICES, operation_resource, service_path

OPERATIONS = {operation_resource(name): name for name in (EXPORT_TILES, ESTIMATE_SIZE, SAMPLE_COMPRESSIONS)}
"""The operations of a service by their resources."""

SAMPLES = operation_resource(SAMPLE_COMPRESSIONS)

LABELS = {name: TASKS[task].label for name, task in OPERATIONS.items() if task in TASKS} | {
    SAMPLES: "Compare qualities"
}

FOLDED = {
    *(
        "exportBy",
        "nearestLevel",
        "exportExtent",
        "storageFormatType",
        "maxPartSize",
        "maxPartTiles",
        "tables",
        "since",
        "f",
    ),
}
"""Parameters that few people need: they are in a fold of the form."""


async def service(service_type: str, context: RequestContext) -> Representation:
    """Return the description of a cache: spatial reference, extent, tiling scheme, and limits of exports."""
    cached = await find_service(context)
    value = await run_in_threadpool(service_json, cached, service_type)
    if context.format != "html":
        return Representation(value, "image_service.html")
    operations = OPERATIONS if cached.settings.export_tiles_allowed else ()
    [figures] = await context.state.figures.figures([cached])
    tile_url = context.absolute_url(f"{SERVICES}/{cached.name}/{service_type}/tile")
    page = {
        **_map_page(context, cached, service_type, value),
        "title": cached.title,
        "figures": figures,
        "levels": [(level, figures.levels[i] if figures else None) for i, level in enumerate(cached.cache.scheme.lods)],
        "filled_levels": {lod.level for lod in cached.levels},
        "tile_template": f"{tile_url}/{{z}}/{{y}}/{{x}}",
        "operations": [
            (LABELS[name], context.page_path(service_path(cached.name, service_type, name))) for name in operations
        ],
    }
    return Representation(value, "image_service.html", page)


async def legend(context: RequestContext) -> Representation:
    """Return the legend: one layer without entries, since a cache of pictures does not say what its colours mean."""
    cached = await find_service(context)
    layer = {"layerId": 0, "layerName": cached.title, "layerType": "Raster Layer", "minScale": 0, "maxScale": 0}
    value = {"layers": [{**layer, "legend": []}]}
    page = {"title": "Legend", "breadcrumbs": context.breadcrumbs(*cached.name.split("/"))}
    return Representation(value, "result.html", page | {"result": value})


async def tile(context: RequestContext) -> Response:
    """Return a stored tile, or HTTP status 404 if there is none."""
    address = [context.path_parameter(name) for name in ("service", "level", "row", "column")]
    tags = context.request.headers.get("if-none-match", "")
    found = await tile_response(context.state, *address, if_none_match=tags)
    return found.to_response()


async def operation(service_type: str, name: str, context: RequestContext) -> Representation | Response:
    """Start a job; a browser that sends no parameters receives a form."""
    cached = await find_service(context)
    exportable_cache(context.state.settings, cached.name)
    if context.format == "html" and not context.inputs:
        return await _form(context, cached, service_type, name)
    check_same_site(context)
    parent = service_path(cached.name, service_type, name)
    return await start_job(context, OPERATIONS[name], cached.name, service_type, context.inputs, parent)


async def find_service(context: RequestContext) -> CachedService:
    """Return the cache of the path's parameter `service`.

    Raises
    ------
    ServiceError
        If there is no such service.
    CacheError
        If the cache cannot be read.
    """
    return await context.state.catalog.find(context.path_parameter("service"))


async def _form(context: RequestContext, cached: CachedService, service_type: str, name: str) -> Representation:
    value = await run_in_threadpool(service_json, cached, service_type)
    values = await form_values(context, cached.name)
    service_url = context.page_path(service_path(cached.name, service_type))
    url = f"{service_url}/{name}"
    map_page = _map_page(context, cached, service_type, value)
    page = {
        **map_page,
        "levels": cached.levels,
        "preview_url": f"{service_url}/preview",
        "breadcrumbs": [*map_page["breadcrumbs"], (LABELS[name], url)],
        "form_url": url,
        "title": LABELS[name],
        "parameters": PARAMETERS,
        "folded": FOLDED,
        "values": values,
        "export_url": f"{service_url}/exportTiles",
        "estimate_url": f"{service_url}/estimateExportTilesSize",
        "samples_url": f"{service_url}/{SAMPLES}",
        "limit": cached.settings.max_export_tiles_count,
    }
    return Representation(value, "export_tiles.html", page)


def _map_page(
    context: RequestContext, cached: CachedService, service_type: str, value: dict[str, Any]
) -> dict[str, Any]:
    """Return the variables of pages with a map of the cache."""
    return {
        "service": json.loads(to_json_bytes(value)),
        "tiles_url": context.page_path(f"{service_path(cached.name, service_type)}/tile"),
        "breadcrumbs": context.breadcrumbs(*cached.name.split("/"), service_type),
    }

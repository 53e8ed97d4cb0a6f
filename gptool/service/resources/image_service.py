"""A cache as an image service and as a map service: what it is, its tiles, and the two operations on it."""

from __future__ import annotations

import json
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from gptool.output.json_text import to_json_bytes
from gptool.request import PARAMETERS
from gptool.service.catalog import CachedService, service_json
from gptool.service.queue.limits import offered
from gptool.service.resources.answers import Answer
from gptool.service.resources.call import Call, check_may_act, is_known, whole_path_number
from gptool.service.resources.gp_service import TASKS
from gptool.service.resources.job_resources import start_job
from gptool.service.tiles import read_tile
from gptool.service.urls import breadcrumbs, service_path

OPERATIONS = {"exportTiles": "ExportTiles", "estimateExportTilesSize": "EstimateExportTilesSize"}
"""The operations of a service, and the tasks that they are."""

LABELS = {name: TASKS[task].label for name, task in OPERATIONS.items()}

FARTHEST_TILE = 2**40
FOR_PEOPLE = {"tilePackage": "true"}
"""What a form is filled with besides defaults: people want a file to download."""


async def service(kind: str, call: Call) -> Answer:
    """Say what a cache is: its reference, extent and tiling scheme, and what may be exported of it."""
    offer = await find_offer(call)
    value = await run_in_threadpool(service_json, offer, kind)
    context = {
        **_about(call, offer, kind, value),
        "title": f"{offer.name} ({kind})",
        "operations": [
            (LABELS[name], service_path(offer.name, kind, name))
            for name in OPERATIONS
            if offer.settings.export_tiles_allowed
        ],
    }
    return Answer(value, "image_service.html", context)


async def tile(call: Call) -> Response:
    """Return a stored tile; HTTP status 404 where there is none."""
    offer = await find_offer(call)
    numbers = [whole_path_number(call.path(name), FARTHEST_TILE) for name in ("level", "row", "column")]
    level, row, column = (-1 if number is None else number for number in numbers)
    found = None if -1 in (level, row, column) else await run_in_threadpool(read_tile, offer.cache, level, row, column)
    if found is None:
        return Response("tile not found", 404, media_type="text/plain")
    headers = {"ETag": found.etag, "Cache-Control": "private, max-age=60"}
    if is_known(call, found.etag):
        return Response(status_code=304, headers=headers)
    return Response(found.data, media_type=found.media_type, headers=headers)


async def operation(kind: str, name: str, call: Call) -> Answer | Response:
    """Start a job; a browser that sends no parameters gets the form for them."""
    offer = await find_offer(call)
    offered(call.site.settings, offer.name)
    if call.form == "html" and not call.inputs:
        return await _form(call, offer, kind, name)
    check_may_act(call)
    return await start_job(call, OPERATIONS[name], offer.name, kind, call.inputs, service_path(offer.name, kind, name))


async def find_offer(call: Call) -> CachedService:
    """Return the cache that the path names. Raises as `Catalog.service`."""
    return await run_in_threadpool(call.site.catalog.service, call.path("service"))


async def _form(call: Call, offer: CachedService, kind: str, name: str) -> Answer:
    value = await run_in_threadpool(service_json, offer, kind)
    url = service_path(offer.name, kind, name)
    about = _about(call, offer, kind, value)
    context = {
        **about,
        "trail": [*about["trail"], (LABELS[name], url)],
        "form_url": url,
        "title": LABELS[name],
        "parameters": PARAMETERS,
        "values": FOR_PEOPLE,
        "export_url": service_path(offer.name, kind, "exportTiles"),
        "estimate_url": service_path(offer.name, kind, "estimateExportTilesSize"),
        "limit": offer.settings.max_export_tiles_count,
    }
    return Answer(value, "export_tiles.html", context)


def _about(call: Call, offer: CachedService, kind: str, value: dict[str, Any]) -> dict[str, Any]:
    """Return what pages with a map of the cache need."""
    url = service_path(offer.name, kind)
    return {
        "service": json.loads(to_json_bytes(value)),
        "name": offer.name,
        "kind": kind,
        "url": url,
        "tiles_url": f"{url}/tile",
        "trail": breadcrumbs(*offer.name.split("/"), kind),
    }

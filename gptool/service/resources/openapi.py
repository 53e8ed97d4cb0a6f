"""OpenAPI description of the resources; the parameters are those of the operation's table."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from gptool import __version__
from gptool.request import INPUTS, Parameter
from gptool.request.parameters import BY_NAME
from gptool.service.catalog import CAPABILITIES
from gptool.service.resources.gp_service import CACHE, CACHE_DESCRIPTION, GP_SERVICE, TASKS
from gptool.service.resources.image_service import OPERATIONS
from gptool.service.resources.request_context import RequestContext
from gptool.service.resources.request_parameters import FORM_TYPE
from gptool.service.resources.responses import json_response
from gptool.service.resources.tilemap import MAX_SIDE
from gptool.service.urls import MY_JOBS, OUTPUT_FILES, ROOT, SERVICES

RESOURCE_RESPONSES = {
    "200": {
        "description": "The resource, or an error object.",
        "content": {"application/json": {"schema": {"type": "object"}}, "text/html": {"schema": {"type": "string"}}},
    }
}
FILE_RESPONSES = {
    "200": {"description": "The content, or an error object.", "content": {"*/*": {"schema": {}}}},
    "304": {"description": "Not modified."},
}
TILE_RESPONSES = {**FILE_RESPONSES, "404": {"description": "Tile not found."}}
OUTPUT_RESPONSES = {
    **FILE_RESPONSES,
    "206": {"description": "The requested byte range."},
    "416": {"description": "Range not satisfiable."},
}
JOB_PATHS = ("", "/results/{name}", "/inputs/{name}", "/cancel")
"""Paths of the resources of a job, below that of the job."""

Json = dict[str, Any]


SIDE: Json = {"type": "integer", "minimum": 1, "maximum": MAX_SIDE}
"""The width or height of a tilemap."""


async def description(context: RequestContext) -> Response:
    """Return the OpenAPI description of the service."""
    info = {"title": "gptool: exportTiles", "version": __version__}
    servers = [{"url": context.absolute_url("")}]
    value = {"openapi": "3.1.0", "info": info, "servers": servers, "paths": _paths(context)}
    return json_response(value, indented=context.format == "pjson")


def _paths(context: RequestContext) -> Json:
    catalog = context.state.catalog
    job = _path_parameter("job", {"type": "string", "pattern": "^j[0-9a-f]{32}$"})
    file = {"parameters": [job, _path_parameter("path", {"type": "string"})], "responses": OUTPUT_RESPONSES}
    paths = {
        f"{ROOT}/info": _resource(),
        SERVICES: _resource(),
        MY_JOBS: _resource(),
        f"{OUTPUT_FILES}/{{job}}": _resource(job),
        f"{OUTPUT_FILES}/{{job}}/{{path}}": {"get": file},
        **{f"{SERVICES}/{name}": _resource() for name in catalog.folders},
        **_gp_paths(f"{SERVICES}/{GP_SERVICE}/GPServer", catalog.names, job),
    }
    service = _path_parameter("service", {"type": "string", "enum": catalog.names})
    for service_type in CAPABILITIES:
        paths.update(_service_paths(f"{SERVICES}/{{service}}/{service_type}", service, job))
    return paths


def _gp_paths(url: str, caches: list[str], job: Json) -> Json:
    """Return the paths of the geoprocessing service."""
    paths = {url: _resource()}
    cache = _query_parameter(CACHE, {"type": "string", "enum": caches}, CACHE_DESCRIPTION)
    for task in TASKS:
        paths[f"{url}/{task}"] = _resource()
        paths[f"{url}/{task}/submitJob"] = _resource(cache, *map(_input, INPUTS))
        paths.update(_job_paths(f"{url}/{task}", job))
    return paths


def _service_paths(url: str, service: Json, job: Json) -> Json:
    """Return the paths of the caches as services of one type."""
    address = [_path_parameter(name, {"type": "integer", "minimum": 0}) for name in ("level", "row", "column")]
    tile = {"parameters": [service, *address], "responses": TILE_RESPONSES}
    paths = {url: _resource(service), f"{url}/tile/{{level}}/{{row}}/{{column}}": {"get": tile}}
    for size in ("", "/{width}/{height}"):
        sides = [_path_parameter(name, SIDE) for name in ("width", "height") if name in size]
        paths[f"{url}/tilemap/{{level}}/{{row}}/{{column}}{size}"] = _resource(service, *address, *sides)
    paths[f"{url}/legend"] = _resource(service)
    for name in OPERATIONS:
        for alias in ("", "/submitJob"):
            paths[f"{url}/{name}{alias}"] = _resource(service, *map(_input, INPUTS))
        paths.update(_job_paths(f"{url}/{name}", service, job))
    paths.update(_job_paths(url, service, job))
    return paths


def _job_paths(url: str, *parameters: Json) -> Json:
    """Return the paths of the jobs below a resource."""
    name = _path_parameter("name", {"type": "string"})
    return {
        f"{url}/jobs/{{job}}{path}": _resource(*parameters, *([name] if "{name}" in path else [])) for path in JOB_PATHS
    }


def _resource(*parameters: Json) -> Json:
    """Return the methods of a resource, which accepts its parameters in the query and as a form."""
    sent = [parameter for parameter in parameters if parameter["in"] == "query"] + [_input(BY_NAME["f"])]
    in_path = [parameter for parameter in parameters if parameter["in"] == "path"]
    form = {"type": "object", "properties": {parameter["name"]: parameter["schema"] for parameter in sent}}
    return {
        "get": {"parameters": [*in_path, *sent], "responses": RESOURCE_RESPONSES},
        "post": {
            "parameters": in_path,
            "requestBody": {"content": {FORM_TYPE: {"schema": form}}},
            "responses": RESOURCE_RESPONSES,
        },
    }


def _input(parameter: Parameter) -> Json:
    return _query_parameter(parameter.name, _schema(parameter), parameter.documentation)


def _schema(parameter: Parameter) -> Json:
    """Return the JSON Schema of a parameter's values."""
    if parameter.choices:
        return {"type": "string", "enum": list(parameter.choices)}
    if parameter.limits:
        return {"type": "integer", "minimum": parameter.limits[0], "maximum": parameter.limits[1]}
    return {"type": "boolean"} if parameter.type == "GPBoolean" else {"type": "string"}


def _query_parameter(name: str, schema: Json, text: str) -> Json:
    return {"name": name, "in": "query", "schema": schema, "description": text}


def _path_parameter(name: str, schema: Json) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema}

"""The OpenAPI description of the resources, for programs that read such; its parameters are those of the table."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from gptool import __version__
from gptool.request import INPUTS, Parameter
from gptool.request.parameters import BY_NAME
from gptool.service.catalog import CAPABILITIES
from gptool.service.resources.answers import json_response
from gptool.service.resources.call import FORM, Call
from gptool.service.resources.gp_service import CACHE, SERVICE, TASKS
from gptool.service.resources.image_service import OPERATIONS
from gptool.service.urls import OUTPUT_FILES, ROOT

ANSWER = {
    "200": {
        "description": "The resource, or an error object.",
        "content": {"application/json": {"schema": {"type": "object"}}, "text/html": {"schema": {"type": "string"}}},
    }
}
FILE = {
    "200": {"description": "It, or an error object.", "content": {"*/*": {"schema": {}}}},
    "304": {"description": "Not changed."},
}
TILE = {**FILE, "404": {"description": "There is none."}}
RESULT = {**FILE, "206": {"description": "A range of it."}, "416": {"description": "No such range."}}
JOB = ("", "/results/{name}", "/inputs/{name}", "/cancel")
"""The resources of a job."""

Json = dict[str, Any]


async def description(call: Call) -> Response:
    """Return the description of this service."""
    info = {"title": "gptool: exportTiles", "version": __version__}
    return json_response({"openapi": "3.1.0", "info": info, "paths": _paths(call)}, indented=call.form == "pjson")


def _paths(call: Call) -> Json:
    names = call.site.catalog.names
    job = _in_path("job", {"type": "string", "pattern": "^j[0-9a-f]{32}$"})
    paths = {
        f"{ROOT}/info": _resource(),
        f"{ROOT}/services": _resource(),
        f"{OUTPUT_FILES}/{{job}}": _resource(job),
        f"{OUTPUT_FILES}/{{job}}/{{path}}": {
            "get": {"parameters": [job, _in_path("path", {"type": "string"})], "responses": RESULT}
        },
        f"{ROOT}/services/{SERVICE}/GPServer": _resource(),
    }
    for name in call.site.catalog.folders:
        paths[f"{ROOT}/services/{name}"] = _resource()
    for task in TASKS:
        url = f"{ROOT}/services/{SERVICE}/GPServer/{task}"
        cache = _in_query(CACHE, {"type": "string", "enum": names}, "The cache to export tiles of.")
        paths[url] = _resource()
        paths[f"{url}/submitJob"] = _resource(cache, *map(_input, INPUTS))
        paths.update(_jobs(url, job))
    service = _in_path("service", {"type": "string", "enum": names})
    for kind in CAPABILITIES:
        paths.update(_service(f"{ROOT}/services/{{service}}/{kind}", service, job))
    return paths


def _service(url: str, service: Json, job: Json) -> Json:
    """Return the paths of a cache as a kind of service."""
    place = [_in_path(name, {"type": "integer", "minimum": 0}) for name in ("level", "row", "column")]
    paths = {url: _resource(service)}
    tile = {"parameters": [service, *place], "responses": TILE}
    paths[f"{url}/tile/{{level}}/{{row}}/{{column}}"] = {"get": tile}
    for name in OPERATIONS:
        for alias in ("", "/submitJob"):
            paths[f"{url}/{name}{alias}"] = _resource(service, *map(_input, INPUTS))
        paths.update(_jobs(f"{url}/{name}", service, job))
    paths.update(_jobs(url, service, job))
    return paths


def _jobs(url: str, *parameters: Json) -> Json:
    name = _in_path("name", {"type": "string"})
    return {f"{url}/jobs/{{job}}{what}": _resource(*parameters, *([name] if "{name}" in what else [])) for what in JOB}


def _resource(*parameters: Json) -> Json:
    """Return a resource, which takes its parameters by query and by form."""
    form = _input(BY_NAME["f"])
    asked = [parameter for parameter in parameters if parameter["in"] == "query"] + [form]
    in_path = [parameter for parameter in parameters if parameter["in"] == "path"]
    body = {"type": "object", "properties": {parameter["name"]: parameter["schema"] for parameter in asked}}
    return {
        "get": {"parameters": [*in_path, *asked], "responses": ANSWER},
        "post": {"parameters": in_path, "requestBody": {"content": {FORM: {"schema": body}}}, "responses": ANSWER},
    }


def _input(row: Parameter) -> Json:
    return _in_query(row.name, _schema(row), row.documentation)


def _schema(row: Parameter) -> Json:
    if row.choices:
        return {"type": "string", "enum": list(row.choices)}
    if row.limits:
        return {"type": "integer", "minimum": row.limits[0], "maximum": row.limits[1]}
    return {"type": "boolean"} if row.type == "GPBoolean" else {"type": "string"}


def _in_query(name: str, schema: Json, text: str) -> Json:
    return {"name": name, "in": "query", "schema": schema, "description": text}


def _in_path(name: str, schema: Json) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema}

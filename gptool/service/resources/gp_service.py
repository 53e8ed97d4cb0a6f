"""The two operations as tasks of a geoprocessing service: any cache, by its name."""

from __future__ import annotations

import json
from collections import ChainMap
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from starlette.responses import Response

from gptool.errors import ServiceError
from gptool.jobs.record import OUT
from gptool.jobs.report import REPORT
from gptool.request import INPUTS, Parameter
from gptool.request.area import NO_POLYGONS
from gptool.request.area import PARAMETER as AREA
from gptool.service.catalog import CURRENT_VERSION
from gptool.service.queue.store import StoredJob
from gptool.service.resources.answers import Answer
from gptool.service.resources.call import Call, check_may_act
from gptool.service.resources.job_resources import JobResources, Results, start_job
from gptool.service.resources.output_files import output_url
from gptool.service.resources.visible import find_job
from gptool.service.urls import breadcrumbs, service_path

SERVICE = "ExportTiles"
ASYNCHRONOUS = "esriExecutionTypeAsynchronous"
CACHE = "cache"
LONGEST_SCHEMA = 10_000
"""Characters; a longer area holds something."""


class Output(NamedTuple):
    """An output of a task."""

    name: str
    data_type: str
    label: str


class Task(NamedTuple):
    """A task of the service."""

    label: str
    description: str
    outputs: tuple[Output, ...]


TASKS = {
    "ExportTiles": Task(
        "Export Tiles",
        "Exports tiles of a tile cache to a tile package or a cache raster dataset.",
        (
            Output(OUT, "GPString", "Result folder"),
            Output("package", "GPDataFile", "Tile package"),
            Output("report", "GPDataFile", "Report"),
        ),
    ),
    "EstimateExportTilesSize": Task(
        "Estimate Export Tiles Size",
        "Counts the tiles of an export and estimates the size of its result.",
        (
            Output(OUT, "GPString", "Estimate"),
            Output("totalSize", "GPDouble", "Size in bytes"),
            Output("totalTilesToExport", "GPDouble", "Number of tiles"),
        ),
    ),
}
"""As the tools of the toolbox are called, and what they give."""


async def service(call: Call) -> Answer:
    """List the tasks."""
    value = {
        "currentVersion": CURRENT_VERSION,
        "serviceDescription": "Cuts tiles out of the caches of this server.",
        "tasks": list(TASKS),
        "executionType": ASYNCHRONOUS,
        "resultMapServerName": "",
        "maximumRecords": 1000,
        "capabilities": "",
    }
    tasks = [(name, service_path(SERVICE, "GPServer", name)) for name in TASKS]
    context = {
        "title": f"{SERVICE} (GPServer)",
        "trail": breadcrumbs(SERVICE, "GPServer"),
        "service": value,
        "tasks": tasks,
    }
    return Answer(value, "gp_service.html", context)


async def task(name: str, call: Call) -> Answer:
    """Describe a task and its parameters."""
    said = TASKS[name]
    value = {
        "name": name,
        "displayName": said.label,
        "description": said.description,
        "category": "",
        "helpUrl": "",
        "executionType": ASYNCHRONOUS,
        "parameters": [_cache(call), *map(_input, INPUTS), *map(_output, said.outputs)],
    }
    url = service_path(SERVICE, "GPServer", name)
    context = {
        "title": said.label,
        "trail": breadcrumbs(SERVICE, "GPServer", name),
        "task": value,
        "submit_url": f"{url}/submitJob",
    }
    return Answer(value, "gp_task.html", context)


async def submit(name: str, call: Call) -> Answer | Response:
    """Start a job of a task."""
    check_may_act(call)
    cache = call.sent.get(CACHE, "").strip() or _default(call)
    if cache not in call.site.catalog.exportable:
        names = ", ".join(call.site.catalog.exportable)
        raise ServiceError("cache: no such cache", code=400, found=repr(cache), expected=names)
    return await start_job(call, name, cache, "GPServer", _drawn(call.inputs), service_path(SERVICE, "GPServer", name))


class TaskJobs(JobResources):
    """The resources of the jobs of a task."""

    def find(self, call: Call) -> StoredJob:
        """Return the job that the path names. Raises as `find_job`."""
        return find_job(call, self.task)

    def results(self, call: Call, job: StoredJob) -> Results:
        """Return the outputs of a job that has succeeded; a dataset is a folder, and no file."""
        if job.estimate is not None:
            numbers = {name: ("GPDouble", number) for name, number in job.estimate.items()}
            return {OUT: ("GPString", json.dumps(job.estimate)), **numbers}
        files = {"package": job.package if job.is_file else None, "report": REPORT}
        urls = {name: ("GPDataFile", {"url": output_url(call, job, file)}) for name, file in files.items() if file}
        return {OUT: ("GPString", output_url(call, job)), **urls}

    def inputs(self, job: StoredJob) -> Mapping[str, Any]:
        """Return what a job was started with: the cache too."""
        return ChainMap({CACHE: job.service}, cast("dict[str, Any]", job.inputs))


def _drawn(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return what was sent, but no area that holds nothing: clients send back as a value what they learnt of it."""
    area = inputs.get(AREA, "")
    if len(area) > LONGEST_SCHEMA:
        return inputs
    try:
        value = json.loads(area)
    except (ValueError, RecursionError):
        return inputs
    is_schema = isinstance(value, dict) and "fields" in value and value.get("features") == []
    return {name: sent for name, sent in inputs.items() if name != AREA} if is_schema else inputs


def _default(call: Call) -> str:
    """Return the cache that is meant where none is named: the only one."""
    names = call.site.catalog.exportable
    return names[0] if len(names) == 1 else ""


def _cache(call: Call) -> dict[str, Any]:
    described = _described(CACHE, "GPString", "Cache", "The cache to export tiles of.", "Input", "Required")
    return {**described, "defaultValue": _default(call), "choiceList": call.site.catalog.exportable}


def _input(row: Parameter) -> dict[str, Any]:
    described = _described(row.name, row.type, row.label, row.documentation, "Input", "Optional")
    described["defaultValue"] = NO_POLYGONS if row.type == "GPFeatureRecordSetLayer" else row.default
    if row.choices:
        described["choiceList"] = list(row.choices)
    elif row.limits:
        described["filter"] = {"type": "range", "minimum": row.limits[0], "maximum": row.limits[1]}
    return described


def _output(output: Output) -> dict[str, Any]:
    return _described(output.name, output.data_type, output.label, output.label, "Output", "Derived")


def _described(name: str, data_type: str, label: str, description: str, way: str, kind: str) -> dict[str, Any]:
    return {
        "name": name,
        "dataType": data_type,
        "displayName": label,
        "description": description,
        "direction": f"esriGPParameterDirection{way}",
        "defaultValue": None,
        "parameterType": f"esriGPParameterType{kind}",
        "category": "",
    }

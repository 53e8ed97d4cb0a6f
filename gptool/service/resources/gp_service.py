"""The operations as tasks of a geoprocessing service, which export from any published cache."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from starlette.responses import Response

from gptool.errors import ServiceError
from gptool.jobs.record import OUT_SERVICE_URL, JobRecord, JobResult
from gptool.jobs.report import REPORT
from gptool.request import TOOL_INPUTS, Parameter
from gptool.request.area import POLYGON_SCHEMA
from gptool.request.area_members import PARAMETER as AREA
from gptool.service.catalog import CURRENT_VERSION
from gptool.service.resources.cross_site import check_same_site
from gptool.service.resources.job_lookup import find_job
from gptool.service.resources.job_resources import JobResources, Results, start_job
from gptool.service.resources.output_files import output_url
from gptool.service.resources.request_context import RequestContext
from gptool.service.resources.responses import Representation
from gptool.service.urls import service_path

GP_SERVICE = "ExportTiles"
ASYNCHRONOUS = "esriExecutionTypeAsynchronous"
CACHE = "cache"

CACHE_DESCRIPTION = "The cache to export tiles from."

MAX_SCHEMA_CHARACTERS = 10_000
"""Maximum length of a feature set without features, see `_without_empty_area`."""


class TaskOutput(NamedTuple):
    """An output parameter of a task."""

    name: str
    data_type: str
    label: str


class Task(NamedTuple):
    """A task of the geoprocessing service."""

    label: str
    description: str
    outputs: tuple[TaskOutput, ...]


TASKS = {
    "ExportTiles": Task(
        "Export Tiles",
        "Exports tiles of a tile cache, by levels and area, to a tile package or a cache raster dataset.",
        (
            TaskOutput(OUT_SERVICE_URL, "GPString", "Result folder"),
            TaskOutput("package", "GPDataFile", "Tile package"),
            TaskOutput("report", "GPDataFile", "Report"),
        ),
    ),
    "EstimateExportTilesSize": Task(
        "Estimate Export Tiles Size",
        "Counts the tiles of an export and estimates the size of its result. Nothing is written.",
        (
            TaskOutput(OUT_SERVICE_URL, "GPString", "Estimate"),
            TaskOutput("totalSize", "GPDouble", "Size in bytes"),
            TaskOutput("totalTilesToExport", "GPDouble", "Number of tiles"),
        ),
    ),
}
"""The tasks by name; the toolbox has tools of the same names, labels and outputs."""


async def service(context: RequestContext) -> Representation:
    """Return the description of the geoprocessing service and its tasks."""
    value = {
        "currentVersion": CURRENT_VERSION,
        "serviceDescription": "Exports tiles from the tile caches of this server.",
        "tasks": list(TASKS),
        "executionType": ASYNCHRONOUS,
        "resultMapServerName": "",
        "maximumRecords": 1000,
        "capabilities": "",
    }
    page = {
        "title": f"{GP_SERVICE} (GPServer)",
        "breadcrumbs": context.breadcrumbs(GP_SERVICE, "GPServer"),
        "service": value,
        "tasks": [(name, context.page_path(_task_path(name))) for name in TASKS],
    }
    return Representation(value, "gp_service.html", page)


async def task(name: str, context: RequestContext) -> Representation:
    """Return the description of a task and its parameters."""
    described = TASKS[name]
    value = {
        "name": name,
        "displayName": described.label,
        "description": described.description,
        "category": "",
        "helpUrl": "",
        "executionType": ASYNCHRONOUS,
        "parameters": [_cache_json(context), *map(_input_json, TOOL_INPUTS), *map(_output_json, described.outputs)],
    }
    page = {
        "title": described.label,
        "breadcrumbs": context.breadcrumbs(GP_SERVICE, "GPServer", name),
        "task": value,
        "caches": {
            name: context.page_path(service_path(name, "ImageServer")) for name in context.state.catalog.exportable
        },
        "submit_url": context.page_path(f"{_task_path(name)}/submitJob"),
    }
    return Representation(value, "gp_task.html", page)


async def submit(name: str, context: RequestContext) -> Representation | Response:
    """Start a job of a task."""
    check_same_site(context)
    caches = context.state.catalog.exportable
    cache = context.parameters.get(CACHE, "").strip() or _default_cache(context)
    if cache not in caches:
        expected = f"one of {', '.join(caches)}" if caches else None
        raise ServiceError("not available for export", code=400, where=CACHE, found=repr(cache), expected=expected)
    inputs = _without_empty_area(context.inputs)
    return await start_job(context, name, cache, "GPServer", inputs, _task_path(name))


class TaskJobs(JobResources):
    """Resources of the jobs of a task.

    Parameters
    ----------
    operation : str
        The operation of the jobs.
    """

    def __init__(self, operation: str) -> None:
        self.operation = operation

    async def find(self, context: RequestContext) -> JobRecord:
        """Return the job that a request refers to.

        Raises
        ------
        ServiceError
            If there is no such job.
        """
        return await find_job(context, operation=self.operation)

    def results(self, context: RequestContext, job: JobRecord) -> Results:
        """Return the outputs of a succeeded job. A dataset is a folder, so it has no output of type GPDataFile."""
        result = job.result or JobResult()
        if result.estimate is not None:
            numbers = {name: ("GPDouble", number) for name, number in result.estimate.items()}
            return {OUT_SERVICE_URL: ("GPString", json.dumps(result.estimate)), **numbers}
        files = {"package": result.name if result.is_file else None, "report": REPORT}
        urls = {name: ("GPDataFile", {"url": output_url(context, job, file)}) for name, file in files.items() if file}
        return {OUT_SERVICE_URL: ("GPString", output_url(context, job)), **urls}

    def input_names(self, job: JobRecord) -> list[str]:
        """Return the names of the inputs of a job, including the cache."""
        return [*super().input_names(job), CACHE]

    async def inputs(self, context: RequestContext, job: JobRecord) -> dict[str, Any]:
        """Return the inputs of a job by name, including the cache."""
        return {**await super().inputs(context, job), CACHE: job.service}


def _without_empty_area(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs without an area of interest that is the task's default value, a schema without features.

    The ArcGIS API for Python sends the default value of a parameter that is not given.
    """
    area = inputs.get(AREA, "")
    if len(area) > MAX_SCHEMA_CHARACTERS:
        return inputs
    try:
        value = json.loads(area)
    except (ValueError, RecursionError):
        return inputs
    is_schema = isinstance(value, dict) and "fields" in value and value.get("features") == []
    return {name: sent for name, sent in inputs.items() if name != AREA} if is_schema else inputs


def _task_path(name: str) -> str:
    return service_path(GP_SERVICE, "GPServer", name)


def _default_cache(context: RequestContext) -> str:
    """Return the cache to export from by default: the only one that is available, otherwise an empty string."""
    names = context.state.catalog.exportable
    return names[0] if len(names) == 1 else ""


def _cache_json(context: RequestContext) -> dict[str, Any]:
    value = _parameter_json(CACHE, "GPString", "Cache", CACHE_DESCRIPTION, "Input", "Required")
    return {**value, "defaultValue": _default_cache(context), "choiceList": context.state.catalog.exportable}


def _input_json(parameter: Parameter) -> dict[str, Any]:
    value = _parameter_json(
        parameter.name, parameter.type, parameter.label, parameter.documentation, "Input", "Optional"
    )
    value["defaultValue"] = POLYGON_SCHEMA if parameter.type == "GPFeatureRecordSetLayer" else parameter.default
    if parameter.choices:
        value["choiceList"] = list(parameter.choices)
    elif parameter.limits:
        value["filter"] = {"type": "range", "minimum": parameter.limits[0], "maximum": parameter.limits[1]}
    return value


def _output_json(output: TaskOutput) -> dict[str, Any]:
    return _parameter_json(output.name, output.data_type, output.label, output.label, "Output", "Derived")


def _parameter_json(
    name: str, data_type: str, label: str, description: str, direction: str, parameter_type: str
) -> dict[str, Any]:
    """Return the JSON of a parameter (ArcGIS REST API, "GP Task")."""
    return {
        "name": name,
        "dataType": data_type,
        "displayName": label,
        "description": description,
        "direction": f"esriGPParameterDirection{direction}",
        "defaultValue": None,
        "parameterType": f"esriGPParameterType{parameter_type}",
        "category": "",
    }

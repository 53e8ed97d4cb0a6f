"""The geoprocessing tools Export Tiles and Estimate Export Tiles Size: a thin adapter over `gptool.tool`.

`gptool register` copies this file beside its settings, ExportTiles.toml.
"""

import json
import os
from pathlib import Path
from typing import Any

import arcpy

from gptool.errors import GptoolError
from gptool.jobs.job import Job
from gptool.jobs.status import JobStatus
from gptool.output.registry import is_tile_package
from gptool.request import INPUTS, invalid_inputs
from gptool.request import Parameter as ParameterDefinition
from gptool.request.area import POLYGON_SCHEMA
from gptool.settings import CacheSettings, Settings, read_settings
from gptool.tool import estimate_export_tiles_size_job, export_tiles_job

# When ArcGIS publishes a toolbox, it also uploads files beside it that its string literals name, and replaces such a
# literal by a variable with the new, absolute path: joined to a folder, both the name and the path give the right file.
# It also inserts lines at the top of this file, so `from __future__ import annotations` would be a syntax error.
SETTINGS = "ExportTiles.toml"

FEATURE_SET = "GPFeatureRecordSetLayer"

ADD_MESSAGE = {"Informative": arcpy.AddMessage, "Warning": arcpy.AddWarning, "Error": arcpy.AddError}


class Toolbox:
    """The toolbox; ArcGIS looks for this class name."""

    def __init__(self) -> None:
        self.label = "Export Tiles"
        self.alias = "exporttiles"
        self.tools = [ExportTiles, EstimateExportTilesSize]


def load_settings() -> Settings:
    """Read the settings file beside the toolbox."""
    return read_settings(Path(__file__).parent / SETTINGS)


def exportable_caches() -> list[str]:
    """Return the names of the caches to choose from; none if the settings cannot be read, which `execute` reports."""
    try:
        return load_settings().exportable
    except GptoolError:
        return []


def new_parameter(
    name: str, label: str, datatype: str, parameter_type: str = "Derived", direction: str = "Output"
) -> arcpy.Parameter:
    """Return a new parameter, by default a derived output."""
    return arcpy.Parameter(
        name=name, displayName=label, datatype=datatype, parameterType=parameter_type, direction=direction
    )


def input_parameters() -> list[arcpy.Parameter]:
    """Return the input parameters: the cache, then those of the operation."""
    cache = new_parameter("cache", "Cache", "GPString", "Required", "Input")
    cache.filter.type, cache.filter.list = "ValueList", exportable_caches()
    return [cache, *map(operation_parameter, INPUTS)]


def operation_parameter(definition: ParameterDefinition) -> arcpy.Parameter:
    """Return the input parameter that an entry of the operation's parameter table describes."""
    parameter = new_parameter(definition.name, definition.label, definition.type, "Optional", "Input")
    if definition.choices:
        parameter.filter.type, parameter.filter.list = "ValueList", list(definition.choices)
    elif definition.limits:
        parameter.filter.type, parameter.filter.list = "Range", list(definition.limits)
    elif definition.type == FEATURE_SET:
        parameter.filter.list = ["Polygon"]
        parameter.value = arcpy.FeatureSet(json.dumps(POLYGON_SCHEMA))
    if definition.default is not None:
        parameter.value = definition.default
    return parameter


def polygons_json(value: Any) -> str | None:
    """Return a feature set as JSON, which states the spatial reference of its polygons; None if it has no features."""
    text = None if value is None else arcpy.FeatureSet(value).JSON
    return text if text and json.loads(text).get("features") else None


class JobDisplay:
    """A display of a job's messages and progress in ArcGIS; it cancels the job when the user cancels the tool."""

    def __init__(self) -> None:
        self.shown_messages = 0
        self.progressor_type = None

    def __call__(self, job: Job) -> None:
        """Show what has changed in the job."""
        for message in job.messages[self.shown_messages :]:
            ADD_MESSAGE[message.type](message.description)
            self.shown_messages += 1
        if job.progress:
            self.show_progress(job.progress)
        if arcpy.env.isCancelled:
            job.cancel()

    def show_progress(self, progress: Any) -> None:
        """Update the progressor; set up another one if the type of progress has changed."""
        if self.progressor_type != progress.type:
            self.progressor_type = progress.type
            arcpy.SetProgressor(progress.type, progress.message, 0, 100, 1)
        arcpy.SetProgressorLabel(progress.message)
        if progress.type == "step":
            arcpy.SetProgressorPosition(progress.percent)


class Tool:
    """The base class of the two tools."""

    canRunInBackground = False

    def isLicensed(self) -> bool:
        """Return True: no licence is needed."""
        return True

    def updateMessages(self, parameters: list[arcpy.Parameter]) -> None:
        """Set an error message for each invalid value; clear those of ArcGIS for valid ones, as in another letter case.

        The area is checked only when the tool runs: it may be large, and this is called at every change.
        """
        sent = {p.name: p.value for p in parameters[1:] if p.direction == "Input" and p.name != "areaOfInterest"}
        errors = invalid_inputs(sent)
        for p in parameters:
            if p.name in errors:
                p.setErrorMessage(errors[p.name])
            elif sent.get(p.name) is not None:
                p.clearMessage()

    def execute(self, parameters: list[arcpy.Parameter], messages: Any) -> None:
        """Run the job and set the output parameters."""
        if "EXPORT_TILES_PUBLISHING" in os.environ:  # publish.py needs only the record of a run
            return
        arcpy.env.autoCancelling = False  # so that the job can remove incomplete files
        by_name = {p.name: p for p in parameters}
        sent = {definition.name: by_name[definition.name].value for definition in INPUTS}
        sent["areaOfInterest"] = polygons_json(sent["areaOfInterest"])
        try:
            job = self.run_job(sent, load_settings().cache(by_name["cache"].value), JobDisplay())
        except GptoolError as error:
            arcpy.AddError(str(error))
            raise arcpy.ExecuteError from None
        if job.status is not JobStatus.SUCCEEDED:
            raise arcpy.ExecuteError
        self.set_outputs(job.result("out_service_url")["value"], by_name)


class ExportTiles(Tool):
    """The tool Export Tiles, and the task of the same name."""

    def __init__(self) -> None:
        self.label = "Export Tiles"
        self.description = "Exports tiles from a tile cache to a tile package or a cache raster dataset."

    def getParameterInfo(self) -> list[arcpy.Parameter]:
        """Return inputs and outputs: the folder of the job, and the package and report in it."""
        return [
            *input_parameters(),
            new_parameter("out_service_url", "Result folder", "GPString"),
            new_parameter("package", "Tile package", "DEFile"),
            new_parameter("report", "Report", "DEFile"),
        ]

    def run_job(self, sent: dict[str, Any], cache: CacheSettings, display: JobDisplay) -> Job:
        """Export to a folder in the scratch folder, from which ArcGIS Server delivers files to clients."""
        return export_tiles_job(
            sent,
            cache=cache.location,
            output_directory=arcpy.env.scratchFolder,
            max_export_tiles_count=cache.max_export_tiles_count,
            on_change=display,
        )

    def set_outputs(self, folder: str, by_name: dict[str, arcpy.Parameter]) -> None:
        """Set the paths of the result; a dataset is a folder, for which there is no parameter type."""
        by_name["out_service_url"].value = folder
        by_name["report"].value = str(Path(folder, "report.json"))
        for path in Path(folder).iterdir():
            if is_tile_package(path):
                by_name["package"].value = str(path)


class EstimateExportTilesSize(Tool):
    """The tool Estimate Export Tiles Size, and the task of the same name."""

    def __init__(self) -> None:
        self.label = "Estimate Export Tiles Size"
        self.description = "Counts the tiles of an export and estimates the size of its result."

    def getParameterInfo(self) -> list[arcpy.Parameter]:
        """Return inputs and outputs: the estimate as JSON, and its numbers as doubles: a long has only 32 bits."""
        return [
            *input_parameters(),
            new_parameter("out_service_url", "Estimate", "GPString"),
            new_parameter("totalSize", "Size in bytes", "GPDouble"),
            new_parameter("totalTilesToExport", "Number of tiles", "GPDouble"),
        ]

    def run_job(self, sent: dict[str, Any], cache: CacheSettings, display: JobDisplay) -> Job:
        """Count the tiles and estimate the size."""
        return estimate_export_tiles_size_job(sent, cache=cache.location, on_change=display)

    def set_outputs(self, estimate: dict[str, int], by_name: dict[str, arcpy.Parameter]) -> None:
        """Set the estimate and its numbers."""
        by_name["out_service_url"].value = json.dumps(estimate)
        for name, number in estimate.items():
            by_name[name].value = float(number)

"""Export Tiles and Estimate Export Tiles Size as geoprocessing tools: what they take and show. gptool does the work.

`gptool register` lays this file beside its settings, ExportTiles.toml.
"""

import json
import os
from pathlib import Path
from typing import Any

import arcpy

from gptool.errors import GptoolError
from gptool.jobs.job import Job
from gptool.jobs.status import JobStatus
from gptool.request import INPUTS, find_faults
from gptool.request import Parameter as Row
from gptool.request.area import NO_POLYGONS
from gptool.settings import CacheSettings, Settings, read_settings
from gptool.tool import estimate_export_tiles_size_job, export_tiles_job

# When ArcGIS publishes a toolbox it takes along the files beside it that strings in it name, and puts a variable with
# the file's new, absolute path in the place of such a string: joining it to a folder makes of either what is right. It
# also puts lines of its own at the top of the file, so `from __future__ import annotations` must not be there.
SETTINGS = "ExportTiles.toml"

FEATURES = "GPFeatureRecordSetLayer"

MESSAGES = {"Informative": arcpy.AddMessage, "Warning": arcpy.AddWarning, "Error": arcpy.AddError}


class Toolbox:
    """The toolbox, as ArcGIS looks for it."""

    def __init__(self) -> None:
        self.label = "Export Tiles"
        self.alias = "exporttiles"
        self.tools = [ExportTiles, EstimateExportTilesSize]


def settings() -> Settings:
    """Return what the file of settings says now."""
    return read_settings(Path(__file__).parent / SETTINGS)


def offered() -> list[str]:
    """Return the caches to choose from; none where the settings can't be read, which the tools say when they run."""
    try:
        return settings().exportable
    except GptoolError:
        return []


def parameter(
    name: str, label: str, datatype: str, kind: str = "Derived", direction: str = "Output"
) -> arcpy.Parameter:
    """Return a new parameter, an output unless something else is said."""
    return arcpy.Parameter(name=name, displayName=label, datatype=datatype, parameterType=kind, direction=direction)


def inputs() -> list[arcpy.Parameter]:
    """Return the parameters that are filled in: the cache, and the operation's."""
    cache = parameter("cache", "Cache", "GPString", "Required", "Input")
    cache.filter.type, cache.filter.list = "ValueList", offered()
    return [cache, *map(optional_input, INPUTS)]


def optional_input(row: Row) -> arcpy.Parameter:
    """Return the parameter that a row of the operation's table describes."""
    made = parameter(row.name, row.label, row.type, "Optional", "Input")
    if row.choices:
        made.filter.type, made.filter.list = "ValueList", list(row.choices)
    elif row.limits:
        made.filter.type, made.filter.list = "Range", list(row.limits)
    elif row.type == FEATURES:
        made.filter.list = ["Polygon"]
        made.value = arcpy.FeatureSet(json.dumps(NO_POLYGONS))
    if row.default is not None:
        made.value = row.default
    return made


def polygons(value: Any) -> str | None:
    """Return a feature set as JSON, which has the reference of its polygons, or None where it holds none."""
    text = None if value is None else arcpy.FeatureSet(value).JSON
    return text if text and json.loads(text).get("features") else None


class Display:
    """Shows in ArcGIS what changes in a job, and tells the job when it is cancelled there."""

    def __init__(self) -> None:
        self.shown = 0
        self.progressor = None

    def __call__(self, job: Job) -> None:
        """Show what is new."""
        for message in job.messages[self.shown :]:
            MESSAGES[message.type](message.description)
            self.shown += 1
        if job.progress:
            self.show(job.progress)
        if arcpy.env.isCancelled:
            job.cancel()

    def show(self, progress: Any) -> None:
        """Move the progressor, and change it where the job goes over to another kind."""
        if self.progressor != progress.type:
            self.progressor = progress.type
            arcpy.SetProgressor(progress.type, progress.message, 0, 100, 1)
        arcpy.SetProgressorLabel(progress.message)
        if progress.type == "step":
            arcpy.SetProgressorPosition(progress.percent)


class Tool:
    """What the two tools have in common."""

    canRunInBackground = False

    def isLicensed(self) -> bool:
        """Tell that no licence is needed."""
        return True

    def updateMessages(self, parameters: list[arcpy.Parameter]) -> None:
        """Say what is wrong with each value, and nothing where ArcGIS alone finds fault, as with other letter cases.

        The area is looked at when the tool runs: it may be large, and this is called at every change.
        """
        sent = {p.name: p.value for p in parameters[1:] if p.direction == "Input" and p.name != "areaOfInterest"}
        faults = find_faults(sent)
        for p in parameters:
            if p.name in faults:
                p.setErrorMessage(faults[p.name])
            elif sent.get(p.name) is not None:
                p.clearMessage()

    def execute(self, parameters: list[arcpy.Parameter], messages: Any) -> None:
        """Run the job to its end, and hand over what came of it."""
        if "EXPORT_TILES_PUBLISHING" in os.environ:  # publish.py asks for the record of a run, not for its result
            return
        arcpy.env.autoCancelling = False  # so that the job can take away what is half-written
        by_name = {p.name: p for p in parameters}
        sent = {row.name: by_name[row.name].value for row in INPUTS}
        sent["areaOfInterest"] = polygons(sent["areaOfInterest"])
        try:
            job = self.start(sent, settings().cache(by_name["cache"].value), Display())
        except GptoolError as error:
            arcpy.AddError(str(error))
            raise arcpy.ExecuteError from None
        if job.status is not JobStatus.SUCCEEDED:
            raise arcpy.ExecuteError
        self.finish(job.result("out_service_url")["value"], by_name)


class ExportTiles(Tool):
    """The tool and task of this name."""

    def __init__(self) -> None:
        self.label = "Export Tiles"
        self.description = "Cuts tiles out of a tile cache into a tile package or a cache raster dataset."

    def getParameterInfo(self) -> list[arcpy.Parameter]:
        """Return inputs and outputs: the job's folder, and what of it are files."""
        return [
            *inputs(),
            parameter("out_service_url", "Folder of the result", "GPString"),
            parameter("package", "Tile package", "DEFile"),
            parameter("report", "Report", "DEFile"),
        ]

    def start(self, sent: dict[str, Any], cache: CacheSettings, display: Display) -> Job:
        """Export below the folder from which ArcGIS hands files to clients."""
        return export_tiles_job(
            sent,
            cache=cache.location,
            output_directory=arcpy.env.scratchFolder,
            max_export_tiles_count=cache.max_export_tiles_count,
            on_change=display,
        )

    def finish(self, folder: str, by_name: dict[str, arcpy.Parameter]) -> None:
        """State where the result lies; a dataset is a folder, which no output can be."""
        by_name["out_service_url"].value = folder
        by_name["report"].value = str(Path(folder, "report.json"))
        for path in Path(folder).iterdir():
            if path.suffix in {".tpkx", ".tpk"}:
                by_name["package"].value = str(path)


class EstimateExportTilesSize(Tool):
    """The tool and task of this name."""

    def __init__(self) -> None:
        self.label = "Estimate Export Tiles Size"
        self.description = "Counts the tiles that an export would take, and weighs its result."

    def getParameterInfo(self) -> list[arcpy.Parameter]:
        """Return inputs and outputs: the estimate as JSON, and its two numbers, which a long could not always hold."""
        return [
            *inputs(),
            parameter("out_service_url", "Estimate", "GPString"),
            parameter("totalSize", "Bytes", "GPDouble"),
            parameter("totalTilesToExport", "Tiles", "GPDouble"),
        ]

    def start(self, sent: dict[str, Any], cache: CacheSettings, display: Display) -> Job:
        """Count and weigh."""
        return estimate_export_tiles_size_job(sent, cache=cache.location, on_change=display)

    def finish(self, estimate: dict[str, int], by_name: dict[str, arcpy.Parameter]) -> None:
        """State the estimate."""
        by_name["out_service_url"].value = json.dumps(estimate)
        for name, number in estimate.items():
            by_name[name].value = float(number)

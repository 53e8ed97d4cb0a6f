"""The tools of ArcGIS Pro: caches, packages and areas of the user, and outputs where the user wants them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import arcpy

from gptool.arcgis import tools
from gptool.arcgis.base_tool import BaseToolbox, Tool
from gptool.arcgis.display import JobDisplay, check_succeeded, fail
from gptool.arcgis.parameters import (
    AREA,
    area_json,
    has_value,
    operation_parameters,
    operation_values,
    parameters_by_name,
)
from gptool.arcgis.validation import (
    PARTS,
    enable_parameters,
    find_cache,
    level_choices,
    show_messages,
    show_output_messages,
)
from gptool.errors import GptoolError
from gptool.export.calls import run_call, run_estimate
from gptool.export.notices import recompression_notices
from gptool.jobs.job import Job
from gptool.jobs.record import ESTIMATE_SIZE, EXPORT_TILES
from gptool.model import Message
from gptool.output.registry import is_file_name
from gptool.request.parameters import BY_NAME
from gptool.verification import verify
from gptool.verification.finding import NOTE, Severity

Parameters = list[arcpy.Parameter]

MAX_LISTED = 100
"""Findings that have a message each; the others are only counted."""


class CacheTool(Tool):
    """A tool with a cache and the selection of an export."""

    operation: ClassVar[str]

    def updateParameters(self, parameters: Parameters) -> None:
        """List the levels of another cache, and make parameters unavailable that have no effect."""
        by_name, inputs = parameters_by_name(parameters), operation_parameters(self.tool, parameters)
        cache, export_by = by_name["in_cache"], inputs["exportBy"]
        if not (cache.hasBeenValidated and export_by.hasBeenValidated):
            inputs["levels"].filter.list = level_choices(find_cache(cache.valueAsText), export_by.value)
        output = by_name["out_tiles"].valueAsText if "out_tiles" in by_name else None
        enable_parameters(inputs, output)

    def updateMessages(self, parameters: Parameters) -> None:
        """Show errors and warnings beside the parameters."""
        by_name = parameters_by_name(parameters)
        inputs = operation_parameters(self.tool, parameters)
        show_messages(inputs, find_cache(by_name["in_cache"].valueAsText))
        if "out_tiles" in by_name:
            has_parts = any(has_value(inputs[name]) for name in PARTS)
            show_output_messages(by_name["out_tiles"], has_parts=has_parts)

    def selection(self, parameters: Parameters) -> dict[str, Any]:
        """Return the selection by the names of Python's functions."""
        inputs = operation_parameters(self.tool, parameters)
        values = operation_values(inputs)
        values[AREA] = area_json(inputs[AREA])
        if not values["optimizeTilesForSize"]:  # a value that the pane still holds but does not show
            values |= {"optimizeTilesForSize": None, "compressionQuality": None}
        return {BY_NAME[name].python_name: value for name, value in values.items()}

    def run(self, selection: dict[str, Any], work: Callable[[Job], None]) -> None:
        """Run work as a job, whose messages and progress are shown. Raises arcpy.ExecuteError if it fails."""
        arcpy.env.autoCancelling = False  # so that the job can remove incomplete files
        job = Job(self.operation, selection, JobDisplay())
        check_succeeded(job.run(lambda: work(job)))


class ExportTiles(CacheTool):
    """The tool Export Tiles."""

    tool, operation = tools.DESKTOP_EXPORT, EXPORT_TILES

    def execute(self, parameters: Parameters, messages: Any) -> None:
        """Write the package or dataset, and set the derived outputs."""
        by_name, selection = parameters_by_name(parameters), self.selection(parameters)
        output = by_name["out_tiles"].valueAsText
        if is_file_name(output):
            selection["storage_format_type"] = None

        def work(job: Job) -> None:
            done = run_call(
                by_name["in_cache"].valueAsText,
                output,
                overwrite=arcpy.env.overwriteOutput,
                progress=job.report_progress,
                **selection,
            )
            scheme, result = done.prepared.plan.cache.scheme, done.result
            job.add_messages([*recompression_notices(scheme, result.levels), *result.messages])
            by_name["total_size"].value = float(result.size)
            by_name["total_tiles"].value = float(result.tiles)

        self.run(selection, work)


class EstimateExportTilesSize(CacheTool):
    """The tool Estimate Export Tiles Size."""

    tool, operation = tools.DESKTOP_ESTIMATE, ESTIMATE_SIZE

    def execute(self, parameters: Parameters, messages: Any) -> None:
        """Set the derived outputs to the estimate."""
        by_name, selection = parameters_by_name(parameters), self.selection(parameters)

        def work(job: Job) -> None:
            estimate = run_estimate(by_name["in_cache"].valueAsText, progress=job.report_progress, **selection)
            job.add_messages([*estimate.messages, Message("Informative", estimate.summary)])
            by_name["total_size"].value = float(estimate.total_size)
            by_name["total_tiles"].value = float(estimate.total_tiles_to_export)

        self.run(selection, work)


class VerifyPackage(Tool):
    """The tool Verify Package."""

    tool = tools.VERIFY

    def execute(self, parameters: Parameters, messages: Any) -> None:
        """Show the findings and set the derived outputs."""
        by_name = parameters_by_name(parameters)
        try:
            result = verify(
                by_name["in_package"].valueAsText,
                clients=by_name["clients"].values or (),
                tiles=by_name["tiles"].value,
                source=by_name["source"].valueAsText,
            )
        except GptoolError as error:
            fail(str(error))
        for finding in result.findings[:MAX_LISTED]:
            kind = "error" if finding.severity is Severity.ERROR else "warning"
            arcpy.AddWarning(
                f"{finding.rule} ({kind}): {finding.where}: found {finding.found}, expected {finding.expected}"
            )
        arcpy.AddMessage(f"{result.summary}. {NOTE}")
        by_name["passed"].value = result.passed
        by_name["findings"].value = len(result.findings) + result.omitted


class DesktopToolbox(BaseToolbox):
    """The toolbox that ArcGIS Pro lists."""

    toolbox = tools.DESKTOP
    classes: ClassVar[list[type[Tool]]] = [ExportTiles, EstimateExportTilesSize, VerifyPackage]

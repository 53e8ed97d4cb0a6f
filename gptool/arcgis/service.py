"""The tools of a geoprocessing service: caches by name, results as files that ArcGIS Server delivers.

Clients must not learn where the files of the server are: messages name the cache by its name, and the outputs are
files, for which clients get a URL.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import arcpy

from gptool.arcgis import tools
from gptool.arcgis.base_tool import BaseToolbox, Tool
from gptool.arcgis.display import JobDisplay, check_succeeded, fail
from gptool.arcgis.parameters import AREA, area_json, operation_parameters, operation_values, parameters_by_name
from gptool.arcgis.validation import enable_parameters, find_cache, show_messages
from gptool.errors import GptoolError
from gptool.jobs.job import Job
from gptool.jobs.record import OUT_SERVICE_URL
from gptool.jobs.redaction import path_redactor
from gptool.jobs.report import REPORT
from gptool.settings import Settings, read_settings
from gptool.tool import estimate_export_tiles_size_job, export_tiles_job

PUBLISHING = "EXPORT_TILES_PUBLISHING"
"""The environment variable by which the publishing script says that it needs only the record of a run."""

Parameters = list[arcpy.Parameter]


class ServiceTool(Tool):
    """A tool with a cache by name. The classes of the .pyt file say where the settings are.

    Attributes
    ----------
    settings_path : Path
        The settings file.
    """

    settings_path: ClassVar[Path]

    def settings(self) -> Settings | None:
        """Return the settings; None if they cannot be read, which `execute` reports."""
        try:
            return read_settings(self.settings_path)
        except GptoolError:
            return None

    def getParameterInfo(self) -> Parameters:
        """Return the parameters; those of the cache are the names in the settings."""
        parameters = super().getParameterInfo()
        settings = self.settings()
        parameters[0].filter.type = "ValueList"
        parameters[0].filter.list = settings.exportable if settings else []
        return parameters

    def updateParameters(self, parameters: Parameters) -> None:
        """Make parameters unavailable that have no effect."""
        enable_parameters(operation_parameters(self.tool, parameters))

    def updateMessages(self, parameters: Parameters) -> None:
        """Show errors and warnings beside the parameters."""
        settings, name = self.settings(), parameters[0].value
        cache = settings.caches.get(name) if settings and name in settings.exportable else None
        show_messages(operation_parameters(self.tool, parameters), find_cache(cache.location if cache else None))

    def execute(self, parameters: Parameters, messages: Any) -> None:
        """Run the job and set the output parameters."""
        if PUBLISHING in os.environ:
            return
        arcpy.env.autoCancelling = False  # so that the job can remove incomplete files
        inputs = operation_parameters(self.tool, parameters)
        sent = operation_values(inputs) | {AREA: area_json(inputs[AREA])}
        name, scratch = parameters[0].value, Path(arcpy.env.scratchFolder)
        try:
            settings = read_settings(self.settings_path)
            cache = settings.cache(name)
        except GptoolError as error:
            fail(path_redactor("the settings", self.settings_path, scratch)(str(error)))
        job = self.run_job(
            sent,
            cache.max_export_tiles_count,
            settings.threads,
            cache=cache.location,
            service=name,
            redact=path_redactor(name, cache.location, scratch),
            on_change=JobDisplay(),
        )
        check_succeeded(job)
        self.set_outputs(job, parameters_by_name(parameters))

    run_job: ClassVar[Callable[..., Job]]

    def set_outputs(self, job: Job, by_name: dict[str, arcpy.Parameter]) -> None:
        """Set the outputs to the results of a job that has succeeded."""
        raise NotImplementedError


class ExportTiles(ServiceTool):
    """The tool Export Tiles, and the task of the same name."""

    tool = tools.SERVICE_EXPORT

    def run_job(self, sent: dict[str, Any], limit: int, threads: int, **options: Any) -> Job:
        """Export to a folder in the scratch folder, from which ArcGIS Server delivers files to clients."""
        return export_tiles_job(
            sent,
            output_directory=arcpy.env.scratchFolder,
            max_export_tiles_count=limit,
            workers=threads,
            **options,
        )

    def set_outputs(self, job: Job, by_name: dict[str, arcpy.Parameter]) -> None:
        """Set the files: a file parameter cannot deliver a folder, so a dataset becomes a .zip."""
        folder = Path(job.results[OUT_SERVICE_URL])
        [result] = [path for path in folder.iterdir() if path.name != REPORT]
        by_name["package"].value = str(zip_folder(result) if result.is_dir() else result)
        by_name["report"].value = str(folder / REPORT)


class EstimateExportTilesSize(ServiceTool):
    """The tool Estimate Export Tiles Size, and the task of the same name."""

    tool = tools.SERVICE_ESTIMATE

    def run_job(self, sent: dict[str, Any], limit: int, threads: int, **options: Any) -> Job:
        """Count the tiles and estimate the size."""
        return estimate_export_tiles_size_job(sent, **options)

    def set_outputs(self, job: Job, by_name: dict[str, arcpy.Parameter]) -> None:
        """Set the estimate and its numbers."""
        estimate = job.results[OUT_SERVICE_URL]
        by_name[OUT_SERVICE_URL].value = json.dumps(estimate)
        for name, number in estimate.items():
            by_name[name].value = float(number)


def zip_folder(folder: Path) -> Path:
    """Replace a folder with a .zip of it beside it, and return that. Tiles are compressed already."""
    archive = folder.with_name(f"{folder.name}.zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as target:
        for path in sorted(folder.rglob("*")):
            target.write(path, Path(folder.name, path.relative_to(folder)))
    shutil.rmtree(folder)
    return archive


class ServiceToolbox(BaseToolbox):
    """The toolbox that is published as a geoprocessing service; the .pyt file names its classes."""

    toolbox = tools.SERVICE

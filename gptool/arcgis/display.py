"""A job's messages and progress in ArcGIS."""

from __future__ import annotations

from functools import partial
from typing import Any

import arcpy

from gptool.jobs.job import Job
from gptool.jobs.messages import is_frame
from gptool.jobs.status import JobStatus
from gptool.output.staging import with_option_names

ADD_MESSAGE = {"Informative": arcpy.AddMessage, "Warning": arcpy.AddWarning, "Error": arcpy.AddError}


TOOL_OPTIONS = partial(
    with_option_names, overwrite="the geoprocessing option to overwrite outputs", restart="gptool clean"
)
"""How messages name the options that a tool has, or its user."""


class JobDisplay:
    """A display of a job's messages and progress in ArcGIS; it cancels the job when the user cancels the tool."""

    def __init__(self) -> None:
        self._shown = 0
        self._progressor_type: str | None = None

    def __call__(self, job: Job) -> None:
        """Show what has changed in the job. ArcGIS itself says when a tool starts and ends."""
        for message in job.messages[self._shown :]:
            if not is_frame(message):
                ADD_MESSAGE[message.type](TOOL_OPTIONS(message.description))
            self._shown += 1
        if job.progress:
            self._show_progress(job.progress)
        if arcpy.env.isCancelled:
            job.cancel()

    def _show_progress(self, progress: Any) -> None:
        """Update the progressor; set up another one if the type of progress has changed."""
        if self._progressor_type != progress.type:
            self._progressor_type = progress.type
            arcpy.SetProgressor(progress.type, progress.message, 0, 100, 1)
        arcpy.SetProgressorLabel(progress.message)
        if progress.type == "step":
            arcpy.SetProgressorPosition(progress.percent)


def check_succeeded(job: Job) -> None:
    """Raise arcpy.ExecuteError if the job has not succeeded; its messages say why."""
    if job.status is not JobStatus.SUCCEEDED:
        raise arcpy.ExecuteError


def fail(text: str) -> None:
    """End the tool with an error."""
    arcpy.AddError(TOOL_OPTIONS(text))
    raise arcpy.ExecuteError

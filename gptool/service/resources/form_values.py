"""Values of the form of an export: at first, from a job that is to be run again, or a quality that was chosen."""

from __future__ import annotations

from typing import Any

from gptool.errors import ParameterError
from gptool.request import INPUTS, Parameter
from gptool.request.parameters import BY_NAME
from gptool.service.resources.job_lookup import find_job
from gptool.service.resources.request_context import RequestContext

JOB, QUALITY = "job", "quality"
"""The parameters of a form that name the job, and the compression quality in place of that of the job."""

INITIAL = {"tilePackage": "true"}
"""Initial values of the form that differ from the defaults: a person wants a single file to download."""

RECOMPRESSION = "optimizeTilesForSize", "compressionQuality", "targetSize"


async def form_values(context: RequestContext, service: str) -> dict[str, str]:
    """Return the values of the form that differ from the defaults.

    Raises
    ------
    ServiceError
        If there is no such job of the service, or it belongs to another owner.
    ParameterError
        If the quality is invalid.
    """
    values = await _job_values(context, service) if context.parameters.get(JOB, "").strip() else INITIAL
    text = context.parameters.get(QUALITY, "").strip()
    if not text:
        return values
    quality = BY_NAME["compressionQuality"].read(text)
    others = {name: value for name, value in values.items() if name not in RECOMPRESSION}
    return {**others, "optimizeTilesForSize": "true", "compressionQuality": str(quality)}


async def _job_values(context: RequestContext, service: str) -> dict[str, str]:
    """Return the inputs of the job that the parameter `job` names, without those that are the default."""
    job = await find_job(context, context.parameters[JOB].strip(), service=service)
    inputs = await context.state.queue.inputs(job.job_id)
    values = {item.name: _form_value(item, inputs[item.name]) for item in INPUTS if item.name in inputs}
    return {item.name: values[item.name] for item in INPUTS if values.get(item.name, "") not in ("", item.default)}


def _form_value(parameter: Parameter, value: Any) -> str:
    """Return an input as the field of the form states it: other clients write booleans and keywords differently."""
    text = str(value).strip()
    if parameter.type == "GPBoolean":
        try:
            return "true" if parameter.read(value) else ""
        except ParameterError:
            return ""
    return next((choice for choice in parameter.choices if choice.lower() == text.lower()), text)

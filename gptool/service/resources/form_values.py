"""Values of the form of an export, taken from a job that is to be edited and run again."""

from __future__ import annotations

from typing import Any

from gptool.errors import ParameterError
from gptool.request import INPUTS, Parameter
from gptool.service.resources.job_lookup import find_job
from gptool.service.resources.request_context import RequestContext

JOB = "job"
"""The parameter of a form that names the job."""


async def job_values(context: RequestContext, service: str) -> dict[str, str]:
    """Return the inputs of the job that the parameter `job` names, without those that are the default.

    Raises
    ------
    ServiceError
        If there is no such job of the service, or it belongs to another owner.
    """
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

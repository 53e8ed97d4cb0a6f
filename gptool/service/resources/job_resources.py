"""Resources of jobs: status, results, inputs and cancellation."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.responses import Response

from gptool.errors import ServiceError
from gptool.jobs.record import OUT_SERVICE_URL, JobRecord
from gptool.jobs.status import JobStatus
from gptool.request import unknown_notices
from gptool.request.parameters import BY_NAME
from gptool.service.resources.cross_site import check_same_site
from gptool.service.resources.job_cookie import remember_job
from gptool.service.resources.job_lookup import find_job
from gptool.service.resources.job_page import job_breadcrumbs, job_page, job_path
from gptool.service.resources.job_parts import read_parts
from gptool.service.resources.job_samples import read_samples
from gptool.service.resources.job_verification import read_verification
from gptool.service.resources.output_files import output_url
from gptool.service.resources.request_context import RequestContext
from gptool.service.resources.responses import Representation, redirect

LOG = logging.getLogger(__name__)

Results = dict[str, tuple[str, Any]]
"""Data types and values of results by name."""


async def start_job(
    context: RequestContext, operation: str, service: str, service_type: str, inputs: Mapping[str, Any], parent: str
) -> Representation | Response:
    """Submit a job and return its id and status; redirect a browser to its page.

    Parameters
    ----------
    context : RequestContext
    operation, service, service_type, inputs
        See `JobQueue.submit`.
    parent : str
        The path of the resource above the job.

    Raises
    ------
    ServiceError
        If the job is rejected.
    OutputError
        If the job cannot be stored.
    """
    notices = unknown_notices(context.parameters)
    job = await context.state.queue.submit(operation, service, service_type, inputs, context.owner, notices)
    LOG.info("job %s is submitted by %s: %s of %s", job.job_id, context.sender, operation, service)
    if context.format == "html":
        response = redirect(context.page_path(f"{parent}/jobs/{job.job_id}"))
        remember_job(context, response, job.job_id)
        return response
    return _status(job)


class JobResources:
    """Resources of the jobs below an image service or a map service.

    Jobs of each operation are found below any of them: some clients ask for an estimate below `exportTiles/jobs`.
    """

    async def find(self, context: RequestContext) -> JobRecord:
        """Return the job that a request refers to.

        Raises
        ------
        ServiceError
            If there is no such job.
        """
        return await find_job(context, service=context.path_parameter("service"))

    def results(self, context: RequestContext, job: JobRecord) -> Results:
        """Return the results of a succeeded job: the URL of the output folder, or the estimate."""
        estimate = job.result.estimate if job.result else None
        if estimate is None:
            return {OUT_SERVICE_URL: ("GPString", output_url(context, job))}
        # arcgistiles, the client for R, reads the second name of the number.
        return {OUT_SERVICE_URL: ("GPString", {**estimate, "totalTileCount": estimate["totalTilesToExport"]})}

    def input_names(self, job: JobRecord) -> list[str]:
        """Return the names of the inputs of a job."""
        return list(job.inputs)

    async def inputs(self, context: RequestContext, job: JobRecord) -> dict[str, Any]:
        """Return the inputs of a job by name."""
        return await context.state.queue.inputs(job.job_id)

    async def job(self, context: RequestContext) -> Representation:
        """Return the status, messages and progress of a job."""
        job = await self.find(context)
        results = self.results(context, job) if job.status is JobStatus.SUCCEEDED else {}
        names = self.input_names(job)
        value = job.to_json(results=results, inputs=names, return_messages=context.flag("returnMessages", True))
        page: dict[str, Any] = {}
        if context.format == "html":
            inputs, verification = await self.inputs(context, job), await read_verification(context, job)
            page = {
                **job_page(context, job, value, list(results), inputs),
                "verification": verification,
                "samples": await read_samples(context, job),
                "parts": await read_parts(context, job),
            }
        return Representation(value, "job.html", page)

    async def result_list(self, context: RequestContext) -> Representation:
        """Return where the results of a job are; there are none before it has succeeded."""
        job = await self.find(context)
        names = self.results(context, job) if job.status is JobStatus.SUCCEEDED else {}
        return _addresses(context, "results", names)

    async def input_list(self, context: RequestContext) -> Representation:
        """Return where the inputs of a job are."""
        return _addresses(context, "inputs", self.input_names(await self.find(context)))

    async def result(self, context: RequestContext) -> Representation:
        """Return a result of a succeeded job."""
        job = await self.find(context)
        if job.status is not JobStatus.SUCCEEDED:
            raise ServiceError("job has no results", code=400, found=job.status, expected=JobStatus.SUCCEEDED)
        results = self.results(context, job)
        return _named_value(context, *results[_checked_name(context, "result", results)])

    async def input(self, context: RequestContext) -> Representation:
        """Return an input of a job."""
        inputs = await self.inputs(context, await self.find(context))
        name = _checked_name(context, "input", inputs)
        return _named_value(context, BY_NAME[name].type if name in BY_NAME else "GPString", inputs[name])

    async def cancel(self, context: RequestContext) -> Representation | Response:
        """Cancel a job."""
        check_same_site(context)
        job = await context.state.queue.cancel((await self.find(context)).job_id)
        LOG.info("job %s is cancelled by %s", job.job_id, context.sender)
        if context.format == "html":
            return redirect(job_path(context))
        return _status(job)


def _status(job: JobRecord) -> Representation:
    return Representation({"jobId": job.job_id, "jobStatus": job.status}, "job.html")


def _checked_name(context: RequestContext, noun: str, values: Mapping[str, Any]) -> str:
    """Return the path's parameter `name`, which must be the name of a result or input of the job."""
    name = context.path_parameter("name")
    if name not in values:
        raise ServiceError(f"unknown {noun}", code=400, found=repr(name), expected=f"one of {', '.join(values)}")
    return name


def _addresses(context: RequestContext, kind: str, names: Iterable[str]) -> Representation:
    value = {kind: {name: {"paramUrl": f"{kind}/{name}"} for name in names}}
    page = {"title": kind.capitalize(), "breadcrumbs": job_breadcrumbs(context), "result": value}
    return Representation(value, "result.html", page)


def _named_value(context: RequestContext, data_type: str, value: Any) -> Representation:
    name = context.path_parameter("name")
    result = {"paramName": name, "dataType": data_type, "value": value}
    page = {"title": name, "breadcrumbs": job_breadcrumbs(context), "result": result}
    return Representation(result, "result.html", page)

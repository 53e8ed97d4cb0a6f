"""Jobs, their results and inputs, and their cancelling: the same below every resource that starts one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from gptool.errors import ServiceError
from gptool.jobs.record import OUT, JobRecord
from gptool.jobs.status import JobStatus
from gptool.request.parameters import BY_NAME
from gptool.service.queue.store import StoredJob
from gptool.service.resources.answers import Answer, see
from gptool.service.resources.call import Call, check_may_act
from gptool.service.resources.job_page import job_page, job_path, job_trail
from gptool.service.resources.output_files import output_url
from gptool.service.resources.visible import find_job

Results = dict[str, tuple[str, Any]]
"""Data types and values, by the names of results."""


async def start_job(
    call: Call, task: str, service: str, kind: str, inputs: Mapping[str, Any], above: str
) -> Answer | Response:
    """Start a job, and say its id; a browser is sent to its page, below the path `above`. Raises as `Engine.submit`."""
    job = await call.site.engine.submit(task, service, kind, inputs, call.owner)
    if call.form == "html":
        return see(call.with_token(f"{above}/jobs/{job.job_id}"))
    return _state(job)


class JobResources:
    """The resources of the jobs that are below an image service, or a map service.

    Parameters
    ----------
    task : str or None
        None: of whichever task.
    """

    def __init__(self, task: str | None) -> None:
        self.task = task

    def find(self, call: Call) -> StoredJob:
        """Return the job that the path names. Raises as `find_job`."""
        return find_job(call, self.task, call.path("service"))

    def results(self, call: Call, job: StoredJob) -> Results:
        """Return the results of a job that has succeeded: one, the address of a folder, or an estimate."""
        return {OUT: ("GPString", output_url(call, job) if job.estimate is None else job.estimate)}

    def inputs(self, job: StoredJob) -> Mapping[str, Any]:
        """Return what a job was started with; a value is read when it is asked for."""
        return job.inputs

    async def job(self, call: Call) -> Answer:
        """Say how far a job is, and what there is to say of it."""
        job = self.find(call)
        results = self.results(call, job) if job.status is JobStatus.SUCCEEDED else {}
        inputs = self.inputs(job)
        record = JobRecord(job.job_id, job.task, job.inputs, job.status, tuple(job.messages), job.progress)
        value = record.to_json(results=results, inputs=inputs, return_messages=call.flag("returnMessages", True))
        page = job_page(call, job, value, list(results), inputs) if call.form == "html" else {}
        return Answer(value, "job.html", page)

    async def result(self, call: Call) -> Answer:
        """Return a result of a job that has succeeded."""
        job = self.find(call)
        if job.status is not JobStatus.SUCCEEDED:
            raise ServiceError("the job has no results", code=400, found=job.status, expected=JobStatus.SUCCEEDED)
        results = self.results(call, job)
        return _named(call, *results[_name(call, results)])

    async def input(self, call: Call) -> Answer:
        """Return a parameter that a job was started with."""
        inputs = self.inputs(self.find(call))
        name = _name(call, inputs)
        return _named(call, BY_NAME[name].type if name in BY_NAME else "GPString", inputs[name])

    async def cancel(self, call: Call) -> Answer | Response:
        """Cancel a job."""
        check_may_act(call)
        job = call.site.engine.cancel(self.find(call).job_id)
        if call.form == "html":
            return see(call.with_token(job_path(call)))
        return _state(job)


def _state(job: StoredJob) -> Answer:
    return Answer({"jobId": job.job_id, "jobStatus": job.status}, "job.html")


def _name(call: Call, there: Mapping[str, Any]) -> str:
    name = call.path("name")
    if name not in there:
        raise ServiceError("the job has nothing of this name", code=400, found=name, expected=", ".join(there))
    return name


def _named(call: Call, data_type: str, value: Any) -> Answer:
    said = {"paramName": call.path("name"), "dataType": data_type, "value": value}
    return Answer(said, "result.html", {"title": call.path("name"), "trail": job_trail(call), "result": said})

"""The protocol between a service and its workers: lines of JSON on a worker's standard input and output.

A worker receives tasks, one at a time, and the id of its job if that is to be cancelled. It answers with updates of
the job; the status of the last update has ended.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from gptool.jobs.record import JobProgress, JobResult, PlannedSize
from gptool.jobs.status import JobStatus
from gptool.model import Message


class WorkerTask(NamedTuple):
    """A job as a worker receives it.

    Attributes
    ----------
    job_id, operation, inputs
        As in `JobRecord`.
    service : str
        Name of the cache in the service: `Maps/World`.
    full_service_name : str
        The name in the message about the limit of tiles, and in links: `Maps/World:ImageServer`.
    cache_location, output_directory : str
        Absolute paths of the cache, and of the service's output directory.
    work_folder : str
        The folder in which the worker creates the job's folder.
    max_export_tiles_count : int
    threads : int
    dask : str
        The address of the scheduler of a Dask cluster that exports, in place of threads; empty if there is none.
    base : str
        The package of the earlier export that the input `since` names; empty if there is none.
    """

    job_id: str
    operation: str
    inputs: dict[str, Any]
    service: str
    full_service_name: str
    cache_location: str
    output_directory: str
    work_folder: str
    max_export_tiles_count: int
    threads: int
    dask: str
    base: str = ""


class WorkerUpdate(NamedTuple):
    """A change of a job, as its worker reports it.

    Attributes
    ----------
    status : JobStatus
    messages : list of Message
        The messages after those of earlier updates.
    progress, planned, result
        As in `JobRecord`.
    """

    status: JobStatus
    messages: list[Message]
    progress: JobProgress | None = None
    planned: PlannedSize | None = None
    result: JobResult | None = None


def encode_line(value: WorkerTask | WorkerUpdate | str) -> bytes:
    """Return the line for a task, an update, or the id of the job to cancel."""
    return json.dumps(value._asdict() if isinstance(value, WorkerTask) else value).encode() + b"\n"


def decode_task(line: bytes) -> WorkerTask | str:
    """Return the task of a line, or the id of the job to cancel."""
    value = json.loads(line)
    return value if isinstance(value, str) else WorkerTask(**value)


def decode_update(line: bytes) -> WorkerUpdate:
    """Return the update of a line."""
    status, messages, progress, planned, result = json.loads(line)
    return WorkerUpdate(
        JobStatus(status),
        [Message(*message) for message in messages],
        progress and JobProgress.from_values(progress),
        planned and PlannedSize.from_values(planned),
        result and JobResult(*result),
    )

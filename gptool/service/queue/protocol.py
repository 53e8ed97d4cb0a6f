"""What a service and its workers tell each other: lines of JSON on a worker's standard input and output.

To a worker go orders, one at a time, and the id of its job when that is to be cancelled. It answers with news of the
job, the last of which say how it ended.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from gptool.jobs.record import JobProgress, PlannedSize
from gptool.jobs.status import JobStatus
from gptool.model import Message

EXPORT, ESTIMATE = "ExportTiles", "EstimateExportTilesSize"
"""The tasks."""


class Order(NamedTuple):
    """A job for a worker.

    Attributes
    ----------
    inputs : dict
        As `Job.inputs`.
    service : str
        The name of the cache: `Maps/World`.
    full_name : str
        As the limit's message has it: `Maps/World:ImageServer`.
    location, output : str
        Of the cache, and of the service's output directory; absolute.
    folder : str
        Where the job's own folder is to appear.
    limit : int
        The most tiles of an export.
    threads : int
    """

    job_id: str
    task: str
    inputs: dict[str, Any]
    service: str
    full_name: str
    location: str
    output: str
    folder: str
    limit: int
    threads: int


class Ended(NamedTuple):
    """How a job ended; all but the status as in `gptool.service.queue.store.StoredJob`."""

    status: JobStatus
    package: str | None = None
    is_file: bool = False
    size: int = 0
    estimate: dict[str, Any] | None = None


class News(NamedTuple):
    """What a worker has to tell of its job.

    Attributes
    ----------
    messages : list of Message
        Those after the ones that were told.
    progress : JobProgress or None
        How far it is.
    planned : PlannedSize or None
        Once tiles are counted.
    ended : Ended or None
        None while it goes on.
    """

    messages: list[Message]
    progress: JobProgress | None
    planned: PlannedSize | None
    ended: Ended | None = None


def line_of(value: Order | News | str) -> bytes:
    """Return the line for an order, news, or the id of the job to cancel."""
    return json.dumps(value._asdict() if isinstance(value, Order) else value).encode() + b"\n"


def read_order(line: bytes) -> Order | str:
    """Return the order of a line, or the id of the job to cancel."""
    value = json.loads(line)
    return value if isinstance(value, str) else Order(**value)


def read_news(line: bytes) -> News:
    """Return the news of a line."""
    messages, progress, planned, ended = json.loads(line)
    return News(
        [Message(*message) for message in messages],
        JobProgress.from_values(progress) if progress else None,
        PlannedSize(*planned) if planned else None,
        Ended(JobStatus(ended[0]), *ended[1:]) if ended else None,
    )

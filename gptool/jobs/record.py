"""The record of a job, and its form in ArcGIS's REST API."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, Self

from gptool.errors import ExportCancelledError, GptoolError
from gptool.jobs.messages import closing_messages
from gptool.jobs.status import JobStatus
from gptool.model import Message, Phase

EXPORT_TILES, ESTIMATE_SIZE = "ExportTiles", "EstimateExportTilesSize"
SAMPLE_COMPRESSIONS = "SampleCompressions"
"""The operations of jobs; the last is our own."""

OUT_SERVICE_URL = "out_service_url"
"""The name of the result of each operation."""

PROGRESS = {
    None: "Executing...",
    Phase.COUNTING: "Counting tiles: {done:,}",
    Phase.COMPARING: "Comparing tiles: {done:,} of {total:,}",
    Phase.SCORING: "Scoring tiles: {done:,} of {total:,}",
    Phase.ESTIMATING: "Estimating size",
    Phase.EXPORTING: "Exporting tiles: {done:,} of {total:,}",
    Phase.UPLOADING: "Uploading the result",
    Phase.UPDATING: "Updating tiles: {done:,} of {total:,}",
    Phase.HASHING: "Computing SHA-256 of the package",
    Phase.VERIFYING: "Verifying parts: {done:,} of {total:,}",
}
"""Descriptions of the progress by phase."""

AFTER_EXPORT = Phase.UPLOADING, Phase.HASHING, Phase.VERIFYING
"""Phases in which all tiles are exported."""


class JobProgress(NamedTuple):
    """The progress of an executing job.

    Attributes
    ----------
    phase : Phase or None
        None before the first phase.
    done, total : int
        As in `gptool.model.Progress`.
    """

    phase: Phase | None = None
    done: int = 0
    total: int = 0

    @classmethod
    def from_values(cls, values: Iterable[Any]) -> Self:
        """Return the progress from its three values, as JSON has them."""
        phase, done, total = values
        return cls(phase if phase is None else Phase(phase), done, total)

    @property
    def type(self) -> Literal["default", "step"]:
        """Whether the progress has a percentage (step) or not (default)."""
        return "step" if self.phase in (Phase.EXPORTING, *AFTER_EXPORT) else "default"

    @property
    def message(self) -> str:
        """A description of the progress."""
        if self.phase is Phase.ESTIMATING and self.total:
            return f"Estimating size: {self.done:,} of {self.total:,} tiles"
        return PROGRESS[self.phase].format(done=self.done, total=self.total)

    @property
    def percent(self) -> int:
        """The percentage of exported tiles, 0 to 100."""
        if self.phase in AFTER_EXPORT:
            return 100
        return 100 * self.done // max(self.total, 1) if self.phase is Phase.EXPORTING else 0

    def to_json(self) -> dict[str, Any]:
        """Return the progress in the form of the REST API."""
        step = {"percent": self.percent} if self.type == "step" else {}
        return {"type": self.type, "message": self.message, **step}


class PlannedSize(NamedTuple):
    """The size of a job, known once its tiles are counted.

    Attributes
    ----------
    tiles : int
    bytes : int
        Size of the tiles in the cache.
    reserved_bytes : int
        Disk space that the result may need at most.
    levels : tuple of (int, int, int)
        The id, the tiles and their bytes in the cache, for each level that has tiles, coarsest first.
    """

    tiles: int
    bytes: int
    reserved_bytes: int
    levels: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def from_values(cls, values: Iterable[Any]) -> Self:
        """Return the size from its values, as JSON has them; older records have no levels."""
        tiles, size, reserved, *levels = values
        return cls(tiles, size, reserved, *(tuple(map(tuple, one)) for one in levels))


class JobResult(NamedTuple):
    """The result of a job of a service that has succeeded.

    Attributes
    ----------
    name : str or None
        Name of the package or dataset in the result's folder; None for an estimate.
    is_file : bool
        Whether it is a file (a package) or a folder (a dataset).
    size : int
        Size of the result's folder, bytes.
    estimate : dict or None
        The value of an estimate: `totalSize` and `totalTilesToExport`.
    """

    name: str | None = None
    is_file: bool = False
    size: int = 0
    estimate: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class JobRecord:
    """The state of a job at one time.

    Attributes
    ----------
    job_id : str
        `j` and 32 random hexadecimal digits.
    operation : str
        ExportTiles, EstimateExportTilesSize or SampleCompressions.
    inputs : mapping
        The parameters that were sent, by their own names, and the defaults of those that were omitted.
    status : JobStatus
    messages : tuple of Message
    progress : JobProgress or None
        None unless the job is executing.
    planned : PlannedSize or None
        None until the tiles are counted.
    result : JobResult or None
        None unless a job of a service has succeeded.
    service : str
        Name of the cache in a service, such as `World` or `Maps/World`.
    service_type : str
        Type of the service that accepted the job: ImageServer, MapServer or GPServer.
    owner : str
        Digest of the token that may see the job; empty if the service needs none.
    created, accessed : float
        Times of submission and of the last access, seconds since the epoch.
    started, ended : float or None
        Times of the start and of the end of the work, seconds since the epoch.
    restarts : int
        Number of times that the job was started again because the service had ended while it was executing.
    """

    job_id: str
    operation: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    status: JobStatus = JobStatus.SUBMITTED
    messages: tuple[Message, ...] = ()
    progress: JobProgress | None = None
    planned: PlannedSize | None = None
    result: JobResult | None = None
    service: str = ""
    service_type: str = ""
    owner: str = ""
    created: float = 0.0
    started: float | None = None
    ended: float | None = None
    accessed: float = 0.0
    restarts: int = 0

    def add_messages(self, messages: Iterable[Message]) -> Self:
        """Return the record with further messages."""
        return replace(self, messages=(*self.messages, *messages))

    def requeue(self, message: Message) -> Self:
        """Return the record of an executing job that is to be started again, with a message that says why."""
        again = replace(self, status=JobStatus.SUBMITTED, progress=None, planned=None, started=None)
        return again.add_messages([message])

    def end(self, status: JobStatus, now: float) -> Self:
        """Return the record of the job, ended now with this status."""
        return replace(self, status=status, progress=None, ended=now, accessed=now)

    def end_with_error(self, error: GptoolError, now: float) -> Self:
        """Return the record of the job, ended now by an error, with its closing messages."""
        seconds = max(now - (self.created if self.started is None else self.started), 0.0)
        return self.end(final_status(error), now).add_messages(closing_messages(self.operation, error, seconds))

    def failure_report(self) -> dict[str, Any]:
        """Return the report of a job that has failed, however early: its parameters and its messages."""
        return {
            "jobId": self.job_id,
            "succeeded": False,
            "parameters": dict(self.inputs),
            "messages": [message.to_json() for message in self.messages],
        }

    def to_json(
        self,
        *,
        results: Iterable[str] = (OUT_SERVICE_URL,),
        inputs: Iterable[str] | None = None,
        return_messages: bool = True,
    ) -> dict[str, Any]:
        """Return the job in the form of the REST API.

        Parameters
        ----------
        results : iterable of str
            Names of the results. They are returned if the job has succeeded, as are the inputs.
        inputs : iterable of str or None
            Names of the inputs; by default those of the record.
        return_messages : bool
            Whether to return the messages, or an empty list.
        """
        value: dict[str, Any] = {"jobId": self.job_id, "jobStatus": self.status}
        if self.status is JobStatus.SUCCEEDED:
            value["results"] = {name: {"paramUrl": f"results/{name}"} for name in results}
            names = self.inputs if inputs is None else inputs
            value["inputs"] = {name: {"paramUrl": f"inputs/{name}"} for name in names}
        value["messages"] = [message.to_json() for message in self.messages] if return_messages else []
        if self.status is JobStatus.EXECUTING and self.progress:
            value["progress"] = self.progress.to_json()
        return value


def new_job_id() -> str:
    """Return the id of a new job: `j` and 32 random hexadecimal digits, which cannot be guessed."""
    return f"j{secrets.token_hex(16)}"


def final_status(error: BaseException | None) -> JobStatus:
    """Return the status of a job that ends by an error, or without one; see `closing_messages`."""
    if error is None:
        return JobStatus.SUCCEEDED
    failed = isinstance(error, GptoolError) and not isinstance(error, ExportCancelledError)
    return JobStatus.FAILED if failed else JobStatus.CANCELLED

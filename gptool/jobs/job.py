"""A geoprocessing job: its states, messages, progress, inputs and results, as ArcGIS's REST API words them."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from threading import Event
from typing import Any, Literal, NamedTuple, Self

from gptool.errors import ExportCancelledError, GptoolError, TooManyTilesError
from gptool.model import Message
from gptool.request import INPUTS, known
from gptool.request.parameters import BY_NAME

Status = Literal[
    "esriJobSubmitted",
    "esriJobExecuting",
    "esriJobSucceeded",
    "esriJobFailed",
    "esriJobCancelling",
    "esriJobCancelled",
]

Wording = Callable[[str], str]
"""Returns the text that is shown for a message's."""

BETWEEN_CHANGES = 0.1
"""Seconds that must have passed before progress is told again."""

LOG = logging.getLogger(__name__)

OUT = "out_service_url"
"""The name of an export's result, and of an estimate's."""


class JobProgress(NamedTuple):
    """How far a job is; `percent`, 0..100, counts where the type is step."""

    type: Literal["default", "step"]
    message: str
    percent: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return it as the REST API words it."""
        step = {"percent": self.percent} if self.type == "step" else {}
        return {"type": self.type, "message": self.message, **step}


class Planned(NamedTuple):
    """What a job is about to take: tiles, their bytes in the cache, and the bytes to set aside for its result."""

    tiles: int
    bytes: int
    room: int


class Job:
    """One run of a tool. It is worked on in one thread; others may look at it, and cancel it.

    Attributes
    ----------
    job_id : str
        `j` and 32 hexadecimal digits that can't be guessed.
    tool : str
        The name of the tool.
    messages : list of Message
        Only ever added to.
    progress : JobProgress or None
        While it is executing.
    inputs : dict
        The parameters that were sent, under their own names, and the defaults of others.
    results : dict
        By name, once it has succeeded.
    planned : Planned or None
        Once tiles are counted: before any is copied.

    Parameters
    ----------
    on_change : callable or None
        Called in the job's thread when its status, messages, progress or plan have changed.
    job_id : str or None
        An id that it has already.
    wording : callable or None
        Returns the text that is shown for a message's: a service's clients are not to learn where its files lie.
    """

    def __init__(
        self,
        tool: str,
        parameters: Mapping[str, Any],
        on_change: Callable[[Job], None] | None = None,
        *,
        job_id: str | None = None,
        wording: Wording | None = None,
    ) -> None:
        self.job_id = job_id or new_job_id()
        self.tool = tool
        self._status: Status = "esriJobSubmitted"
        self.messages: list[Message] = []
        self.progress: JobProgress | None = None
        defaults = {item.name: item.default for item in INPUTS if item.default is not None}
        # What is no mapping is refused when the job runs.
        self.inputs: dict[str, Any] = {**defaults, **(known(parameters) if isinstance(parameters, Mapping) else {})}
        self.results: dict[str, Any] = {}
        self.planned: Planned | None = None
        self._on_change = on_change
        self._wording = wording
        self._cancelled = Event()
        self._started = self._told = time.monotonic()

    def run(self, work: Callable[[], None]) -> Self:
        """Do the job's work, and end as that ends; an error becomes the job's. Return the job.

        Raises
        ------
        BaseException
            What is no Exception, such as KeyboardInterrupt.
        """
        try:
            self.start()
            work()
        except ExportCancelledError:
            self._end("esriJobCancelled", cancellation(self.tool, self._seconds()))
        except GptoolError as error:
            self.fail(error)
        except Exception as error:
            # Nobody's request should end a service; whoever mends it finds the trace in the log.
            LOG.exception("job %s", self.job_id)
            # What another library says may name files in ways that no wording knows.
            details = "" if self._wording else f": {error}"
            self.fail(GptoolError(f"an error of the program: {type(error).__name__}{details}"))
        except BaseException:
            interrupted = Message("Warning", f"Interrupted ({self.tool}).")
            self._end("esriJobCancelled", [interrupted, _at_end("Cancelled", self._seconds())])
            raise
        else:
            self.succeed()
        return self

    def start(self) -> None:
        """Go from submitted to executing."""
        self._change()
        self._started = time.monotonic()
        self._status, self.progress = "esriJobExecuting", JobProgress("default", "Executing...")
        self.say([Message("Informative", f"Start Time: {_now()}")])

    def succeed(self) -> None:
        """End well."""
        self._end("esriJobSucceeded", [_at_end("Succeeded", self._seconds())])

    def fail(self, error: GptoolError) -> None:
        """End with an error, and what would help."""
        self._end("esriJobFailed", failure(self.tool, error, self._seconds()))

    def say(self, messages: Iterable[Message]) -> None:
        """Add messages."""
        wording = self._wording
        self.messages.extend(
            message._replace(description=wording(message.description)) if wording else message for message in messages
        )
        self._change()

    def show(self, progress: JobProgress) -> None:
        """Show how far the job is, now and then, and stop it here when it is to be cancelled.

        Raises
        ------
        ExportCancelledError
            When it is.
        """
        self.check()
        if time.monotonic() - self._told >= BETWEEN_CHANGES:
            self.progress = progress
            self._change()

    def check(self) -> None:
        """Stop the job here when it is to be cancelled.

        Raises
        ------
        ExportCancelledError
            When it is.
        """
        if self._cancelled.is_set():
            raise ExportCancelledError("the job was cancelled")

    def cancel(self) -> None:
        """Ask the job to stop; it does so soon. One that has ended stays as it is."""
        self._cancelled.set()

    @property
    def status(self) -> Status:
        """How far the job is, in the words of the REST API."""
        if self._cancelled.is_set() and self._status in ("esriJobSubmitted", "esriJobExecuting"):
            return "esriJobCancelling"
        return self._status

    def result(self, name: str) -> dict[str, Any]:
        """Return a result: `paramName`, `dataType` and `value`.

        Raises
        ------
        KeyError
            When the job has none of that name, as long as it has not succeeded.
        """
        return {"paramName": name, "dataType": "GPString", "value": self.results[name]}

    def input(self, name: str) -> dict[str, Any]:
        """Return an input: `paramName`, `dataType` and `value`. Raises KeyError when there is none of that name."""
        return {"paramName": name, "dataType": BY_NAME[name].type, "value": self.inputs[name]}

    def to_json(self) -> dict[str, Any]:
        """Return the job as the REST API words it; results and inputs are there once it has succeeded."""
        return job_json(self.job_id, self.status, self.results, self.inputs, self.messages, self.progress)

    def _seconds(self) -> float:
        return time.monotonic() - self._started

    def _end(self, status: Status, messages: list[Message]) -> None:
        self._status, self.progress = status, None
        try:
            self.say(messages)
        except Exception:
            LOG.exception("job %s has ended, and that could not be shown", self.job_id)

    def _change(self) -> None:
        self._told = time.monotonic()
        if self._on_change:
            self._on_change(self)


def new_job_id() -> str:
    """Return the id of a new job: `j` and 32 hexadecimal digits that can't be guessed."""
    return f"j{secrets.token_hex(16)}"


def job_json(
    job_id: str,
    status: Status,
    results: Iterable[str],
    inputs: Iterable[str],
    messages: Iterable[Message],
    progress: JobProgress | None,
) -> dict[str, Any]:
    """Return a job as the REST API words it, of the names of its results and inputs: they show once it succeeded."""
    value: dict[str, Any] = {"jobId": job_id, "jobStatus": status}
    if status == "esriJobSucceeded":
        value["results"] = {name: {"paramUrl": f"results/{name}"} for name in results}
        value["inputs"] = {name: {"paramUrl": f"inputs/{name}"} for name in inputs}
    value["messages"] = [message.to_json() for message in messages]
    if status == "esriJobExecuting" and progress:
        value["progress"] = progress.to_json()
    return value


def failure(tool: str, error: GptoolError, seconds: float) -> list[Message]:
    """Return the last messages of a job that failed after so many seconds: the error, and what would help."""
    advice = error.advice if isinstance(error, TooManyTilesError) else ()
    return [
        Message("Error", str(error)),
        *(Message("Informative", line) for line in advice),
        Message("Error", f"Failed to execute ({tool})."),
        _at_end("Failed", seconds),
    ]


def cancellation(tool: str, seconds: float) -> list[Message]:
    """Return the last messages of a job that was cancelled after so many seconds."""
    return [Message("Warning", f"Cancelled ({tool})."), _at_end("Cancelled", seconds)]


def _at_end(word: str, seconds: float) -> Message:
    return Message("Informative", f"{word} at {_now()} (Elapsed Time: {seconds:.2f} seconds)")


def _now() -> str:
    """Return the local time as ArcGIS writes it: Tuesday, February 19, 2019 2:23:39 PM."""
    now = datetime.now().astimezone()
    return f"{now:%A, %B} {now.day}, {now.year} {now.hour % 12 or 12}:{now:%M:%S %p}"

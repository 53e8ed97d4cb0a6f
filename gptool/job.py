"""A geoprocessing job: its states, messages, progress, inputs and results, as ArcGIS's REST API words them."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from threading import Event
from typing import Any, Literal, NamedTuple

from gptool.errors import ExportCancelledError, GptoolError, TooManyTilesError
from gptool.model import Message
from gptool.request import PARAMETERS, known

Status = Literal[
    "esriJobSubmitted",
    "esriJobExecuting",
    "esriJobSucceeded",
    "esriJobFailed",
    "esriJobCancelling",
    "esriJobCancelled",
]

BETWEEN_CHANGES = 0.1
"""Seconds that must have passed before progress is told again."""

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


class Job:
    """One run of a tool. It is worked on in one thread; others may look at it, and cancel it.

    Attributes
    ----------
    job_id : str
        `j` and 32 hexadecimal digits that can't be guessed.
    tool : str
        The name of the tool.
    status : str
        `esriJobSubmitted`, `esriJobExecuting`, and so on.
    messages : list of Message
        Only ever added to.
    progress : JobProgress or None
        While it is executing.
    inputs : dict
        The parameters that were sent, under their own names, and the defaults of others.
    results : dict
        By name, once it has succeeded.
    """

    def __init__(
        self, tool: str, parameters: Mapping[str, Any], on_change: Callable[[Job], None] | None = None
    ) -> None:
        self.job_id = f"j{secrets.token_hex(16)}"
        self.tool = tool
        self.status: Status = "esriJobSubmitted"
        self.messages: list[Message] = []
        self.progress: JobProgress | None = None
        defaults = {item.name: item.default for item in PARAMETERS if item.default is not None}
        self.inputs: dict[str, Any] = {**defaults, **known(parameters)}
        self.results: dict[str, Any] = {}
        self._on_change = on_change
        self._cancelled = Event()
        self._started = self._told = time.monotonic()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run what is within as the job's work, and end it as that ends; an error becomes the job's.

        Raises
        ------
        BaseException
            What is no Exception, such as KeyboardInterrupt.
        """
        self.start()
        try:
            yield
            self.succeed()
        except ExportCancelledError:
            self._end("esriJobCancelled", "Cancelled", Message("Warning", f"Cancelled ({self.tool})."))
        except GptoolError as error:
            self.fail(error)
        except Exception as error:
            # Nobody's request should end a service; whoever mends it finds the trace in the log.
            logging.getLogger(__name__).exception("job %s", self.job_id)
            self.fail(GptoolError(f"an error of the program: {type(error).__name__}: {error}"))
        except BaseException:
            self._end("esriJobCancelled", "Cancelled", Message("Warning", f"Interrupted ({self.tool})."))
            raise

    def start(self) -> None:
        """Go from submitted to executing."""
        self._change()
        self._started = time.monotonic()
        if not self._cancelled.is_set():
            self.status, self.progress = "esriJobExecuting", JobProgress("default", "Executing...")
        self.say([Message("Informative", f"Start Time: {_now()}")])

    def succeed(self) -> None:
        """End well."""
        self._end("esriJobSucceeded", "Succeeded")

    def fail(self, error: GptoolError) -> None:
        """End with an error, and what would help."""
        advice = error.advice if isinstance(error, TooManyTilesError) else ()
        self._end(
            "esriJobFailed",
            "Failed",
            Message("Error", str(error)),
            *(Message("Informative", line) for line in advice),
            Message("Error", f"Failed to execute ({self.tool})."),
        )

    def say(self, messages: Iterable[Message]) -> None:
        """Add messages."""
        self.messages.extend(messages)
        self._change()

    def show(self, progress: JobProgress) -> None:
        """Show how far the job is, now and then, and stop it here when it is to be cancelled.

        Raises
        ------
        ExportCancelledError
            When it is.
        """
        if self._cancelled.is_set():
            raise ExportCancelledError("the job was cancelled")
        if time.monotonic() - self._told >= BETWEEN_CHANGES:
            self.progress = progress
            self._change()

    def cancel(self) -> None:
        """Ask the job to stop; it does so soon. One that has ended stays as it is."""
        if self.status in ("esriJobSubmitted", "esriJobExecuting"):
            self.status = "esriJobCancelling"
            self._cancelled.set()

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
        types = {parameter.name: parameter.type for parameter in PARAMETERS}
        return {"paramName": name, "dataType": types[name], "value": self.inputs[name]}

    def to_json(self) -> dict[str, Any]:
        """Return the job as the REST API words it; results and inputs are there once it has succeeded."""
        value: dict[str, Any] = {"jobId": self.job_id, "jobStatus": self.status}
        if self.status == "esriJobSucceeded":
            value["results"] = {name: {"paramUrl": f"results/{name}"} for name in self.results}
            value["inputs"] = {name: {"paramUrl": f"inputs/{name}"} for name in self.inputs}
        value["messages"] = [
            {"type": f"esriJobMessageType{message.type}", "description": message.description}
            for message in self.messages
        ]
        if self.status == "esriJobExecuting" and self.progress:
            value["progress"] = self.progress.to_json()
        return value

    def _end(self, status: Status, word: str, *messages: Message) -> None:
        elapsed = time.monotonic() - self._started
        self.status, self.progress = status, None
        self.say([*messages, Message("Informative", f"{word} at {_now()} (Elapsed Time: {elapsed:.2f} seconds)")])

    def _change(self) -> None:
        self._told = time.monotonic()
        if self._on_change:
            self._on_change(self)


def _now() -> str:
    """Return the local time as ArcGIS writes it: Tuesday, February 19, 2019 2:23:39 PM."""
    now = datetime.now().astimezone()
    return f"{now:%A, %B} {now.day}, {now.year} {now.hour % 12 or 12}:{now:%M:%S %p}"

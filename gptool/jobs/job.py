"""A geoprocessing job: runs work and records its status, messages, progress and results."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from threading import Event
from typing import Any, Self

from gptool.display.notebook import table_html
from gptool.errors import ExportCancelledError, GptoolError, OutOfMemoryError
from gptool.jobs.messages import closing_messages, start_message
from gptool.jobs.record import JobProgress, JobRecord, PlannedSize, final_status, new_job_id
from gptool.jobs.status import JobStatus
from gptool.model import Message, Phase
from gptool.request import INPUTS, known_inputs
from gptool.request.parameters import BY_NAME

Redactor = Callable[[str], str]
"""Returns a message without what its readers must not learn."""

MIN_REPORT_SECONDS = 0.1
"""Seconds between two reports of progress, at least."""

BAD_ALLOCATION = "std::bad_alloc"
"""The text of the exception of C++ for exhausted memory, which GEOS and PROJ pass on."""

LOG = logging.getLogger(__name__)


class Job:
    """A runner of work, and the record of it. The work runs in one thread; other threads may read and cancel the job.

    Attributes
    ----------
    record : JobRecord
        The state of the job. Each change replaces it.
    results : dict
        Values of the results, by name; set by the work.
    report : dict or None
        The report of the export, see `docs/reports.md`: None until it ends, and for an estimate that succeeds. That of
        a job that failed, however early, has its parameters and messages.

    Parameters
    ----------
    operation : str
        Name of the operation, which messages repeat.
    parameters : mapping
        The parameters as they were sent.
    on_change : callable, optional
        Called in the job's thread with the job when its status, messages, progress or planned size have changed.
    job_id : str, optional
        By default a new one.
    redact : callable, optional
        Applied to the text of each message: the clients of a service must not learn where its files are.
    """

    def __init__(
        self,
        operation: str,
        parameters: Mapping[str, Any],
        on_change: Callable[[Job], None] | None = None,
        *,
        job_id: str | None = None,
        redact: Redactor | None = None,
    ) -> None:
        self._record = JobRecord(job_id or new_job_id(), operation, job_inputs(parameters), created=time.time())
        self.results: dict[str, Any] = {}
        self.report: dict[str, Any] | None = None
        self._on_change = on_change
        self._redact = redact
        self._cancel_requested = Event()
        self._start_seconds = self._reported_seconds = time.monotonic()

    def __repr__(self) -> str:
        return f"<Job {self.job_id}: {self.operation}, {self.status}>"

    def _repr_html_(self) -> str:
        """Return a table of the messages for notebooks."""
        rows = [(message.type, message.description) for message in self.messages]
        return table_html(f"{self.operation}, {self.status}", ("Type", "Message"), rows)

    def run(self, work: Callable[[], None]) -> Self:
        """Run the work and record how it ends, also by an exception. Return the job.

        Raises
        ------
        BaseException
            If the work raises one that is not an `Exception`, such as `KeyboardInterrupt`.
        """
        try:
            self.start()
            work()
        except GptoolError as error:
            self._end(error)
        except Exception as error:
            # No request may end a service; the log has the traceback.
            LOG.exception("job %s", self.job_id)
            self.fail(self._unexpected(error))
        except BaseException as error:
            self._end(error)
            raise
        else:
            self.succeed()
        return self

    def _unexpected(self, error: Exception) -> GptoolError:
        if isinstance(error, MemoryError) or BAD_ALLOCATION in str(error):
            return OutOfMemoryError()
        # The text of another library's exception may contain paths in a form that redaction does not recognise.
        details = "" if self._redact else f": {error}"
        return GptoolError(f"internal error: {type(error).__name__}{details}")

    def start(self) -> None:
        """Change the status from submitted to executing."""
        self._report()
        self._start_seconds = time.monotonic()
        self._record = replace(
            self._record, status=JobStatus.EXECUTING, progress=JobProgress(), started=time.time()
        )  # fmt: skip
        self.add_messages([start_message()])

    def succeed(self) -> None:
        """End the job as succeeded."""
        self._end(None)

    def fail(self, error: GptoolError) -> None:
        """End the job as failed, with the error and its advice as messages."""
        self._end(error)

    def add_messages(self, messages: Iterable[Message]) -> None:
        """Add messages."""
        redact = self._redact
        if redact:
            messages = [message._replace(description=redact(message.description)) for message in messages]
        self._record = self._record.add_messages(messages)
        self._report()

    def report_progress(self, phase: Phase, done: int, total: int, /) -> None:
        """Record the progress, unless the last report is too recent (`MIN_REPORT_SECONDS`).

        This is the job's `gptool.model.Progress`.

        Raises
        ------
        ExportCancelledError
            If the job is to be cancelled.
        """
        self.check_cancelled()
        if time.monotonic() - self._reported_seconds >= MIN_REPORT_SECONDS:
            self._record = replace(self._record, progress=JobProgress(phase, done, total))
            self._report()

    def check_cancelled(self) -> None:
        """Raise ExportCancelledError if the job is to be cancelled."""
        if self._cancel_requested.is_set():
            raise ExportCancelledError("job was cancelled")

    def cancel(self) -> None:
        """Request that the job stops. A job that has ended is not changed."""
        self._cancel_requested.set()

    @property
    def record(self) -> JobRecord:
        """The state of the job."""
        return replace(self._record, status=self.status)

    @property
    def job_id(self) -> str:
        """The id of the job."""
        return self._record.job_id

    @property
    def operation(self) -> str:
        """The name of the operation."""
        return self._record.operation

    @property
    def status(self) -> JobStatus:
        """The status of the job."""
        status = self._record.status
        return JobStatus.CANCELLING if status.is_cancellable and self._cancel_requested.is_set() else status

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages so far."""
        return self._record.messages

    @property
    def progress(self) -> JobProgress | None:
        """The progress; None unless the job is executing."""
        return self._record.progress

    @property
    def inputs(self) -> Mapping[str, Any]:
        """The parameters that were sent, by their own names, and the defaults of those that were omitted."""
        return self._record.inputs

    @property
    def planned(self) -> PlannedSize | None:
        """The planned size; None until the tiles are counted."""
        return self._record.planned

    @planned.setter
    def planned(self, planned: PlannedSize) -> None:
        self._record = replace(self._record, planned=planned)

    def result(self, name: str) -> dict[str, Any]:
        """Return a result: `paramName`, `dataType` and `value`.

        Raises
        ------
        KeyError
            If there is no result of that name, or the job has not succeeded.
        """
        return {"paramName": name, "dataType": "GPString", "value": self.results[name]}

    def input(self, name: str) -> dict[str, Any]:
        """Return an input: `paramName`, `dataType` and `value`.

        Raises
        ------
        KeyError
            If there is no input of that name.
        """
        return {"paramName": name, "dataType": BY_NAME[name].type, "value": self.inputs[name]}

    def to_json(self) -> dict[str, Any]:
        """Return the job in the form of the REST API; it has results and inputs if the job has succeeded."""
        return self.record.to_json(results=self.results)

    def _end(self, error: BaseException | None) -> None:
        self._record = self._record.end(final_status(error), time.time())
        seconds = time.monotonic() - self._start_seconds
        try:
            self.add_messages(closing_messages(self.operation, error, seconds))
        except Exception:
            LOG.exception("job %s: the end of the job could not be reported", self.job_id)
        if error is not None:
            self.report = self._record.failure_report()

    def _report(self) -> None:
        self._reported_seconds = time.monotonic()
        if self._on_change:
            self._on_change(self)


def job_inputs(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the known parameters by their own names, and the defaults of those that were omitted."""
    defaults = {item.name: item.default for item in INPUTS if item.default is not None}
    # If the parameters are not a mapping, the work of the job fails with a message.
    return {**defaults, **(known_inputs(parameters) if isinstance(parameters, Mapping) else {})}

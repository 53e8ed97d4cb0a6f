"""A run of a batch: its exports one after the other, or some at once, each of them by `gptool.export_tiles`."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from gptool.batch.file import Batch, BatchExport
from gptool.crs.projection import load_libraries
from gptool.errors import ExportInterruptedError, GptoolError, LimitError, OutputError, notes
from gptool.export.calls import run_call
from gptool.export.report import ExportResult
from gptool.model import Phase, Progress
from gptool.output.staging import with_option_names
from gptool.request.limits import read_workers

POLL_SECONDS = 0.1

FILE_OPTIONS = partial(with_option_names, overwrite="overwrite = true", restart="restart = true")

LOG = logging.getLogger(__name__)


class Status(StrEnum):
    """What became of an export of a batch."""

    NOT_STARTED = "not started"
    EXPORTED = "exported"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of an export of a batch.

    Attributes
    ----------
    export : BatchExport
    status : Status
    seconds : float
    result : ExportResult or None
        None unless it was exported.
    error : GptoolError or None
        Why it failed.
    """

    export: BatchExport
    status: Status = Status.NOT_STARTED
    seconds: float = 0.0
    result: ExportResult | None = None
    error: GptoolError | None = None

    @property
    def advice(self) -> tuple[str, ...]:
        """What to request instead, of an export that exceeds a limit, or how to go on with one that was interrupted."""
        return (*(self.error.advice if isinstance(self.error, LimitError) else ()), *notes(self.error))

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as JSON."""
        return {
            "name": self.export.name,
            "cache": str(self.export.cache),
            "output": str(self.export.output),
            "status": self.status,
            "seconds": round(self.seconds, 3),
            "error": None if self.error is None else str(self.error),
            "advice": list(self.advice),
            "messages": [message.to_json() for message in self.result.messages] if self.result else [],
            "result": self.result.to_json() if self.result else None,
        }


class BatchRun:
    """A run of a batch. An export that fails does not end the others.

    Attributes
    ----------
    outcomes : dict of str to Outcome
        By the names of the exports, in the order of the file; current at any time.

    Parameters
    ----------
    batch : Batch
    jobs : int
        The number of exports that run at once; they share the processors.
    show : callable
        Returns a context in which an export runs, with the callback for its progress. Called in the export's thread.
    on_end : callable
        Called with the outcome of each export that ends, in its thread, but never by two at once.
    on_stop : callable
        Called when an exception, such as KeyboardInterrupt, stops the exports that are running.
    """

    def __init__(
        self,
        batch: Batch,
        jobs: int,
        show: Callable[[BatchExport], AbstractContextManager[Progress]],
        on_end: Callable[[Outcome], None],
        on_stop: Callable[[], None],
    ) -> None:
        self.outcomes = {export.name: Outcome(export) for export in batch.exports}
        self._jobs = min(jobs, len(batch.exports))
        self._workers = max(read_workers(None) // self._jobs, 1)
        self._show, self._on_end, self._on_stop = show, on_end, on_stop
        self._stopped, self._running = False, 0
        self._changed, self._ending = threading.Condition(), threading.Lock()

    def run(self) -> None:
        """Run all exports. An exception, such as KeyboardInterrupt, stops those that are running and propagates."""
        # Before the threads: two that import it at once may find it half-initialised.
        load_libraries()
        with ThreadPoolExecutor(self._jobs, thread_name_prefix="gptool-batch") as pool:
            try:
                pending = {pool.submit(self._run, outcome.export) for outcome in self.outcomes.values()}
                while pending:
                    # Not for longer: a signal that arrives just before the wait does not interrupt it.
                    ended, pending = wait(pending, POLL_SECONDS, FIRST_COMPLETED)
                    for future in ended:
                        future.result()
            except BaseException:
                self._stop()
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _stop(self) -> None:
        """Stop all exports and wait until none is running.

        The pool cannot be relied on for that: if it is interrupted while it starts a thread, it forgets the thread.
        """
        with self._changed:
            self._stopped = True
            self._on_stop()
            self._changed.wait_for(lambda: self._running == 0)

    def _run(self, export: BatchExport) -> None:
        with self._changed:
            if self._stopped:
                return
            self._running += 1
        try:
            started = time.monotonic()
            status, result, error = self._export(export)
            outcome = Outcome(export, status, time.monotonic() - started, result, error)
            with self._ending:
                self.outcomes[export.name] = outcome
                self._on_end(outcome)
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _export(self, export: BatchExport) -> tuple[Status, ExportResult | None, GptoolError | None]:
        try:
            with self._show(export) as show:
                result = run_call(
                    export.cache,
                    export.output,
                    **export.arguments,
                    workers=self._workers,
                    progress=self._stoppable(show),
                ).result
        except ExportInterruptedError:
            return Status.INTERRUPTED, None, None
        except GptoolError as error:
            error.change_texts(FILE_OPTIONS)
            error.__notes__ = list(map(FILE_OPTIONS, notes(error)))
            return Status.FAILED, None, error
        except OSError as error:
            return Status.FAILED, None, OutputError(str(error))
        except Exception as error:
            # One export must not end the others; the log has the traceback.
            LOG.exception("export %s", export.name)
            return Status.FAILED, None, GptoolError(f"internal error: {type(error).__name__}: {error}")
        return Status.EXPORTED, result, None

    def _stoppable(self, show: Progress) -> Progress:
        """Return a callback that passes progress on, and ends the export if the run was stopped."""

        def progress(phase: Phase, done: int, total: int, /) -> None:
            if self._stopped:
                raise ExportInterruptedError("the batch was stopped")
            show(phase, done, total)

        return progress

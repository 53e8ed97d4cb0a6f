"""A job that waits or is executed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from gptool.errors import GptoolError
from gptool.jobs.record import ESTIMATE_SIZE, JobRecord
from gptool.service.queue.protocol import WorkerUpdate
from gptool.service.queue.worker_process import WorkerProcess


@dataclass(eq=False, slots=True)
class ActiveJob:
    """The record of a job that waits or is executed, and the state that only the queue needs.

    Attributes
    ----------
    record : JobRecord
        The latest state of the job.
    worker : WorkerProcess or None
        The process that executes the job.
    stop_reason : GptoolError or None
        The error that ends the job, whatever its worker reports: `ExportCancelledError` if it was cancelled.
    stored_messages : int
        Number of the record's messages that are in the store.
    lock : asyncio.Lock
        Held while the record changes: what is stored and what the record says do not diverge.
    """

    record: JobRecord
    worker: WorkerProcess | None = None
    stop_reason: GptoolError | None = None
    stored_messages: int = field(init=False)
    lock: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.stored_messages = len(self.record.messages)

    @property
    def job_id(self) -> str:
        """The id of the job."""
        return self.record.job_id

    async def apply(self, update: WorkerUpdate) -> None:
        """Apply an update of the worker to the record; the status is the queue's."""
        async with self.lock:
            record = replace(self.record, progress=update.progress, planned=update.planned)
            # A job that is stopped gets the closing messages of its stop reason.
            self.record = record.add_messages(update.messages) if self.stop_reason is None else record

    @property
    def reserved_bytes(self) -> int:
        """Disk space that the result may need at most; 0 until that is known."""
        planned = self.record.planned
        return planned.reserved_bytes if planned and self.record.operation != ESTIMATE_SIZE else 0

    @property
    def remaining_bytes(self) -> int:
        """Disk space that the job may still need."""
        percent = self.record.progress.percent if self.record.progress else 0
        return self.reserved_bytes * (100 - percent) // 100

"""A job in memory, from its submission to its end: where it waits or works, and what of it is to be stored."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from gptool.errors import GptoolError
from gptool.jobs.messages import closing_messages
from gptool.jobs.record import JobProgress, PlannedSize
from gptool.model import Message
from gptool.service.queue.process import WorkerProcess
from gptool.service.queue.protocol import EXPORT, News


@dataclass(eq=False, slots=True)
class Run:
    """A job that waits or is worked on.

    Attributes
    ----------
    worker : WorkerProcess or None
        Once there is one that works on it.
    verdict : GptoolError or None
        Why it is to end, whatever its worker says; ExportCancelledError when its owner wishes so.
    unsaid : list of Message
        Those that are not stored yet.
    """

    job_id: str
    task: str
    service: str
    owner: str
    worker: WorkerProcess | None = None
    verdict: GptoolError | None = None
    progress: JobProgress | None = None
    planned: PlannedSize | None = None
    unsaid: list[Message] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def take(self, news: News) -> None:
        """Take in what a worker tells."""
        if self.verdict is None:  # which has words of its own
            self.unsaid += news.messages
        self.progress, self.planned = news.progress, news.planned

    @property
    def to_write(self) -> int:
        """Bytes that it will still write, as far as that is known."""
        if self.task != EXPORT or self.planned is None:
            return 0
        return self.planned.reserved_bytes * (100 - (self.progress.percent if self.progress else 0)) // 100

    def last_words(self, error: GptoolError) -> list[Message]:
        """Return what is still to be said of it when it ends by an error of the service."""
        seconds = time.monotonic() - self.started
        return [*self.unsaid, *closing_messages(self.task, error, seconds)]

"""Numbers of a queue, for the metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QueueStatistics:
    """Numbers of a queue at one moment.

    Attributes
    ----------
    waiting, executing, worker_processes : mapping of str to int
        Numbers of jobs and of running processes by operation.
    written_bytes : int
        Bytes of all results since the start of the service.
    """

    waiting: Mapping[str, int]
    executing: Mapping[str, int]
    worker_processes: Mapping[str, int]
    written_bytes: int

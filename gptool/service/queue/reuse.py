"""Jobs whose result answers an equal request again for some minutes: sample compressions, which take long to make."""

from __future__ import annotations

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from gptool.jobs.record import SAMPLE_COMPRESSIONS, JobRecord
from gptool.jobs.status import JobStatus

REUSE_SECONDS = 600.0
"""The cache may change meanwhile."""

MAX_REMEMBERED = 256


class ReusableJobs:
    """The newest job of each request; those that were cancelled or have failed are not used."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def find(self, key: bytes) -> str | None:
        """Return the id of the job of a request, None if there is none or it is too old."""
        job_id, created = self._jobs.get(key, ("", 0.0))
        return job_id if job_id and time.monotonic() - created < REUSE_SECONDS else None

    def add(self, key: bytes, job_id: str) -> None:
        """Remember the job of a request."""
        self._jobs.pop(key, None)
        self._jobs[key] = job_id, time.monotonic()
        while len(self._jobs) > MAX_REMEMBERED:
            self._jobs.popitem(last=False)


def request_key(record: JobRecord, inputs: Mapping[str, Any]) -> bytes | None:
    """Return a digest of the request of a job; None if its operation is always executed anew."""
    if record.operation != SAMPLE_COMPRESSIONS:
        return None
    values = [record.service, record.service_type, record.owner, sorted(inputs.items())]
    return hashlib.sha256(json.dumps(values).encode()).digest()


def is_usable(record: JobRecord) -> bool:
    """Return True if a job has succeeded, or may still do so."""
    return record.status is JobStatus.SUCCEEDED or record.status.is_cancellable

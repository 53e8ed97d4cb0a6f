"""The status of a job."""

from __future__ import annotations

from enum import StrEnum


class JobStatus(StrEnum):
    """The status of a job, as ArcGIS's REST API writes it. No other module holds these literals."""

    SUBMITTED = "esriJobSubmitted"
    EXECUTING = "esriJobExecuting"
    SUCCEEDED = "esriJobSucceeded"
    FAILED = "esriJobFailed"
    CANCELLING = "esriJobCancelling"
    CANCELLED = "esriJobCancelled"

    @property
    def is_ended(self) -> bool:
        """Whether the job has ended: its status does not change any more."""
        return self in (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED)

    @property
    def is_cancellable(self) -> bool:
        """Whether a request to cancel the job has an effect."""
        return self in (JobStatus.SUBMITTED, JobStatus.EXECUTING)

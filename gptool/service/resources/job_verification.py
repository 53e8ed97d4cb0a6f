"""The verification of a job's package, as its page shows it: read from report.json."""

from __future__ import annotations

from typing import Any

from gptool.jobs.record import JobRecord
from gptool.jobs.report import REPORT
from gptool.service.resources.request_context import RequestContext
from gptool.service.resources.result_json import read_result_json

MAX_SHOWN_FINDINGS = 20
"""Findings that a page shows; report.json lists all."""


async def read_verification(context: RequestContext, job: JobRecord) -> dict[str, Any] | None:
    """Return the verification in the report of a job; None if the job has no package, or its files have expired."""
    if job.result is None or not job.result.is_file:
        return None
    report = await read_result_json(context, job, REPORT) or {}
    verification: dict[str, Any] | None = report.get("verification")  # reports of gptool 0.1.0 have none
    if verification is None:
        return None
    findings = verification["findings"]
    return {
        **verification,
        "findings": findings[:MAX_SHOWN_FINDINGS],
        "more": max(len(findings) - MAX_SHOWN_FINDINGS, 0),
    }

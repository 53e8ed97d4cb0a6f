"""The cookie by which a browser without a token knows the jobs that it has started."""

from __future__ import annotations

from starlette.responses import Response

from gptool.service.queue.output_directory import JOB_ID
from gptool.service.resources.request_context import RequestContext
from gptool.service.resources.responses import set_cookie

COOKIE = "gptool_jobs"
"""The cookie with the ids of the jobs that a browser has started without a token, newest first."""

MAX_REMEMBERED = 50
"""Jobs in the cookie, which a browser keeps up to 4096 bytes of (RFC 6265, 6.1)."""

COOKIE_SECONDS = 30 * 24 * 3600


def remember_job(context: RequestContext, response: Response, job_id: str) -> None:
    """Let a browser without a token keep the id of a job that it has started."""
    if context.owner:
        return
    others = (other for other in remembered_jobs(context) if other != job_id)  # equal requests may have the same job
    ids = [job_id, *others][:MAX_REMEMBERED]
    set_cookie(context, response, COOKIE, ".".join(ids), COOKIE_SECONDS)


def remembered_jobs(context: RequestContext) -> list[str]:
    """Return the ids of the jobs that the browser has started, newest first."""
    ids = context.request.cookies.get(COOKIE, "").split(".")[:MAX_REMEMBERED]
    return [job_id for job_id in ids if JOB_ID.fullmatch(job_id)]

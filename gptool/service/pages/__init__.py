"""The service's pages: HTML that shows what the REST resources hold, and asks for what their operations take.

`render` fills a template of templates/. Each gets `token` (that of the caller, "" where the service is open), `title`,
and `breadcrumbs`: labels and paths from the list of services to the page's own resource; and all but error.html get
`page_url`, the page's own path. Beyond that:

================== ============================================================================================
directory.html     folders: (name, url); services: (name, type, url)
image_service.html service (its JSON), tiles_url, operations: (label, url)
export_tiles.html  service, tiles_url, parameters, values by their names, limit, form_url, export_url, estimate_url
job.html           job (its JSON), task, service_name, is_active, elapsed, planned, estimate, files: (name, url, size),
                   folder, report, job_url, cancel_url, results: (name, url), inputs: (name, url, value)
result.html        result: names and values
gp_service.html    service (its JSON), tasks: (name, url)
gp_task.html       task (its JSON), submit_url
error.html         code, message, details, needs_token
================== ============================================================================================

No page holds a script or a style of its own, so that a Content-Security-Policy can forbid those; what scripts need
stands in data attributes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

import gptool
from gptool.jobs.status import JobStatus
from gptool.service.urls import ROOT

HERE = Path(__file__).parent

STATUS_WORDS = {
    JobStatus.SUBMITTED: "Waiting",
    JobStatus.EXECUTING: "Running",
    JobStatus.SUCCEEDED: "Succeeded",
    JobStatus.FAILED: "Failed",
    JobStatus.CANCELLING: "Being cancelled",
    JobStatus.CANCELLED: "Cancelled",
}
"""What people read for a job's status."""

UNITS = "kB", "MB", "GB", "TB"


def render(template: str, **context: Any) -> str:
    """Return a page.

    Parameters
    ----------
    template : str
        Its file in templates/, see above.
    **context
        What it shows. All of it is escaped.

    Raises
    ------
    jinja2.UndefinedError
        When the template shows something that the context lacks.
    """
    return PAGES.get_template(template).render(context)


@cache
def static_files() -> Mapping[str, bytes]:
    """Return the files that pages refer to at `ROOT`/static/, by their paths there."""
    folder = HERE / "static"
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pass_context
def link(context: Context, url: str, **query: str) -> str:
    """Return a URL of the service with a query, and the caller's token, where there is one."""
    if context["token"]:
        query["token"] = context["token"]
    return f"{url}?{urlencode(query)}" if query else url


@pass_context
def own_link(context: Context, value: object) -> str | None:
    """Return the link to a URL of this service, None for all else.

    It has neither scheme nor host, so that no token goes to another's, whatever URL somebody sent.
    """
    try:
        url = urlsplit(value if isinstance(value, str) else "")
    except ValueError:
        return None
    inside = url.scheme in ("http", "https") and url.path.startswith(f"{ROOT}/")
    return link(context, url.path) if inside else None


def figure(number: float) -> str:
    """Return a number as people read it: 591,657,527.6."""
    return f"{number:,}" if isinstance(number, int) else f"{number:,.10g}"


def size(count: float) -> str:
    """Return a number of bytes as people read it: 6.5 MB."""
    if count < 1000:
        return f"{count:,} bytes"
    for unit in UNITS:
        count /= 1000
        if count < 999.95 or unit == UNITS[-1]:
            break
    return f"{count:,.1f} {unit}"


def words(value: object) -> str:
    """Return a value as it was sent, or as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _environment() -> Environment:
    pages = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.globals |= {"root": ROOT, "link": link, "own_link": own_link}
    pages.globals |= {"version": gptool.__version__, "status_words": STATUS_WORDS}
    pages.filters |= {"figure": figure, "size": size, "words": words}
    return pages


PAGES = _environment()

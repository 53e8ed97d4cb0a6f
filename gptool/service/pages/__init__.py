"""HTML pages of the service: they show the REST resources, and have forms for the operations.

`render` fills a template of templates/. Each template has the variables `sign_out_url` (an empty string without the
cookie), `title` and `breadcrumbs` (labels and paths from the list of services to the resource), and all except
error.html have `page_url` (the path of the resource). Further variables:

================== ============================================================================================
directory.html     folders: (name, url); caches: `CacheEntry`; services: (name, type, url)
image_service.html service (its JSON), tiles_url, operations: (label, url), figures (None while they are counted),
                   levels: (Lod, `LevelFigures` or None), filled_levels (ids), tile_template (URL)
export_tiles.html  service, tiles_url, parameters, folded (names of parameters), values by parameter name, limit,
                   levels (`Lod`), form_url, export_url, estimate_url, preview_url
job.html           job (its JSON), task, service_name, is_active, elapsed, planned, download (bytes or None), estimate,
                   files: (name, url, size), folder, report, job_url, cancel_url, results: (name, url),
                   job_id, form_url, inputs: (name, url, value), parts: those of the manifest with url, or None
result.html        result: values by name
jobs.html          jobs: `ListedJob`, owner (name of the token or user, or an empty string), hours
gp_service.html    service (its JSON), tasks: (name, url)
gp_task.html       task (its JSON), submit_url, caches: paths by name
error.html         code, message, details, has_users and has_tokens (whether they can sign in here); if so,
                   sign_in_url, next_page (where to return)
================== ============================================================================================

No page has inline scripts or styles, so that the Content-Security-Policy can forbid them; data for scripts is in data
attributes.
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

from gptool import __version__
from gptool.jobs.status import JobStatus
from gptool.service.urls import MY_JOBS, ROOT, STATIC_FILES
from gptool.text import format_bytes

HERE = Path(__file__).parent

STATUS_LABELS = {
    JobStatus.SUBMITTED: "Waiting",
    JobStatus.EXECUTING: "Running",
    JobStatus.SUCCEEDED: "Succeeded",
    JobStatus.FAILED: "Failed",
    JobStatus.CANCELLING: "Cancelling",
    JobStatus.CANCELLED: "Cancelled",
}

STATUSES = {status: {"label": label, "isEnded": status.is_ended} for status, label in STATUS_LABELS.items()}
"""The statuses of jobs for scripts: pages pass them in data attributes, so that scripts need no literals."""


def render(template: str, public_path: str, *, sign_out_url: str = "", **variables: Any) -> str:
    """Return a page.

    Parameters
    ----------
    template : str
        The file name of the template.
    public_path : str
        The path of the public URL, which the paths in the variables start with.
    sign_out_url : str
        The path to sign out; an empty string if the browser is not signed in.
    **variables
        The variables of the template; all text is escaped.

    Raises
    ------
    jinja2.UndefinedError
        If the template uses a variable that is not given.
    """
    static = public_path + STATIC_FILES
    jobs_url = public_path + MY_JOBS
    shared = {"public_path": public_path, "static": static, "sign_out_url": sign_out_url, "jobs_url": jobs_url}
    return PAGES.get_template(template).render(variables, **shared)


@cache
def static_files() -> Mapping[str, bytes]:
    """Return the static files by their paths below `STATIC_FILES`."""
    folder = HERE / "static"
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def link(url: str, **query: object) -> str:
    """Return a URL of the service with a query."""
    return f"{url}?{urlencode(query)}" if query else url


@pass_context
def own_link(context: Context, value: object) -> str | None:
    """Return the link for a value that is a URL of this service, otherwise None.

    The link has no scheme and no host, so that it never leads to another host, whatever URL a client sent.
    """
    try:
        url = urlsplit(value if isinstance(value, str) else "")
    except ValueError:
        return None
    is_own = url.scheme in ("http", "https") and url.path.startswith(f"{context['public_path']}{ROOT}/")
    return url.path if is_own else None


def format_number(number: float) -> str:
    """Return a number with thousands separators and at most ten significant digits, as in `591,657,527.6`."""
    return f"{number:,}" if isinstance(number, int) else f"{number:,.10g}"


def format_value(value: object) -> str:
    """Return a string as it is, and any other value as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _environment() -> Environment:
    pages = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.globals |= {"link": link, "own_link": own_link, "version": __version__}
    pages.globals |= {"status_labels": STATUS_LABELS, "statuses": STATUSES}
    pages.filters |= {"number": format_number, "size": format_bytes, "value_text": format_value}
    return pages


PAGES = _environment()

"""The file of `--report`: checked before the export, so that nothing of value is replaced and the report can follow."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gptool import system
from gptool.errors import ParameterError, translate_os_errors
from gptool.output.staging import created_folder
from gptool.system.store_url import hide_secrets, is_store_url

if TYPE_CHECKING:
    from gptool.jobs.job import Job

OPTION, SUFFIX = "--report", ".json"

REPORT_START, MAX_START = re.compile(rb'\s*\{\s*"jobId":'), 100
"""How reports begin, and the bytes of a file in which that is looked for."""


def prepare_report(report: str, cache: str, output: str) -> Path:
    """Return the absolute path of a report, in a folder that exists and takes files.

    Raises
    ------
    ParameterError
        If the name does not end in .json, is that of a folder or another file than a report, or lies in the cache or
        in the result.
    OutputError
        If its folder cannot be created or takes no files.
    """
    path = Path(report).absolute()
    if path.suffix.lower() != SUFFIX or path.is_dir():
        what = "is a folder" if path.is_dir() else "is not the name of a report"
        raise ParameterError(what, where=OPTION, found=report, expected=f"a name that ends in {SUFFIX}")
    place = system.real_path(path)
    for name, location in (("CACHE", cache), ("OUTPUT", output)):
        if is_store_url(location):
            continue
        folder = system.real_path(Path(location))
        folder = folder.parent if folder.name.lower() == "conf.xml" else folder
        if place == folder or folder in place.parents:
            raise ParameterError(f"lies in {name}", where=OPTION, found=report, expected="a file beside it")
    if path.exists() and not _is_report(path):
        raise ParameterError(
            "is another file than a report", where=OPTION, found=report, expected="a new name, or a report to replace"
        )
    with created_folder(path.parent), translate_os_errors(path), tempfile.TemporaryFile(dir=path.parent):
        pass
    return path


def write_failure_report(path: Path, cache: str, output: str, job: Job) -> None:
    """Write the report of a job without a result, with the paths of cache and output, which its parameters lack."""
    paths = {
        name: hide_secrets(location) if is_store_url(location) else str(Path(location).absolute())
        for name, location in (("cache", cache), ("output", output))
    }
    try:
        path.write_text(json.dumps({**(job.report or {}), **paths}, indent=2, default=str), encoding="utf-8")
    except OSError as error:
        click.echo(f"Warning: {path}: the report cannot be written: {error.strerror or error}", err=True)


def _is_report(path: Path) -> bool:
    """Return True if a file seems to be a report, which a new one may replace: an area may be JSON, too."""
    with translate_os_errors(path), path.open("rb") as file:
        return REPORT_START.match(file.read(MAX_START)) is not None

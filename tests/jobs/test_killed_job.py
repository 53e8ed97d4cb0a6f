"""Jobs whose process is killed, and that are gone on with under the same id."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gptool import export_tiles_job
from gptool.jobs.status import JobStatus
from helpers.checks import check_nothing_left

JOB = "j" + "5" * 32
SENT = {"tilePackage": "true", "optimizeTilesForSize": "true", "compressionQuality": "50"}
PROGRAM = """
import json, os, signal, sys
import gptool.tool

def kill(*_arguments):
    os.kill(os.getpid(), signal.SIGKILL)

gptool.tool.write_report = kill
sent, cache, output, job_id = sys.argv[1:]
gptool.tool.export_tiles_job(json.loads(sent), cache=cache, output_directory=output, job_id=job_id)
"""


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files of a job, by relative path, without its report."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "report.json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.posix("processes that are killed")
@pytest.mark.parametrize(
    ("sent", "name"), [(SENT, "world.tpkx"), ({**SENT, "maxPartTiles": "40"}, "world")], ids=["package", "parts"]
)
def test_job_that_is_killed_before_its_report_is_written(
    cache: Path, tmp_path: Path, sent: dict[str, str], name: str
) -> None:
    """The result is not written again; it is that of a job that was not killed."""
    command = [sys.executable, "-P", "-c", PROGRAM, json.dumps(sent), str(cache), str(tmp_path / "killed"), JOB]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    options: dict[str, Any] = {"cache": cache, "job_id": JOB}
    job = export_tiles_job(sent, output_directory=tmp_path / "killed", **options)
    whole = export_tiles_job(sent, output_directory=tmp_path / "whole", **options)
    assert job.status is JobStatus.SUCCEEDED
    text = "An earlier run of this export had put the result in its place: nothing was left to do"
    assert text in [message.description for message in job.messages]
    for folder in ("killed", "whole"):
        check_nothing_left(tmp_path / folder, JOB)
        check_nothing_left(tmp_path / folder / JOB, "report.json", name)
    assert contents(tmp_path / "killed" / JOB) == contents(tmp_path / "whole" / JOB)
    assert job.report
    assert whole.report
    assert job.report["resumed"]["tiles"] == whole.report["written"]["tiles"]
    changed = ("messages", "resumed")
    assert {k: v for k, v in job.report.items() if k not in changed} == {
        k: v for k, v in whole.report.items() if k not in changed
    }


@pytest.mark.posix("processes that are killed")
def test_other_job_of_the_same_id_gets_nothing_of_it(cache: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-c", PROGRAM, json.dumps(SENT), str(cache), str(tmp_path), JOB]
    subprocess.run(command, check=False)
    job = export_tiles_job({"tilePackage": "false"}, cache=cache, output_directory=tmp_path, job_id=JOB)
    assert job.status is JobStatus.SUCCEEDED
    check_nothing_left(tmp_path / JOB, "report.json", "world")

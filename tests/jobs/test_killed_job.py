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


@pytest.mark.posix("processes that are killed")
def test_job_that_is_killed_before_its_report_is_written(cache: Path, tmp_path: Path) -> None:
    """The package is not written again; the result is that of a job that was not killed."""
    command = [sys.executable, "-P", "-c", PROGRAM, json.dumps(SENT), str(cache), str(tmp_path / "killed"), JOB]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    options: dict[str, Any] = {"cache": cache, "job_id": JOB}
    job = export_tiles_job(SENT, output_directory=tmp_path / "killed", **options)
    whole = export_tiles_job(SENT, output_directory=tmp_path / "whole", **options)
    assert job.status is JobStatus.SUCCEEDED
    text = "An earlier run of this export had put the result in its place: nothing was left to do"
    assert text in [message.description for message in job.messages]
    for name in ("killed", "whole"):
        check_nothing_left(tmp_path / name, JOB)
        check_nothing_left(tmp_path / name / JOB, "report.json", "world.tpkx")
    packages = [(tmp_path / name / JOB / "world.tpkx").read_bytes() for name in ("killed", "whole")]
    assert packages[0] == packages[1]
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

"""Nothing more can be written: jobs can be polled and results downloaded, and the service starts.

A limit on the size of files stands for a full disk: each write that would enlarge a file fails.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from helpers.caches import HALF_WAY
from helpers.gate import Gate
from helpers.rest_client import RestClient
from helpers.service_jobs import RECOMPRESSED
from helpers.service_process import ServiceProcess

if sys.platform != "win32":
    import resource

pytestmark = pytest.mark.posix("limits of processes")

EXPORT = "services/World/ImageServer/exportTiles"
LIMIT = 4096
"""Less than a page of SQLite's log with its header, and more than the service logs until it is ready."""


@contextmanager
def small_files() -> Iterator[None]:
    """Programs that are started meanwhile cannot enlarge a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def age(output: Path) -> None:
    """Let the last access to all jobs be two minutes ago, so that the next one is to be recorded."""
    with closing(sqlite3.connect(output / "jobs.sqlite")) as connection, connection:
        connection.execute("UPDATE jobs SET accessed = accessed - 120")


def restarted(tmp_path: Path, cache: Path) -> ServiceProcess:
    with small_files():
        return ServiceProcess(tmp_path, f"World={cache}")


def test_polling_and_downloading_after_a_restart(cache: Path, tmp_path: Path) -> None:
    with ServiceProcess(tmp_path, f"World={cache}") as service:
        job, value = RestClient(service.address).run(EXPORT, tilePackage="true", levels="0-1")
        assert value["jobStatus"] == "esriJobSucceeded"
        age(service.output)
        service.kill()
    with restarted(tmp_path, cache) as service:
        client = RestClient(service.address)
        for _ in range(3):
            assert client.json(job) == value
        folder = client.result(job)
        [file] = client.json(folder.removeprefix(f"http://{service.address}"))["files"]
        assert len(client.get(file["url"]).body) == file["size"]
        refused = client.post(EXPORT, f="json", levels="0").error()
        assert refused["code"] == 507
        assert "cannot be stored" in service.log()


def test_interrupted_job_does_not_prevent_the_start(cache: Path, tmp_path: Path, gate: Gate) -> None:
    with gate.closed(after=HALF_WAY), ServiceProcess(tmp_path, f"World={cache}") as service:
        client = RestClient(service.address)
        job = f"{EXPORT}/jobs/{client.post(EXPORT, f='json', **RECOMPRESSED).json()['jobId']}"
        gate.wait()
        service.kill()
    with restarted(tmp_path, cache) as service:
        assert RestClient(service.address).json(job)["jobStatus"] == "esriJobExecuting"
        assert "its recovery cannot be stored" in service.log()
        service.kill()
    with ServiceProcess(tmp_path, f"World={cache}") as service:
        assert RestClient(service.address).wait(job)["jobStatus"] == "esriJobSucceeded"

"""The program `gptool serve`: killed during an export and started again, stopped, and jobs cancelled."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gptool import export_tiles, open_cache
from helpers.caches import HALF_WAY
from helpers.command_line import GPTOOL
from helpers.gate import Gate
from helpers.rest_client import RestClient
from helpers.service_jobs import RECOMPRESSED
from helpers.service_process import ServiceProcess
from helpers.waiting import TIMEOUT, wait_until

EXPORT = "services/World/ImageServer/exportTiles"
KILLS = int(os.environ.get("GPTOOL_KILLS", "3"))
KILLED_WITHIN = 0.6
"""Seconds after which an export of the small cache has usually ended."""

KEPT = {"jobs.sqlite", "jobs.sqlite-shm", "jobs.sqlite-wal", "service.lock", "work", "results"}


def until_tiles_are_exported(client: RestClient, job: str) -> dict[str, Any]:
    """Wait until some tiles of a job are exported. Return its JSON."""

    def get() -> dict[str, Any] | None:
        value = client.json(job)
        assert value["jobStatus"] in ("esriJobSubmitted", "esriJobExecuting"), value
        return value if value.get("progress", {}).get("percent") else None

    value = wait_until(get, lambda: client.json(job))
    assert value
    return value


def test_result_after_a_kill_is_the_same(cache: Path, tmp_path: Path, gate: Gate) -> None:
    with gate.closed(after=HALF_WAY), ServiceProcess(tmp_path, f"World={cache}", "--jobs", 1) as service:
        client = RestClient(service.address)
        ids = [client.post(EXPORT, f="json", **RECOMPRESSED).json()["jobId"] for _ in range(2)]
        before = until_tiles_are_exported(client, f"{EXPORT}/jobs/{ids[0]}")
        service.kill()
    assert any((tmp_path / "output" / "work").rglob("*"))

    with ServiceProcess(tmp_path, f"World={cache}") as service:
        client = RestClient(service.address)
        killed, waiting = (client.wait(f"{EXPORT}/jobs/{job_id}") for job_id in ids)
        assert (killed["jobStatus"], waiting["jobStatus"]) == ("esriJobSucceeded", "esriJobSucceeded")
        texts = [message["description"] for message in killed["messages"]]
        assert texts[: len(before["messages"])] == [message["description"] for message in before["messages"]]
        restarted = "The service ended while the job was executing: the job is started again."
        assert texts.count(restarted) == 1
        assert restarted not in [message["description"] for message in waiting["messages"]]

        export_tiles(replace(open_cache(cache), name="World"), tmp_path / "World.tpkx", compression_quality=50)
        uninterrupted = (tmp_path / "World.tpkx").read_bytes()
        for job_id in ids:
            folder = client.result(f"{EXPORT}/jobs/{job_id}")
            assert client.get(f"{folder}/World.tpkx").body == uninterrupted

    output = tmp_path / "output"
    assert {path.name for path in output.iterdir()} <= KEPT
    assert list((output / "work").iterdir()) == []
    assert {path.relative_to(output / "results").as_posix() for path in (output / "results").rglob("*")} == {
        part for job_id in ids for part in (job_id, f"{job_id}/World.tpkx", f"{job_id}/report.json")
    }


def test_jobs_of_a_service_that_is_killed_at_random_moments(cache: Path, tmp_path: Path) -> None:
    """Each result is the same as that of an undisturbed export; nothing else stays behind."""
    export_tiles(replace(open_cache(cache), name="World"), tmp_path / "World.tpkx", compression_quality=50)
    undisturbed = (tmp_path / "World.tpkx").read_bytes()
    moments, ids = random.Random(KILLS), []
    for _ in range(KILLS):
        with ServiceProcess(tmp_path, f"World={cache}", "--jobs", 1) as service:
            client = RestClient(service.address)
            check_results(client, ids[-2:], undisturbed)
            ids += [client.post(EXPORT, f="json", **RECOMPRESSED).json()["jobId"] for _ in range(2)]
            time.sleep(moments.uniform(0, KILLED_WITHIN))
            service.kill()
    with ServiceProcess(tmp_path, f"World={cache}") as service:
        check_results(RestClient(service.address), ids, undisturbed)
    output = tmp_path / "output"
    assert list((output / "work").iterdir()) == []
    assert {path.name for path in (output / "results").iterdir()} == set(ids)


def check_results(client: RestClient, ids: list[str], package: bytes) -> None:
    for job_id in ids:
        job = client.wait(f"{EXPORT}/jobs/{job_id}")
        assert job["jobStatus"] == "esriJobSucceeded", job
        folder = client.result(f"{EXPORT}/jobs/{job_id}")
        assert client.get(f"{folder}/World.tpkx").body == package


@pytest.mark.posix("SIGTERM and /proc")
def test_service_stops_while_it_waits_for_the_lock(cache: Path, tmp_path: Path) -> None:
    with ServiceProcess(tmp_path, f"World={cache}"):
        waiting = subprocess.Popen(
            [*GPTOOL, "serve", f"World={cache}", "--port", "0", "--output-directory", tmp_path / "output"],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
        )
        with waiting:
            until_it_waits_for_the_lock(waiting.pid)
            waiting.terminate()
            _, errors = waiting.communicate(timeout=TIMEOUT)
            assert (waiting.returncode, errors) == (0, b"")


def until_it_waits_for_the_lock(process: int) -> None:
    """Wait until a process has opened the lock file; its signal handlers are set by then."""
    wait_until(lambda: any(name.endswith("service.lock") for name in open_files(process)))


def open_files(process: int) -> Iterator[str]:
    for path in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # the file was closed meanwhile
            yield str(path.readlink())


def test_cancelled_job_leaves_no_files_though_its_work_does_not_end(cache: Path, tmp_path: Path, gate: Gate) -> None:
    with gate.closed(after=HALF_WAY), ServiceProcess(tmp_path, f"World={cache}") as service:
        client = RestClient(service.address)
        job = f"{EXPORT}/jobs/{client.post(EXPORT, f='json', **RECOMPRESSED).json()['jobId']}"
        until_tiles_are_exported(client, job)
        assert client.post(f"{job}/cancel", f="json").json()["jobStatus"] == "esriJobCancelling"
        assert client.wait(job)["jobStatus"] == "esriJobCancelled"
        assert [path for path in (tmp_path / "output").rglob("*") if path.name not in KEPT] == []

"""Jobs of a service whose tiles a Dask cluster exports."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from helpers.command_line import GPTOOL
from helpers.dask_processes import DaskProcesses
from helpers.rest_client import RestClient
from helpers.service_jobs import RECOMPRESSED
from helpers.service_process import ServiceProcess
from helpers.waiting import TIMEOUT

EXPORT = "services/World/ImageServer/exportTiles"

pytestmark = pytest.mark.posix("Dask's processes")


def run_job(folder: Path, cache: Path, *options: str) -> dict[str, object]:
    folder.mkdir()
    with ServiceProcess(folder, f"World={cache}", *options) as service:
        client = RestClient(service.address)
        job = client.post(EXPORT, f="json", **RECOMPRESSED).json()["jobId"]
        return client.wait(f"{EXPORT}/jobs/{job}")


def test_result_is_that_of_the_service_alone(cache: Path, tmp_path: Path) -> None:
    with DaskProcesses(tmp_path / "dask", 2) as cluster:
        found = run_job(tmp_path / "cluster", cache, "--dask", cluster.address)
        log = cluster.log()
    assert found["jobStatus"] == "esriJobSucceeded", (found, log)
    assert "Receive client connection" in log
    expected = run_job(tmp_path / "alone", cache)
    assert expected["jobStatus"] == "esriJobSucceeded"
    results = [next((tmp_path / name / "output" / "results").rglob("World.tpkx")) for name in ("cluster", "alone")]
    assert results[0].read_bytes() == results[1].read_bytes()


def test_invalid_address_is_found_at_the_start(cache: Path, tmp_path: Path) -> None:
    command = [*GPTOOL, "serve", f"World={cache}", "--dask", "nonsense://x"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert found.returncode == 2
    assert found.stderr.startswith("Error: --dask: is no address; found nonsense://x, expected an address as in tcp")

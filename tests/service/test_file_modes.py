"""Modes of files and folders: only the service's own account can read jobs and results."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.rest_client import RestClient
from helpers.service_process import ServiceProcess


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A umask that removes no permission: the modes are those that the service sets."""
    old = os.umask(0)
    yield
    os.umask(old)


def modes(output: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in output.iterdir()}


@pytest.mark.posix("modes of files")
@pytest.mark.usefixtures("open_umask")
@pytest.mark.parametrize("existing", [False, True])
def test_database_work_and_results_are_private(existing: bool, cache: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    if existing:  # as version 0.1.0 created them
        for folder in ("work", "results"):
            (output / folder).mkdir(parents=True)
        (output / "jobs.sqlite").touch()
    with ServiceProcess(tmp_path, f"World={cache}") as service:
        _, job = RestClient(service.address).run("services/World/ImageServer/exportTiles", levels="0")
        assert job["jobStatus"] == "esriJobSucceeded"
        found = modes(output)
        assert {found.pop("work"), found.pop("results")} == {0o700}
        assert set(found) >= {"jobs.sqlite", "jobs.sqlite-wal", "service.lock"}
        assert set(found.values()) == {0o600}

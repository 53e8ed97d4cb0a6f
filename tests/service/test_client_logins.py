"""ArcGIS's clients log in with name and password."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gptool.service.users import add_user
from helpers.recordings import FOLDER
from helpers.service_process import ServiceProcess
from helpers.waiting import TIMEOUT

LOGIN = {"username": "anna", "password": "correct horse battery"}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("logins")
    add_user(folder / "users", LOGIN["username"], LOGIN["password"])
    with ServiceProcess(folder, f"World={cache}", "--user-file", folder / "users") as running:
        yield running
        assert LOGIN["password"] not in running.log()


@pytest.mark.parametrize("program", ["arcgis_login.py", "rest_js_login.mjs"])
def test_client_logs_in_and_runs_a_job(clients: Path, secured: ServiceProcess, program: str) -> None:
    if program.endswith(".py"):
        interpreter: list[object] = [clients / "bin" / "python", "-I"]
    else:
        node = shutil.which("node")
        if not node or not (clients / "node_modules").is_dir():
            pytest.skip("@esri/arcgis-rest-request is not installed in the environment of the clients")
        interpreter = [node]
    command = [*map(str, interpreter), str(FOLDER.parent / program), secured.url]
    done = subprocess.run(
        command, input=json.dumps(LOGIN), capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["totalTilesToExport"] > 0

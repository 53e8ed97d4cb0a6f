"""Programs for node.js with the clients of others, which tests/clients/make_environment installs."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from helpers.waiting import wait_until

CLIENTS = Path(__file__).parents[1] / "clients"
MODULES = CLIENTS / "environment" / "node_modules"


def find_node(package: str) -> str:
    """Return the path of node.js. The test is skipped without it or the package."""
    node = shutil.which("node")
    if node is None or not (MODULES / package).is_dir():
        pytest.skip(f"{package} is not installed (tests/clients/make_environment)")
    return node


def run_client(program: str, package: str, *arguments: object) -> dict[str, Any]:
    """Run a program of tests/clients and return the JSON that it prints. The test is skipped without its package."""
    command = [find_node(package), str(CLIENTS / program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextmanager
def tile_server(folder: Path, name: str) -> Iterator[str]:
    """Serve a file by tileserver-gl and yield the server's address. The test is skipped without it."""
    node, config = find_node("tileserver-gl-light"), folder / "tileserver.json"
    options = {"paths": {"root": str(folder), "mbtiles": ".", "pmtiles": "."}}
    source = {Path(name).suffix[1:]: name}
    config.write_text(json.dumps({"options": options, "data": {Path(name).stem: source}}))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [node, str(MODULES / "tileserver-gl-light/src/main.js"), "--config", str(config), "--bind", "127.0.0.1"]
    log = folder / "tileserver.log"
    with (
        log.open("wb") as output,
        subprocess.Popen([*command, "-p", str(port)], stdout=output, stderr=output) as server,
    ):
        try:
            wait_until(lambda: b"Startup complete" in log.read_bytes() or server.poll() is not None)
            assert server.poll() is None, log.read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()

"""Check `gptool serve` on Windows from here: serve_check.py ENVIRONMENT CACHE FOLDER.

Starts the service under Wine and submits exports over HTTP. The package is that of an export on Linux, a job can be
cancelled, all processes end when the service is killed, the interrupted job is executed again when the service is
started again, and Ctrl-Break stops the service.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gptool

PYTHON = Path(__file__).parent / "python"
SERVE = "from gptool.cli import main; main()"
MARK = "GPTOOL_SERVE_CHECK"
SECONDS = 60.0

BREAK = """
import signal, sys, threading, time, urllib.request
from gptool.cli import main

def stop():
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[3]}/arcgis/rest/info?f=json").close()
            break
        except OSError:
            time.sleep(0.05)
    signal.raise_signal(signal.SIGBREAK)

threading.Thread(target=stop).start()
try:
    main()
except SystemExit as error:
    print("exit status", error.code)
"""
"""Without a console, Wine cannot send Ctrl-Break, so the service raises its signal itself."""


class Service:
    """A service under Wine.

    Attributes
    ----------
    url : str
        The address of the image service.
    """

    def __init__(self, environment: str, *arguments: str) -> None:
        self._mark = uuid.uuid4().hex
        command = [str(PYTHON), environment, "-P", "-c", SERVE, "serve", "--port", "0", *arguments]
        variables = {**os.environ, MARK: self._mark}
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=variables
        )
        assert self._process.stdout
        line = next(line for line in self._process.stdout if " is ready" in line)
        self.url = f"{line.split()[0]}/World/ImageServer"

    def request(self, path: str, **values: str) -> Any:
        """Send values and return the answer's JSON."""
        data = urllib.parse.urlencode({"f": "json", **values}).encode()
        with urllib.request.urlopen(f"{self.url}/{path}", data, timeout=SECONDS) as answer:
            return json.load(answer)

    def wait(self, job: str, *statuses: str) -> str:
        """Wait until a job has one of the statuses and return it."""
        deadline = time.monotonic() + SECONDS
        while (status := str(self.request(f"jobs/{job}")["jobStatus"])) not in statuses:
            assert time.monotonic() < deadline, status
            time.sleep(0.05)
        return status

    def processes(self) -> list[int]:
        """Return the processes of Windows Python that belong to this service: its own and its workers."""
        return [int(path.name) for path in Path("/proc").glob("[0-9]*") if self._owns(path)]

    def kill(self) -> None:
        """Kill the process of the service, not those of its workers, and wait until all have ended."""
        [service] = [pid for pid in self.processes() if b"worker" not in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(service, signal.SIGKILL)
        deadline = time.monotonic() + SECONDS
        while self.processes():
            assert time.monotonic() < deadline, "workers are left"
            time.sleep(0.05)
        self._process.wait()

    def _owns(self, process: Path) -> bool:
        try:
            return (
                f"{MARK}={self._mark}".encode() in (process / "environ").read_bytes()
                and b"python.exe" in (process / "cmdline").read_bytes().split(b"\0")[0]
            )
        except OSError:  # it has ended
            return False


@contextmanager
def running(environment: str, *arguments: str) -> Iterator[Service]:
    """Run a service, and kill it in the end."""
    service = Service(environment, *arguments)
    try:
        yield service
    finally:
        if service.processes():
            service.kill()


def package(service: Service, job: str) -> bytes:
    """Return the package of a job that has succeeded."""
    listing = service.request(f"jobs/{job}/results/out_service_url")["value"]
    with urllib.request.urlopen(f"{listing}?f=json", timeout=SECONDS) as answer:
        [file] = json.load(answer)["files"]
    with urllib.request.urlopen(file["url"], timeout=SECONDS) as answer:
        content: bytes = answer.read()
    return content


def free_port() -> int:
    """Return a port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def main(environment: str, cache: str, folder: Path) -> None:
    """Check the service."""
    world = folder / "World"  # packages state the name of the cache
    world.symlink_to(cache)
    arguments = (f"World={world}", "--output-directory", str(folder / "output"))
    values = {"tilePackage": "true", "optimizeTilesForSize": "true", "compressionQuality": "50"}
    expected = gptool.export_tiles(world, folder / "World.tpkx", compression_quality=50).path.read_bytes()
    with running(environment, *arguments) as service:
        job = service.request("exportTiles", **values)["jobId"]
        service.wait(job, "esriJobSucceeded")
        assert hashlib.sha256(package(service, job)).digest() == hashlib.sha256(expected).digest()
        cancelled = service.request("exportTiles", **values)["jobId"]
        service.request(f"jobs/{cancelled}/cancel")
        service.wait(cancelled, "esriJobCancelled")
        interrupted = service.request("exportTiles", **values)["jobId"]
        service.wait(interrupted, "esriJobExecuting", "esriJobSucceeded")
        service.kill()
    with running(environment, *arguments) as service:
        service.wait(interrupted, "esriJobSucceeded")
        assert package(service, interrupted) == package(service, job) == expected
    command = [str(PYTHON), environment, "-P", "-c", BREAK, "serve", "--port", str(free_port()), *arguments]
    stopped = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "exit status 0" in stopped, stopped
    print("service: package identical, cancelled, restarted after a kill, workers ended, stopped by Ctrl-Break")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))

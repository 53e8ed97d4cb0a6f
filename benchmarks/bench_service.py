"""The service's answers per second, and their times, beside an ASGI application without content and MapProxy.

The load comes from another process. With two processors, one is the server's and the other the load's.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import product
from pathlib import Path
from random import Random
from statistics import median
from typing import NamedTuple

import pytest
from http_servers import constant_server, has_mapproxy, mapproxy_server
from inputs import Pixels, encode_different, make_rectangle
from tables import Tables

from helpers.rest_client import RestClient
from helpers.service_process import ServiceProcess

LEVEL, PLACES = 9, range(100, 168)
"""The level, and its rows and columns: tiles in four bundles."""

DIFFERENT_TILES = 1024
CONNECTIONS = 1, 16, 64
ROUNDS, SECONDS = 5, 0.7

LOAD = Path(__file__).with_name("http_load.py")
SERVICE = "/arcgis/rest/services/relief/ImageServer"

CONSTANT, MAPPROXY = "constant answer", "MapProxy, tile"
TILE, POLL, DESCRIPTION = "gptool, tile", "gptool, poll of a job", "gptool, service JSON"
GOAL = ">= 0.5, >= 1.2"


class Target(NamedTuple):
    """A server's port, and the paths that are requested in turn."""

    port: int
    paths: list[str]

    def load(self, connections: int, seconds: float) -> dict[str, float]:
        """Return the figures of `http_load`."""
        command = [sys.executable, "-P", LOAD, str(self.port), str(connections), str(seconds)]
        done = subprocess.run(command, input=json.dumps(self.paths), check=True, capture_output=True, text=True)
        found: dict[str, float] = json.loads(done.stdout)
        return found

    def read(self, path: str) -> bytes:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port)) as connection:
            connection.request("GET", path)
            return connection.getresponse().read()


@pytest.fixture(scope="module")
def targets(world: Pixels, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Target]]:
    """The servers, which all run at the same time; only one has requests."""
    folder = tmp_path_factory.mktemp("service")
    for name in ("gptool", "constant", "mapproxy"):
        (folder / name).mkdir()
    tiles = encode_different(world, DIFFERENT_TILES)
    cache = make_rectangle(folder / "relief", LEVEL, PLACES, PLACES, tiles)
    places = list(product(PLACES, PLACES))
    Random(3).shuffle(places)
    with ExitStack() as stack:
        service = stack.enter_context(ServiceProcess(folder / "gptool", f"relief={cache}"))
        port = int(service.address.partition(":")[2])
        size = sum(map(len, tiles)) // len(tiles)
        constant = stack.enter_context(constant_server(size, cache, folder / "constant"))
        found = {
            CONSTANT: Target(constant, ["/constant"]),
            TILE: Target(port, [f"{SERVICE}/tile/{LEVEL}/{row}/{column}" for row, column in places]),
            POLL: Target(port, [f"{estimate(service)}?f=json"]),
            DESCRIPTION: Target(port, [f"{SERVICE}?f=json"]),
        }
        if has_mapproxy():
            mapproxy = stack.enter_context(mapproxy_server(cache, folder / "mapproxy"))
            paths = [f"/tiles/cache/grid/{LEVEL}/{column}/{row}.jpeg?origin=nw" for row, column in places]
            found[MAPPROXY] = Target(mapproxy, paths)
            check_tiles(found[TILE], found[MAPPROXY])
        yield found


def estimate(service: ServiceProcess) -> str:
    """Estimate an export, and return the path of the job, which has ended."""
    client = RestClient(service.address)
    job = client.json(f"{SERVICE}/estimateExportTilesSize", levels=str(LEVEL))["jobId"]
    path = f"{SERVICE}/jobs/{job}"
    client.wait(path)
    return path


def check_tiles(gptool: Target, mapproxy: Target) -> None:
    for ours, theirs in list(zip(gptool.paths, mapproxy.paths, strict=True))[:20]:
        assert gptool.read(ours) == mapproxy.read(theirs)


@pytest.mark.parametrize("connections", CONNECTIONS)
def bench_service(targets: dict[str, Target], connections: int, once: bool, tables: Tables) -> None:
    """Load the servers one after the other, in rounds, so that other load of the machine affects all."""
    seconds, count = (0.1, 1) if once else (SECONDS, ROUNDS)
    rounds = [{name: target.load(connections, seconds) for name, target in targets.items()} for _ in range(count)]
    if once:
        return
    for name in targets:
        tables.add("the service, one process each; load from another process", _line(rounds, name, connections))


def _line(rounds: list[dict[str, dict[str, float]]], name: str, connections: int) -> dict[str, str]:
    def ratio(other: str) -> str:
        return f"{median(each[name]['rate'] / each[other]['rate'] for each in rounds):.2f}"

    return {
        "answer": name,
        "connections": str(connections),
        "answers/s": f"{median(each[name]['rate'] for each in rounds):,.0f}",
        "median, ms": f"{median(each[name]['p50'] for each in rounds):.2f}",
        "99th percentile, ms": f"{median(each[name]['p99'] for each in rounds):.2f}",
        "x constant": ratio(CONSTANT),
        "x MapProxy": ratio(MAPPROXY) if name == TILE and MAPPROXY in rounds[0] else "",
        "goals": GOAL if name == TILE else "",
    }

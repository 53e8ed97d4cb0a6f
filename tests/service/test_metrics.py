"""Metrics: what Prometheus reads, from where, and that several processes count together."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gptool.service.tokens import add_token
from helpers.rest_client import RestClient
from helpers.reverse_proxy import free_port
from helpers.service_process import ServiceProcess
from helpers.waiting import wait_until

parser = pytest.importorskip("prometheus_client.parser", reason="prometheus-client is not installed")

WORLD = "services/World/ImageServer"
FORMAT = "text/plain; version=0.0.4; charset=utf-8"
LABELS = {"status", "operation", "le"}
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Measured(NamedTuple):
    """Clients of a service, and of its metrics."""

    service: ServiceProcess
    client: RestClient
    metrics: RestClient


@pytest.fixture
def measured(tmp_path: Path, cache: Path) -> Iterator[Measured]:
    token, port = add_token(tmp_path / "tokens", "crew"), free_port()
    arguments = ("--token-file", "tokens", "--metrics-port", port)
    with ServiceProcess(tmp_path, f"World={cache}", *arguments) as service:
        client = RestClient(service.address, Authorization=f"Bearer {token}")
        yield Measured(service, client, RestClient(f"127.0.0.1:{port}"))


def read(metrics: RestClient) -> Samples:
    """Return the values of all samples by their names and labels."""
    reply = metrics.ask("GET", "/metrics")
    assert reply.status == 200
    assert reply.headers["content-type"] == FORMAT
    families = parser.text_string_to_metric_families(reply.body.decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((f"gptool_{name}", frozenset(labels.items())), 0.0)


def test_requests_and_tiles_are_counted(measured: Measured) -> None:
    before = read(measured.metrics)
    size = 0
    for path, status in (("services", 200), (f"{WORLD}/tile/0/0/0", 200), (f"{WORLD}/tile/1/1/1", 200)):
        reply = measured.client.get(path, f="json") if path == "services" else measured.client.get(path)
        assert reply.status == status
        size += len(reply.body)
    reply = measured.client.get(f"{WORLD}/tile/0/9/9")
    assert reply.status == 404
    size += len(reply.body)

    def counted() -> bool:
        return value(read(measured.metrics), "requests_total", status="4xx") == 1

    wait_until(counted)
    after = read(measured.metrics)
    assert value(after, "requests_total", status="2xx") - value(before, "requests_total", status="2xx") == 3
    assert value(after, "response_bytes_total") - value(before, "response_bytes_total") == size
    assert value(after, "tile_seconds_count") == 3
    assert value(after, "tile_seconds_bucket", le="+Inf") == 3
    assert value(after, "tile_seconds_sum") > 0


def test_jobs_queues_storage_and_workers_are_stated(measured: Measured) -> None:
    job, ended = measured.client.run(f"{WORLD}/exportTiles", levels="0-2", tilePackage="true")
    assert ended["jobStatus"] == "esriJobSucceeded"
    measured.client.run(f"{WORLD}/estimateExportTilesSize", levels="77")
    samples = read(measured.metrics)
    assert value(samples, "jobs", operation="ExportTiles", status="succeeded") == 1
    assert value(samples, "jobs", operation="EstimateExportTilesSize", status="failed") == 1
    assert ("gptool_jobs", frozenset({("operation", "ExportTiles"), ("status", "executing")})) in samples
    listing = measured.client.json(measured.client.result(job))
    package = sum(file["size"] for file in listing["files"])
    assert package <= value(samples, "results_bytes") == value(samples, "written_bytes_total")
    for name in ("waiting", "executing"):
        assert value(samples, name, operation="ExportTiles") == 0
        assert (f"gptool_{name}", frozenset({("operation", "ExportTiles")})) in samples
    assert value(samples, "worker_processes", operation="ExportTiles") == 1
    assert value(samples, "database_bytes") > 0
    assert value(samples, "disk_free_bytes") > 0


def test_labels_do_not_depend_on_requests(measured: Measured) -> None:
    for path in ("services/Unknown/ImageServer", "nothing", "services/World/ImageServer/tile/a/b/c"):
        measured.client.get(path, f="json", secret="mark")
    reply = measured.metrics.ask("GET", "/metrics").body.decode()
    assert not {"mark", "Unknown", "nothing", "World", "crew"} & set(reply.replace("/", " ").split())
    assert {name for _, labels in read(measured.metrics) for name, _ in labels} <= LABELS


def test_metrics_have_a_port_of_their_own(measured: Measured) -> None:
    assert measured.client.ask("GET", "/metrics").status == 404
    assert measured.metrics.ask("GET", "/").status == 404
    assert measured.metrics.ask("GET", measured.client.path("services") + "?f=json").status == 404
    assert measured.metrics.ask("POST", "/metrics", b"").status == 405
    assert measured.metrics.ask("GET", "/metrics", Host="evil.example").status == 421


def test_http_processes_count_together_and_share_the_access_log(tmp_path: Path, cache: Path) -> None:
    port = free_port()
    arguments = ("--http-workers", 3, "--metrics-port", port, "--access-log", "access.log")
    with ServiceProcess(tmp_path, f"World={cache}", *arguments) as service:
        client, metrics = RestClient(service.address), RestClient(f"127.0.0.1:{port}")
        for _ in range(100):
            assert client.get(f"{WORLD}/tile/0/0/0").status == 200
        wait_until(lambda: value(read(metrics), "tile_seconds_count") == 100, lambda: read(metrics))
        log = tmp_path / "access.log"
        wait_until(lambda: len(log.read_text().splitlines()) == 100, log.read_text)


def test_processes_count_together(tmp_path: Path) -> None:
    code = (
        "from gptool.service.metrics import RequestMetrics;from gptool.service.observation import AnsweredRequest;"
        "count = RequestMetrics();"
        "[count(AnsweredRequest('', '', 'GET', '/World/ImageServer/tile/0/0/0', 200, 10, 0.02)) for _ in range(5)]"
    )
    reader = (
        "import os;from prometheus_client import CollectorRegistry, generate_latest, multiprocess;"
        "registry = CollectorRegistry(); multiprocess.MultiProcessCollector(registry);"
        "print(generate_latest(registry).decode())"
    )
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for _ in range(3):
        subprocess.run([sys.executable, "-P", "-c", code], env=environment, check=True)
    text = subprocess.run(
        [sys.executable, "-P", "-c", reader], env=environment, check=True, capture_output=True, text=True
    ).stdout
    assert 'gptool_requests_total{status="2xx"} 15.0' in text
    assert "gptool_response_bytes_total 150.0" in text
    assert 'gptool_tile_seconds_bucket{le="0.01"} 0.0' in text
    assert 'gptool_tile_seconds_bucket{le="0.025"} 15.0' in text


def test_there_are_no_metrics_by_default(rest_service: ServiceProcess) -> None:
    assert RestClient(rest_service.address).ask("GET", "/metrics").status == 404

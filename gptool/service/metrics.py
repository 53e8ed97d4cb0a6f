"""Metrics for Prometheus, on a port of their own that only this machine can reach.

The library `prometheus_client` writes the numbers of requests to files of a folder, by process, and sums them, so that
several processes count together. The environment variable that names the folder must be set before the library is
imported: nothing imports this module unless metrics are enabled.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gptool.jobs.record import ESTIMATE_SIZE, EXPORT_TILES, SAMPLE_COMPRESSIONS
from gptool.jobs.status import JobStatus
from gptool.service.observation import AnsweredRequest
from gptool.service.queue.queue import JobQueue
from gptool.service.queue.statistics import QueueStatistics
from gptool.service.queue.store import FILE
from gptool.service.settings import ServiceSettings

TILE_PATH = re.compile(r"/(?:Image|Map)Server/tile/[^/]+/[^/]+/[^/]+/?$", re.IGNORECASE)
TILE_BUCKETS = 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0
"""Bounds of the histogram of tiles, seconds."""

FORMAT = "text/plain; version=0.0.4; charset=utf-8"
LOCK_SECONDS = 1.0
STATUS_PREFIX = "esriJob"


class RequestMetrics:
    """The numbers of the requests that this process answers. It is called with each of them."""

    def __init__(self) -> None:
        self._requests = Counter("gptool_requests", "Answered requests.", ["status"], registry=None)
        self._bytes = Counter("gptool_response_bytes", "Bytes of the bodies of responses.", registry=None)
        self._tiles = Histogram(
            "gptool_tile_seconds", "Time to answer a request for a tile.", buckets=TILE_BUCKETS, registry=None
        )

    def __call__(self, request: AnsweredRequest) -> None:
        """Count a request."""
        self._requests.labels(f"{request.status // 100}xx" if request.status else "none").inc()
        self._bytes.inc(request.size)
        if TILE_PATH.search(request.path):
            self._tiles.observe(request.seconds)


class ServiceCollector(Collector):
    """The numbers of jobs, workers and storage at one moment.

    Parameters
    ----------
    folder : Path
        The output directory.
    queue : QueueStatistics
    """

    def __init__(self, folder: Path, queue: QueueStatistics) -> None:
        self._folder, self._queue = folder, queue

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        jobs = GaugeMetricFamily("gptool_jobs", "Stored jobs.", labels=["operation", "status"])
        results = GaugeMetricFamily("gptool_results_bytes", "Size of the stored results.")
        counts, size = self._stored_jobs()
        for operation in (EXPORT_TILES, ESTIMATE_SIZE, SAMPLE_COMPRESSIONS):
            for status in JobStatus:
                label = status.removeprefix(STATUS_PREFIX).lower()
                jobs.add_metric([operation, label], counts.get((operation, status), 0))
        results.add_metric([], size)
        yield from (jobs, results)
        for name, text in (
            ("waiting", "Jobs that wait."),
            ("executing", "Jobs that are executed."),
            ("worker_processes", "Running worker processes."),
        ):
            gauge = GaugeMetricFamily(f"gptool_{name}", text, labels=["operation"])
            for operation, value in getattr(self._queue, name).items():
                gauge.add_metric([operation], value)
            yield gauge
        yield CounterMetricFamily(
            "gptool_written_bytes", "Bytes of all results since the start.", self._queue.written_bytes
        )
        database = sum(path.stat().st_size for path in self._folder.glob(f"{FILE}*"))
        yield GaugeMetricFamily("gptool_database_bytes", "Size of the job database.", database)
        yield GaugeMetricFamily(
            "gptool_disk_free_bytes", "Free space of the output directory.", shutil.disk_usage(self._folder).free
        )

    def _stored_jobs(self) -> tuple[dict[tuple[str, str], int], int]:
        """Return the number of jobs by operation and status, and the size of all results."""
        query = "SELECT operation, status, count(*), sum(result_size) FROM jobs GROUP BY operation, status"
        uri = f"{(self._folder / FILE).as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, timeout=LOCK_SECONDS, uri=True)) as connection:
            rows = connection.execute(query).fetchall()
        return {(operation, status): count for operation, status, count, _ in rows}, sum(row[3] for row in rows)


def metrics_app(settings: ServiceSettings, queue: JobQueue, folder: str) -> Starlette:
    """Return the ASGI application that answers `/metrics`.

    Parameters
    ----------
    settings : ServiceSettings
    queue : JobQueue
    folder : str
        The folder of the numbers of the processes.
    """
    output = Path(settings.output_directory).absolute()

    async def respond(_: Request) -> Response:
        statistics = await queue.statistics()
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]
        registry.register(ServiceCollector(output, statistics))
        text = await asyncio.to_thread(generate_latest, registry)
        return Response(text, headers={"Content-Type": FORMAT})

    return Starlette(routes=[Route("/metrics", respond, methods=["GET"])])

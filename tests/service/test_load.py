"""Many simultaneous requests while exports are executed: all are answered."""

from __future__ import annotations

import asyncio
import json
import os
import time
from statistics import median
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from helpers.gate import Gate
from helpers.service_jobs import workers_of
from helpers.service_process import ServiceProcess
from helpers.waiting import TIMEOUT, wait_until

POLLS, ROUNDS = 200, 5
BATCHES = 1000
"""Batches of two exports that are not held: on most machines, work for two processors while the polls last."""

ALL_OF_WIDE = {"f": "json", "tilePackage": "true", "optimizeTilesForSize": "true", "compressionQuality": "50"}


def get_json(url: str, **parameters: str) -> dict[str, str]:
    with urlopen(f"{url}?{urlencode({'f': 'json', **parameters})}", timeout=TIMEOUT) as answer:
        value: dict[str, str] = json.load(answer)
    return value


def wait_while(status: str, job: str) -> str:
    """Wait until the status of a job is another one, and return that."""
    return wait_until(lambda: get_json(job)["jobStatus"].replace(status, ""), lambda: f"the job stays {status}")


async def poll(service: ServiceProcess, path: str) -> tuple[float, str]:
    """Return the time from the connection to the last byte of the response, seconds, and the status of the job."""
    start = time.monotonic()
    reader, writer = await asyncio.open_connection(*service.address.split(":"))
    writer.write(f"GET {path}?f=json HTTP/1.1\r\nHost: {service.address}\r\nConnection: close\r\n\r\n".encode())
    head, body = (await reader.read()).split(b"\r\n\r\n", 1)
    seconds = time.monotonic() - start
    writer.close()
    await writer.wait_closed()
    assert head.startswith(b"HTTP/1.1 200 "), head
    return seconds, json.loads(body)["jobStatus"]


async def poll_at_once(service: ServiceProcess, jobs: list[str]) -> list[tuple[float, str]]:
    paths = [job.removeprefix(f"http://{service.address}") for job in jobs]
    return await asyncio.gather(*(poll(service, paths[i % len(paths)]) for i in range(POLLS)))


def check_priority_of_workers(service: ServiceProcess) -> None:
    """Check the priority of workers, and their session: Linux may share processors among sessions first."""
    workers = workers_of(service.process.pid)
    assert len(workers) >= 2
    for pid in workers:
        assert os.getpriority(os.PRIO_PROCESS, pid) > os.getpriority(os.PRIO_PROCESS, service.process.pid)
        assert os.getsid(pid) == os.getsid(service.process.pid)


@pytest.mark.posix("priorities of processes in /proc")
def test_simultaneous_polls_are_answered_during_two_exports(service: ServiceProcess, service_gate: Gate) -> None:
    export = f"{service.url}/Wide/ImageServer/exportTiles"
    with service_gate.closed(after=BATCHES):
        jobs = [f"{export}/jobs/{get_json(export, **ALL_OF_WIDE)['jobId']}" for _ in range(2)]
        assert [wait_while("esriJobSubmitted", job) for job in jobs] == ["esriJobExecuting"] * 2
        answers = [answer for _ in range(ROUNDS) for answer in asyncio.run(poll_at_once(service, jobs))]
        check_priority_of_workers(service)
        for job in jobs:
            get_json(f"{job}/cancel")
        assert [wait_while("esriJobCancelling", job) for job in jobs] == ["esriJobCancelled"] * 2
    assert len(answers) == ROUNDS * POLLS
    assert {status for _, status in answers} == {"esriJobExecuting"}
    times = [seconds for seconds, _ in answers]
    print(f"{len(answers)} polls, {POLLS} at once: {median(times):.3f} s in the median, {max(times):.3f} s at most")

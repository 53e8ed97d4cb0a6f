"""Several processes that answer requests, and the queue of jobs that only the first has."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from gptool.errors import ServiceError
from gptool.jobs.record import new_job_id
from gptool.service.queue.queue import JobQueue
from gptool.service.queue.remote import METHODS, QueueClient, QueueConnection
from helpers.rest_client import RestClient
from helpers.service_jobs import serving, settings_of
from helpers.service_process import ServiceProcess
from helpers.waiting import TIMEOUT, wait_until

WORKERS = 3
TILE = "services/World/ImageServer/tile/0/0/0"


@asynccontextmanager
async def connected(queue: JobQueue) -> AsyncIterator[tuple[QueueClient, QueueConnection]]:
    """A client of a queue, and the other end of its connection, in one process."""
    ours, theirs = socket.socketpair()
    client, connection = QueueClient(theirs), QueueConnection(queue, ours)
    answering = asyncio.create_task(connection.answer_calls())
    await client.start()
    try:
        yield client, connection
    finally:
        await client.stop()
        await answering


class TestQueueClient:
    def test_jobs_are_those_of_the_queue(self, cache: Path, tmp_path: Path) -> None:
        async def run() -> None:
            async with serving(settings_of(tmp_path, cache)) as queue, connected(queue) as (client, _):
                values = {"levels": "0", "areaOfInterest": "x" * 100_000}
                jobs = await asyncio.gather(
                    *(client.submit("EstimateExportTilesSize", "World", "ImageServer", values, "me") for _ in range(5))
                )
                assert len({job.job_id for job in jobs}) == 5
                for job in jobs:
                    assert (await client.find(job.job_id)).job_id == job.job_id
                assert await client.find(new_job_id()) is None
                assert await client.result_folder(jobs[0]) == await queue.result_folder(jobs[0])

        asyncio.run(run())

    def test_errors_are_those_of_the_queue(self, cache: Path, tmp_path: Path) -> None:
        async def run() -> None:
            async with serving(settings_of(tmp_path, cache)) as queue, connected(queue) as (client, _):
                for call in (client.cancel("x"), client.submit("ExportTiles", "Nowhere", "ImageServer", {}, "")):
                    with pytest.raises(ServiceError) as caught:
                        await call
                    assert caught.value.code == 404
                with pytest.raises(ServiceError, match=r"^x: job not found or expired$"):
                    await client.cancel("x")
                with pytest.raises(RuntimeError, match="the call failed"):
                    await client.find(1)

        asyncio.run(run())

    def test_only_public_methods_can_be_called(self, cache: Path, tmp_path: Path) -> None:
        assert {"submit", "find", "cancel", "result_folder"} <= METHODS
        assert not {"start", "stop"} & METHODS
        assert not any(name.startswith("_") for name in METHODS)

    def test_calls_end_with_the_connection(self, cache: Path, tmp_path: Path) -> None:
        async def run() -> None:
            async with serving(settings_of(tmp_path, cache)) as queue:
                ours, theirs = socket.socketpair()
                client = QueueClient(theirs)
                await client.start()
                with ours:
                    call = asyncio.create_task(client.find("x"))
                    await asyncio.sleep(0)
                with pytest.raises(ServiceError, match="the service is stopping"):
                    await call
                await asyncio.wait_for(client.stopped.wait(), TIMEOUT)
                with pytest.raises(ServiceError, match="the service is stopping"):
                    await client.find("x")
                await client.stop()
                assert queue

        asyncio.run(run())

    def test_client_is_asked_to_stop_and_may_still_call(self, cache: Path, tmp_path: Path) -> None:
        async def run() -> None:
            async with serving(settings_of(tmp_path, cache)) as queue, connected(queue) as (client, connection):
                await client.find("x")
                connection.ask_to_stop()
                await asyncio.wait_for(client.stopped.wait(), TIMEOUT)
                assert await client.find("x") is None

        asyncio.run(run())


def children(process: int) -> list[int]:
    """Return the ids of the HTTP processes of a service."""
    found = []
    for thread in Path(f"/proc/{process}/task").iterdir():
        with suppress(OSError):  # it has ended meanwhile
            ids = (thread / "children").read_text().split()
            found += [int(pid) for pid in ids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return found


def is_running(process: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def several(tmp_path: Path, cache: Path) -> Iterator[ServiceProcess]:
    with ServiceProcess(tmp_path, f"World={cache}", "--http-workers", WORKERS) as running:
        wait_until(lambda: len(children(running.process.pid)) == WORKERS - 1, running.log)
        yield running


@pytest.mark.posix("/proc, and signals")
class TestProcesses:
    def test_others_answer_while_the_first_cannot(self, several: ServiceProcess) -> None:
        """Tiles do not need the first process."""
        first, client = several.process.pid, RestClient(several.address)
        os.kill(first, signal.SIGSTOP)
        try:
            for _ in range(20):
                assert client.get(TILE).status == 200
        finally:
            os.kill(first, signal.SIGCONT)

    def test_jobs_are_the_same_for_all(self, several: ServiceProcess) -> None:
        client = RestClient(several.address)
        for _ in range(5):
            job = client.json("services/World/ImageServer/estimateExportTilesSize", levels="0")["jobId"]
            path = f"services/World/ImageServer/jobs/{job}"
            client.wait(path)
            for _ in range(5):  # each time by any process
                assert client.json(path)["jobStatus"] == "esriJobSucceeded"
        assert client.get("services/World/ImageServer/jobs/x", f="json").error()["code"] == 404

    def test_process_that_dies_is_replaced(self, several: ServiceProcess) -> None:
        first, client = several.process.pid, RestClient(several.address)
        killed = children(first)[0]
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: len(found := children(first)) == WORKERS - 1 and killed not in found, several.log)
        assert client.get(TILE).status == 200
        assert "an HTTP process has ended with exit status -9; another one is started" in several.log()

    @pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGKILL"])
    def test_all_end_with_the_first(self, several: ServiceProcess, name: str) -> None:
        others = children(several.process.pid)
        if name == "SIGKILL":
            several.kill()
        else:
            several.process.send_signal(signal.Signals[name])
            assert several.process.wait(TIMEOUT) == 0
        wait_until(lambda: not any(map(is_running, others)), several.log)
        if name != "SIGKILL":  # which may hit processes that are still starting
            assert "Traceback" not in several.log()
        several.kill()
        with pytest.raises(ConnectionRefusedError):
            RestClient(several.address).get(TILE)

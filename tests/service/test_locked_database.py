"""Another program locks the job database: only those who need it wait, and nothing is lost or reordered."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from gptool.service.queue.store import FILE
from helpers.gate import Gate
from helpers.rest_client import RestClient
from helpers.service_jobs import RECOMPRESSED, end_of, serving, settings_of, submit, texts_of, tiles_of
from helpers.service_process import ServiceProcess
from helpers.waiting import wait_in_loop_until

EXPORT = "services/World/ImageServer/exportTiles"
OTHER_RESOURCES = "info?f=json", "services/World/ImageServer?f=json", "services/World/ImageServer/tile/0/0/0"

ROUNDS = 20
"""Requests of each kind that are answered while one waits; all of them took five seconds if the event loop waited."""


@contextmanager
def locked(output: Path) -> Iterator[sqlite3.Connection]:
    """The database is locked until the connection's transaction ends."""
    with closing(sqlite3.connect(output / FILE, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield connection
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def test_other_requests_are_answered_while_a_submission_waits(cache: Path, tmp_path: Path) -> None:
    with ServiceProcess(tmp_path, f"World={cache}") as service, ThreadPoolExecutor(1) as pool:
        client = RestClient(service.address)
        with locked(service.output):
            submission = pool.submit(RestClient(service.address).post, EXPORT, f="json", levels="0")
            for _ in range(ROUNDS):
                for path in OTHER_RESOURCES:
                    response = client.ask("GET", client.path("") + path)
                    assert response.status == 200
                    assert b'"error"' not in response.body
            assert not submission.done(), "it waits for the lock"
        job = client.wait(f"{EXPORT}/jobs/{submission.result().json()['jobId']}")
        assert job["jobStatus"] == "esriJobSucceeded"


def test_submissions_keep_their_order_and_limit(cache: Path, tmp_path: Path, gate: Gate) -> None:
    async def run() -> None:
        async with serving(settings_of(tmp_path, cache, jobs=1, max_queued=4)) as queue:
            with locked(tmp_path):
                submissions = [asyncio.create_task(submit(queue, RECOMPRESSED)) for _ in range(8)]
                await asyncio.sleep(0)
            ids = await asyncio.gather(*submissions, return_exceptions=True)
            assert ["too many jobs are waiting" in str(one) for one in ids] == [False] * 5 + [True] * 3
            gate.open()
            jobs = [await end_of(queue, str(job_id)) for job_id in ids[:5]]
            assert [job.status for job in jobs] == ["esriJobSucceeded"] * 5
            starts = [job.started or 0 for job in jobs]
            assert starts == sorted(starts)

    with gate.closed():
        asyncio.run(run())


def test_job_of_a_client_that_is_gone_is_executed(cache: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(settings_of(tmp_path, cache)) as queue:
            with locked(tmp_path):
                submission = asyncio.create_task(submit(queue, {"levels": "0"}))
                await asyncio.sleep(0.1)
                submission.cancel()
                with suppress(asyncio.CancelledError):
                    await submission
            with closing(sqlite3.connect(tmp_path / FILE)) as connection:
                row = await wait_in_loop_until(lambda: connection.execute("SELECT job_id FROM jobs").fetchone())
            assert (await end_of(queue, row[0])).status == "esriJobSucceeded"

    asyncio.run(run())


def test_waiting_job_that_is_being_cancelled_does_not_start(cache: Path, tmp_path: Path, gate: Gate) -> None:
    async def run() -> None:
        async with serving(settings_of(tmp_path, cache, jobs=1)) as queue:
            first, second, third = [await submit(queue, RECOMPRESSED) for _ in range(3)]
            await gate.wait_in_loop()
            with locked(tmp_path):
                cancelling = asyncio.create_task(queue.cancel(second))
                await asyncio.sleep(0)
                gate.open()  # the first job ends, once that can be stored
                await asyncio.sleep(0.5)
            assert (await cancelling).status == "esriJobCancelled"
            jobs = [await end_of(queue, job_id) for job_id in (first, second, third)]
            assert [job.status for job in jobs] == ["esriJobSucceeded", "esriJobCancelled", "esriJobSucceeded"]
            assert jobs[1].started is None

    with gate.closed():
        asyncio.run(run())


@pytest.mark.parametrize("is_open", [False, True], ids=["while it works", "while it ends"])
def test_executing_job_is_cancelled_and_messages_are_stored_once(
    cache: Path, tmp_path: Path, gate: Gate, is_open: bool
) -> None:
    """Updates of the worker arrive while the cancellation waits for the database."""

    async def run() -> None:
        async with serving(settings_of(tmp_path, cache)) as queue:
            job_id = await submit(queue, RECOMPRESSED)
            await tiles_of(queue, job_id)
            with locked(tmp_path):
                cancelling = asyncio.create_task(queue.cancel(job_id))
                await asyncio.sleep(0)
                gate.let_pass(1)
                if is_open:
                    gate.open()
                    await asyncio.sleep(0.5)
            assert (await cancelling).status == "esriJobCancelling"
            job = await end_of(queue, job_id)
            assert job.status == "esriJobCancelled"
            assert texts_of(job)[-2] == "Cancelled (ExportTiles)."
            assert len(set(texts_of(job))) == len(texts_of(job))
            await wait_in_loop_until(lambda: not list((tmp_path / "results").iterdir()))
            assert list((tmp_path / "work").iterdir()) == []

    with gate.closed(after=2):
        asyncio.run(run())

"""The queue: jobs from submission to end, in real worker processes, their cancellation and expiry."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gptool import export_tiles
from gptool.cache import open_cache
from gptool.errors import ServiceError
from gptool.jobs.record import JobRecord, JobResult
from gptool.service.queue.store import JobStore
from helpers.caches import HALF_WAY, world
from helpers.gate import Gate
from helpers.service_jobs import (
    RECOMPRESSED,
    end_of,
    estimate,
    files_in,
    has_finished_bundles,
    serving,
    settings_of,
    submit,
    texts_of,
    tiles_of,
    until,
    workers_of,
)  # fmt: skip
from helpers.waiting import POLL_INTERVAL, TIMEOUT, wait_in_loop_until

PACKAGE = {"tilePackage": "true", "levels": "0-1"}


class TestSuccess:
    def test_export_leaves_result_report_and_record(
        self, cache: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def run() -> tuple[JobRecord, Path]:
            async with serving(settings_of(tmp_path / "out", cache)) as queue:
                submitted = await queue.submit("ExportTiles", "World", "MapServer", {**PACKAGE, "x": "y"}, "me")
                assert (submitted.status, submitted.messages) == ("esriJobSubmitted", ())
                job = await end_of(queue, submitted.job_id)
                return replace(job, inputs=await queue.inputs(job.job_id)), await queue.result_folder(job)

        with caplog.at_level(logging.INFO, "gptool.service"):
            job, folder = asyncio.run(run())
        planned = 5, sum(len(tile) for (level, _, _), tile in world().items() if level < 2)
        assert (job.status, job.planned and job.planned[:2]) == ("esriJobSucceeded", planned)
        defaults = {
            "exportBy": "LevelID",
            "nearestLevel": False,
            "optimizeTilesForSize": False,
            "tables": "efficient",
            "optimizePng": False,
        }
        assert job.inputs == {**defaults, **PACKAGE}
        assert [texts_of(job)[0][:12], texts_of(job)[-1][:12]] == ["Start Time: ", "Succeeded at"]
        same = export_tiles(replace(open_cache(cache), name="World"), tmp_path / "World.tpkx", levels="0-1")
        assert (folder / "World.tpkx").read_bytes() == same.path.read_bytes()
        report = json.loads((folder / "report.json").read_text())
        assert (report["jobId"], report["cache"]) == (job.job_id, "World")
        size = same.size + (folder / "report.json").stat().st_size
        assert job.result == JobResult("World.tpkx", is_file=True, size=size)
        result = f"results/{job.job_id}"
        assert files_in(tmp_path / "out") == {
            "jobs.sqlite", "service.lock", f"{result}/World.tpkx", f"{result}/report.json",
        }  # fmt: skip
        lines = [record.message for record in caplog.records]
        assert lines == [f"job {job.job_id} starts: ExportTiles of World", f"job {job.job_id} ends: esriJobSucceeded"]

    def test_estimate_has_the_size_of_the_exported_dataset(self, cache: Path, tmp_path: Path) -> None:
        async def run() -> None:
            async with serving(settings_of(tmp_path, cache)) as queue:
                export = await submit(queue, {"levels": "0-1"})
                estimated = await end_of(queue, await estimate(queue, {"levels": "0-1"}))
                job = await end_of(queue, export)
                assert job.result
                assert job.result[:2] == ("World", False)
                folder = await queue.result_folder(job)
                size = sum(path.stat().st_size for path in (folder / "World").rglob("*") if path.is_file())
                assert estimated.result == JobResult(estimate={"totalSize": size, "totalTilesToExport": 5})

        asyncio.run(run())

    def test_estimate_does_not_wait_for_exports(self, cache: Path, tmp_path: Path, gate: Gate) -> None:
        async def run() -> None:
            async with serving(settings_of(tmp_path, cache, jobs=1)) as queue:
                first, *_, last = [await submit(queue, RECOMPRESSED) for _ in range(4)]
                job = await tiles_of(queue, first)
                assert job.status == "esriJobExecuting"
                assert job.progress
                assert (job.progress.type, job.progress.message[:16]) == ("step", "Exporting tiles:")
                await end_of(queue, await estimate(queue, {"levels": "8"}))
                waiting = await queue.find(last)
                assert waiting
                assert (waiting.status, waiting.progress) == ("esriJobSubmitted", None)

        with gate.closed(after=HALF_WAY):
            asyncio.run(run())


class TestCancel:
    def test_waiting_job_is_cancelled_at_once(self, cache: Path, tmp_path: Path, gate: Gate) -> None:
        async def run() -> None:
            async with serving(settings_of(tmp_path, cache, jobs=1)) as queue:
                first, second, third = [await submit(queue, RECOMPRESSED) for _ in range(3)]
                job = await queue.cancel(second)
                assert (job.status, texts_of(job)[0]) == ("esriJobCancelled", "Cancelled (ExportTiles).")
                await queue.cancel(first)
                assert (await until(queue, third, lambda job: job.progress)).status == "esriJobExecuting"

        with gate.closed():
            asyncio.run(run())

    @pytest.mark.posix("/proc")
    def test_executing_job_leaves_no_files(
        self, cache: Path, tmp_path: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("gptool.service.queue.worker_pool.STOP_GRACE_SECONDS", TIMEOUT)

        async def run() -> None:
            async with serving(settings_of(tmp_path, cache)) as queue:
                job_id = await submit(queue, RECOMPRESSED)
                await tiles_of(queue, job_id)
                [worker] = workers_of()
                for _ in range(2):
                    assert (await queue.cancel(job_id)).status == "esriJobCancelling"
                gate.open()
                job = await end_of(queue, job_id)
                assert (job.status, texts_of(job)[-2]) == ("esriJobCancelled", "Cancelled (ExportTiles).")
                assert list((tmp_path / "work").iterdir()) == list((tmp_path / "results").iterdir()) == []
                assert workers_of() == [worker], "it stopped the job itself"
                with pytest.raises(ServiceError, match="found esriJobCancelled") as caught:
                    await queue.cancel(job_id)
                assert caught.value.code == 400
                for unknown in ("j" + "0" * 32, "x", ""):
                    assert await queue.find(unknown) is None
                    with pytest.raises(ServiceError, match=r"job not found or expired$"):
                        await queue.cancel(unknown)

        with gate.closed(after=HALF_WAY):
            asyncio.run(run())

    @pytest.mark.posix("/proc")
    def test_worker_that_does_not_react_is_killed(self, cache: Path, tmp_path: Path, gate: Gate) -> None:
        """SIGSTOP stops the process: it reads nothing any more."""

        async def run() -> None:
            async with serving(settings_of(tmp_path, cache)) as queue:
                job_id = await submit(queue, PACKAGE)
                await gate.wait_in_loop()
                [worker] = workers_of()
                os.kill(worker, signal.SIGSTOP)
                await queue.cancel(job_id)
                job = await end_of(queue, job_id)
                assert job.status == "esriJobCancelled"
                assert list((tmp_path / "work").iterdir()) == []
                gate.open()
                assert (await end_of(queue, await submit(queue, PACKAGE))).status == "esriJobSucceeded"
                assert workers_of() != [worker]

        with gate.closed():
            asyncio.run(run())


@pytest.mark.posix("/proc")
def test_job_of_a_killed_worker_is_gone_on_with_once(cache: Path, tmp_path: Path, gate: Gate) -> None:
    """It fails when its worker is killed for the second time; other jobs are not affected."""
    ended = "worker process ended before the job did (SIGKILL)"

    async def run() -> None:
        async with serving(settings_of(tmp_path, cache, jobs=1)) as queue:
            first, second = await submit(queue, RECOMPRESSED), await submit(queue, {"levels": "8"})
            await tiles_of(queue, first)
            await wait_in_loop_until(lambda: has_finished_bundles(tmp_path))
            [worker] = workers_of()
            os.kill(worker, signal.SIGKILL)
            await wait_in_loop_until(lambda: workers_of() not in ([], [worker]))
            [worker] = workers_of()
            await tiles_of(queue, first)
            gate.let_pass(1)
            await gate.wait_in_loop()
            os.kill(worker, signal.SIGKILL)
            job = await end_of(queue, first)
            assert (job.status, job.restarts) == ("esriJobFailed", 1)
            assert f"The {ended}: the job is started again." in texts_of(job)
            assert texts_of(job)[-3:-1] == [ended, "Failed to execute (ExportTiles)."]
            gate.open()
            assert (await end_of(queue, second)).status == "esriJobSucceeded"
            assert list((tmp_path / "work").iterdir()) == []
            [idle] = workers_of()
            os.kill(idle, signal.SIGKILL)
            await wait_in_loop_until(lambda: idle not in workers_of())
            assert (await end_of(queue, await submit(queue, {"levels": "8"}))).status == "esriJobSucceeded"

    with gate.closed(after=HALF_WAY):
        asyncio.run(run())


def test_result_that_cannot_be_moved_fails_the_job(cache: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(settings_of(tmp_path, cache)) as queue:
            (tmp_path / "results").rmdir()
            job = await end_of(queue, await submit(queue, PACKAGE))
            assert job.status == "esriJobFailed"
            assert texts_of(job)[-3].startswith(f"the output directory/results/{job.job_id}: cannot be written: ")

    asyncio.run(run())


class TestExpiry:
    @pytest.fixture(autouse=True)
    def _expire_often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gptool.service.queue.queue.EXPIRY_SECONDS", POLL_INTERVAL)

    def test_job_expires_after_its_last_access(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ahead, now = 0.0, time.time
        monkeypatch.setattr("time.time", lambda: now() + ahead)

        async def run() -> None:
            nonlocal ahead
            async with serving(settings_of(tmp_path, cache, keep_hours=1)) as queue:
                expired, kept = [await end_of(queue, await submit(queue, PACKAGE)) for _ in range(2)]
                assert {path.name for path in (tmp_path / "results").iterdir()} == {expired.job_id, kept.job_id}
                ahead = 1800.0
                assert await queue.find(kept.job_id), "an access"
                ahead = 3700.0
                with closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as connection:
                    await until_deleted(connection, expired.job_id)
                assert await queue.find(expired.job_id) is None
                found = await queue.find(kept.job_id)
                assert found
                assert found.accessed >= kept.accessed + 1800
                assert files_in(tmp_path / "results") == {f"{kept.job_id}/World.tpkx", f"{kept.job_id}/report.json"}

        asyncio.run(run())

    def test_executing_job_does_not_expire(
        self, cache: Path, tmp_path: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expired: list[list[str]] = []
        original = JobStore.expired
        monkeypatch.setattr(
            JobStore, "expired", lambda store, before: expired.append(original(store, before)) or expired[-1]
        )

        async def run() -> None:
            async with serving(settings_of(tmp_path, cache, keep_hours=0)) as queue:
                job_id = await submit(queue, PACKAGE)
                await gate.wait_in_loop()
                count = len(expired)
                await until(queue, job_id, lambda _: len(expired) > count + 2)
                assert await queue.find(job_id)
                assert not any(expired)

        with gate.closed():
            asyncio.run(run())


async def until_deleted(store: sqlite3.Connection, job_id: str) -> None:
    """Wait until a job is not stored any more. To ask the queue for it would be an access."""
    query = "SELECT 1 FROM jobs WHERE job_id = ?"
    await wait_in_loop_until(lambda: store.execute(query, (job_id,)).fetchone() is None)

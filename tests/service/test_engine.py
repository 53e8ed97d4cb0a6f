"""Jobs of a service from their submission to their end, in real worker processes."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
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
from helpers.caches import world
from helpers.service_jobs import (
    SLOWLY,
    end_of,
    estimate,
    files_in,
    said,
    serving,
    settings_of,
    submit,
    tiles_of,
    until,
    workers_of,
)  # fmt: skip

PACKAGE = {"tilePackage": "true", "levels": "0-1"}

pytestmark = pytest.mark.usefixtures("one_thread")


class TestSuccess:
    def test_an_export_and_what_is_kept_of_it(
        self, cache: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def run() -> tuple[JobRecord, Path]:
            async with serving(settings_of(tmp_path / "out", cache)) as queue:
                submitted = await queue.submit("ExportTiles", "World", "MapServer", {**PACKAGE, "x": "y"}, "me")
                assert (submitted.status, submitted.messages) == ("esriJobSubmitted", ())
                job = await end_of(queue, submitted.job_id)
                return replace(job, inputs=dict(job.inputs)), queue.result_folder(job)

        with caplog.at_level(logging.INFO, "gptool.service"):
            job, folder = asyncio.run(run())
        planned = 5, sum(len(tile) for (level, _, _), tile in world().items() if level < 2)
        assert (job.status, job.planned and job.planned[:2]) == ("esriJobSucceeded", planned)
        assert job.inputs == {"exportBy": "LevelID", "optimizeTilesForSize": False, **PACKAGE}
        assert [said(job)[0][:12], said(job)[-1][:12]] == ["Start Time: ", "Succeeded at"]
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

    def test_a_dataset_and_an_estimate(self, cache: Path, tmp_path: Path) -> None:
        async def run() -> None:
            async with serving(settings_of(tmp_path, cache)) as queue:
                export = await submit(queue, {"levels": "0-1"})
                weighed = await end_of(queue, await estimate(queue, {"levels": "0-1"}))
                job = await end_of(queue, export)
                assert job.result
                assert job.result[:2] == ("World", False)
                package = sum(
                    path.stat().st_size for path in (queue.result_folder(job) / "World").rglob("*") if path.is_file()
                )
                assert weighed.result == JobResult(estimate={"totalSize": package, "totalTilesToExport": 5})

        asyncio.run(run())

    def test_an_estimate_does_not_wait_behind_exports_and_these_tell_progress(
        self, slow_cache: Path, tmp_path: Path
    ) -> None:
        async def run() -> None:
            async with serving(settings_of(tmp_path, slow_cache, jobs=1)) as queue:
                first, *_, last = [await submit(queue, SLOWLY) for _ in range(4)]
                job = await tiles_of(queue, first)
                assert job.status == "esriJobExecuting"
                assert job.progress
                assert (job.progress.type, job.progress.message[:16]) == ("step", "Exporting tiles:")
                await end_of(queue, await estimate(queue, {"levels": "8"}))
                waiting = queue.find(last)
                assert waiting
                assert (waiting.status, waiting.progress) == ("esriJobSubmitted", None)

        asyncio.run(run())


class TestCancel:
    def test_one_that_waits(self, slow_cache: Path, tmp_path: Path) -> None:
        async def run() -> None:
            async with serving(settings_of(tmp_path, slow_cache, jobs=1)) as queue:
                first, second, third = [await submit(queue, SLOWLY) for _ in range(3)]
                job = queue.cancel(second)
                assert (job.status, said(job)[0]) == ("esriJobCancelled", "Cancelled (ExportTiles).")
                queue.cancel(first)
                assert (await tiles_of(queue, third)).status == "esriJobExecuting"

        asyncio.run(run())

    def test_one_that_is_worked_on_leaves_nothing(
        self, slow_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("gptool.service.queue.worker_pool.STOP_GRACE_SECONDS", 60.0)

        async def run() -> None:
            async with serving(settings_of(tmp_path, slow_cache)) as queue:
                job_id = await submit(queue, SLOWLY)
                await tiles_of(queue, job_id)
                [worker] = workers_of()
                assert queue.cancel(job_id).status == queue.cancel(job_id).status == "esriJobCancelling"
                job = await end_of(queue, job_id)
                assert (job.status, said(job)[-2]) == ("esriJobCancelled", "Cancelled (ExportTiles).")
                assert list((tmp_path / "work").iterdir()) == list((tmp_path / "results").iterdir()) == []
                assert workers_of() == [worker], "it was asked, and stopped"
                with pytest.raises(ServiceError, match="found esriJobCancelled") as caught:
                    queue.cancel(job_id)
                assert caught.value.code == 400
                for unknown in ("j" + "0" * 32, "x", ""):
                    assert queue.find(unknown) is None
                    with pytest.raises(ServiceError, match=r"job not found or expired$"):
                        queue.cancel(unknown)

        asyncio.run(run())

    def test_one_that_does_not_listen(self, cache: Path, tmp_path: Path) -> None:
        """A tangle that takes many seconds to repair is given up within about one; no more than three is certain."""
        rng = random.Random(6)
        ring = [[rng.uniform(-2e7, 2e7) for _ in "xy"] for _ in range(99_999)]

        async def run() -> None:
            async with serving(settings_of(tmp_path, cache)) as queue:
                job_id = await submit(queue, {"areaOfInterest": json.dumps({"rings": [ring]})})
                await until(queue, job_id, lambda job: job.messages)
                await asyncio.sleep(0.7)
                before = time.monotonic()
                queue.cancel(job_id)
                job = await end_of(queue, job_id)
                assert time.monotonic() - before < 3
                assert job.status == "esriJobCancelled"
                assert list((tmp_path / "work").iterdir()) == []
                assert (await end_of(queue, await submit(queue, PACKAGE))).status == "esriJobSucceeded"

        asyncio.run(run())


def test_a_worker_that_is_killed_fails_its_job_alone(slow_cache: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(settings_of(tmp_path, slow_cache, jobs=1)) as queue:
            first, second = await submit(queue, SLOWLY), await submit(queue, {"levels": "8"})
            await tiles_of(queue, first)
            [worker] = workers_of()
            os.kill(worker, signal.SIGKILL)
            job = await end_of(queue, first)
            assert job.status == "esriJobFailed"
            assert said(job)[-3:-1] == [
                "worker process ended before the job did (SIGKILL)", "Failed to execute (ExportTiles).",
            ]  # fmt: skip
            assert (await end_of(queue, second)).status == "esriJobSucceeded"
            assert list((tmp_path / "work").iterdir()) == []
            [idle] = workers_of()
            os.kill(idle, signal.SIGKILL)
            while idle in workers_of():
                await asyncio.sleep(0.01)
            assert (await end_of(queue, await submit(queue, {"levels": "8"}))).status == "esriJobSucceeded"

    asyncio.run(run())


def test_a_result_that_can_not_be_kept(cache: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(settings_of(tmp_path, cache)) as queue:
            (tmp_path / "results").rmdir()
            job = await end_of(queue, await submit(queue, PACKAGE))
            assert job.status == "esriJobFailed"
            assert said(job)[-3] == (
                f"the output directory/results/{job.job_id}: cannot be written: No such file or directory"
            )

    asyncio.run(run())


def test_jobs_that_nobody_asks_for_expire(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gptool.service.queue.queue.EXPIRY_SECONDS", 0.05)

    async def run() -> None:
        async with serving(settings_of(tmp_path, cache, keep_hours=1)) as queue:
            jobs = [await end_of(queue, await submit(queue, PACKAGE)) for _ in range(2)]
            with closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as connection, connection:
                for job, hours in zip(jobs, (2, 0.5), strict=True):
                    before = time.time() - 3600 * hours
                    connection.execute("UPDATE jobs SET accessed = ? WHERE job_id = ?", (before, job.job_id))
            assert queue.find(jobs[1].job_id), "this is asked for"
            # To ask the queue for the job would be an access to it.
            with closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as connection:
                for _ in range(6000):
                    if connection.execute("SELECT count(*) FROM jobs").fetchone() == (1,):
                        break
                    await asyncio.sleep(0.01)
            assert queue.find(jobs[0].job_id) is None
            assert not queue.result_folder(jobs[0]).exists()
            kept = queue.find(jobs[1].job_id)
            assert kept
            assert kept.accessed > before + 1700
            assert files_in(tmp_path / "results") == {f"{kept.job_id}/World.tpkx", f"{kept.job_id}/report.json"}

    asyncio.run(run())


def test_what_has_not_ended_does_not_expire(slow_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gptool.service.queue.queue.EXPIRY_SECONDS", 0.05)

    async def run() -> None:
        async with serving(settings_of(tmp_path, slow_cache, keep_hours=0)) as queue:
            job_id = await submit(queue, SLOWLY)
            await tiles_of(queue, job_id)
            assert queue.find(job_id)

    asyncio.run(run())

"""Jobs of a service from their submission to their end, in real worker processes."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import re
import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from caches import world
from service_jobs import (
    SLOWLY,
    end_of,
    estimate,
    files_in,
    make_slow_cache,
    serving,
    settings_of,
    submit,
    tiles_of,
    until,
    workers_of,
)  # fmt: skip

from gptool import export_tiles
from gptool.cache import open_cache
from gptool.errors import ServiceError
from gptool.plan import make_plan
from gptool.request import read_request
from gptool.service.engine import Engine
from gptool.service.store import StoredJob

PACKAGE = {"tilePackage": "true", "levels": "0-1"}


@pytest.fixture(scope="module")
def slow_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_slow_cache(tmp_path_factory.mktemp("caches") / "slow")


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many processors there are, what is slow stays so."""
    monkeypatch.setattr("gptool.service.books.count_threads", lambda _: 1)


def said(job: StoredJob) -> list[str]:
    return [message.description for message in job.messages]


class TestSuccess:
    def test_an_export_and_what_is_kept_of_it(
        self, cache: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def run() -> tuple[StoredJob, Path]:
            async with serving(settings_of(tmp_path / "out", cache)) as engine:
                submitted = await engine.submit("ExportTiles", "World", "MapServer", {**PACKAGE, "x": "y"}, "me")
                assert (submitted.status, submitted.messages) == ("esriJobSubmitted", [])
                job = await end_of(engine, submitted.job_id)
                return replace(job, inputs=dict(job.inputs)), engine.folder(job)

        with caplog.at_level(logging.INFO, "gptool.service"):
            job, folder = asyncio.run(run())
        planned = 5, sum(len(tile) for (level, _, _), tile in world().items() if level < 2)
        assert (job.status, job.package, job.is_file, job.planned) == (
            "esriJobSucceeded",
            "World.tpkx",
            True,
            planned,
        )
        assert job.inputs == {"exportBy": "LevelID", "optimizeTilesForSize": False, **PACKAGE}
        assert [said(job)[0][:12], said(job)[-1][:12]] == ["Start Time: ", "Succeeded at"]
        same = export_tiles(replace(open_cache(cache), name="World"), tmp_path / "World.tpkx", levels="0-1")
        assert (folder / "World.tpkx").read_bytes() == same.path.read_bytes()
        report = json.loads((folder / "report.json").read_text())
        assert (report["jobId"], report["cache"]) == (job.job_id, "World")
        assert job.size == same.size + (folder / "report.json").stat().st_size
        result = f"results/{job.job_id}"
        assert files_in(tmp_path / "out") == {
            "jobs.sqlite", "service.lock", f"{result}/World.tpkx", f"{result}/report.json",
        }  # fmt: skip
        lines = [record.message for record in caplog.records]
        assert lines == [f"job {job.job_id} starts: ExportTiles of World", f"job {job.job_id} ends: esriJobSucceeded"]

    def test_a_dataset_and_an_estimate(self, cache: Path, tmp_path: Path) -> None:
        async def run() -> None:
            async with serving(settings_of(tmp_path, cache)) as engine:
                export = await submit(engine, {"levels": "0-1"})
                weighed = await end_of(engine, await estimate(engine, {"levels": "0-1"}))
                job = await end_of(engine, export)
                assert (job.package, job.is_file) == ("World", False)
                package = sum(
                    path.stat().st_size for path in (engine.folder(job) / "World").rglob("*") if path.is_file()
                )
                assert weighed.estimate == {"totalSize": package, "totalTilesToExport": 5}
                assert (weighed.package, weighed.size) == (None, 0)

        asyncio.run(run())

    def test_an_estimate_does_not_wait_behind_exports_and_these_tell_progress(
        self, slow_cache: Path, tmp_path: Path
    ) -> None:
        async def run() -> None:
            async with serving(settings_of(tmp_path, slow_cache, jobs=1)) as engine:
                first, *_, last = [await submit(engine, SLOWLY) for _ in range(4)]
                job = await tiles_of(engine, first)
                assert job.status == "esriJobExecuting"
                assert job.progress
                assert (job.progress.type, job.progress.message[:16]) == ("step", "Exporting tiles:")
                await end_of(engine, await estimate(engine, {"levels": "8"}))
                waiting = engine.find(last)
                assert waiting
                assert (waiting.status, waiting.progress) == ("esriJobSubmitted", None)

        asyncio.run(run())


class TestLimits:
    def test_so_many_wait_and_so_many_are_one_owners(self, slow_cache: Path, tmp_path: Path) -> None:
        async def run() -> None:
            settings = settings_of(tmp_path, slow_cache, jobs=1, max_queued=1, max_jobs_per_token=2)
            async with serving(settings) as engine:
                await submit(engine, SLOWLY, owner="a")
                waiting = await submit(engine, SLOWLY, owner="b")
                with pytest.raises(ServiceError, match=r"too many jobs wait.*found 1, expected below 1") as caught:
                    await submit(engine, SLOWLY, owner="b")
                assert caught.value.code == 429
                # It has a process of its own, so it does not wait.
                await estimate(engine, SLOWLY, owner="a")
                engine.cancel(waiting)
                with pytest.raises(ServiceError, match=r"too many of your jobs.*found 2, expected below 2") as caught:
                    await estimate(engine, SLOWLY, owner="a")
                assert caught.value.code == 429

        asyncio.run(run())

    @pytest.mark.parametrize(("service", "code"), [("World", 403), ("world", 404)])
    def test_a_service_that_takes_no_jobs(self, cache: Path, tmp_path: Path, service: str, code: int) -> None:
        async def run() -> None:
            settings = settings_of(tmp_path, cache)
            closed = {name: replace(one, export_tiles_allowed=False) for name, one in settings.caches.items()}
            async with serving(replace(settings, caches=closed)) as engine:
                with pytest.raises(ServiceError) as caught:
                    await engine.submit("ExportTiles", service, "ImageServer", {}, "")
                assert caught.value.code == code

        asyncio.run(run())

    def test_the_tiles_of_an_export(self, cache: Path, tmp_path: Path) -> None:
        async def run(kind: str) -> list[str]:
            settings = settings_of(tmp_path, cache)
            small = {"Maps/World": replace(settings.caches["World"], max_export_tiles_count=30)}
            async with serving(replace(settings, caches=small)) as engine:
                job = await engine.submit("ExportTiles", "Maps/World", kind, {}, "")
                return said(await end_of(engine, job.job_id))

        line = (
            "ERROR 001564: Requested tile count(165) exceeds the maximum allowed number of tiles(30) to be exported "
            "for service Maps/World:{}."
        )
        for kind, name in (("ImageServer",) * 2, ("MapServer",) * 2, ("GPServer", "ImageServer")):
            assert line.format(name) in asyncio.run(run(kind))

    RING = "[[0,0],[0,9e6],[9e6,0],[0,0]]"

    @pytest.mark.parametrize(
        ("area", "message"),
        [
            (f'{{"rings":[{RING}],"a":"{"x" * 3000}"}}', "too many bytes, found 3048, expected at most 3000"),
            (f'{{"rings":[{",".join([RING] * 6)}]}}', "too many vertices, found 24, expected at most 20"),
            (f'{{"rings":[{",".join([RING] * 5)}]}}', None),
            (f'{{"rings":[{RING}],"a":"\\"{"[1" * 30}","b":[{"[]," * 30}[]]}}', None),
        ],
    )
    def test_an_area_of_interest(self, cache: Path, tmp_path: Path, area: str, message: str | None) -> None:
        async def run() -> None:
            settings = settings_of(tmp_path, cache, max_area_bytes=3000, max_area_vertices=20)
            async with serving(settings) as engine:
                job_id = await submit(engine, {"area_of_interest": area, "levels": "0"})
                if message is None:
                    job = await end_of(engine, job_id)
                    assert job.status == "esriJobSucceeded", said(job)
                    return
                job = engine.find(job_id)
                assert job
                assert (job.status, list(job.inputs)) == (
                    "esriJobFailed", ["exportBy", "tilePackage", "optimizeTilesForSize", "levels"],
                )  # fmt: skip
                assert said(job)[0] == f"areaOfInterest: {message}"
                assert said(job)[1] == "Failed to execute (ExportTiles)."
                assert workers_of() == []

        asyncio.run(run())


class TestCancel:
    def test_one_that_waits(self, slow_cache: Path, tmp_path: Path) -> None:
        async def run() -> None:
            async with serving(settings_of(tmp_path, slow_cache, jobs=1)) as engine:
                first, second, third = [await submit(engine, SLOWLY) for _ in range(3)]
                job = engine.cancel(second)
                assert (job.status, said(job)[0]) == ("esriJobCancelled", "Cancelled (ExportTiles).")
                engine.cancel(first)
                assert (await tiles_of(engine, third)).status == "esriJobExecuting"

        asyncio.run(run())

    def test_one_that_is_worked_on_leaves_nothing(
        self, slow_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("gptool.service.lane.GRACE", 60.0)

        async def run() -> None:
            async with serving(settings_of(tmp_path, slow_cache)) as engine:
                job_id = await submit(engine, SLOWLY)
                await tiles_of(engine, job_id)
                [worker] = workers_of()
                assert engine.cancel(job_id).status == engine.cancel(job_id).status == "esriJobCancelling"
                job = await end_of(engine, job_id)
                assert (job.status, said(job)[-2]) == ("esriJobCancelled", "Cancelled (ExportTiles).")
                assert list((tmp_path / "work").iterdir()) == list((tmp_path / "results").iterdir()) == []
                assert workers_of() == [worker], "it was asked, and stopped"
                with pytest.raises(ServiceError, match="found esriJobCancelled") as caught:
                    engine.cancel(job_id)
                assert caught.value.code == 400
                for unknown in ("j" + "0" * 32, "x", ""):
                    assert engine.find(unknown) is None
                    with pytest.raises(ServiceError, match="no such job"):
                        engine.cancel(unknown)

        asyncio.run(run())

    def test_one_that_does_not_listen(self, cache: Path, tmp_path: Path) -> None:
        """A tangle that takes many seconds to repair is given up within about one; no more than three is certain."""
        rng = random.Random(6)
        ring = [[rng.uniform(-2e7, 2e7) for _ in "xy"] for _ in range(99_999)]

        async def run() -> None:
            async with serving(settings_of(tmp_path, cache)) as engine:
                job_id = await submit(engine, {"areaOfInterest": json.dumps({"rings": [ring]})})
                await until(engine, job_id, lambda job: job.messages)
                await asyncio.sleep(0.7)
                before = time.monotonic()
                engine.cancel(job_id)
                job = await end_of(engine, job_id)
                assert time.monotonic() - before < 3
                assert job.status == "esriJobCancelled"
                assert list((tmp_path / "work").iterdir()) == []
                assert (await end_of(engine, await submit(engine, PACKAGE))).status == "esriJobSucceeded"

        asyncio.run(run())


def test_a_worker_that_is_killed_fails_its_job_alone(slow_cache: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(settings_of(tmp_path, slow_cache, jobs=1)) as engine:
            first, second = await submit(engine, SLOWLY), await submit(engine, {"levels": "8"})
            await tiles_of(engine, first)
            [worker] = workers_of()
            os.kill(worker, signal.SIGKILL)
            job = await end_of(engine, first)
            assert job.status == "esriJobFailed"
            assert said(job)[-3:-1] == [
                "the process that worked on the job ended before it (SIGKILL)", "Failed to execute (ExportTiles).",
            ]  # fmt: skip
            assert (await end_of(engine, second)).status == "esriJobSucceeded"
            assert list((tmp_path / "work").iterdir()) == []
            [idle] = workers_of()
            os.kill(idle, signal.SIGKILL)
            while idle in workers_of():
                await asyncio.sleep(0.01)
            assert (await end_of(engine, await submit(engine, {"levels": "8"}))).status == "esriJobSucceeded"

    asyncio.run(run())


class TestPlace:
    def test_an_export_that_does_not_fit_ends_when_its_tiles_are_counted(
        self, slow_cache: Path, tmp_path: Path
    ) -> None:
        async def run() -> None:
            async with serving(settings_of(tmp_path, slow_cache, disk_quota=20_000_000)) as engine:
                job = await end_of(engine, await submit(engine, SLOWLY))
                assert (job.status, list((tmp_path / "work").iterdir())) == ("esriJobFailed", [])
                assert job.planned
                tiles, size = job.planned
                line = re.fullmatch(
                    f"no place for the result, found {tiles} tiles of {size} bytes in the cache, expected at most "
                    "([0-9]+) bytes: ask for fewer levels, a smaller exportExtent or areaOfInterest, or try again "
                    "later",
                    said(job)[-3],
                )
                assert line
                assert 0 < 20_000_000 - int(line[1]) < 200_000, "the store has its bytes too"
                small = await submit(engine, {**SLOWLY, "exportExtent": "0,0,1,1"})
                assert (await end_of(engine, small)).status == "esriJobSucceeded"

        asyncio.run(run())

    def test_none_is_taken_when_what_runs_or_is_kept_takes_all_of_the_quota(
        self, cache: Path, slow_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("gptool.service.store.Store.own_size", lambda _: 0)

        async def check(engine: Engine, used: int) -> None:
            for ask in (submit, estimate):
                with pytest.raises(ServiceError, match=f"found {used} bytes used, expected less than {used}") as caught:
                    await ask(engine, {})
                assert caught.value.code == 507

        async def run() -> None:
            size = make_plan(slow_cache, read_request({})).bytes
            settings = settings_of(tmp_path, slow_cache, disk_quota=size)
            async with serving(settings) as engine:
                first = await submit(engine, SLOWLY)
                await until(engine, first, lambda job: job.planned)
                await check(engine, size)
                engine.cancel(first)
                await end_of(engine, first)
                kept = await end_of(engine, await submit(engine, {**SLOWLY, "exportExtent": "0,0,1,1"}))
            async with serving(replace(settings, disk_quota=kept.size)) as engine:
                await check(engine, kept.size)

        asyncio.run(run())

    def test_a_disk_without_a_quota(self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        async def run() -> None:
            async with serving(settings_of(tmp_path, cache)) as engine:
                monkeypatch.setattr("gptool.service.output.OutputDirectory.free", lambda _: 10**9 + 1000)
                failed = await end_of(engine, await submit(engine, {}))
                assert "expected at most 1000 bytes: ask for fewer" in said(failed)[-3]
                monkeypatch.setattr("gptool.service.output.OutputDirectory.free", lambda _: 10**9)
                with pytest.raises(ServiceError, match="1000000000 bytes free, expected more than 1000000000"):
                    await submit(engine, {})

        asyncio.run(run())


def test_a_result_that_can_not_be_kept(cache: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(settings_of(tmp_path, cache)) as engine:
            (tmp_path / "results").rmdir()
            job = await end_of(engine, await submit(engine, PACKAGE))
            assert job.status == "esriJobFailed"
            assert said(job)[-3] == (
                f"the output directory/results/{job.job_id}: can't be written: No such file or directory"
            )

    asyncio.run(run())


def test_jobs_that_nobody_asks_for_expire(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gptool.service.engine.BETWEEN_EXPIRIES", 0.05)

    async def run() -> None:
        async with serving(settings_of(tmp_path, cache, keep_hours=1)) as engine:
            jobs = [await end_of(engine, await submit(engine, PACKAGE)) for _ in range(2)]
            with closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as connection, connection:
                for job, hours in zip(jobs, (2, 0.5), strict=True):
                    before = time.time() - 3600 * hours
                    connection.execute("UPDATE jobs SET accessed = ? WHERE job_id = ?", (before, job.job_id))
            assert engine.find(jobs[1].job_id), "this is asked for"
            for _ in range(6000):
                if not engine.folder(jobs[0]).exists():
                    break
                await asyncio.sleep(0.01)
            assert engine.find(jobs[0].job_id) is None
            kept = engine.find(jobs[1].job_id)
            assert kept
            assert kept.accessed > before + 1700
            assert files_in(tmp_path / "results") == {f"{kept.job_id}/World.tpkx", f"{kept.job_id}/report.json"}

    asyncio.run(run())


def test_what_has_not_ended_does_not_expire(slow_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gptool.service.engine.BETWEEN_EXPIRIES", 0.05)

    async def run() -> None:
        async with serving(settings_of(tmp_path, slow_cache, keep_hours=0)) as engine:
            job_id = await submit(engine, SLOWLY)
            await tiles_of(engine, job_id)
            assert engine.find(job_id)

    asyncio.run(run())

"""Limits on jobs, areas of interest and storage."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest

from gptool.errors import ServiceError
from gptool.plan import make_plan
from gptool.plan.limit import reserved_bytes
from gptool.request import read_request
from gptool.service.queue.queue import JobQueue
from helpers.gate import Gate
from helpers.service_jobs import (
    RECOMPRESSED,
    end_of,
    estimate,
    serving,
    settings_of,
    submit,
    texts_of,
    until,
    workers_of,
)  # fmt: skip


class TestLimits:
    def test_number_of_waiting_jobs_and_of_jobs_per_owner(self, cache: Path, tmp_path: Path, gate: Gate) -> None:
        async def run() -> None:
            settings = settings_of(tmp_path, cache, jobs=1, max_queued=1, max_jobs_per_token=2)
            async with serving(settings) as queue:
                await submit(queue, RECOMPRESSED, owner="a")
                waiting = await submit(queue, RECOMPRESSED, owner="b")
                with pytest.raises(
                    ServiceError, match=r"too many jobs are waiting.*found 1, expected below 1"
                ) as caught:
                    await submit(queue, RECOMPRESSED, owner="b")
                assert caught.value.code == 429
                # Estimates have a worker of their own, so this one does not wait.
                await estimate(queue, RECOMPRESSED, owner="a")
                await queue.cancel(waiting)
                with pytest.raises(ServiceError, match=r"too many of your jobs.*found 2, expected below 2") as caught:
                    await estimate(queue, RECOMPRESSED, owner="a")
                assert caught.value.code == 429

        with gate.closed():
            asyncio.run(run())

    def test_estimate_does_not_wait_for_those_of_another_owner(self, cache: Path, tmp_path: Path, gate: Gate) -> None:
        async def run() -> None:
            async with serving(settings_of(tmp_path, cache)) as queue:
                first, second = [await estimate(queue, RECOMPRESSED, owner="a") for _ in range(2)]
                other = await estimate(queue, {"levels": "0"}, owner="b")
                assert (await end_of(queue, other)).status == "esriJobSucceeded"
                waiting = await queue.find(second)
                assert waiting
                assert waiting.status == "esriJobSubmitted"
                gate.open()
                for job_id in (first, second):
                    assert (await end_of(queue, job_id)).status == "esriJobSucceeded"

        with gate.closed():
            asyncio.run(run())

    def test_job_that_takes_too_long_fails(
        self, cache: Path, tmp_path: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("gptool.service.queue.worker_pool.MINUTE", 0.5)

        async def run() -> None:
            async with serving(settings_of(tmp_path, cache, job_minutes=2)) as queue:
                for start in (submit, estimate):
                    job = await end_of(queue, await start(queue, RECOMPRESSED))
                    assert job.status == "esriJobFailed"
                    assert (
                        "job takes too long; found more than 2 minutes, expected less: select fewer levels"
                        in (texts_of(job)[-3])
                    )
                    assert list((tmp_path / "work").iterdir()) == []

        with gate.closed():
            asyncio.run(run())

    @pytest.mark.parametrize(("service", "code"), [("World", 403), ("world", 404)])
    def test_service_without_export(self, cache: Path, tmp_path: Path, service: str, code: int) -> None:
        async def run() -> None:
            settings = settings_of(tmp_path, cache)
            caches = {name: replace(one, export_tiles_allowed=False) for name, one in settings.caches.items()}
            async with serving(replace(settings, caches=caches)) as queue:
                with pytest.raises(ServiceError) as caught:
                    await queue.submit("ExportTiles", service, "ImageServer", {}, "")
                assert caught.value.code == code

        asyncio.run(run())

    def test_message_about_too_many_tiles_names_the_service(self, cache: Path, tmp_path: Path) -> None:
        async def run(kind: str) -> list[str]:
            settings = settings_of(tmp_path, cache)
            small = {"Maps/World": replace(settings.caches["World"], max_export_tiles_count=30)}
            async with serving(replace(settings, caches=small)) as queue:
                job = await queue.submit("ExportTiles", "Maps/World", kind, {}, "")
                return texts_of(await end_of(queue, job.job_id))

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
            (f'{{"rings":[{RING}],"a":"{"x" * 3000}"}}', "too many bytes; found 3048, expected at most 3000"),
            (f'{{"rings":[{",".join([RING] * 6)}]}}', "too many vertices; found 24, expected at most 20"),
            (f'{{"rings":[{",".join([RING] * 5)}]}}', None),
            (f'{{"rings":[{RING}],"a":"\\"{"[1" * 30}","b":[{"[]," * 30}[]]}}', None),
        ],
        ids=["too many bytes", "too many vertices", "as many vertices as allowed", "brackets that are not vertices"],
    )
    def test_size_of_an_area_of_interest(self, cache: Path, tmp_path: Path, area: str, message: str | None) -> None:
        async def run() -> None:
            settings = settings_of(tmp_path, cache, max_area_bytes=3000, max_area_vertices=20)
            async with serving(settings) as queue:
                job_id = await submit(queue, {"area_of_interest": area, "levels": "0"})
                if message is None:
                    job = await end_of(queue, job_id)
                    assert job.status == "esriJobSucceeded", texts_of(job)
                    return
                job = await queue.find(job_id)
                assert job
                assert job.status == "esriJobFailed"
                assert list(job.inputs) == [
                    "exportBy", "nearestLevel", "tilePackage", "optimizeTilesForSize", "tables", "optimizePng",
                    "levels",
                ]  # fmt: skip
                assert texts_of(job)[0] == f"areaOfInterest: {message}"
                assert texts_of(job)[1] == "Failed to execute (ExportTiles)."
                assert workers_of() == []

        asyncio.run(run())


class TestStorage:
    def test_export_that_exceeds_the_quota_ends_when_its_tiles_are_counted(
        self, cache: Path, tmp_path: Path, gate: Gate
    ) -> None:
        quota = reserved_bytes(make_plan(cache, read_request({})))

        async def run() -> None:
            async with serving(settings_of(tmp_path, cache, disk_quota=quota)) as queue:
                with gate.closed():
                    job = await end_of(queue, await submit(queue, RECOMPRESSED))
                assert (job.status, list((tmp_path / "work").iterdir())) == ("esriJobFailed", [])
                assert job.planned
                line = re.fullmatch(
                    f"not enough storage for the result; found {job.planned.tiles} tiles, which may need "
                    f"{job.planned.reserved_bytes} bytes, expected at most "
                    "([0-9]+) bytes: select fewer levels, a smaller exportExtent or areaOfInterest, or try again "
                    "later",
                    texts_of(job)[-3],
                )
                assert line
                assert 0 < quota - int(line[1]) < 200_000, "the job database counts as well"
                small = await submit(queue, {**RECOMPRESSED, "exportExtent": "0,0,1,1"})
                assert (await end_of(queue, small)).status == "esriJobSucceeded"

        asyncio.run(run())

    def test_jobs_are_rejected_if_jobs_or_results_use_the_whole_quota(
        self, cache: Path, tmp_path: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("gptool.service.queue.store.JobStore.own_size", lambda _: 0)

        async def check(queue: JobQueue, used: int) -> None:
            for start in (submit, estimate):
                with pytest.raises(ServiceError, match=f"found {used} bytes used, expected less than {used}") as caught:
                    await start(queue, {})
                assert caught.value.code == 507

        async def run() -> None:
            size = reserved_bytes(make_plan(cache, read_request({})))
            settings = settings_of(tmp_path, cache, disk_quota=size)
            async with serving(settings) as queue:
                with gate.closed():
                    first = await submit(queue, RECOMPRESSED)
                    await until(queue, first, lambda job: job.planned)
                    await check(queue, size)
                    await queue.cancel(first)
                    await end_of(queue, first)
                kept = await end_of(queue, await submit(queue, {**RECOMPRESSED, "exportExtent": "0,0,1,1"}))
            assert kept.result
            async with serving(replace(settings, disk_quota=kept.result.size)) as queue:
                await check(queue, kept.result.size)

        asyncio.run(run())

    def test_free_space_without_a_quota(self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        async def run() -> None:
            async with serving(settings_of(tmp_path, cache)) as queue:
                monkeypatch.setattr(
                    "gptool.service.queue.output_directory.OutputDirectory.free_bytes", lambda _: 10**9 + 1000
                )
                failed = await end_of(queue, await submit(queue, {}))
                assert "expected at most 1000 bytes: select fewer" in texts_of(failed)[-3]
                monkeypatch.setattr("gptool.service.queue.output_directory.OutputDirectory.free_bytes", lambda _: 10**9)
                with pytest.raises(ServiceError, match="1000000000 bytes free, expected more than 1000000000"):
                    await submit(queue, {})

        asyncio.run(run())

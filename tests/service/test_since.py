"""Exports with `since`: the result is the delta to the package of an earlier job."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import gptool
from gptool.jobs.record import JobRecord
from gptool.service.queue.queue import JobQueue
from gptool.tool import estimate_export_tiles_size_job, export_tiles_job
from helpers.caches import jpeg_tile, make_cache, world
from helpers.deltas import digests
from helpers.service_jobs import end_of, serving, settings_of, submit, texts_of
from helpers.tile_readers import read_tiles

OLD = world()
NEW = {place: tile for place, tile in OLD.items() if place != (8, 130, 130)} | {(8, 122, 122): jpeg_tile(7)}
PACKAGE = {"tilePackage": "true"}
NOT_FOUND = (
    "since: job not found or expired; found {}, expected an export of this service to a .tpkx that is still kept"
)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return make_cache(tmp_path / "world", OLD)


def update(cache: Path) -> None:
    """Bring the cache to its new state."""
    shutil.rmtree(cache)
    make_cache(cache, NEW)


def serve(tmp_path: Path, cache: Path, work: Callable[[JobQueue], Coroutine[Any, Any, None]], **options: Any) -> None:
    async def run() -> None:
        async with serving(settings_of(tmp_path / "out", cache, **options)) as queue:
            await work(queue)

    asyncio.run(run())


async def export(queue: JobQueue, owner: str = "", **parameters: str) -> JobRecord:
    return await end_of(queue, await submit(queue, PACKAGE | parameters, owner=owner))


async def read_report(queue: JobQueue, job: JobRecord) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((await queue.result_folder(job) / "report.json").read_bytes())
    return report


@pytest.mark.parametrize("by_hash", [False, True], ids=["job id", "SHA-256"])
def test_result_is_the_delta_to_the_earlier_package(tmp_path: Path, cache: Path, by_hash: bool) -> None:
    async def work(queue: JobQueue) -> None:
        first = await export(queue)
        package = await queue.result_folder(first) / "World.tpkx"
        update(cache)
        since = (await read_report(queue, first))["result"]["sha256"] if by_hash else first.job_id
        job = await export(queue, since=since.upper() if by_hash else since)
        assert job.status == "esriJobSucceeded", texts_of(job)
        assert job.result
        assert (job.result.name, job.result.is_file) == ("World-delta.tpkx", True)
        folder = await queue.result_folder(job)
        assert sorted(path.name for path in folder.iterdir()) == ["World-delta.tpkx", "report.json"]
        assert digests(read_tiles(folder / "World-delta.tpkx")) == digests({(8, 122, 122): jpeg_tile(7)})
        applied = gptool.apply(package, folder / "World-delta.tpkx", tmp_path / "applied.tpkx")
        assert digests(read_tiles(applied.path)) == digests(NEW)
        report = await read_report(queue, job)
        assert report["request"]["since"] == since
        assert report["result"]["name"] == "World-delta.tpkx"
        counts = {name: report["delta"][name] for name in ("added", "changed", "deleted", "unchanged")}
        assert counts == {"added": 0, "changed": 1, "deleted": 1, "unchanged": 163}
        assert any(text.startswith("Since the earlier export, tiles: 0 added, 1 changed, 1") for text in texts_of(job))
        assert not list((tmp_path / "out" / "work").iterdir())

    serve(tmp_path, cache, work)


def test_recompressed_packages_are_compared(tmp_path: Path, cache: Path) -> None:
    recompressed = {"optimizeTilesForSize": "true", "compressionQuality": "50"}

    async def work(queue: JobQueue) -> None:
        first = await export(queue, **recompressed)
        update(cache)
        job = await export(queue, since=first.job_id, **recompressed)
        assert list(read_tiles(await queue.result_folder(job) / "World-delta.tpkx")) == [(8, 122, 122)]

    serve(tmp_path, cache, work)


def test_export_that_is_not_there_is_one_message(tmp_path: Path, cache: Path) -> None:
    """Unknown ones, those of others, datasets, and those whose files are gone are not told apart."""

    async def work(queue: JobQueue) -> None:
        of_other, dataset, gone = (
            await export(queue, owner="anna"),
            await export(queue, tilePackage="false"),
            await export(queue),
        )
        shutil.rmtree(await queue.result_folder(gone))
        for since in ("j" + 32 * "0", 64 * "a", of_other.job_id, dataset.job_id, gone.job_id):
            job = await export(queue, since=since)
            assert job.status == "esriJobFailed"
            assert NOT_FOUND.format(since) in " ".join(texts_of(job))
        own = await export(queue, owner="anna", since=of_other.job_id)
        assert own.status == "esriJobSucceeded"

    serve(tmp_path, cache, work, max_jobs_per_token=5)


def test_delta_is_no_base(tmp_path: Path, cache: Path) -> None:
    async def work(queue: JobQueue) -> None:
        first = await export(queue)
        delta = await export(queue, since=first.job_id)
        job = await export(queue, since=delta.job_id)
        assert "since: the earlier export is a delta itself" in " ".join(texts_of(job))

    serve(tmp_path, cache, work)


@pytest.mark.parametrize(
    ("parameters", "what"),
    [
        (
            {"since": "yesterday"},
            "since: names no export; found 'yesterday', expected the id of a job, or 64 hexadecimal",
        ),
        ({"since": "../../etc/passwd"}, "since: names no export"),
        (
            {"since": "j" + 32 * "0", "tilePackage": "false"},
            "since: contradicts tilePackage; expected tilePackage=true in",
        ),
        ({"since": "j" + 32 * "0", "storageFormatType": "compact"}, "since: contradicts tilePackage"),
        ({"since": "j" + 32 * "0", "maxPartTiles": "9"}, "since: contradicts maxPartTiles"),
        ({"since": "j" + 32 * "0"}, "since: job not found or expired"),
    ],
    ids=str,
)
def test_invalid_since_fails_the_job(tmp_path: Path, cache: Path, parameters: dict[str, str], what: str) -> None:
    job = export_tiles_job(PACKAGE | parameters, cache=cache, output_directory=tmp_path / "out")
    assert job.status == "esriJobFailed"
    assert what in " ".join(message.description for message in job.messages)
    assert not (tmp_path / "out").exists()


def test_estimate_is_that_of_the_whole_package(cache: Path) -> None:
    job = estimate_export_tiles_size_job(PACKAGE | {"since": "j" + 32 * "0"}, cache=cache)
    assert job.status == "esriJobSucceeded"
    assert "since has no effect on the estimate: it is that of the whole package" in [
        m.description for m in job.messages
    ]

"""Services that are killed, or stopped, and started again."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gptool import export_tiles
from gptool.cache import open_cache
from gptool.errors import OutputError
from gptool.jobs.record import JobRecord
from gptool.jobs.status import JobStatus
from gptool.service.queue import output_directory
from gptool.service.queue.queue import JobQueue
from gptool.service.queue.store import JobStore
from gptool.service.settings import ServiceSettings
from helpers.caches import HALF_WAY
from helpers.gate import BETWEEN_LOOKS, PATIENCE, Gate
from helpers.service_jobs import (
    RECOMPRESSED,
    end_of,
    files_in,
    said,
    serving,
    settings_of,
    submit,
    tiles_of,
    workers_of,
)

SERVICE = """
import asyncio, sys
from pathlib import Path
from helpers.service_jobs import RECOMPRESSED, serving, settings_of, submit, tiles_of

async def main(output, cache, *job_ids):
    async with serving(settings_of(Path(output), Path(cache))) as queue:
        [job_id] = job_ids or [await submit(queue, RECOMPRESSED)]
        await tiles_of(queue, job_id)
        print(job_id, flush=True)
        await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""
AGAIN = "The service ended while the job was executing: the job is started again."


HOLD = """
import fcntl, sys
file = open(sys.argv[1])
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def killed(*arguments: object) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A service in a process of its own, which is killed while it works on a job; the job's id."""
    command = [sys.executable, "-P", "-c", SERVICE, *map(str, arguments)]
    path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
    ) as service:
        assert service.stdout
        try:
            yield service.stdout.readline().strip(), service
        finally:
            service.kill()


def wait_until_unlocked(output: Path) -> None:
    """Wait until neither a service nor a worker of it uses the directory."""
    with (output / "service.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


async def again(settings: ServiceSettings, job_id: str) -> JobRecord:
    """The end of a job in a service that is started again."""
    async with serving(settings) as queue:
        return await end_of(queue, job_id)


def test_killed_during_an_export_it_makes_the_same_bytes_when_it_is_started_again(
    cache: Path, tmp_path: Path, gate: Gate
) -> None:
    output = tmp_path / "out"
    with gate.closed(after=HALF_WAY), killed(output, cache) as (job_id, _):
        assert any(name.startswith(f"work/{job_id}/") for name in files_in(output))
    orphan = output / "results" / ("j" + "0" * 32) / "World.tpkx"
    orphan.parent.mkdir()
    orphan.write_bytes(b"not marked as succeeded before the end")
    (output / "results" / "notes.txt").write_text("precious")
    job = asyncio.run(again(settings_of(output, cache), job_id))
    assert (job.status, job.restarts) == ("esriJobSucceeded", 1)
    assert said(job).count(AGAIN) == 1
    assert said(job)[said(job).index(AGAIN) + 1].startswith("Start Time")
    undisturbed = export_tiles(
        replace(open_cache(cache), name="World"), tmp_path / "World.tpkx", compression_quality=50
    )
    result = output / "results" / job_id
    assert (result / "World.tpkx").read_bytes() == undisturbed.path.read_bytes()
    assert files_in(output) == {
        "jobs.sqlite",
        "service.lock",
        "results/notes.txt",
        f"results/{job_id}/World.tpkx",
        f"results/{job_id}/report.json",
    }
    assert list((output / "work").iterdir()) == []


def test_killed_twice_the_job_fails(cache: Path, tmp_path: Path, gate: Gate) -> None:
    with gate.closed(after=HALF_WAY):
        with killed(tmp_path, cache) as (job_id, _):
            pass
        wait_until_unlocked(tmp_path)  # its worker has left the gate
        gate.let_pass(HALF_WAY)
        with killed(tmp_path, cache, job_id) as (same, _):
            assert same == job_id
    job = asyncio.run(again(settings_of(tmp_path, cache), job_id))
    assert job.status == "esriJobFailed"
    assert said(job)[-3] == "service ended 2 times while the job was executing"
    assert files_in(tmp_path) == {"jobs.sqlite", "service.lock"}


def test_stopped_it_puts_the_job_back(cache: Path, tmp_path: Path, gate: Gate) -> None:
    settings = settings_of(tmp_path, cache)

    async def stop() -> str:
        async with serving(settings) as queue:
            job_id = await submit(queue, RECOMPRESSED)
            await tiles_of(queue, job_id)
        assert workers_of() == []
        return job_id

    with gate.closed(after=HALF_WAY):
        job_id = asyncio.run(stop())
    assert files_in(tmp_path) == {"jobs.sqlite", "service.lock"}
    with closing(JobStore(tmp_path)) as store:
        job = store.find(job_id)
        assert job
        assert (job.status, job.restarts, job.progress) == ("esriJobSubmitted", 0, None)
        store.update(replace(job, status=JobStatus.CANCELLING), len(job.messages))
    job = asyncio.run(again(settings, job_id))
    assert job.status == "esriJobCancelled"
    assert "The service was stopped while the job was executing: the job is started again." in said(job)


def test_jobs_that_waited_wait_in_their_order_if_their_service_is_still_there(cache: Path, tmp_path: Path) -> None:
    ids = [f"j{number:032x}" for number in (3, 1, 2)]
    with closing(JobStore(tmp_path)) as store:
        for job_id, service in zip(ids, ("World", "Gone", "World"), strict=True):
            store.add(JobRecord(job_id, "ExportTiles", {"levels": "0"}, service=service, service_type="ImageServer"))

    async def run() -> list[JobRecord]:
        async with serving(settings_of(tmp_path, cache, jobs=1)) as queue:
            return [await end_of(queue, job_id) for job_id in ids]

    jobs = asyncio.run(run())
    assert [job.status for job in jobs] == ["esriJobSucceeded", "esriJobFailed", "esriJobSucceeded"]
    assert said(jobs[1])[0] == "Gone: service not found"
    first, _, second = (job.ended for job in jobs)
    assert first
    assert second
    assert first < second


class TestLock:
    def test_a_directory_is_one_services(self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gptool.service.queue.output_directory.LOCK_SECONDS", 0.1)

        async def run() -> None:
            async with serving(settings_of(tmp_path, cache)):
                with pytest.raises(
                    OutputError, match="in use by another service; expected an output directory"
                ) as caught:
                    await JobQueue(settings_of(tmp_path, cache)).start()
                assert str(caught.value).startswith(f"{tmp_path}: ")
            async with serving(settings_of(tmp_path, cache)):
                pass

        asyncio.run(run())

    def test_workers_of_a_service_that_was_killed_are_waited_for(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another process has the lock, as workers do that have not noticed yet that their service is gone."""
        tries: list[bool] = []
        locks = output_directory._try_lock
        monkeypatch.setattr(output_directory, "_try_lock", lambda file: tries.append(locks(file)) or tries[-1])
        monkeypatch.setattr(output_directory, "LOCK_SECONDS", PATIENCE)
        tmp_path.joinpath("service.lock").touch()
        command = [sys.executable, "-c", HOLD, str(tmp_path / "service.lock")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout
            assert holder.stdin
            assert holder.stdout.readline() == "held\n"

            async def run() -> None:
                queue = JobQueue(settings_of(tmp_path, cache))
                starting = asyncio.create_task(queue.start())
                while len(tries) < 3:
                    assert not starting.done()
                    await asyncio.sleep(BETWEEN_LOOKS)
                assert not any(tries)
                holder.communicate("enough")
                await starting
                await queue.stop()

            asyncio.run(run())


def test_an_output_directory_that_can_not_be_made(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(OutputError, match="file/out: cannot be written: Not a directory"):
        asyncio.run(JobQueue(settings_of(tmp_path / "file" / "out", cache)).start())


def test_a_store_that_can_not_be_used_leaves_the_directory_to_others(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite").write_bytes(b"x" * 5000)
    with pytest.raises(OutputError, match=r"jobs\.sqlite: job database cannot be used"):
        asyncio.run(JobQueue(settings_of(tmp_path, cache)).start())
    (tmp_path / "jobs.sqlite").unlink()
    asyncio.run(nothing(settings_of(tmp_path, cache)))


async def nothing(settings: ServiceSettings) -> None:
    async with serving(settings):
        pass

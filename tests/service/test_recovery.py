"""Recovery of jobs when a service is killed or stopped and started again, and the lock of the output directory."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gptool import export_tiles, system
from gptool.cache import open_cache
from gptool.errors import OutputError
from gptool.jobs.record import JobRecord
from gptool.jobs.status import JobStatus
from gptool.service.queue import output_directory
from gptool.service.queue.queue import JobQueue
from gptool.service.queue.store import JobStore
from gptool.service.settings import ServiceSettings
from helpers.caches import HALF_WAY
from helpers.gate import Gate
from helpers.service_jobs import (
    RECOMPRESSED,
    end_of,
    files_in,
    has_finished_bundles,
    serving,
    settings_of,
    submit,
    texts_of,
    tiles_of,
    workers_of,
)
from helpers.waiting import TIMEOUT, wait_in_loop_until, wait_until

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
RESTARTED = "The service ended while the job was executing: the job is started again."


HOLD_LOCK = """
import os, sys
from gptool import system
assert system.try_lock(os.open(sys.argv[1], system.LOCK))
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def killed_service(*arguments: object) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A service in a process of its own that executes a job until it is killed; yields the id of the job."""
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
    """Wait until neither the service nor one of its workers uses the directory."""
    lock = os.open(output / "service.lock", system.LOCK)
    wait_until(lambda: system.try_lock(lock))
    os.close(lock)


async def end_after_restart(settings: ServiceSettings, job_id: str) -> JobRecord:
    """Start a service again and wait for the end of a job."""
    async with serving(settings) as queue:
        return await end_of(queue, job_id)


def test_result_after_a_kill_is_the_same(cache: Path, tmp_path: Path, gate: Gate) -> None:
    output = tmp_path / "out"
    with gate.closed(after=HALF_WAY), killed_service(output, cache) as (job_id, _):
        assert any(name.startswith(f"work/{job_id}/") for name in files_in(output))
        wait_until(lambda: has_finished_bundles(output))
    orphan = output / "results" / ("j" + "0" * 32) / "World.tpkx"
    orphan.parent.mkdir()
    orphan.write_bytes(b"of a job that is not recorded as succeeded")
    (output / "results" / "notes.txt").write_text("precious")
    job = asyncio.run(end_after_restart(settings_of(output, cache), job_id))
    assert (job.status, job.restarts) == ("esriJobSucceeded", 1)
    assert texts_of(job).count(RESTARTED) == 1
    assert texts_of(job)[texts_of(job).index(RESTARTED) + 1].startswith("Start Time")
    assert any(text.startswith("Resumed an interrupted run of this export: ") for text in texts_of(job))
    uninterrupted = export_tiles(
        replace(open_cache(cache), name="World"), tmp_path / "World.tpkx", compression_quality=50
    )
    result = output / "results" / job_id
    assert (result / "World.tpkx").read_bytes() == uninterrupted.path.read_bytes()
    assert files_in(output) == {
        "jobs.sqlite",
        "service.lock",
        "results/notes.txt",
        f"results/{job_id}/World.tpkx",
        f"results/{job_id}/report.json",
    }
    assert list((output / "work").iterdir()) == []


def test_job_fails_after_two_kills(cache: Path, tmp_path: Path, gate: Gate) -> None:
    with gate.closed(after=HALF_WAY):
        with killed_service(tmp_path, cache) as (job_id, _):
            pass
        wait_until_unlocked(tmp_path)  # its worker has left the gate
        gate.let_pass(HALF_WAY)
        with killed_service(tmp_path, cache, job_id) as (same, _):
            assert same == job_id
    job = asyncio.run(end_after_restart(settings_of(tmp_path, cache), job_id))
    assert job.status == "esriJobFailed"
    assert texts_of(job)[-3] == "service ended 2 times while the job was executing"
    assert files_in(tmp_path) == {"jobs.sqlite", "service.lock"}


def test_job_of_a_stopped_service_is_queued_again(cache: Path, tmp_path: Path, gate: Gate) -> None:
    settings = settings_of(tmp_path, cache)

    async def stop() -> str:
        async with serving(settings) as queue:
            job_id = await submit(queue, RECOMPRESSED)
            await tiles_of(queue, job_id)
        assert workers_of() == []
        return job_id

    with gate.closed(after=HALF_WAY):
        job_id = asyncio.run(stop())
    assert any(name.endswith("/journal.jsonl") for name in files_in(tmp_path))
    with closing(JobStore(tmp_path)) as store:
        job = store.find(job_id)
        assert job
        assert (job.status, job.restarts, job.progress) == ("esriJobSubmitted", 0, None)
        store.update(replace(job, status=JobStatus.CANCELLING), len(job.messages))
    job = asyncio.run(end_after_restart(settings, job_id))
    assert job.status == "esriJobCancelled"
    assert "The service was stopped while the job was executing: the job is started again." in texts_of(job)


def test_waiting_jobs_keep_their_order(cache: Path, tmp_path: Path) -> None:
    ids = [f"j{number:032x}" for number in (3, 1, 2)]
    with closing(JobStore(tmp_path)) as store:
        for job_id, service in zip(ids, ("World", "Gone", "World"), strict=True):
            store.add(JobRecord(job_id, "ExportTiles", {"levels": "0"}, service=service, service_type="ImageServer"))

    async def run() -> list[JobRecord]:
        async with serving(settings_of(tmp_path, cache, jobs=1)) as queue:
            return [await end_of(queue, job_id) for job_id in ids]

    jobs = asyncio.run(run())
    assert [job.status for job in jobs] == ["esriJobSucceeded", "esriJobFailed", "esriJobSucceeded"]
    assert texts_of(jobs[1])[0] == "Gone: service not found"
    first, _, second = (job.ended for job in jobs)
    assert first
    assert second
    assert first < second


class TestLock:
    def test_directory_of_another_service_is_rejected(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
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

    def test_service_waits_for_the_workers_of_a_killed_one(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another process holds the lock, as workers do until they notice that their service has ended."""
        attempts: list[bool] = []
        original = system.try_lock
        monkeypatch.setattr(system, "try_lock", lambda file: attempts.append(original(file)) or attempts[-1])
        monkeypatch.setattr(output_directory, "LOCK_SECONDS", TIMEOUT)
        tmp_path.joinpath("service.lock").touch()
        command = [sys.executable, "-P", "-c", HOLD_LOCK, str(tmp_path / "service.lock")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout
            assert holder.stdin
            assert holder.stdout.readline() == "held\n"

            async def run() -> None:
                queue = JobQueue(settings_of(tmp_path, cache))
                starting = asyncio.create_task(queue.start())
                await wait_in_loop_until(lambda: starting.done() or len(attempts) >= 3)
                assert not starting.done()
                assert not any(attempts)
                holder.communicate("enough")
                await starting
                await queue.stop()

            asyncio.run(run())


def test_output_directory_cannot_be_created(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(OutputError, match=r"file: is not a folder, and so cannot hold the output$"):
        asyncio.run(JobQueue(settings_of(tmp_path / "file" / "out", cache)).start())


def test_unusable_database_leaves_the_directory_unlocked(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite").write_bytes(b"x" * 5000)
    with pytest.raises(OutputError, match=r"jobs\.sqlite: job database cannot be used"):
        asyncio.run(JobQueue(settings_of(tmp_path, cache)).start())
    (tmp_path / "jobs.sqlite").unlink()
    asyncio.run(start_and_stop(settings_of(tmp_path, cache)))


async def start_and_stop(settings: ServiceSettings) -> None:
    async with serving(settings):
        pass

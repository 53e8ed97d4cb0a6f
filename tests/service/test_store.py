"""The store of jobs: what it keeps, and files that are none of its own."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gptool.errors import OutputError
from gptool.jobs.record import JobProgress, PlannedSize
from gptool.jobs.status import JobStatus
from gptool.model import Message, Phase
from gptool.service.queue.store import FILE, NewJob, Store

INPUTS = {"levels": "0-2", "areaOfInterest": "{}" * 100_000, "tilePackage": False}
MESSAGES = [Message("Informative", "Start Time"), Message("Warning", "ä' \u2028"), Message("Error", "")]


def new_job(number: int, **changes: Any) -> NewJob:
    job = NewJob(f"j{number:032x}", "ExportTiles", "Maps/World", "MapServer", "digest", INPUTS)
    return job._replace(**changes)


def test_all_of_a_job_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    job = new_job(1)
    with closing(Store(tmp_path)) as store:
        store.add(job, 100.5)
        store.change(
            job.job_id,
            JobStatus.EXECUTING,
            MESSAGES[:1],
            progress=JobProgress(Phase.EXPORTING, 7, 100),
            planned=PlannedSize(3, 4, 5),
        )
        store.change(job.job_id, JobStatus.EXECUTING, MESSAGES[1:])
    with closing(Store(tmp_path)) as store:
        stored = store.find(job.job_id)
        assert stored
        assert (*[getattr(stored, name) for name in NewJob._fields[:5]],) == job[:5]
        assert (stored.status, stored.messages) == ("esriJobExecuting", MESSAGES)
        assert (stored.progress, stored.planned) == (JobProgress(Phase.EXPORTING, 7, 100), PlannedSize(3, 4, 5))
        assert (list(stored.inputs), stored.inputs) == (list(INPUTS), INPUTS)
        assert (stored.created, stored.ended, stored.accessed, stored.deaths) == (100.5, None, 100.5, 0)
        result: dict[str, Any] = {"package": "World", "is_file": False, "size": 2**40, "estimate": {"totalSize": 1}}
        store.change(job.job_id, JobStatus.SUCCEEDED, ended=200.0, progress=None, **result)
        stored = store.find(job.job_id)
        assert stored
        assert {name: getattr(stored, name) for name in result} == result
        assert (stored.ended, stored.progress, store.results_size()) == (200.0, None, 2**40)
        assert store.own_size() > sum(map(len, map(str, INPUTS.values())))


def test_jobs_keep_their_order(tmp_path: Path) -> None:
    with closing(Store(tmp_path)) as store:
        for number in (3, 1, 2, 4):
            store.add(new_job(number), 1.0)
        store.change(new_job(1).job_id, JobStatus.FAILED, ended=2.0)
        assert [job.job_id for job in store.unended()] == [new_job(number).job_id for number in (3, 2, 4)]


def test_what_has_expired_and_what_has_a_result(tmp_path: Path) -> None:
    with closing(Store(tmp_path)) as store:
        for number, ended in ((1, 5.0), (2, 5.0), (3, None), (4, 5.0)):
            store.add(new_job(number), 1.0)
            store.change(new_job(number).job_id, JobStatus.SUCCEEDED, ended=ended, package=None if number == 4 else "x")
        store.touch(new_job(2).job_id, 9.0)
        assert store.expired(8.0) == [new_job(1).job_id, new_job(4).job_id]
        assert store.succeeded() == {new_job(number).job_id for number in (1, 2, 3)}


def test_nothing_remains_of_what_is_deleted(tmp_path: Path) -> None:
    with closing(Store(tmp_path)) as store:
        for number in (1, 2):
            store.add(new_job(number), 1.0)
            store.change(new_job(number).job_id, JobStatus.EXECUTING, MESSAGES)
        store.delete([new_job(1).job_id])
        assert store.find(new_job(1).job_id) is None
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        for table, rows in (("jobs", 1), ("inputs", len(INPUTS)), ("messages", len(MESSAGES))):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (rows,)


def test_an_id_is_given_once(tmp_path: Path) -> None:
    with closing(Store(tmp_path)) as store:
        store.add(new_job(1), 1.0)
        with pytest.raises(OutputError, match=r"^jobs\.sqlite: the store of jobs can't be used: UNIQUE"):
            store.add(new_job(1), 1.0)


def damage(path: Path) -> None:
    """Make a store that is sound at its start alone."""
    with closing(Store(path.parent)) as store:
        for number in range(50):
            store.add(new_job(number, inputs={"levels": "0" * 5000}), 1.0)
    data = bytearray(path.read_bytes())
    data[4096:40_960] = bytes(36_864)
    path.write_bytes(data)


def others(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")


def another_version(path: Path) -> None:
    Store(path.parent).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 7")


BAD = {
    "no SQLite": (lambda path: path.write_bytes(b"x" * 10_000), "can't be used: file is not a database"),
    "a folder": (lambda path: path.mkdir(), "cannot be written: Is a directory"),
    "damaged": (damage, "the store of jobs (is damaged|can't be used: database disk image is malformed)"),
    "others'": (others, "another version; found 0, expected 1, or a new output directory"),
    "a later one's": (another_version, "another version; found 7, expected 1, or a new output directory"),
}


@pytest.mark.parametrize("name", BAD)
def test_files_that_can_not_be_used(tmp_path: Path, name: str) -> None:
    make, message = BAD[name]
    make(tmp_path / FILE)
    with pytest.raises(OutputError, match=message) as caught:
        Store(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / FILE}: ")

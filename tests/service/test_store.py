"""The job database: what it keeps, and files that it rejects."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gptool.errors import OutputError
from gptool.jobs.record import JobProgress, JobRecord, JobResult, PlannedSize
from gptool.jobs.status import JobStatus
from gptool.model import Message, Phase
from gptool.service.queue.store import FILE, JobStore

INPUTS = {"levels": "0-2", "areaOfInterest": "{}" * 100_000, "tilePackage": False}
MESSAGES = Message("Informative", "Start Time"), Message("Warning", "ä' \u2028"), Message("Error", "")


def new_record(number: int, **changes: Any) -> JobRecord:
    record = JobRecord(
        f"j{number:032x}", "ExportTiles", INPUTS, service="Maps/World", service_type="MapServer", owner="digest",
        created=1.0, accessed=1.0,
    )  # fmt: skip
    return replace(record, **changes)


def store_anew(store: JobStore, record: JobRecord, **changes: Any) -> JobRecord:
    """Update a stored record, with all its messages."""
    new = replace(record, **changes)
    store.update(new, len(record.messages))
    return new


def reread(folder: Path, job_id: str) -> JobRecord:
    """The record in a database that is opened once more, with the values of its inputs."""
    with closing(JobStore(folder)) as store:
        record = store.find(job_id)
        assert record
        assert list(record.inputs) == list(INPUTS)
        return replace(record, inputs=store.inputs(job_id))


STATES: dict[str, dict[str, Any]] = {
    "submitted": {},
    "executing": {
        "status": JobStatus.EXECUTING,
        "messages": MESSAGES,
        "progress": JobProgress(Phase.EXPORTING, 7, 100),
        "planned": PlannedSize(3, 4, 5),
        "started": 101.5,
        "restarts": 1,
    },
    "executing, before the first phase": {"status": JobStatus.EXECUTING, "progress": JobProgress(), "started": 101.5},
    "succeeded export": {
        "status": JobStatus.SUCCEEDED,
        "result": JobResult("World", is_file=False, size=2**40),
        "ended": 200.0,
        "accessed": 200.0,
    },
    "succeeded estimate": {"status": JobStatus.SUCCEEDED, "result": JobResult(estimate={"totalSize": 1}), "ended": 2.0},
}


@pytest.mark.parametrize("name", STATES)
def test_record_is_the_same_after_reopening(tmp_path: Path, name: str) -> None:
    added, updated = new_record(1, **STATES[name]), new_record(2)
    with closing(JobStore(tmp_path)) as store:
        store.add(added)
        store.add(updated)
        updated = store_anew(store, updated, **STATES[name])
    assert reread(tmp_path, added.job_id) == added
    assert reread(tmp_path, updated.job_id) == updated


def test_messages_are_stored_once(tmp_path: Path) -> None:
    with closing(JobStore(tmp_path)) as store:
        record = new_record(1, messages=MESSAGES[:1])
        store.add(record)
        store_anew(store, record, messages=MESSAGES)
    assert reread(tmp_path, record.job_id).messages == MESSAGES


def test_sizes_of_results_and_of_the_database(tmp_path: Path) -> None:
    with closing(JobStore(tmp_path)) as store:
        for number, size in ((1, 2**40), (2, 5)):
            store.add(new_record(number, result=JobResult("World", size=size)))
        assert store.results_size() == 2**40 + 5
        assert store.own_size() > 2 * sum(map(len, map(str, INPUTS.values())))


def test_unfinished_jobs_keep_their_order(tmp_path: Path) -> None:
    with closing(JobStore(tmp_path)) as store:
        for number in (3, 1, 2, 4):
            store.add(new_record(number))
        store_anew(store, new_record(1), status=JobStatus.FAILED)
        store_anew(store, new_record(2), status=JobStatus.CANCELLING)
        assert [record.job_id for record in store.unfinished()] == [new_record(number).job_id for number in (3, 2, 4)]


def test_expired_jobs_and_jobs_with_a_result_folder(tmp_path: Path) -> None:
    with closing(JobStore(tmp_path)) as store:
        for number, status in enumerate((*["esriJobSucceeded"] * 2, "esriJobExecuting", "esriJobSucceeded"), 1):
            result = JobResult(estimate={}) if number == 4 else JobResult("x", size=9)
            store.add(new_record(number, status=JobStatus(status), result=result))
        store.touch(new_record(2).job_id, 9.0)
        assert store.expired(8.0) == [new_record(1).job_id, new_record(4).job_id]
        assert store.ids_with_result_folder() == {new_record(number).job_id for number in (1, 2)}


def test_deleted_job_leaves_no_rows(tmp_path: Path) -> None:
    with closing(JobStore(tmp_path)) as store:
        for number in (1, 2):
            store.add(new_record(number, messages=MESSAGES))
        store.delete([new_record(1).job_id])
        assert store.find(new_record(1).job_id) is None
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        for table, rows in (("jobs", 1), ("inputs", len(INPUTS)), ("messages", len(MESSAGES))):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (rows,)


def test_job_id_is_unique(tmp_path: Path) -> None:
    with closing(JobStore(tmp_path)) as store:
        store.add(new_record(1))
        with pytest.raises(OutputError, match=r"^jobs\.sqlite: job database cannot be used: UNIQUE"):
            store.add(new_record(1))


def damage(path: Path) -> None:
    """Create a database that is sound at its start alone."""
    with closing(JobStore(path.parent)) as store:
        for number in range(50):
            store.add(new_record(number, inputs={"levels": "0" * 5000}))
    data = bytearray(path.read_bytes())
    data[4096:40_960] = bytes(36_864)
    path.write_bytes(data)


def create_foreign_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")


def create_version_1(path: Path) -> None:
    """Create the tables of gptool 0.1.0."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE jobs (number INTEGER PRIMARY KEY, job_id TEXT NOT NULL UNIQUE, task TEXT NOT NULL,"
            " status TEXT NOT NULL, deaths INTEGER NOT NULL DEFAULT 0);"
            "INSERT INTO jobs (job_id, task, status) VALUES ('j1', 'ExportTiles', 'esriJobSucceeded');"
            "PRAGMA user_version = 1;"
        )


def create_later_version(path: Path) -> None:
    JobStore(path.parent).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 7")


OTHER_VERSION = "job database was written by another version; found {}, expected 2, or a new output directory"
UNUSABLE_FILES = {
    "no database": (lambda path: path.write_bytes(b"x" * 10_000), "cannot be used: file is not a database"),
    "folder": (lambda path: path.mkdir(), "cannot be written: (Is a directory|Permission denied)"),
    "damaged database": (damage, "job database (is damaged|cannot be used: database disk image is malformed)"),
    "foreign database": (create_foreign_table, OTHER_VERSION.format(0)),
    "version 0.1.0": (create_version_1, OTHER_VERSION.format(1)),
    "later version": (create_later_version, OTHER_VERSION.format(7)),
}


@pytest.mark.parametrize("name", UNUSABLE_FILES)
def test_unusable_file_is_rejected_and_kept(tmp_path: Path, name: str) -> None:
    make, message = UNUSABLE_FILES[name]
    path = tmp_path / FILE
    make(path)
    before = path.is_file() and path.read_bytes()
    with pytest.raises(OutputError, match=message) as caught:
        JobStore(tmp_path)
    assert str(caught.value).startswith(f"{path}: ")
    assert (path.is_file() and path.read_bytes()) == before

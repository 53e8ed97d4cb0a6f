"""The job database: one SQLite file, which only the service's own process writes."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from gptool.errors import OutputError, translate_os_errors
from gptool.jobs.record import JobProgress, JobRecord, JobResult, PlannedSize
from gptool.jobs.status import JobStatus
from gptool.model import Message
from gptool.service.queue.output_directory import PRIVATE_FILE

FILE = "jobs.sqlite"

VERSION = 2
"""Version of the tables, which the file has as its `user_version`. Version 1 is that of gptool 0.1.0."""

# Inputs and messages have tables of their own: an area of interest may have megabytes, and messages are only added.
SCHEMA = f"""
BEGIN;
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL UNIQUE,
    operation TEXT NOT NULL,
    service TEXT NOT NULL,
    service_type TEXT NOT NULL,
    owner TEXT NOT NULL,
    status TEXT NOT NULL,
    progress TEXT,
    planned TEXT,
    result TEXT,
    result_size INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL,
    started REAL,
    ended REAL,
    accessed REAL NOT NULL,
    restarts INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE inputs (
    job_id TEXT NOT NULL REFERENCES jobs (job_id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL
);
CREATE INDEX inputs_of_a_job ON inputs (job_id, name);
CREATE TABLE messages (
    number INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL REFERENCES jobs (job_id) ON DELETE CASCADE,
    type TEXT NOT NULL,
    description TEXT NOT NULL
);
CREATE INDEX messages_of_a_job ON messages (job_id, number);
PRAGMA user_version = {VERSION};
COMMIT;
"""

MAX_LISTED = 50
"""Jobs in a list."""

ENDED = tuple(status for status in JobStatus if status.is_ended)
HAS_ENDED = f"status IN ({', '.join('?' * len(ENDED))})"


class JobStore:
    """The job records of a service, on disk. It is used in the thread that created it.

    Raises
    ------
    OutputError
        If the file cannot be created or used, is damaged, or was written by another version.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / FILE
        with translate_os_errors(path):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE))
            path.chmod(PRIVATE_FILE)  # SQLite gives its -wal and -shm files the mode of the database
        with _translate_errors(path):
            try:
                self._connection = _connect(path, "NORMAL")
            except sqlite3.OperationalError:
                # On a full disk there is no space for the file that SQLite shares with other processes; there are none.
                self._connection = _connect(path, "EXCLUSIVE")
        self._connection.row_factory = sqlite3.Row

    def close(self) -> None:
        """Close the file; SQLite removes its own files beside it."""
        self._connection.close()

    def add(self, record: JobRecord) -> None:
        """Store a new job."""
        columns = {
            "job_id": record.job_id,
            "operation": record.operation,
            "service": record.service,
            "service_type": record.service_type,
            "owner": record.owner,
            "created": record.created,
            **_mutable_columns(record),
        }
        values = ", ".join("?" * len(columns))
        with self._transaction() as connection:
            connection.execute(f"INSERT INTO jobs ({', '.join(columns)}) VALUES ({values})", (*columns.values(),))
            inputs = ((record.job_id, name, json.dumps(value)) for name, value in record.inputs.items())
            connection.executemany("INSERT INTO inputs VALUES (?, ?, ?)", inputs)
            _add_messages(connection, record, 0)

    def update(self, record: JobRecord, stored_messages: int) -> None:
        """Store a new state of a job.

        Parameters
        ----------
        stored_messages : int
            Number of the record's messages that are stored; those after them are added.
        """
        columns = _mutable_columns(record)
        assignments = ", ".join(f"{name} = ?" for name in columns)
        with self._transaction() as connection:
            connection.execute(f"UPDATE jobs SET {assignments} WHERE job_id = ?", (*columns.values(), record.job_id))
            _add_messages(connection, record, stored_messages)

    def touch(self, job_id: str, now: float) -> None:
        """Store the time of the last access to a job."""
        with self._transaction() as connection:
            connection.execute("UPDATE jobs SET accessed = ? WHERE job_id = ?", (now, job_id))

    def delete(self, job_ids: Sequence[str]) -> None:
        """Delete jobs."""
        with self._transaction() as connection:
            connection.executemany("DELETE FROM jobs WHERE job_id = ?", ((job_id,) for job_id in job_ids))

    def find(self, job_id: str) -> JobRecord | None:
        """Return a job; None if there is no job of this id."""
        rows = self._rows("SELECT * FROM jobs WHERE job_id = ?", job_id)
        return self._record(rows[0]) if rows else None

    def newest(self, owner: str, job_ids: Sequence[str]) -> list[JobRecord]:
        """Return the newest jobs of an owner; for an empty string, those of the ids that have no owner."""
        condition = "" if owner else f" AND job_id IN ({', '.join('?' * len(job_ids))})"
        query = f"SELECT * FROM jobs WHERE owner = ?{condition} ORDER BY number DESC LIMIT {MAX_LISTED}"
        return [self._record(row) for row in self._rows(query, owner, *([] if owner else job_ids))]

    def unfinished(self) -> list[JobRecord]:
        """Return the jobs that have not ended, in the order of their submission."""
        rows = self._rows(f"SELECT * FROM jobs WHERE NOT {HAS_ENDED} ORDER BY number", *ENDED)
        return [self._record(row) for row in rows]

    def ids_with_result_folder(self) -> set[str]:
        """Return the ids of the jobs that have a result folder: succeeded exports."""
        rows = self._rows("SELECT job_id FROM jobs WHERE status = ? AND result_size > 0", JobStatus.SUCCEEDED)
        return {row["job_id"] for row in rows}

    def packages(self, service: str, owner: str) -> list[str]:
        """Return the ids of the jobs of a service and an owner that have a result folder, newest first."""
        query = "SELECT job_id FROM jobs WHERE status = ? AND result_size > 0 AND service = ? AND owner = ?"
        return [
            row["job_id"] for row in self._rows(f"{query} ORDER BY number DESC", JobStatus.SUCCEEDED, service, owner)
        ]

    def expired(self, before: float) -> list[str]:
        """Return the ids of the jobs that have ended and were last accessed before a time."""
        rows = self._rows(f"SELECT job_id FROM jobs WHERE {HAS_ENDED} AND accessed < ?", *ENDED, before)
        return [row["job_id"] for row in rows]

    def results_size(self) -> int:
        """Return the size of all results, bytes."""
        return self._number("SELECT coalesce(sum(result_size), 0) FROM jobs")

    def own_size(self) -> int:
        """Return the bytes in the file that are in use: areas of interest may have megabytes."""
        return self._number("PRAGMA page_size") * (
            self._number("PRAGMA page_count") - self._number("PRAGMA freelist_count")
        )

    def inputs(self, job_id: str) -> dict[str, Any]:
        """Return the inputs of a job; none if it is not stored any more."""
        rows = self._rows("SELECT name, value FROM inputs WHERE job_id = ? ORDER BY rowid", job_id)
        return {row["name"]: json.loads(row["value"]) for row in rows}

    def _record(self, row: sqlite3.Row) -> JobRecord:
        job_id = row["job_id"]
        inputs = self._rows("SELECT name FROM inputs WHERE job_id = ? ORDER BY rowid", job_id)
        messages = self._rows("SELECT type, description FROM messages WHERE job_id = ? ORDER BY number", job_id)
        progress, planned, result = (
            json.loads(row[name]) if row[name] else None for name in ("progress", "planned", "result")
        )
        return JobRecord(
            job_id,
            row["operation"],
            StoredInputs(item["name"] for item in inputs),
            JobStatus(row["status"]),
            tuple(Message(*message) for message in messages),
            progress and JobProgress.from_values(progress),
            planned and PlannedSize.from_values(planned),
            result and JobResult(*result),
            **{name: row[name] for name in ("service", "service_type", "owner", "created", "started", "ended")},
            **{name: row[name] for name in ("accessed", "restarts")},
        )

    def _number(self, query: str) -> int:
        number: int = self._rows(query)[0][0]
        return number

    def _rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with _translate_errors(FILE):
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with _translate_errors(FILE), self._connection:
            yield self._connection


class StoredInputs(Mapping[str, Any]):
    """The inputs of a stored job, without their values: polls need the names alone. See `JobStore.inputs`."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(names)

    def __getitem__(self, name: str) -> Any:
        raise TypeError("values of stored inputs are read by JobStore.inputs")

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _mutable_columns(record: JobRecord) -> dict[str, Any]:
    """Return the columns that change while a job is executed, with their values."""
    return {
        "status": record.status,
        "progress": record.progress and json.dumps(record.progress),
        "planned": record.planned and json.dumps(record.planned),
        "result": record.result and json.dumps(record.result),
        "result_size": record.result.size if record.result else 0,
        "started": record.started,
        "ended": record.ended,
        "accessed": record.accessed,
        "restarts": record.restarts,
    }


def _add_messages(connection: sqlite3.Connection, record: JobRecord, first: int) -> None:
    messages = ((record.job_id, *message) for message in record.messages[first:])
    connection.executemany("INSERT INTO messages (job_id, type, description) VALUES (?, ?, ?)", messages)


@contextmanager
def _translate_errors(where: Path | str) -> Iterator[None]:
    """Raise SQLite's errors as OutputError. Once a service answers requests, the message has no folder."""
    try:
        yield
    except sqlite3.Error as error:
        raise OutputError(f"job database cannot be used: {error}", where=where) from error


def _connect(path: Path, locking_mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    try:
        connection.execute(f"PRAGMA locking_mode = {locking_mode}").fetchall()
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Create the tables in an empty file; check those of another, which is not changed if it is rejected."""
    with closing(connection.execute("PRAGMA user_version")) as versions:
        version = versions.fetchone()[0]
    with closing(connection.execute("SELECT 1 FROM sqlite_schema")) as tables:
        is_empty = version == 0 and not tables.fetchone()
    if version != VERSION and not is_empty:
        raise OutputError(
            "job database was written by another version", where=path, found=version,
            expected=f"{VERSION}, or a new output directory",
        )  # fmt: skip
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    if is_empty:
        connection.executescript(SCHEMA)
    fault = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if fault != "ok":
        raise OutputError(f"job database is damaged: {fault}", where=path, expected="a new output directory")

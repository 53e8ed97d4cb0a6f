"""The jobs of a service on disk: one SQLite file that only the service's own process writes."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from gptool.errors import OutputError, translate_os_errors
from gptool.jobs.record import JobProgress, PlannedSize
from gptool.jobs.status import JobStatus
from gptool.model import Message
from gptool.service.queue.output_directory import PRIVATE_FILE

FILE = "jobs.sqlite"

VERSION = 1
"""Of the tables below; a file says as `user_version` whose it has."""

# Inputs and messages have tables of their own: an area of interest may have megabytes, and messages are only added to.
SCHEMA = f"""
BEGIN;
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL UNIQUE,
    task TEXT NOT NULL,
    service TEXT NOT NULL,
    kind TEXT NOT NULL,
    owner TEXT NOT NULL,
    status TEXT NOT NULL,
    progress TEXT,
    planned TEXT,
    package TEXT,
    is_file INTEGER NOT NULL DEFAULT 0,
    size INTEGER NOT NULL DEFAULT 0,
    estimate TEXT,
    created REAL NOT NULL,
    ended REAL,
    accessed REAL NOT NULL,
    deaths INTEGER NOT NULL DEFAULT 0
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


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A job as it is at a time.

    Attributes
    ----------
    task : str
        ExportTiles or EstimateExportTilesSize.
    service : str
        The name of the cache: `World` or `Maps/World`.
    kind : str
        The resource it was asked of: ImageServer, MapServer or GPServer.
    owner : str
        Who may see it: a token's digest, "" where there is none.
    inputs : mapping
        As `Job.inputs`. A value is read from the disk when it is asked for; then the job must still be stored.
    planned : PlannedSize or None
        Once tiles are counted.
    package : str or None
        The name of the file or folder that an export has made, in its result's folder.
    is_file : bool
        Whether that is a file.
    size : int
        Bytes of the result's folder.
    estimate : dict or None
        The result of an estimate.
    created, ended, accessed : float
        Seconds since the epoch; `ended` is None before.
    deaths : int
        How often it was started again because the service had died.
    """

    job_id: str
    task: str
    service: str
    kind: str
    owner: str
    status: JobStatus
    inputs: Mapping[str, Any]
    messages: list[Message]
    progress: JobProgress | None
    planned: PlannedSize | None
    package: str | None
    is_file: bool
    size: int
    estimate: dict[str, Any] | None
    created: float
    ended: float | None
    accessed: float
    deaths: int


class NewJob(NamedTuple):
    """What is known of a job when it is asked for."""

    job_id: str
    task: str
    service: str
    kind: str
    owner: str
    inputs: Mapping[str, Any]


class Store:
    """The file of jobs, open. It belongs to the thread that opened it.

    Raises
    ------
    OutputError
        When the file can't be made or used, is damaged, or is another version's.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / FILE
        with translate_os_errors(path):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE))
            path.chmod(PRIVATE_FILE)  # SQLite gives its -wal and -shm files the mode of the database
        with _using(path):
            self._connection = sqlite3.connect(path)
        try:
            with _using(path):
                _prepare(self._connection, path)
        except BaseException:
            self._connection.close()
            raise
        self._connection.row_factory = sqlite3.Row

    def close(self) -> None:
        """Close the file; SQLite's own files beside it go."""
        self._connection.close()

    def add(self, job: NewJob, now: float) -> None:
        """Store a job that was submitted now."""
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO jobs (job_id, task, service, kind, owner, status, created, accessed)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*job[:5], JobStatus.SUBMITTED, now, now),
            )
            values = ((job.job_id, name, json.dumps(value)) for name, value in job.inputs.items())
            connection.executemany("INSERT INTO inputs VALUES (?, ?, ?)", values)

    def change(self, job_id: str, status: JobStatus, messages: Iterable[Message] = (), **values: Any) -> None:
        """Store a job's status, other values by the names of `StoredJob`, and messages after those that it has."""
        values["status"] = status
        assignments = ", ".join(f"{name} = ?" for name in values)
        texts = (json.dumps(value) if isinstance(value, tuple | dict) else value for value in values.values())
        with self._writing() as connection:
            connection.execute(f"UPDATE jobs SET {assignments} WHERE job_id = ?", (*texts, job_id))
            added = ((job_id, *message) for message in messages)
            connection.executemany("INSERT INTO messages (job_id, type, description) VALUES (?, ?, ?)", added)

    def touch(self, job_id: str, now: float) -> None:
        """Note that a job was asked for now."""
        with self._writing() as connection:
            connection.execute("UPDATE jobs SET accessed = ? WHERE job_id = ?", (now, job_id))

    def delete(self, job_ids: Sequence[str]) -> None:
        """Forget jobs."""
        with self._writing() as connection:
            connection.executemany("DELETE FROM jobs WHERE job_id = ?", ((job_id,) for job_id in job_ids))

    def find(self, job_id: str) -> StoredJob | None:
        """Return a job, None when there is none of this id."""
        rows = self._rows("SELECT * FROM jobs WHERE job_id = ?", job_id)
        return self._job(rows[0]) if rows else None

    def unended(self) -> list[StoredJob]:
        """Return the jobs that have not ended, in the order in which they were submitted."""
        return [self._job(row) for row in self._rows("SELECT * FROM jobs WHERE ended IS NULL ORDER BY number")]

    def succeeded(self) -> set[str]:
        """Return the ids of the exports that have a result."""
        rows = self._rows("SELECT job_id FROM jobs WHERE status = ? AND package IS NOT NULL", JobStatus.SUCCEEDED)
        return {row["job_id"] for row in rows}

    def expired(self, before: float) -> list[str]:
        """Return the ids of the jobs that have ended and were last asked for before a time."""
        rows = self._rows("SELECT job_id FROM jobs WHERE ended IS NOT NULL AND accessed < ?", before)
        return [row["job_id"] for row in rows]

    def results_size(self) -> int:
        """Return the bytes of all results."""
        return self._number("SELECT coalesce(sum(size), 0) FROM jobs")

    def own_size(self) -> int:
        """Return the bytes that jobs take in the store: areas of interest may have megabytes."""
        return self._number("PRAGMA page_size") * (
            self._number("PRAGMA page_count") - self._number("PRAGMA freelist_count")
        )

    def input(self, job_id: str, name: str) -> Any:
        """Return the value of a job's input. Raises KeyError when there is none of that name, or no such job."""
        rows = self._rows("SELECT value FROM inputs WHERE job_id = ? AND name = ?", job_id, name)
        if not rows:
            raise KeyError(name)
        return json.loads(rows[0]["value"])

    def _job(self, row: sqlite3.Row) -> StoredJob:
        job_id = row["job_id"]
        inputs = self._rows("SELECT name FROM inputs WHERE job_id = ? ORDER BY rowid", job_id)
        messages = self._rows("SELECT type, description FROM messages WHERE job_id = ? ORDER BY number", job_id)
        values = {name: row[name] for name in row.keys() if name != "number"}  # noqa: SIM118 - a row's values iterate
        values["inputs"] = _Inputs(self, job_id, tuple(item["name"] for item in inputs))
        values["messages"] = [Message(*message) for message in messages]
        values["status"] = JobStatus(row["status"])
        values["progress"] = JobProgress.from_values(json.loads(row["progress"])) if row["progress"] else None
        values["planned"] = PlannedSize(*json.loads(row["planned"])) if row["planned"] else None
        values["estimate"] = json.loads(row["estimate"]) if row["estimate"] else None
        values["is_file"] = bool(row["is_file"])
        return StoredJob(**values)

    def _number(self, query: str) -> int:
        number: int = self._rows(query)[0][0]
        return number

    def _rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with _using(FILE):
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Make what is done within one transaction."""
        with _using(FILE), self._connection:
            yield self._connection


class _Inputs(Mapping[str, Any]):
    """A stored job's inputs: polls see their names, and need not read their values."""

    def __init__(self, store: Store, job_id: str, names: tuple[str, ...]) -> None:
        self._store, self._job_id, self._names = store, job_id, names

    def __getitem__(self, name: str) -> Any:
        return self._store.input(self._job_id, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@contextmanager
def _using(where: Path | str) -> Iterator[None]:
    """Turn what SQLite refuses into an OutputError; once a service answers requests, it names no folder."""
    try:
        yield
    except sqlite3.Error as error:
        raise OutputError(f"the store of jobs can't be used: {error}", where=where) from error


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables where there are none, and make sure that those that are there can be used."""
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    with closing(connection.execute("PRAGMA user_version")) as versions:
        version = versions.fetchone()[0]
    if version == 0 and not connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
        connection.executescript(SCHEMA)
    elif version != VERSION:
        raise OutputError(
            "a store of jobs of another version", where=path, found=version,
            expected=f"{VERSION}, or a new output directory",
        )  # fmt: skip
    fault = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if fault != "ok":
        raise OutputError(f"the store of jobs is damaged: {fault}", where=path, expected="a new output directory")

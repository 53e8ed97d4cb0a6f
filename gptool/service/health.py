"""Health check: whether a service can take jobs."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from gptool.service.queue.storage_quota import MIN_FREE_BYTES
from gptool.service.queue.store import FILE
from gptool.service.settings import ServiceSettings

CHECK_SECONDS = 3.0
"""How long a check may take."""

LOCK_SECONDS = 1.0
"""How long the job database may be locked by others."""

REUSE_SECONDS = 1.0
"""How long the result of a check is used: requests for it need no token, so they must cost nothing."""

TEST_BYTES = 4096


class HealthCheck:
    """Check of the job database and of the output directory. Simultaneous requests share one check."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._check: asyncio.Task[list[str]] | None = None
        self._started = 0.0

    async def problems(self) -> list[str]:
        """Return why the service cannot take jobs; an empty list if it can."""
        check, now = self._check, time.monotonic()
        # A check that hangs is not repeated, since each one occupies a thread.
        if check is None or (check.done() and now - self._started > REUSE_SECONDS):
            self._started = now
            check = self._check = asyncio.create_task(asyncio.to_thread(_find_problems, self._settings))
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                return await asyncio.shield(check)
        except TimeoutError:
            return [f"the output directory does not answer within {CHECK_SECONDS:g} seconds"]


def _find_problems(settings: ServiceSettings) -> list[str]:
    folder = Path(settings.output_directory).absolute()
    return [problem for problem in (_database_problem(folder / FILE), _directory_problem(folder, settings)) if problem]


def _database_problem(path: Path) -> str | None:
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", timeout=LOCK_SECONDS, uri=True)) as connection:
            connection.execute("BEGIN IMMEDIATE")  # as for a new job, but nothing is written
            connection.execute("SELECT 1 FROM jobs LIMIT 1").fetchone()
            connection.rollback()
    except sqlite3.Error as error:
        return f"the job database cannot be written: {error}"
    return None


def _directory_problem(folder: Path, settings: ServiceSettings) -> str | None:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(TEST_BYTES))
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return f"the output directory cannot be written: {error.strerror or error}"
    if not settings.disk_quota and free <= MIN_FREE_BYTES:
        return f"the disk of the output directory is full; found {free} bytes free, expected more than {MIN_FREE_BYTES}"
    return None

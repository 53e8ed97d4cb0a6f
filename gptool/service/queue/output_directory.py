"""The output directory of a service: its lock, the folders where jobs work, and those of their results.

jobs.sqlite             the jobs, see `gptool.service.queue.store`
service.lock            held by the service and its workers
work/<job id>/          what a job is making
results/<job id>/       what an export has made
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from gptool.errors import OutputError, translate_os_errors

JOB_ID = re.compile("j[0-9a-f]{32}")
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
"""Modes of folders and files that only the service's own account may read: jobs belong to their owners."""

LOCK_SECONDS = 5.0
"""How long a service waits for one that was killed: its workers hold the lock until they have noticed."""

BETWEEN_TRIES = 0.05


class OutputDirectory:
    """The directory, absolute. Nothing is made or taken before `lock`."""

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.abspath(path))  # noqa: PTH100 - links stay as they are named
        self._work, self._results = self.path / "work", self.path / "results"
        self._lock: int | None = None

    async def lock(self) -> None:
        """Make the directory and take it for this service.

        Raises
        ------
        OutputError
            When it can't be written, or another service has it.
        """
        with translate_os_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            for folder in (self._work, self._results):
                folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
                folder.chmod(PRIVATE_FOLDER)  # an earlier version created it with the umask's mode
            self._lock = os.open(self.path / "service.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
        try:
            await self._wait_for_lock(self._lock)
        except BaseException:
            self.unlock()
            raise

    async def _wait_for_lock(self, file: int) -> None:
        deadline = time.monotonic() + LOCK_SECONDS
        with translate_os_errors(self.path):
            while not _locks(file):
                if time.monotonic() > deadline:
                    raise OutputError(
                        "another service uses it", where=self.path, expected="a directory for each service"
                    )
                await asyncio.sleep(BETWEEN_TRIES)

    def unlock(self) -> None:
        """Give it up."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def inherited(self) -> tuple[int, ...]:
        """The descriptors that a worker inherits: as long as it lives, no other service takes the directory."""
        return () if self._lock is None else (self._lock,)

    def work(self, job_id: str) -> Path:
        """Return the folder in which a job's own folder appears, named by its id, when it has succeeded."""
        return self._work / job_id

    def result(self, job_id: str) -> Path:
        """Return the folder of an export's result."""
        return self._results / job_id

    def keep(self, job_id: str) -> None:
        """Move what a job has made from its work to the results.

        Raises
        ------
        OutputError
            When it can't be moved.
        """
        target = self.result(job_id)
        with translate_os_errors(target):
            (self.work(job_id) / job_id).rename(target)
            self.work(job_id).rmdir()

    def remove_work(self, job_id: str) -> None:
        """Remove what is left of a job's work."""
        shutil.rmtree(self.work(job_id), ignore_errors=True)

    def remove_results(self, job_ids: Iterable[str]) -> None:
        """Remove results."""
        for job_id in job_ids:
            shutil.rmtree(self.result(job_id), ignore_errors=True)

    def sweep(self, kept: set[str]) -> None:
        """Remove what a service that was killed has left: all work, and the results that are of no job of these.

        Raises
        ------
        OutputError
            When the folders can't be listed.
        """
        with translate_os_errors(self.path):
            left = [path for path in self._work.iterdir() if JOB_ID.fullmatch(path.name)]
            left += [path for path in self._results.iterdir() if JOB_ID.fullmatch(path.name) and path.name not in kept]
        for path in left:
            shutil.rmtree(path, ignore_errors=True)

    def free(self) -> int:
        """Return the bytes that the disk has free."""
        with translate_os_errors(self.path):
            return shutil.disk_usage(self.path).free


def _locks(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

"""The output directory of a service: its lock, and the folders of work and of results.

jobs.sqlite             the job database, see `gptool.service.queue.store`
service.lock            locked by the service and its workers
work/<job id>/          the incomplete result of an executing job
results/<job id>/       the result of a succeeded export
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from gptool import system
from gptool.errors import OutputError, translate_os_errors
from gptool.output.staging import created_folder

JOB_ID = re.compile("j[0-9a-f]{32}")
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
"""Modes of folders and files that only the service's own account may read: jobs belong to their owners."""

LOCK_SECONDS = 5.0
"""How long a service waits for the lock: the workers of a service that was killed hold it until they notice."""

LOCK_RETRY_SECONDS = 0.05


class OutputDirectory:
    """The output directory, an absolute path. Nothing is created before `lock`."""

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.abspath(path))  # noqa: PTH100 - symbolic links are kept
        self._work, self._results = self.path / "work", self.path / "results"
        self._lock: int | None = None

    async def lock(self) -> None:
        """Create the directory and lock it for this service.

        Raises
        ------
        OutputError
            If it cannot be written, or is in use by another service.
        """
        with created_folder(self.path), translate_os_errors(self.path):
            for folder in (self._work, self._results):
                folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
                folder.chmod(PRIVATE_FOLDER)  # version 0.1.0 created it with the umask's mode
            self._lock = os.open(self.path / "service.lock", system.LOCK, PRIVATE_FILE)
        try:
            await self._wait_for_lock(self._lock)
        except BaseException:
            self.unlock()
            raise

    async def _wait_for_lock(self, file: int) -> None:
        deadline = time.monotonic() + LOCK_SECONDS
        with translate_os_errors(self.path):
            while not system.try_lock(file):
                if time.monotonic() > deadline:
                    raise OutputError(
                        "directory is in use by another service", where=self.path,
                        expected="an output directory for each service",
                    )  # fmt: skip
                await asyncio.sleep(LOCK_RETRY_SECONDS)

    def unlock(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def inherited(self) -> tuple[int, ...]:
        """The file descriptors that a worker inherits: while it lives, no other service can lock the directory."""
        return () if self._lock is None else (self._lock,)

    def work_folder(self, job_id: str) -> Path:
        """Return the folder in which the folder of a succeeded job appears, which is named by the job's id."""
        return self._work / job_id

    def result_folder(self, job_id: str) -> Path:
        """Return the folder of an export's result."""
        return self._results / job_id

    def keep_result(self, job_id: str) -> None:
        """Move the result of a job from the work folder to the results.

        Raises
        ------
        OutputError
            If it cannot be moved.
        """
        target = self.result_folder(job_id)
        with translate_os_errors(target):
            system.rename(self.work_folder(job_id) / job_id, target)
            self.work_folder(job_id).rmdir()

    def remove_work(self, job_id: str) -> None:
        """Remove the work folder of a job."""
        system.remove_folder(self.work_folder(job_id))

    def remove_results(self, job_ids: Iterable[str]) -> None:
        """Remove the results of jobs."""
        for job_id in job_ids:
            system.remove_folder(self.result_folder(job_id))

    def remove_orphans(self, ids_with_result: set[str], unfinished_ids: set[str]) -> None:
        """Remove what a service that was killed has left, except what jobs go on with.

        Parameters
        ----------
        ids_with_result : set of str
            The jobs that have a result.
        unfinished_ids : set of str
            The jobs that are started again. Their work stays, unless it is a whole result that is not recorded.

        Raises
        ------
        OutputError
            If the folders cannot be listed.
        """
        with translate_os_errors(self.path):
            orphans = [path / path.name if path.name in unfinished_ids else path for path in _job_folders(self._work)]
            orphans += [path for path in _job_folders(self._results) if path.name not in ids_with_result]
        for path in orphans:
            system.remove_folder(path)

    def free_bytes(self) -> int:
        """Return the free space of the disk, bytes.

        Raises
        ------
        OutputError
            If it cannot be determined.
        """
        with translate_os_errors(self.path):
            return shutil.disk_usage(self.path).free


def _job_folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if JOB_ID.fullmatch(path.name)]

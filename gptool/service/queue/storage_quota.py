"""The disk space for results, and for the job database."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from gptool.errors import GptoolError, ServiceError
from gptool.service.queue.active_job import ActiveJob
from gptool.service.queue.output_directory import OutputDirectory
from gptool.service.queue.store import JobStore
from gptool.service.queue.store_thread import StoreThread

MIN_FREE_BYTES = 10**9
"""Free disk space that a service without a quota does not use."""


class StorageQuota(NamedTuple):
    """The disk space of a service: a quota in bytes, or if that is 0 the free space of the disk."""

    quota: int
    output: OutputDirectory
    store: StoreThread

    async def check_space_left(self, active: Collection[ActiveJob]) -> None:
        """Check that there is space for more results than those of the active jobs.

        Raises
        ------
        ServiceError
            If there is none.
        """
        stored, free = await self.store.call(self._measure)
        if self._available(active, stored, free) > 0:
            return
        used = stored + sum(job.reserved_bytes for job in active)
        needed = sum(job.remaining_bytes for job in active) + (0 if self.quota else MIN_FREE_BYTES)
        is_quota_used = self.quota and used >= self.quota
        raise ServiceError(
            "not enough storage for more jobs and results, try again when some have expired",
            code=507,
            found=f"{used} bytes used" if is_quota_used else f"{free} bytes free",
            expected=f"less than {self.quota}" if is_quota_used else f"more than {needed}",
        )

    async def reservation_error(self, job: ActiveJob, active: Collection[ActiveJob]) -> GptoolError | None:
        """Return the error of a job whose result does not fit beside the other active jobs; None if it fits."""
        stored, free = await self.store.call(self._measure)
        available = self._available([other for other in active if other is not job], stored, free)
        planned = job.record.planned
        if planned is None or job.reserved_bytes <= available:
            return None
        return GptoolError(
            "not enough storage for the result",
            found=f"{planned.tiles} tiles, which may need {planned.reserved_bytes} bytes",
            expected=f"at most {max(available, 0)} bytes: select fewer levels, a smaller exportExtent or "
            "areaOfInterest, or try again later",
        )

    def _measure(self, store: JobStore) -> tuple[int, int]:
        """Return the size of all stored jobs and results, and the free space of the disk, bytes."""
        return store.results_size() + store.own_size(), self.output.free_bytes()

    def _available(self, active: Collection[ActiveJob], stored: int, free: int) -> int:
        on_disk = free - sum(job.remaining_bytes for job in active)
        if not self.quota:
            return on_disk - MIN_FREE_BYTES
        return min(self.quota - stored - sum(job.reserved_bytes for job in active), on_disk)

"""What a service grants: jobs of which caches, areas of interest of what size, and what place for results."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from gptool.errors import GptoolError, ParameterError, ServiceError
from gptool.jobs.record import PlannedSize
from gptool.request.area import PARAMETER as AREA
from gptool.service.queue.output_directory import OutputDirectory
from gptool.service.queue.protocol import EXPORT
from gptool.service.queue.run import Run
from gptool.service.queue.store import Store
from gptool.service.settings import ServiceSettings
from gptool.settings import CacheSettings

GIGABYTE = 10**9
"""Bytes that a service without a quota leaves free on its disk."""

VERTEX = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|(\[\s*+[^\s\[\]{"])', re.DOTALL)
"""A text of JSON; or, as a group, how a list of numbers starts."""


def offered(settings: ServiceSettings, service: str) -> CacheSettings:
    """Return what is said of the cache of a service that takes jobs.

    Raises
    ------
    ServiceError
        When there is no such service, or it takes none.
    """
    cache = settings.caches.get(service)
    if cache is None:
        raise ServiceError("no such service", code=404, found=service)
    if not cache.export_tiles_allowed:
        raise ServiceError(f"{service} does not allow exportTiles", code=403)
    return cache


async def check_area(inputs: Mapping[str, Any], settings: ServiceSettings) -> ParameterError | None:
    """Return the error of an area of interest that is too large; whether it is one at all, the job will find.

    Its vertices are counted as the lists of numbers in it: to parse so much JSON would keep all other requests waiting.
    """
    area = inputs.get(AREA)
    if not isinstance(area, str):
        return None
    size, most = len(area.encode(errors="surrogatepass")), settings.max_area_bytes
    if size > most:
        return ParameterError("too many bytes", where=AREA, found=size, expected=f"at most {most}")
    most = settings.max_area_vertices
    if area.count("[") > most:
        vertices = await asyncio.to_thread(_count_vertices, area)
        if vertices > most:
            return ParameterError("too many vertices", where=AREA, found=vertices, expected=f"at most {most}")
    return None


def _count_vertices(area: str) -> int:
    return sum(1 for match in VERTEX.finditer(area) if match[1])


class Place(NamedTuple):
    """The place for results, and for what is stored of jobs: a quota, or when that is 0 what the disk has."""

    quota: int
    output: OutputDirectory
    store: Store

    def check(self, runs: Iterable[Run]) -> None:
        """Make sure that there is place for more results than those of these jobs.

        Raises
        ------
        ServiceError
            When there is none.
        """
        runs = list(runs)
        if self._free(runs) > 0:
            return
        used, needed = self._used(runs), sum(run.to_write for run in runs) + (0 if self.quota else GIGABYTE)
        is_quota = self.quota and used >= self.quota
        raise ServiceError(
            "no place for more jobs and results: try again later, when some have expired",
            code=507,
            found=f"{used} bytes used" if is_quota else f"{self.output.free()} bytes free",
            expected=f"less than {self.quota}" if is_quota else f"more than {needed}",
        )

    def find_fault(self, run: Run, runs: Iterable[Run]) -> GptoolError | None:
        """Return the error of an export whose tiles are counted, and find no place beside those of other jobs."""
        planned = run.planned or PlannedSize(0, 0, 0)
        free = self._free([other for other in runs if other is not run])
        if planned.reserved_bytes <= free:
            return None
        return GptoolError(
            "no place for the result",
            found=f"{planned.tiles} tiles, which may take {planned.reserved_bytes} bytes",
            expected=f"at most {max(free, 0)} bytes: ask for fewer levels, a smaller exportExtent or areaOfInterest, "
            "or try again later",
        )

    def _free(self, runs: list[Run]) -> int:
        on_disk = self.output.free() - sum(run.to_write for run in runs)
        return min(self.quota - self._used(runs), on_disk) if self.quota else on_disk - GIGABYTE

    def _used(self, runs: list[Run]) -> int:
        return (
            self.store.results_size()
            + self.store.own_size()
            + sum(run.planned.reserved_bytes for run in runs if run.task == EXPORT and run.planned)
        )

"""Checks of a request for a job: whether its cache may be exported, and the size of its area of interest."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from gptool.errors import ParameterError, ServiceError
from gptool.request.area_members import PARAMETER as AREA
from gptool.service.settings import ServiceSettings
from gptool.settings import CacheSettings

VERTEX = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|(\[\s*+[^\s\[\]{"])', re.DOTALL)
"""A string of JSON; or, as a group, the start of a list of numbers."""


def exportable_cache(settings: ServiceSettings, service: str) -> CacheSettings:
    """Return the settings of a cache that may be exported.

    Raises
    ------
    ServiceError
        If there is no cache of this name, or it may not be exported.
    """
    cache = settings.caches.get(service)
    if cache is None:
        raise ServiceError("service not found", code=404, where=service)
    if not cache.export_tiles_allowed:
        raise ServiceError(f"{service} does not allow exportTiles", code=403)
    return cache


async def area_size_error(inputs: Mapping[str, Any], settings: ServiceSettings) -> ParameterError | None:
    """Return the error of an area of interest that is too large; None if it is not. Other errors are the job's.

    Vertices are counted as the lists of numbers in the text: to parse so much JSON would delay all other requests.
    """
    area = inputs.get(AREA)
    if not isinstance(area, str):
        return None
    # Most areas are ASCII, whose size is known without a copy.
    size = len(area) if area.isascii() else len(area.encode(errors="surrogatepass"))
    limit = settings.max_area_bytes
    if size > limit:
        return ParameterError("too many bytes", where=AREA, found=size, expected=f"at most {limit}")
    limit = settings.max_area_vertices
    if area.count("[") > limit:
        vertices = await asyncio.to_thread(_count_vertices, area)
        if vertices > limit:
            return ParameterError("too many vertices", where=AREA, found=vertices, expected=f"at most {limit}")
    return None


def _count_vertices(area: str) -> int:
    return sum(1 for match in VERTEX.finditer(area) if match[1])

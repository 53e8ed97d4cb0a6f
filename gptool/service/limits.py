"""What a job may be asked with, and what its result may take: areas of interest, and the place for results."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from gptool.errors import ParameterError
from gptool.service.settings import ServiceSettings

AREA = "areaOfInterest"

GIGABYTE = 10**9
"""Bytes that a service without a quota leaves free on its disk."""

VERTEX = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|(\[\s*+[^\s\[\]{"])', re.DOTALL)
"""A text of JSON; or, as a group, how a list of numbers starts."""


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

"""Parameters that are not parameters of the operation: warnings about those that look like mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gptool.model import Message
from gptool.request.parameters import INPUT_NAMES, PARAMETERS, normalise_name
from gptool.request.values import format_value, is_absent
from gptool.text import format_count, nearest_name

CLIENT_NAMES = {
    *(normalise_name(parameter.name) for parameter in PARAMETERS if parameter.response_only),
    # of every request
    *("token", "callback", "ts", "dojo.preventcache", "request.preventcache"),
    # of geoprocessing tasks and their jobs
    *("cache", "context", "outsr", "processsr", "returncolumnname", "returnfeaturecollection", "returnm"),
    *("returnmessages", "returntruecurves", "returnz"),
    # of exportTiles of vector tile services
    "createitem",
}
"""Normalised names that clients of ArcGIS send, which have no meaning for the operation."""

ENVIRONMENT_PREFIX = "env:"
"""The prefix of settings that clients send with geoprocessing tasks, such as env:outSR."""

MAX_LISTED_NAMES = 10
"""Unknown parameters that are listed one by one."""

MAX_COMPARED_LENGTH = 40
"""Characters of the longest name that is compared with the known ones."""


def unknown_notices(values: Mapping[str, Any]) -> list[Message]:
    """Return a warning for each parameter that is neither known nor one that clients of ArcGIS send.

    Parameters
    ----------
    values : mapping
        Names and values as a client sent them. Absent values are ignored.
    """
    unknown = [name for name, value in values.items() if isinstance(name, str) and not is_absent(value)]
    unknown = [name for name in unknown if not _is_expected(name)]
    texts = [f"unknown parameter {format_value(name)} is ignored{_suggestion(name)}" for name in unknown]
    more = len(texts) - MAX_LISTED_NAMES
    if more > 0:
        texts[MAX_LISTED_NAMES:] = [f"{format_count(more, 'more unknown parameter')} ignored"]
    return [Message("Warning", text) for text in texts]


def _is_expected(name: str) -> bool:
    normalised = normalise_name(name)
    return normalised in INPUT_NAMES or normalised in CLIENT_NAMES or normalised.startswith(ENVIRONMENT_PREFIX)


def _suggestion(name: str) -> str:
    """Return the end of a sentence that names the nearest parameter; empty if none is near."""
    near = nearest_name(name, INPUT_NAMES) if len(name) <= MAX_COMPARED_LENGTH else None
    return f"; the nearest known name is {INPUT_NAMES[near]}" if near else ""

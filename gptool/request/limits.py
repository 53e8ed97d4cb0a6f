"""Values of a Python call that are not parameters of the operation: the tile limit and the workers."""

from __future__ import annotations

from typing import Any

from gptool import system
from gptool.request.values import check_integer

MAX_WORKERS = 1024


def read_limit(value: Any) -> int | None:
    """Return the maximum number of tiles of an export, or None if there is no limit.

    Raises
    ------
    ParameterError
        If the value is neither None nor an integer of 0 or more.
    """
    return None if value is None else check_integer(value, "max_export_tiles_count", 0)


def read_workers(value: Any) -> int:
    """Return the number of worker threads: by default, the number of processors this process may use.

    Raises
    ------
    ParameterError
        If the value is neither None nor an integer from 1 to 1024.
    """
    if value is not None:
        return check_integer(value, "workers", 1, MAX_WORKERS)
    return system.processors()

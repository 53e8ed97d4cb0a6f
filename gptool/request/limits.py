"""Values of a Python call that are not parameters of the operation: the tile limit, the workers, the tables."""

from __future__ import annotations

import os
from typing import Any, get_args

from gptool.errors import ParameterError
from gptool.model import Tables
from gptool.request.values import check_integer, format_value

MAX_WORKERS = 1024
TABLES: tuple[Tables, ...] = get_args(Tables)


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
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_tables(value: Any) -> Tables:
    """Return the kind of quantisation tables of recompressed tiles.

    Raises
    ------
    ParameterError
        If the value is neither `efficient` nor `exact`.
    """
    if isinstance(value, str):
        for name in TABLES:
            if name == value:
                return name
    raise ParameterError("invalid value", where="tables", found=format_value(value), expected=" or ".join(TABLES))

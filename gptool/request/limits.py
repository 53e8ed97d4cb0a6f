"""Values of a Python call that are not parameters of the operation: the tile limit, the workers, and folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gptool import system
from gptool.errors import ParameterError
from gptool.request.values import check_integer, format_value
from gptool.system.store_url import hide_secrets

MAX_WORKERS = 1024


def read_limit(value: Any) -> int | None:
    """Return the maximum number of tiles of an export, or None if there is no limit.

    Raises
    ------
    ParameterError
        If the value is neither None nor an integer of 0 or more.
    """
    return None if value is None else check_integer(value, "max_export_tiles_count", 0)


def read_folder(value: Any, parameter: str) -> Path:
    """Return the absolute path of a folder for results, with its symbolic links.

    Raises
    ------
    ParameterError
        If the value is no path, is empty, or means nothing on this system. An empty one, such as that of a setting
        that is missing, would be the working folder.
    """
    if not isinstance(value, str | os.PathLike) or not os.fspath(value).strip():
        what = "is empty" if isinstance(value, str) else "value is not a path"
        raise ParameterError(what, where=parameter, found=format_value(value), expected="the path of a folder")
    if foreign := system.foreign_path(value):
        raise ParameterError(foreign[0], where=parameter, found=hide_secrets(str(value)), expected=foreign[1])
    return Path(os.path.abspath(value))  # noqa: PTH100 - symbolic links stay


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

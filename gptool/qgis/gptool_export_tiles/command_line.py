"""The program, its command line, and the environment that it runs in."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Union

Value = Union[str, int, bool, Iterable[str], None]
"""A value of a parameter, None if it is not given."""

QGIS_VARIABLES = (
    *("PYTHONHOME", "PYTHONPATH", "PYTHONEXECUTABLE", "PYTHONSTARTUP", "PYTHONUSERBASE"),
    *("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH", "QGIS_PREFIX_PATH"),
)
"""Variables by which QGIS finds its own Python and data, which may be of other versions than those of the program."""


class ProgramError(Exception):
    """The program cannot be used, or has failed; the message says why."""


def find_program(setting: str) -> str:
    """Return the path of the program: that of the setting, or the one on the PATH if the setting is empty.

    Raises
    ------
    ProgramError
        If there is none.
    """
    where = "Settings > Options > Processing > Providers > Export Tiles (gptool) > Path of the gptool program"
    if setting.strip():
        path = Path(setting.strip()).expanduser()
        if not path.is_file():
            raise ProgramError(f"{where}: file not found; found {path}, expected the path of the program gptool.")
        return str(path)
    found = shutil.which("gptool")
    if found is None:
        raise ProgramError(f"The program gptool is not on the PATH of QGIS; install it, or set its path: {where}.")
    return found


def arguments(description: Mapping[str, Any], values: Mapping[str, Value]) -> list[str]:
    """Return the arguments of the program for the values of an algorithm's parameters, by their names."""
    options, positional = [], []
    for parameter in description["parameters"]:
        option, value = parameter["option"], values.get(parameter["name"])
        if value is None or value == "":
            continue
        if option is None:
            positional.append(str(value))
        elif isinstance(value, bool):
            options.append(option if value else parameter["off_option"])
        else:
            several = [value] if isinstance(value, (str, int)) else value
            options += [f"{option}={each}" for each in several]
    return [*description["command"], *filter(None, options), "--", *positional]


def environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for the program: those of QGIS without what is meant for QGIS itself, and for UTF-8."""
    kept = {name: value for name, value in inherited.items() if name.upper() not in QGIS_VARIABLES}
    return {**kept, "PYTHONIOENCODING": "utf-8"}

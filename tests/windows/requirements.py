"""Print what gptool requires on Windows: requirements.py [EXTRA...]."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

WINDOWS = {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"}
WITHOUT_WHEEL = "PyTurboJPEG", "tpkutils"


def main(extras: list[str]) -> None:
    """Print a line for each requirement of the project and of its extras, except those without a wheel.

    They are pure Python: `install` makes their wheels.
    """
    project = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    for requirement in map(Requirement, lines):
        is_met = requirement.marker is None or requirement.marker.evaluate(WINDOWS)
        if is_met and requirement.name not in (project["name"], *WITHOUT_WHEEL):
            requirement.marker = None
            print(requirement)


if __name__ == "__main__":
    main(sys.argv[1:])

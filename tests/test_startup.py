"""Imports at start-up: neither the import of the package nor help texts load libraries that they do not use."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from typing import Any

import pytest

import gptool
from gptool.cli.main import COMMANDS

HEAVY = {"PIL", "lxml", "numpy", "pyproj", "rich", "shapely", "turbojpeg"}
HELP = "from gptool.cli import main; main({}, standalone_mode=False)"


def run(program: str, result: str) -> tuple[list[str], Any]:
    """Run a program in a process. Return the lines that it prints, and the value of an expression at its end."""
    program = f"import json, sys\n{program}\nprint(json.dumps({result}))"
    done = subprocess.run([sys.executable, "-P", "-c", program], check=True, capture_output=True, text=True)
    *lines, last = done.stdout.splitlines()
    return lines, json.loads(last)


@pytest.mark.parametrize(
    ("program", "used"),
    [
        ("import gptool", set()),
        ("import gptool; gptool.export_tiles", {"lxml", "numpy"}),
        (HELP.format(["--help"]), set()),
        (HELP.format(["--version"]), {"numpy"}),  # of the native core, whose library it names
        (HELP.format(["export-tiles", "--help"]), {"numpy"}),
        (HELP.format(["register", "--help"]), set()),
        (HELP.format(["doctor", "--help"]), set()),
        (HELP.format(["clean", ".", "--older-than", "7d", "--json"]), set()),
    ],
    ids=[
        "import",
        "export_tiles",
        "--help",
        "--version",
        "export-tiles --help",
        "register --help",
        "doctor --help",
        "clean",
    ],
)
def test_libraries_are_imported_only_if_used(program: str, used: set[str]) -> None:
    _, loaded = run(program, "list(sys.modules)")
    assert "gptool" in loaded
    assert HEAVY & set(loaded) == used


def test_help_lists_every_command() -> None:
    lines, _ = run(HELP.format(["--help"]), "None")
    listed = [line.split()[0] for line in lines if line.startswith("  ")]
    assert [word for word in listed if word in COMMANDS] == list(COMMANDS)


def test_public_names_are_imported_on_access() -> None:
    program = "import gptool\nbefore = vars(gptool).keys() & set(gptool.__all__)\nfrom gptool import *"
    _, (before, found) = run(program, "[sorted(before), sorted(globals().keys() & set(gptool.__all__))]")
    assert before == ["errors"]
    assert found == sorted(gptool.__all__)


@pytest.mark.parametrize("name", sorted({*gptool.__all__} - {"errors"}))
def test_public_name_is_that_of_its_module(name: str) -> None:
    assert name in dir(gptool)
    public = getattr(gptool, name)
    assert public is getattr(import_module(public.__module__), name)


def test_unknown_name_raises_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'gptool' has no attribute 'export_tile'$") as raised:
        gptool.export_tile  # noqa: B018
    assert (raised.value.name, raised.value.obj) == ("export_tile", gptool)

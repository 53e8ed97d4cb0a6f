"""The command line of the plugin: no QGIS is needed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from gptool.qgis.descriptions import PLUGIN_FOLDER
from gptool.qgis.gptool_export_tiles.command_line import (
    QGIS_VARIABLES,
    ProgramError,
    Value,
    arguments,
    environment,
    find_program,
)

DESCRIPTIONS = {each["name"]: each for each in json.loads((PLUGIN_FOLDER / "algorithms.json").read_text("utf-8"))}

EXPORT = ["export-tiles", "--json", "--json-progress"]
ESTIMATE = ["estimate", "--json", "--json-progress"]

COMMAND_LINES: dict[str, tuple[str, dict[str, Value], list[str]]] = {
    "arguments": ("exporttiles", {"CACHE": "in", "OUTPUT": "x.tpkx"}, [*EXPORT, "--", "in", "x.tpkx"]),
    "names that look like options": (
        "exporttiles",
        {"CACHE": "-in", "OUTPUT": "--out", "LEVELS": "-1"},
        [*EXPORT, "--levels=-1", "--", "-in", "--out"],
    ),
    "nothing of a shell": (
        "exporttiles",
        {"CACHE": "in; rm $HOME", "OUTPUT": "a b'\".tpkx", "LEVELS": "0 && 1"},
        [*EXPORT, "--levels=0 && 1", "--", "in; rm $HOME", "a b'\".tpkx"],
    ),
    "flags": (
        "exporttiles",
        {"CACHE": "in", "OUTPUT": "x", "OVERWRITE": True, "NEAREST_LEVEL": False, "RESTART": False},
        [*EXPORT, "--overwrite", "--", "in", "x"],
    ),
    "zero": (
        "exporttiles",
        {"CACHE": "in", "OUTPUT": "x", "COMPRESSION_QUALITY": 0},
        [*EXPORT, "--compression-quality=0", "--", "in", "x"],
    ),
    "absent and empty": (
        "exporttiles",
        {"CACHE": "in", "OUTPUT": "x", "LEVELS": "", "COMPRESSION_QUALITY": None},
        [*EXPORT, "--", "in", "x"],
    ),
    "switch on": ("estimatesize", {"CACHE": "in", "TILE_PACKAGE": True}, [*ESTIMATE, "--tile-package", "--", "in"]),
    "switch off": (
        "estimatesize",
        {"CACHE": "in", "TILE_PACKAGE": False},
        [*ESTIMATE, "--no-tile-package", "--", "in"],
    ),
    "several values": (
        "verifypackage",
        {"PACKAGE": "x", "CLIENTS": ["gdal", "qgis"], "TILES": "none"},
        ["verify", "--json", "--client=gdal", "--client=qgis", "--tiles=none", "--", "x"],
    ),
}


@pytest.mark.parametrize(("algorithm", "values", "expected"), COMMAND_LINES.values(), ids=list(COMMAND_LINES))
def test_arguments(algorithm: str, values: dict[str, Value], expected: list[str]) -> None:
    assert arguments(DESCRIPTIONS[algorithm], values) == expected


def test_program_of_the_setting_comes_before_that_of_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [tmp_path / "on path", tmp_path / "set"]
    name = "gptool.exe" if sys.platform == "win32" else "gptool"
    for folder in folders:
        folder.mkdir()
        (folder / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(folders[0]))
    assert Path(find_program("")).parent == Path(find_program("  ")).parent == folders[0]
    assert find_program(f" {folders[1] / name} ") == str(folders[1] / name)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("", "The program gptool is not on the PATH of QGIS; install it, or set its path: Settings > Options > "),
        (
            "/no/such/gptool",
            "Settings > Options > .*: file not found; found .*gptool, expected the path of the program",
        ),
    ],
)
def test_missing_program_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, message: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramError, match=message):
        find_program(setting)


def test_program_does_not_get_the_python_and_proj_of_qgis() -> None:
    inherited: dict[str, Any] = {**os.environ, **dict.fromkeys(QGIS_VARIABLES, "QGIS"), "AWS_PROFILE": "crew"}
    kept = environment(inherited)
    assert "QGIS" not in kept.values()
    assert kept["AWS_PROFILE"] == "crew"
    assert kept["PYTHONIOENCODING"] == "utf-8"
    assert "PythonHome" not in environment({"PythonHome": "QGIS"})  # Windows does not distinguish case

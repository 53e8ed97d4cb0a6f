"""The data that the plugin reads, against the commands that it calls; and the plugin's own rules."""

from __future__ import annotations

import ast
import configparser
import re
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from gptool import __version__
from gptool.cli.main import COMMANDS
from gptool.cli.options import SELECTION
from gptool.qgis.descriptions import (
    ALGORITHMS,
    PLUGIN,
    PLUGIN_FOLDER,
    Algorithm,
    AlgorithmParameter,
    plugin_files,
)
from gptool.request.parameters import BY_NAME
from helpers.import_rules import read_imports

OLDEST_PYTHON = (3, 8)
"""The oldest Python that QGIS 3.22 is distributed with."""

QGIS_MODULES = {"qgis", "processing"}
"""What QGIS's Python has besides the standard library, and the plugin uses."""

NOT_OF_THE_PLUGIN = {
    *("--max-export-tiles-count", "--workers", "--dask", "--report", "--fail-on-damaged"),
    *("--quiet", "--no-progress", "--output"),
}
"""Options for scripts and servers."""

by_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)


def command_of(algorithm: Algorithm) -> click.Command:
    command: click.Command = import_module(COMMANDS[algorithm.command[0]].module).command
    return command


def options_of(algorithm: Algorithm) -> dict[str, click.Option]:
    parameters = [parameter for parameter in command_of(algorithm).params if isinstance(parameter, click.Option)]
    return {name: parameter for parameter in parameters for name in (*parameter.opts, *parameter.secondary_opts)}


def test_files_of_the_plugin_are_current() -> None:
    """After a change of the parameters, `python -m gptool.qgis.descriptions` writes them again."""
    for name, text in plugin_files().items():
        assert (PLUGIN_FOLDER / name).read_text(encoding="utf-8") == text


def test_metadata_are_those_that_qgis_requires() -> None:
    metadata = configparser.ConfigParser()
    metadata.read_string(plugin_files()["metadata.txt"])
    general = metadata["general"]
    assert general["version"] == __version__
    assert (general["qgisMinimumVersion"], general["hasProcessingProvider"]) == ("3.22", "yes")
    assert {"name", "description", "about", "author"} <= {*general}


@by_algorithm
def test_options_are_those_of_the_command(algorithm: Algorithm) -> None:
    options = options_of(algorithm)
    assert {*algorithm.command[1:]} <= {*options}
    for parameter in algorithm.parameters:
        if parameter.option is not None:
            check_option(parameter, options[parameter.option])
    used = {name for item in algorithm.parameters for name in (item.option, item.off_option) if name}
    assert {*options} - used - {*algorithm.command} == NOT_OF_THE_PLUGIN & {*options}


def check_option(parameter: AlgorithmParameter, option: click.Option) -> None:
    assert (parameter.type == "boolean") == option.is_flag
    assert (parameter.type == "choices") == option.multiple
    assert (parameter.off_option is not None) == bool(option.secondary_opts)
    if isinstance(option.type, click.Choice):
        assert list(parameter.choices) == list(option.type.choices)
    if parameter.type in ("integer", "text", "choice") and parameter.default is not None:
        assert parameter.default == option.default


@by_algorithm
def test_arguments_are_those_of_the_command(algorithm: Algorithm) -> None:
    arguments = [item.name for item in command_of(algorithm).params if isinstance(item, click.Argument)]
    assert [item.name.lower() for item in algorithm.parameters if item.option is None] == arguments


def test_selection_is_that_of_the_command_line() -> None:
    options = {BY_NAME[name].option for name in SELECTION}
    for algorithm in ALGORITHMS[:2]:
        assert options <= {parameter.option for parameter in algorithm.parameters}


@by_algorithm
def test_each_parameter_is_explained_in_the_words_of_the_dialog(algorithm: Algorithm) -> None:
    names = re.compile("|".join(rf"\b{name}\b" for name in BY_NAME if name != name.lower()))
    for parameter in algorithm.parameters:
        assert parameter.label
        assert parameter.help.endswith(".")
        assert not names.search(parameter.help), parameter.help
        assert "--" not in parameter.help
    assert len({parameter.name for parameter in algorithm.parameters}) == len(algorithm.parameters)


def modules() -> list[Path]:
    return sorted(PLUGIN_FOLDER.glob("*.py"))


def test_plugin_imports_only_what_qgis_has() -> None:
    """Its own modules, too, only relative to each other: in QGIS, it is not part of gptool."""
    own = f"{PLUGIN}."
    for found in read_imports(PLUGIN_FOLDER, modules()):
        package = found.imported.partition(".")[0]
        assert package in sys.stdlib_module_names | QGIS_MODULES or found.imported.startswith(own), found
    for path in modules():
        assert f"import {PLUGIN}" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.stem)
def test_plugin_is_in_the_language_of_older_pythons(path: Path) -> None:
    ast.parse(path.read_bytes(), path, feature_version=OLDEST_PYTHON)

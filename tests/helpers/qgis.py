"""QGIS without windows: `qgis_process`, with the plugin in a profile of its own."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from gptool.qgis.descriptions import PLUGIN, PLUGIN_FOLDER
from gptool.qgis.installation import install_plugin
from helpers.command_line import GPTOOL

PROGRAMS = "qgis_process.bin", "qgis_process"
"""Debian's qgis_process is a script that passes options of qgis; the first is the program itself."""

PYTHON = "/usr/bin/python3"
"""The Python that Debian's QGIS is installed for."""

START = """
import json, os, sys
from qgis.core import *
from qgis.PyQt.QtCore import QVariant
application = QgsApplication([], False)
application.initQgis()
sys.path += [os.path.join(QgsApplication.pkgDataPath(), "python", "plugins"), sys.argv.pop(1)]
from processing.core.Processing import Processing
Processing.initialize()
from gptool_export_tiles import classFactory, execution
plugin = classFactory(None)
plugin.initProcessing()
registry = QgsApplication.processingRegistry()
"""
"""The start of a program that uses the plugin."""


def find_qgis() -> str | None:
    """Return the path of `qgis_process`, None if it is not installed."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Qgis:
    """A profile of QGIS with the plugin, and the program `gptool` on its PATH.

    Parameters
    ----------
    program : str
        The path of `qgis_process`.
    folder : Path
        An empty folder for the profile.

    Attributes
    ----------
    gptool : Path
        The program.
    environment : dict of str to str
        The variables of QGIS. Its Python would be that of a virtual environment on the PATH.
    """

    def __init__(self, program: str, folder: Path) -> None:
        self._program, self.folder = program, folder
        self.gptool = folder / "bin" / "gptool"
        self.gptool.parent.mkdir(parents=True)
        self.gptool.write_text(f'#!/bin/sh\nexec {shlex.join(GPTOOL)} "$@"\n')
        self.gptool.chmod(0o755)
        self.profile = folder / "profiles" / "default"
        self.profile.mkdir(parents=True)
        (folder / "run").mkdir(mode=0o700)
        install_plugin(self.profile)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))}
        virtual = Path(sys.executable).parent
        path = [part for part in os.environ["PATH"].split(os.pathsep) if Path(part) != virtual]
        self.environment = {
            **inherited,
            "PATH": os.pathsep.join([str(self.gptool.parent), *path]),
            "QGIS_CUSTOM_CONFIG_PATH": str(folder),
            "QT_QPA_PLATFORM": "offscreen",
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "LC_ALL": "C.UTF-8",
        }
        self.call("plugins", "enable", PLUGIN)

    def call(self, *arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `qgis_process` to its end."""
        command = [self._program, *map(str, arguments)]
        variables = {**self.environment, **environment}
        return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)

    def run(self, algorithm: str, *, cwd: Path | None = None, **parameters: object) -> dict[str, Any]:
        """Run an algorithm, which succeeds. Return what `qgis_process` prints as JSON: `results`, `log` and more."""
        done = self.call("run", "--json", f"gptool:{algorithm}", "--", *_pairs(parameters), cwd=cwd)
        assert done.returncode == 0, done.stderr
        printed: dict[str, Any] = json.loads(done.stdout)
        return printed

    def fail(self, algorithm: str, *, cwd: Path | None = None, path: str | None = None, **parameters: object) -> str:
        """Run an algorithm, which fails. Return the error."""
        environment = {} if path is None else {"PATH": path}
        done = self.call("run", f"gptool:{algorithm}", "--", *_pairs(parameters), cwd=cwd, **environment)
        assert done.returncode != 0, done.stdout
        _, found, error = done.stderr.partition("ERROR:\t")
        assert found, done.stderr
        return error

    def run_python(self, program: str, *arguments: object, **environment: str) -> str:
        """Run a Python program that uses the plugin, after `START`, and succeeds. Return what it prints."""
        command = [PYTHON, "-c", START + program, str(PLUGIN_FOLDER.parent), *map(str, arguments)]
        variables = {**self.environment, **environment}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


def _pairs(parameters: dict[str, object]) -> list[str]:
    """Return the arguments for parameters; a list is given as several values."""
    return [
        f"{name}={each}"
        for name, value in parameters.items()
        for each in (value if isinstance(value, list) else [value])
    ]

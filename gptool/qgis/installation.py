"""Copies the plugin into a profile of QGIS."""

from __future__ import annotations

import shutil
from pathlib import Path

from gptool import system
from gptool.errors import OutputError, OutputExistsError, translate_os_errors
from gptool.output.staging import OVERWRITE_OPTION, Staging, created_folder
from gptool.qgis.descriptions import PLUGIN, PLUGIN_FOLDER

CACHES = "__pycache__"
"""The folder of compiled modules, which Python makes."""


def install_plugin(profile: Path, *, overwrite: bool = False) -> Path:
    """Copy the plugin into a profile, and return its new folder.

    Parameters
    ----------
    profile : Path
        The folder of a profile of QGIS, such as `profiles/default`.
    overwrite : bool
        Whether a plugin that is installed there may be replaced.

    Raises
    ------
    OutputError
        If the profile is not a folder, or the plugin cannot be written.
    OutputExistsError
        If the plugin is installed already and `overwrite` is False, or its folder has other files.
    """
    profile = profile.absolute()
    if not profile.is_dir():
        raise OutputError("is not an existing folder", where=profile, expected="the folder of a profile of QGIS")
    target = profile / "python" / "plugins" / PLUGIN
    with created_folder(target.parent), translate_os_errors(target):
        is_replaced = target.exists()
        if is_replaced:
            _check_replaceable(target, overwrite=overwrite)
        with Staging(target.with_name(f"{PLUGIN}.new"), is_folder=True, overwrite=False) as staging:
            copy = staging.folder / PLUGIN
            shutil.copytree(PLUGIN_FOLDER, copy, ignore=shutil.ignore_patterns(CACHES))
            if is_replaced:
                system.rename(target, staging.folder / "old")
            system.rename(copy, target)
    return target


def _check_replaceable(target: Path, *, overwrite: bool) -> None:
    """Raise OutputExistsError if a folder may not be replaced by the plugin."""
    if not overwrite:
        expected = f"{OVERWRITE_OPTION}, to replace it"
        raise OutputExistsError("the plugin is installed already", where=target, expected=expected)
    known = {path.name for path in PLUGIN_FOLDER.iterdir()} | {CACHES}
    others = sorted(path.name for path in target.iterdir() if path.name not in known) if target.is_dir() else ["a file"]
    if others:
        raise OutputExistsError(
            "cannot replace a folder that holds other files",
            where=target,
            found=", ".join(others[:3]),
            expected="only the files of the plugin",
        )

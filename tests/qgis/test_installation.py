"""`gptool qgis-plugin`: the plugin in a profile."""

from __future__ import annotations

import py_compile
from pathlib import Path

import pytest

from gptool.qgis.descriptions import PLUGIN, PLUGIN_FOLDER
from gptool.qgis.installation import install_plugin
from helpers.checks import check_nothing_left
from helpers.command_line import run


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    (folder := tmp_path / "profiles" / "default").mkdir(parents=True)
    return folder


def check_installed(profile: Path) -> None:
    plugins = profile / "python" / "plugins"
    assert content(plugins / PLUGIN) == content(PLUGIN_FOLDER)
    check_nothing_left(plugins, PLUGIN)


def test_folder_of_the_plugin_is_printed(tmp_path: Path) -> None:
    done = run("qgis-plugin", cwd=tmp_path)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, str(PLUGIN_FOLDER), "")


def test_plugin_is_copied_and_the_next_steps_are_shown(profile: Path) -> None:
    done = run("qgis-plugin", "profiles/default", cwd=profile.parents[1])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{profile / 'python' / 'plugins' / PLUGIN}: the plugin. Next:\n")
    assert "Manage and Install Plugins" in done.stdout
    assert "set the path of the gptool program" in done.stdout
    check_installed(profile)


def test_installed_plugin_is_replaced_on_request(profile: Path) -> None:
    installed = install_plugin(profile)
    (installed / "stop.py").write_text("old = True\n")
    py_compile.compile(str(installed / "stop.py"))  # as QGIS does
    done = run("qgis-plugin", profile, cwd=profile)
    assert done.returncode == 1
    expected = "the plugin is installed already; expected --overwrite, to replace it"
    assert done.stderr == f"Error: {installed}: {expected}\n"
    assert (installed / "stop.py").read_text() == "old = True\n"
    assert run("qgis-plugin", profile, "--overwrite", cwd=profile).returncode == 0
    check_installed(profile)


def test_folder_with_other_files_is_kept(profile: Path) -> None:
    installed = install_plugin(profile)
    (installed / "mine.py").touch()
    done = run("qgis-plugin", profile, "--overwrite", cwd=profile)
    assert done.returncode == 1
    what = "cannot replace a folder that holds other files; found mine.py, expected only the files of the plugin"
    assert done.stderr == f"Error: {installed}: {what}\n"
    assert (installed / "mine.py").exists()


def test_profile_must_exist(tmp_path: Path) -> None:
    done = run("qgis-plugin", tmp_path / "none", cwd=tmp_path)
    assert done.returncode == 1
    what = "is not an existing folder; expected the folder of a profile of QGIS"
    assert done.stderr == f"Error: {tmp_path / 'none'}: {what}\n"
    assert not list(tmp_path.iterdir())


def test_failed_copy_leaves_nothing(profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copytree", fail)
    with pytest.raises(Exception, match="No space left on device"):
        install_plugin(profile)
    assert not list(profile.iterdir())

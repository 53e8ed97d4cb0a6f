"""`gptool doctor` says what is installed, and does not fail because something is missing."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import click
import pytest

import gptool
from helpers.checks import check_nothing_left
from helpers.command_line import run

ROOT = Path(gptool.__file__).parents[1]
DOCTOR = "from gptool.cli import main; main(['doctor', '--json'], prog_name='gptool')"
HIDE = """
import sys
class Hidden:
    def find_spec(name, path=None, target=None):
        if name == {0!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hidden)
"""
"""Makes a module seem missing."""

PILLOW = "pillow" if sys.platform == "win32" else "pillow-simd"
REQUIRED = ("click", "isal", "lxml", "numpy", PILLOW, "pyproj", "PyTurboJPEG", "rich", "shapely")


def diagnose(program: str, *flags: str, paths: tuple[Path, ...] = (ROOT,), **variables: str) -> tuple[int, Any]:
    """Run a program that calls the doctor. Return its exit status, and the checks by name."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), **variables}
    done = subprocess.run(
        [sys.executable, "-P", *flags, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert "gptool" not in done.stderr  # no traceback of ours; shapely prints one if NumPy is missing
    printed = json.loads(done.stdout)
    assert printed["passed"] is (done.returncode == 0)
    return done.returncode, {check["name"]: check for check in printed["checks"]}


def failed(checks: dict[str, Any]) -> set[str]:
    return {name for name, check in checks.items() if check["state"] == "failed"}


def fake_metadata(folder: Path, version: str, *requirements: str) -> Path:
    """Return a folder whose metadata of gptool come first on the path."""
    place = folder / f"gptool_export_tiles-{version}.dist-info"
    place.mkdir()
    lines = [f"Requires-Dist: {requirement}" for requirement in requirements]
    header = ["Metadata-Version: 2.1", "Name: gptool-export-tiles", f"Version: {version}"]
    (place / "METADATA").write_text("\n".join([*header, *lines, ""]))
    return folder


def test_environment_of_the_tests_is_sound() -> None:
    status, checks = diagnose(DOCTOR)
    assert (status, failed(checks)) == (0, set())
    assert checks["Python"]["found"].startswith(f"{platform.python_version()}, ")
    for name in REQUIRED:
        assert checks[name]["found"].startswith(f"{metadata.version(name)}, ")
    assert checks["test of an export"]["found"].startswith("5 tiles recompressed")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_libraries_are_those_that_are_loaded() -> None:
    _, checks = diagnose(DOCTOR)
    program = "from gptool.jpeg import pixels\npixels.library_function()\nprint(open('/proc/self/maps').read())"
    maps = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True).stdout
    for name in ("libjpeg-turbo of gptool._jpeg", "libjpeg-turbo of PyTurboJPEG"):
        version, path = checks[name]["found"].split(", ")[:2]
        assert re.fullmatch(r"[23]\.\d+(\.\d+)?", version)
        assert path in {line.split()[-1] for line in maps.splitlines() if line}


def test_people_get_a_line_for_each_check(tmp_path: Path) -> None:
    done = run("doctor", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[-1] == "All that gptool needs is there and works."
    assert f"ok      numpy: {metadata.version('numpy')}" in done.stdout
    assert all(re.match(r"(ok     |absent |       ) \S", line) for line in lines[:-1])
    check_nothing_left(tmp_path)


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("numpy", {"numpy", "gptool._jpeg", "test of an export"}),
        ("lxml", {"lxml", "test of an export"}),
        ("PIL", {PILLOW, "test of an export"}),
        ("turbojpeg", {"PyTurboJPEG", "libjpeg-turbo of PyTurboJPEG", "test of an export"}),
        ("pyproj", {"pyproj", "PROJ"}),
        ("shapely", {"shapely", "GEOS"}),
        ("rich", {"rich"}),
        ("isal", {"isal", "test of an export"}),
        ("gptool._jpeg", {"gptool._jpeg", "libjpeg-turbo of gptool._jpeg", "test of an export"}),
        ("gptool._files", {"gptool._files"}),
    ],
)
def test_module_that_cannot_be_imported_is_named(module: str, names: set[str]) -> None:
    status, checks = diagnose(f"{HIDE.format(module)}\n{DOCTOR}")
    assert status == 1
    assert names <= failed(checks)
    assert "ModuleNotFoundError" in checks[next(iter(names - {"test of an export"}))]["found"]


OTHER_VERSION = "import gptool._jpeg, gptool._files\ndel gptool._jpeg.Damage, gptool._files.read_at"
"""Makes the native modules seem those of another version."""


def test_native_module_of_another_version_is_named() -> None:
    status, checks = diagnose(f"{OTHER_VERSION}\n{DOCTOR}")
    assert (status, failed(checks)) == (1, {"gptool._jpeg", "gptool._files", "test of an export"})
    assert "is of another version: it has no read_at" in checks["gptool._files"]["found"]
    assert checks["gptool._files"]["fix"] == "pip install --force-reinstall --no-deps gptool-export-tiles"


@pytest.mark.parametrize("start", [OTHER_VERSION, HIDE.format("gptool._jpeg"), HIDE.format("gptool._area")])
def test_commands_without_their_native_modules_send_people_to_the_doctor(start: str, tmp_path: Path) -> None:
    program = f"{start}\nfrom gptool.cli import main; main(['demo', {str(tmp_path / 'demo')!r}])"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: gptool: native modules cannot be used, gptool doctor says more: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.posix("symbolic links")
def test_nothing_is_installed(tmp_path: Path) -> None:
    """There is no package but gptool itself and click, and no metadata."""
    for name, place in (("gptool", Path(gptool.__file__).parent), ("click", Path(click.__file__).parent)):
        (tmp_path / name).symlink_to(place)
    status, checks = diagnose(DOCTOR, "-S", paths=(tmp_path,))
    assert status == 1
    assert {"gptool", "gptool._jpeg", "PROJ", "GEOS", "test of an export"} <= failed(checks)
    assert "the metadata of gptool-export-tiles were not found" in checks["gptool"]["found"]
    assert checks["Python"]["state"] == "ok"


def test_requirements_and_extras_come_from_the_metadata(tmp_path: Path) -> None:
    numpy = metadata.version("numpy")
    requirements = (
        *("numpy>=999", "no-such-package (>=1.5)", f"click<{metadata.version('click')}", "rich>=13"),
        *("no-such-reader>=0.7; extra == 'areas'", "numpy>=1.24 ; extra == 'service'"),
        *("gptool-export-tiles[areas]; extra == 'test'", "pytest; extra == 'test'"),
        *(f"no-such-module; sys_platform == '{sys.platform}'", "no-such-system; sys_platform == 'plan9'"),
    )
    folder = fake_metadata(tmp_path, gptool.__version__, *requirements)
    status, checks = diagnose(DOCTOR, paths=(folder, ROOT))
    assert (status, failed(checks)) == (1, {"numpy", "no-such-package", "no-such-module", "click"})
    assert checks["numpy"]["found"] == f"{numpy}, not >=999"
    assert checks["numpy"]["fix"] == "pip install 'numpy>=999'"
    assert (checks["no-such-package"]["found"], checks["no-such-package"]["fix"]) == (
        "not installed",
        "pip install 'no-such-package>=1.5'",
    )
    assert checks["extra areas"] == {
        "name": "extra areas",
        "state": "absent",
        "found": "not installed: no-such-reader",
        "fix": "pip install 'gptool-export-tiles[areas]'",
    }
    assert checks["extra service"]["found"] == f"numpy {numpy}"
    assert "extra test" not in checks  # for developers


def test_packages_are_left_alone_in_the_python_of_arcgis(tmp_path: Path) -> None:
    (tmp_path / "arcpy.py").touch()
    folder = fake_metadata(tmp_path, gptool.__version__, "no-such-package>=1.5")
    _, checks = diagnose(DOCTOR, paths=(folder, tmp_path, ROOT))
    assert checks["no-such-package"]["fix"] == "python -m pip install --no-deps 'no-such-package>=1.5'"


def test_metadata_of_another_version_are_found(tmp_path: Path) -> None:
    status, checks = diagnose(DOCTOR, paths=(fake_metadata(tmp_path, "99.0"), ROOT))
    assert (status, failed(checks)) == (1, {"gptool"})
    assert f"is of version {gptool.__version__}, but 99.0 is installed" in checks["gptool"]["found"]


@pytest.mark.posix("pillow-simd")
def test_pillow_does_in_place_of_pillow_simd(tmp_path: Path) -> None:
    """Both at once is a fault: each has overwritten files of the other."""
    folder = fake_metadata(tmp_path, gptool.__version__, "pillow-simd>=9.5")
    place = folder / "Pillow-99.0.dist-info"
    place.mkdir()
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: Pillow\nVersion: 99.0\n")
    _, checks = diagnose(DOCTOR, paths=(folder, ROOT))
    found = f"pillow-simd {metadata.version('pillow-simd')} and pillow 99.0 overwrite each other's files"
    assert (checks["pillow-simd"]["state"], checks["pillow-simd"]["found"]) == ("failed", found)


def test_folder_for_temporary_files_is_full_or_read_only(tmp_path: Path) -> None:
    program = f"import tempfile; tempfile.tempdir = {str(tmp_path / 'nowhere')!r}\n{DOCTOR}"
    status, checks = diagnose(program)
    assert (status, failed(checks)) == (1, {"test of an export"})
    assert checks["test of an export"]["found"].startswith("FileNotFoundError: ")

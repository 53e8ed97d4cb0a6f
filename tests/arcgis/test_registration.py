"""`gptool register`: the files and the printed steps."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import pytest

from gptool import errors
from gptool.arcgis.registration import register
from gptool.settings import CacheSettings, read_settings
from helpers.checks import check_nothing_left
from helpers.command_line import run

SITE = "https://gis.example.com/server"
FILES = [
    *("ExportTiles.pyt", "ExportTiles.toml", "publish.py", "ExportTiles.pyt.xml"),
    *("ExportTiles.ExportTiles.pyt.xml", "ExportTiles.EstimateExportTilesSize.pyt.xml"),
]


def test_register_writes_files_and_prints_five_steps(cache: Path, tmp_path: Path) -> None:
    arguments = ["--server", f"{SITE}/", "--folder", "Tiles", "--caches", f"World={cache}", f"Twin={cache}", "out"]
    done = run("register", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    check_nothing_left(tmp_path, "out")
    check_nothing_left(tmp_path / "out", *FILES)
    assert read_settings(tmp_path / "out" / "ExportTiles.toml").caches == {
        "World": CacheSettings(cache, True, 100_000),
        "Twin": CacheSettings(cache, True, 100_000),
    }
    tried, head, *steps = [line for line in done.stdout.splitlines() if line and line[0] != " "]
    assert tried.startswith("Toolbox and publishing script were tried with a stand-in")
    assert head.startswith(f"{tmp_path / 'out'}: ")
    assert [step.split(".")[0] for step in steps] == ["1", "2", "3", "4", "5"]
    for text in (str(cache), f"{SITE}/rest/services/Tiles/ExportTiles/GPServer", str(tmp_path / "out" / "publish.py")):
        assert text in done.stdout


def test_output_folder_by_default_and_repeated_caches_option(cache: Path, tmp_path: Path) -> None:
    caches = ["--caches", f"World={cache}", "--caches", f"Twin={cache}"]
    assert run("register", "--server", SITE, "--folder", "Tiles", *caches, cwd=tmp_path).returncode == 0
    assert read_settings(tmp_path / "ExportTiles" / "ExportTiles.toml").exportable == ["World", "Twin"]


def test_existing_folder_keeps_its_other_files(cache: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    register(SITE, "Tiles", {"World": cache}, out)
    check_nothing_left(out, "notes.txt", *FILES)
    (out / "ExportTiles.toml").write_text("changed")
    with pytest.raises(errors.OutputExistsError, match="output already exists"):
        register(SITE, "Other", {"World": cache}, out)
    assert (out / "ExportTiles.toml").read_text() == "changed"
    assert "'Tiles'" in (out / "publish.py").read_text()
    register(SITE, "Other", {"World": cache}, out, overwrite=True)
    check_nothing_left(out, "notes.txt", *FILES)
    assert list(read_settings(out / "ExportTiles.toml").caches) == ["World"]
    assert "'Other'" in (out / "publish.py").read_text()


@pytest.mark.parametrize("existing", FILES)
def test_one_existing_file_prevents_writing(cache: Path, tmp_path: Path, existing: str) -> None:
    (tmp_path / existing).write_text("mine")
    with pytest.raises(errors.OutputExistsError, match=f"{existing}: output already exists"):
        register(SITE, "Tiles", {"World": cache}, tmp_path)
    check_nothing_left(tmp_path, existing)
    assert (tmp_path / existing).read_text() == "mine"


def test_failed_write_leaves_no_file(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gptool.arcgis.registration.write_settings", fail)
    for output in (tmp_path / "new", tmp_path):
        with pytest.raises(errors.OutputError, match="cannot be written: No space left on device"):
            register(SITE, "Tiles", {"World": cache}, output)
        check_nothing_left(tmp_path)


GOOD = ["--server", SITE, "--folder", "Tiles", "--caches"]
ONE_CACHE = ["--folder", "T", "--caches", "W=CACHE"]
BAD = {
    "not a URL": (["--server", "gis", *ONE_CACHE], 2, "--server: invalid site URL; found 'gis'"),
    "URL with user name": (["--server", "https://me:secret@gis/server", *ONE_CACHE], 2, "found 'gis/server'"),
    "URL of a page": (
        ["--server", f"{SITE}/rest/services", *ONE_CACHE], 2, f"expected a URL such as {SITE}, without user name, page",
    ),
    "URL with query": (["--server", f"{SITE}?token=1", *ONE_CACHE], 2, "invalid site URL"),
    "invalid folder name": (
        ["--server", SITE, "--folder", "a/b", "--caches", "W=CACHE"], 2, "--folder: invalid folder name; found 'a/b'",
    ),
    "invalid cache name": ([*GOOD, "a b=CACHE"], 2, "--caches: invalid cache name; found 'a b', expected letters"),
    "missing cache name": ([*GOOD, "CACHE"], 2, "expected NAME=CACHE"),
    "missing location": ([*GOOD, "W="], 2, "expected NAME=CACHE"),
    "duplicate cache name": ([*GOOD, "W=CACHE", "W=CACHE"], 2, "--caches: two caches have the same name; found 'W'"),
    "two outputs": ([*GOOD, "W=CACHE", "one", "two"], 2, "more than one OUTPUT: one and two"),
    "nonexistent cache": ([*GOOD, "W=nowhere"], 1, "nowhere: cache not found"),
    "file as output": ([*GOOD, "W=CACHE", "taken"], 1, "taken: cannot replace a file with a folder"),
    "missing parent folder": ([*GOOD, "W=CACHE", "no/where"], 1, "parent of the output is not a folder"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_errors_are_reported_and_leave_no_file(cache: Path, tmp_path: Path, name: str) -> None:
    arguments, status, message = BAD[name]
    (tmp_path / "taken").write_text("mine")
    done = run("register", *(argument.replace("CACHE", str(cache)) for argument in arguments), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr
    assert "secret" not in done.stderr
    check_nothing_left(tmp_path, "taken")


@pytest.mark.parametrize("location", [r"C:\caches\World", r"\\server\maps\World", "D:/caches/World"])
def test_windows_path_is_written_as_it_is(tmp_path: Path, location: str) -> None:
    """On other systems it is not opened: it is the site's."""
    if os.name == "nt":
        pytest.skip("such a path is opened on Windows")
    done = run("register", "--server", SITE, "--folder", "T", "--caches", f"World={location}", "out", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    text = (tmp_path / "out" / "ExportTiles.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["caches"]["World"]["location"] == location
    assert ("\\" in location) == (f"location = '{location}'\n" in text)
    assert f"\n       {location}\n" in done.stdout


def test_steps_say_what_was_tried_and_what_administrators_do(cache: Path, tmp_path: Path) -> None:
    done = run("register", "--server", SITE, "--folder", "T", "--caches", f"World={cache}", "out", cwd=tmp_path)
    first = done.stdout.splitlines()[0]
    assert "never inside ArcGIS" in first
    for text in ("proswap gptool", "restart ArcGIS Server", "read access", "need not be registered", "--overwrite"):
        assert text in done.stdout
    assert not re.search("not for Windows|Linux and macOS", done.stdout)

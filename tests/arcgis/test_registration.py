"""`gptool register`: the files, the printed steps, and the calls of arcpy by the publishing script."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

import pytest

from gptool import errors
from gptool.arcgis.registration import register
from gptool.settings import CacheSettings, read_settings
from helpers.arcpy_stand_in import ArcPy, load_toolbox
from helpers.checks import check_nothing_left
from helpers.command_line import run

SITE = "https://gis.example.com/server"
FILES = ["ExportTiles.pyt", "ExportTiles.toml", "publish.py"]
MAX_SECONDS = 86400


def test_register_writes_three_files_and_prints_five_steps(cache: Path, tmp_path: Path) -> None:
    arguments = ["--server", f"{SITE}/", "--folder", "Tiles", "--caches", f"World={cache}", f"Twin={cache}", "out"]
    done = run("register", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    check_nothing_left(tmp_path, "out")
    check_nothing_left(tmp_path / "out", *FILES)
    assert read_settings(tmp_path / "out" / "ExportTiles.toml").caches == {
        "World": CacheSettings(cache, True, 100_000),
        "Twin": CacheSettings(cache, True, 100_000),
    }
    head, *steps = [line for line in done.stdout.splitlines() if line and line[0] != " "]
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
    "not a URL": (["--server", "gis", *ONE_CACHE], 2, "server: invalid site URL; found 'gis'"),
    "URL with user name": (["--server", "https://me:secret@gis/server", *ONE_CACHE], 2, "found 'gis/server'"),
    "URL of a page": (
        ["--server", f"{SITE}/rest/services", *ONE_CACHE], 2, f"expected a URL such as {SITE}, without user name, page",
    ),
    "URL with query": (["--server", f"{SITE}?token=1", *ONE_CACHE], 2, "invalid site URL"),
    "invalid folder name": (
        ["--server", SITE, "--folder", "a/b", "--caches", "W=CACHE"], 2, "folder: invalid folder name; found 'a/b'",
    ),
    "invalid cache name": ([*GOOD, "a b=CACHE"], 2, "caches: invalid cache name; found 'a b', expected letters"),
    "missing cache name": ([*GOOD, "CACHE"], 2, "expected NAME=CACHE"),
    "missing location": ([*GOOD, "W="], 2, "expected NAME=CACHE"),
    "duplicate cache name": ([*GOOD, "W=CACHE", "W=CACHE"], 2, "two caches have the name 'W'"),
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


@pytest.fixture
def registered(cache: Path, tmp_path: Path) -> Path:
    """The folder that `register` creates for two caches."""
    return register(SITE, "Tiles", {"World": cache, "Twin": cache}, tmp_path / "out").output


def publish(folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["publish.py", *arguments])
    monkeypatch.setattr(os, "environ", dict(os.environ))
    runpy.run_path(str(folder / "publish.py"), run_name="__main__")


@pytest.mark.parametrize("connection", [None, "publisher.ags"])
def test_publishing_drafts_stages_and_uploads(
    registered: Path,
    arcpy: ArcPy,
    connection: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    publish(registered, monkeypatch, *filter(None, [connection]))
    draft = {
        "service_name": "ExportTiles",
        "server_type": "FROM_CONNECTION_FILE" if connection else "MY_HOSTED_SERVICES",
        "connection_file_path": connection,
        "folder_name": "Tiles",
        "copy_data_to_server": True,
        "executionType": "Asynchronous",
        "showMessages": "Info",
        "resultMapServer": False,
        "maxUsageTime": MAX_SECONDS,
        "maxWaitTime": MAX_SECONDS,
    }
    *calls, (name, tools, given), staged, uploaded = arcpy.calls
    assert calls == [
        ("ImportToolbox", str(registered / "ExportTiles.pyt")),
        ("ExportTiles", "World"),
        ("EstimateExportTilesSize", "World"),
    ]
    assert (name, tools) == ("CreateGPSDDraft", ["ExportTiles", "EstimateExportTilesSize"])
    assert given | draft == given
    assert (staged, uploaded) == (("StageService",), ("UploadServiceDefinition", connection or SITE))
    assert f"{SITE}/rest/services/Tiles/ExportTiles/GPServer" in capsys.readouterr().out
    assert not list(Path(arcpy.env.scratchFolder).iterdir())  # the runs exported nothing


def test_analyzer_errors_prevent_publishing(
    registered: Path, arcpy: ArcPy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arcpy.draft_errors = {("broken project data source", 68): []}
    with pytest.raises(SystemExit, match="Not published"):
        publish(registered, monkeypatch)
    assert arcpy.calls[-1][0] == "CreateGPSDDraft"
    assert "errors: 68: broken project data source" in capsys.readouterr().out


def test_toolbox_works_after_the_changes_of_publishing(registered: Path, arcpy: ArcPy, tmp_path: Path) -> None:
    """ArcGIS inserts lines at the top, moves the files apart, and replaces the literal of a file name by a variable."""
    for folder, name in (("p30", "ExportTiles.pyt"), ("cd", "ExportTiles.toml")):
        (tmp_path / folder).mkdir()
        (registered / name).rename(tmp_path / folder / name)
    toolbox = tmp_path / "p30" / "ExportTiles.pyt"
    arcpy.env.packageWorkspace = str(toolbox.parent)
    added = (
        "# Esri start of added imports\nimport sys, os, arcpy\n# Esri end of added imports\n\n"
        "# Esri start of added variables\n"
        "g_ESRI_variable_1 = os.path.join(arcpy.env.packageWorkspace, '..', 'cd', 'ExportTiles.toml')\n"
        "# Esri end of added variables\n\n"
    )
    text = toolbox.read_text(encoding="utf-8")
    assert text.count('"ExportTiles.toml"') == 1
    toolbox.write_text(added + text.replace('"ExportTiles.toml"', "g_ESRI_variable_1"), encoding="utf-8")
    [cache, *_] = load_toolbox(toolbox).tools[0]().getParameterInfo()
    assert cache.filter.list == ["World", "Twin"]

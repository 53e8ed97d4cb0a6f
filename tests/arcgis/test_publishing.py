"""The publishing script, with a stand-in for `arcpy.sharing` and for the site that it publishes to."""

from __future__ import annotations

import ast
import os
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from gptool.arcgis.registration import register
from helpers.arcgis_tools import outputs
from helpers.arcpy_sharing import consolidate, literals
from helpers.arcpy_stand_in import ArcPy, load_toolbox
from helpers.checks import check_nothing_left, check_package

SITE = "https://gis.example.com/server"
MAX_SECONDS = 86400


@pytest.fixture
def registered(cache: Path, tmp_path: Path) -> Path:
    """The folder that `register` creates for two caches."""
    return register(SITE, "Tiles", {"World": cache, "Twin": cache}, tmp_path / "out").output


def publish(folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", ["publish.py", *arguments])
        patch.setattr(os, "environ", dict(os.environ))
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
        "serverType": "STANDALONE_SERVER" if connection else "FEDERATED_SERVER",
        "serviceType": "GP_SERVICE" if connection else "WEB_TOOL",
        "serviceName": "ExportTiles",
        "targetServer": connection or SITE,
        "serverFolder": "Tiles",
        "portalFolder": "",
        "overwriteExistingService": False,
        "copyDataToServer": True,
        "executionType": "Asynchronous",
        "messageLevel": "Info",
        "resultMapService": False,
        "maxInstances": 2,
        "maxUsageTime": MAX_SECONDS,
        "maxWaitTime": MAX_SECONDS,
        "tools": ["ExportTiles", "EstimateExportTilesSize"],
    }
    *calls, (name, given), staged, uploaded = arcpy.calls
    assert calls == [
        ("ImportToolbox", str(registered / "ExportTiles.pyt")),
        ("ExportTiles", "World"),
        ("EstimateExportTilesSize", "World"),
    ]
    assert name == "exportToSDDraft"
    assert given | draft == given
    assert (staged, uploaded) == (("StageService",), ("UploadServiceDefinition", connection or SITE, {}))
    assert f"{SITE}/rest/services/Tiles/ExportTiles/GPServer" in capsys.readouterr().out
    assert not list(Path(arcpy.env.scratchFolder).iterdir())  # the runs exported nothing


def test_second_publishing_needs_overwrite(
    registered: Path, arcpy: ArcPy, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(registered, monkeypatch)
    [first] = arcpy.site.published.values()
    with pytest.raises(arcpy.ExecuteError, match="already exists"):
        publish(registered, monkeypatch)
    register(SITE, "Tiles", {"Other": cache}, registered, overwrite=True)
    publish(registered, monkeypatch, "--overwrite")
    [second] = arcpy.site.published.values()
    assert second != first
    for path, names in ((first, ["World", "Twin"]), (second, ["Other"])):
        arcpy.env.packageWorkspace = str(path.parent)
        [cache_parameter, *_] = load_toolbox(path).tools[0]().getParameterInfo()
        assert cache_parameter.filter.list == names


SHARING: dict[str, tuple[list[str], dict[str, Any]]] = {
    "organization": (
        ["--share", "organization"],
        {"in_public": "PRIVATE", "in_organization": "SHARE_ORGANIZATION", "in_groups": []},
    ),
    "everyone": (
        ["--share", "everyone"], {"in_public": "PUBLIC", "in_organization": "SHARE_ORGANIZATION", "in_groups": []},
    ),
    "groups": (
        ["--group", "GIS", "--group", "Field"],
        {"in_public": "PRIVATE", "in_organization": "NO_SHARE_ORGANIZATION", "in_groups": ["GIS", "Field"]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHARING)
def test_sharing_options(registered: Path, arcpy: ArcPy, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    arguments, expected = SHARING[name]
    publish(registered, monkeypatch, *arguments)
    always = {"in_override": "OVERRIDE_DEFINITION", "in_my_contents": "SHARE_ONLINE"}
    assert arcpy.calls[-1] == ("UploadServiceDefinition", SITE, always | expected)


def test_portal_folder_and_other_server(registered: Path, arcpy: ArcPy, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(registered, monkeypatch, "--portal-folder", "Tools", "--server", "https://other.example.com/server")
    [given] = [call[1] for call in arcpy.calls if call[0] == "exportToSDDraft"]
    assert (given["portalFolder"], given["targetServer"]) == ("Tools", "https://other.example.com/server")


def test_analyzer_errors_prevent_publishing(
    registered: Path, arcpy: ArcPy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arcpy.site.draft_errors = [(68, "broken project data source", [])]
    with pytest.raises(SystemExit, match="Not published"):
        publish(registered, monkeypatch)
    assert arcpy.calls[-1][0] == "exportToSDDraft"
    assert not arcpy.site.published
    assert "errors: 68: broken project data source" in capsys.readouterr().out


def test_published_toolbox_works_whatever_lies_beside_it(
    cache: Path, tmp_path: Path, arcpy: ArcPy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ArcGIS takes string literals for the names of files beside the toolbox: none but that of the settings may be."""
    folder = register(SITE, "Tiles", {"World": cache}, tmp_path / "out").output
    names = {"cache", "package", "report", "exporttiles", "GPString", "World", "levels", "Required", "Input", "input"}
    source = Path(sys.modules["gptool.arcgis.registration"].__file__ or "").parent
    for path in [*source.glob("*.py"), *folder.glob("*.py*")]:
        tree = ast.parse(path.read_text(encoding="utf-8")) if path.suffix != ".xml" else ast.Module([], [])
        names |= {str(node.value) for node in literals(tree) if re.fullmatch(r"[\w-]{1,40}", str(node.value))}
    for name in sorted(names, key=str.lower):
        (folder / name).mkdir(exist_ok=True)
    publish(folder, monkeypatch)
    [toolbox] = arcpy.site.published.values()
    check_nothing_left(toolbox.parents[1] / "cd", "ExportTiles.toml")
    arcpy.env.packageWorkspace = str(toolbox.parent)
    result = outputs(arcpy.run(load_toolbox(toolbox).tools[0](), {"cache": "World", "levels": "0"}))
    check_package(Path(result["package"]), levels={0})


def test_literals_of_the_toolbox_are_the_settings_and_sentences(registered: Path) -> None:
    found = {str(node.value) for node in literals(ast.parse((registered / "ExportTiles.pyt").read_bytes()))}
    assert {text for text in found if " " not in text} == {"ExportTiles.toml"}


def test_stand_in_consolidates_a_literal_that_names_a_neighbour(tmp_path: Path) -> None:
    """The stand-in does what would break a toolbox with such a literal."""
    (tmp_path / "x.pyt").write_text('"""report"""\nname = "Report"\nother = f"{name}report"\n', encoding="utf-8")
    (tmp_path / "report").mkdir()
    consolidate(tmp_path / "x.pyt", tmp_path / "site")
    text = (tmp_path / "site" / "p30" / "x.pyt").read_text(encoding="utf-8")
    assert '"""report"""\nname = g_ESRI_variable_1\nother = f"{name}report"\n' in text
    check_nothing_left(tmp_path / "site" / "cd", "report")

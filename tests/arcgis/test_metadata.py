"""The metadata of the toolboxes, and the toolboxes without gptool or its dependencies."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import gptool
from gptool.arcgis.metadata import TOOLBOX_FOLDER, metadata_files
from gptool.arcgis.registration import register
from gptool.arcgis.requirements import MODULES
from gptool.arcgis.tools import DESKTOP, SERVICE
from helpers.arcpy_stand_in import ArcPy, load_toolbox
from helpers.import_rules import Package

ROOT = Path(gptool.__file__).parent
OPTIONAL = {"boto3", "distributed", "obstore", "pyogrio"}
"""Libraries that are imported when they are needed."""

TOOLBOXES = {"desktop": DESKTOP, "service": SERVICE}


def test_files_of_the_package_are_current() -> None:
    """After a change of the tools, `python -m gptool.arcgis.metadata` writes them again."""
    files = {path.name: path.read_text(encoding="utf-8") for path in TOOLBOX_FOLDER.glob("*.xml")}
    assert files == metadata_files(DESKTOP)


@pytest.fixture(params=TOOLBOXES)
def toolbox(request: pytest.FixtureRequest, arcpy: ArcPy, cache: Path, tmp_path: Path) -> tuple[Any, Path]:
    """A loaded toolbox and the folder of its metadata."""
    folder = TOOLBOX_FOLDER
    if request.param == "service":
        folder = register("https://gis/server", "T", {"World": cache}, tmp_path / "out").output
    return load_toolbox(folder / "ExportTiles.pyt"), folder


def test_each_tool_has_metadata_of_its_parameters(toolbox: tuple[Any, Path]) -> None:
    loaded, folder = toolbox
    for cls in loaded.tools:
        tool, root = cls(), ElementTree.parse(folder / f"ExportTiles.{cls.__name__}.pyt.xml").getroot()
        element = root.find("tool")
        assert element is not None
        shown = (element.get("name"), element.get("displayname"), element.get("toolboxalias"))
        assert shown == (cls.__name__, tool.label, loaded.alias)
        described = [
            (p.get("name"), p.get("displayname"), p.get("type"), p.get("direction"), (p.get("datatype") or ""))
            for p in element.iterfind("parameters/param")
        ]
        for (*texts, datatype), parameter in zip(described, tool.getParameterInfo(), strict=True):
            assert texts == [parameter.name, parameter.displayName, parameter.parameterType, parameter.direction]
            assert parameter.datatype in datatype.split("; ")
            assert datatype.startswith("Multiple Value") == parameter.multiValue


def test_metadata_explain_every_parameter_and_show_code(toolbox: tuple[Any, Path]) -> None:
    _, folder = toolbox
    for path in folder.glob("ExportTiles.*.pyt.xml"):
        root = ElementTree.parse(path).getroot()
        for form in ("dialogReference", "pythonReference"):
            texts = [element.text or "" for element in root.iterfind(f"tool/parameters/param/{form}")]
            assert all(ElementTree.fromstring(text).tag == "DIV" and len(text) > 40 for text in texts)
            assert len(texts) == len(root.findall("tool/parameters/param"))
        for where in ("tool/summary", "tool/usage", "dataIdInfo/idAbs", "dataIdInfo/searchKeys/keyword"):
            assert root.findtext(where)
        compile(root.findtext("tool/scriptExamples/scriptExample/code") or "", path, "exec")
    root = ElementTree.parse(folder / "ExportTiles.pyt.xml").getroot()
    assert root.findtext("dataIdInfo/idPurp")


def test_desktop_metadata_name_no_parameters_of_rest() -> None:
    """Their parameters have titles, and names as in Python."""
    for name, text in metadata_files(DESKTOP).items():
        for definition in ("areaOfInterest", "exportBy", "compressionQuality", "storageFormatType"):
            assert definition not in text, name


def test_required_modules_are_those_that_are_imported() -> None:
    package = Package(ROOT)
    parts = {"cache", "crs", "export", "jobs", "jpeg", "output", "plan", "request", "verification", "tool"}
    found = {found.imported.partition(".")[0] for found in package.imports if package.part_of(found.importer) in parts}
    assert set(MODULES) == found - sys.stdlib_module_names - {"gptool", *OPTIONAL}


@pytest.mark.parametrize("missing", ["gptool.arcgis", "shapely"])
@pytest.mark.parametrize("face", TOOLBOXES)
def test_toolbox_explains_itself(
    arcpy: ArcPy, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, face: str, missing: str
) -> None:
    path = TOOLBOX_FOLDER / "ExportTiles.pyt"
    if face == "service":
        path = register("https://gis/server", "T", {"World": cache}, tmp_path / "out").output / "ExportTiles.pyt"
    if missing == "shapely":
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == missing else object())
        monkeypatch.delitem(sys.modules, "gptool.arcgis.requirements")
        monkeypatch.delattr("gptool.arcgis.requirements")
    else:
        for name in [name for name in sys.modules if name.startswith(missing)]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, missing, None)
    toolbox = load_toolbox(path)
    [cls] = toolbox.tools
    tool = cls()
    assert "cannot be loaded" in toolbox.label
    assert missing in tool.description
    assert "gptool doctor" in tool.description
    with pytest.raises(arcpy.ExecuteError):
        tool.execute([], None)
    assert arcpy.messages == [("Error", tool.description)]

"""The toolbox of a geoprocessing service, run as ArcGIS runs it, with a stand-in for arcpy."""

from __future__ import annotations

import json
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from gptool.arcgis.registration import register
from gptool.errors import ParameterError
from gptool.request import TOOL_INPUTS
from gptool.settings import CacheSettings, write_settings
from helpers.arcgis_tools import enabled, messages_of, outputs, square
from helpers.arcpy_parameters import DATATYPES
from helpers.arcpy_stand_in import ArcPy, forget_arcpy, load_toolbox
from helpers.caches import LEVEL_0, conf_text, make_cache, png_tile, world
from helpers.checks import check_dataset, check_nothing_left, check_package
from helpers.lossless import check_optimised
from helpers.tile_readers import read_package

CACHE = {"cache": "World"}


@pytest.fixture
def folder(cache: Path, tmp_path: Path) -> Path:
    """The folder of toolbox and settings: exports are allowed for one cache and not for another."""
    output = register("https://gis.example.com/server", "Tiles", {"World": cache}, tmp_path / "out").output
    write_settings(
        output / "ExportTiles.toml",
        {"Secret": CacheSettings(cache, export_tiles_allowed=False), "World": CacheSettings(cache, True, 200)},
    )
    return output


@pytest.fixture
def tools(folder: Path, arcpy: ArcPy) -> dict[str, Any]:
    """The two tools, by their labels."""
    toolbox = load_toolbox(folder / "ExportTiles.pyt")
    assert (toolbox.label, toolbox.alias) == ("Export Tiles", "exporttiles")
    assert [tool.__name__ for tool in toolbox.tools] == ["ExportTiles", "EstimateExportTilesSize"]
    return {tool.label: tool for tool in (cls() for cls in toolbox.tools)}


@pytest.fixture
def export(tools: dict[str, Any]) -> Any:
    return tools["Export Tiles"]


@pytest.fixture
def estimate(tools: dict[str, Any]) -> Any:
    return tools["Estimate Export Tiles Size"]


DEFAULTS = {"tilePackage": True, "storageFormatType": "CompactV2"}
"""Defaults that differ from those of the REST API."""


@pytest.mark.parametrize(
    ("label", "derived"),
    [
        ("Export Tiles", {"package": "File", "report": "File"}),
        (
            "Estimate Export Tiles Size",
            {"out_service_url": "String", "totalSize": "Double", "totalTilesToExport": "Double"},
        ),
    ],
)
def test_parameters_follow_the_parameter_table(tools: dict[str, Any], label: str, derived: dict[str, str]) -> None:
    cache, *rest = tools[label].getParameterInfo()
    assert (cache.name, cache.datatype, cache.parameterType) == ("cache", "String", "Required")
    assert (cache.filter.type, cache.filter.list) == ("ValueList", ["World"])
    table, results = rest[: len(TOOL_INPUTS)], rest[len(TOOL_INPUTS) :]
    for definition, parameter in zip(TOOL_INPUTS, table, strict=True):
        assert (parameter.name, parameter.displayName) == (definition.name, definition.label)
        assert (parameter.parameterType, parameter.datatype) == ("Optional", DATATYPES[definition.type][0])
        choices = list(
            definition.choices or definition.limits or (["Polygon"] if parameter.datatype == "Feature Set" else [])
        )
        assert parameter.filter.list == [choice for choice in choices if not str(choice).startswith("esri")]
        assert parameter.filter.type == "Range" or not definition.limits
        default = DEFAULTS.get(definition.name, definition.default)
        assert parameter.datatype == "Feature Set" or parameter.value == default
    assert {parameter.name: parameter.datatype for parameter in results} == derived
    assert {parameter.parameterType for parameter in results} == {"Derived"}


def test_area_of_interest_has_a_polygon_schema(export: Any) -> None:
    [area] = [p for p in export.getParameterInfo() if p.name == "areaOfInterest"]
    schema = json.loads(area.value.JSON)
    assert (schema["geometryType"], schema["features"]) == ("esriGeometryPolygon", [])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("levels", "one", "levels: .*found 'one'"),
        ("levels", "17", r"The cache has 0 \(1:591,657,528\), 1 \(1:295,828,764\), "),
        ("exportBy", "Level", "exportBy: .*found 'Level', expected LevelID, Resolution or Scale"),
        ("exportExtent", "1,2,3", "exportExtent: "),
        ("storageFormatType", "exploded", "storageFormatType: .*found 'exploded'"),
        ("tables", "best", "tables: .*found 'best', expected efficient or exact"),
        ("compressionQuality", 101, "compressionQuality: .*found 101, expected an integer from 0 to 100"),
        ("maxPartSize", "5 pounds", "maxPartSize: value is not a size; found '5 pounds', expected a size"),
        ("targetSize", "5 pounds", "targetSize: value is not a size; found '5 pounds', expected a size"),
    ],
)
def test_invalid_value_sets_the_message_of_its_parameter(
    arcpy: ArcPy, export: Any, estimate: Any, name: str, value: Any, message: str
) -> None:
    for tool in (export, estimate):
        shown = messages_of(arcpy, tool, "error", **CACHE, **{name: value})
        assert list(shown) == [name]
        assert re.search(message, shown[name])


def test_valid_values_have_no_message(arcpy: ArcPy, export: Any) -> None:
    good = {"levels": "0-2", "exportExtent": "DEFAULT", "optimizeTilesForSize": True, "compressionQuality": 50}
    # ArcGIS accepts only the exact values of a list; clients of image services write them in any letter case.
    also_good = {"exportBy": "levelId", "storageFormatType": "esriMapCacheStorageModeCompact"}
    for values in (good, also_good):
        for kind in ("error", "warning"):
            assert messages_of(arcpy, export, kind, **CACHE, **values) == {}


def test_messages_of_arcgis_about_the_cache_are_kept(arcpy: ArcPy, export: Any) -> None:
    assert messages_of(arcpy, export, "error") == {"cache": "ERROR 000735: Value is required"}
    assert list(messages_of(arcpy, export, "error", cache="Secret")) == ["cache"]


def test_parameters_without_effect_are_not_available(arcpy: ArcPy, export: Any) -> None:
    off = {"nearestLevel", "compressionQuality", "tables"}
    assert {name for name, is_on in enabled(arcpy.validate(export, CACHE)).items() if not is_on} == off
    area = square(west=0, south=0, side=1)
    given = {"areaOfInterest": area, "optimizeTilesForSize": True, "compressionQuality": 50, "exportBy": "Scale"}
    assert [name for name, is_on in enabled(arcpy.validate(export, CACHE | given)).items() if not is_on] == [
        "exportExtent"
    ]


def test_categories_group_the_rarer_parameters(export: Any) -> None:
    groups = {p.name: p.category for p in export.getParameterInfo() if p.category}
    assert groups == {
        "exportBy": "Levels by resolution or scale",
        "nearestLevel": "Levels by resolution or scale",
        "optimizeTilesForSize": "Size of tiles",
        "compressionQuality": "Size of tiles",
        "targetSize": "Size of tiles",
        "maxPartSize": "Parts",
        "maxPartTiles": "Parts",
        "tables": "Size of tiles",
        "optimizePng": "Size of tiles",
    }


WARNINGS: dict[str, tuple[dict[str, Any], str, str]] = {
    "extent beside an area": (
        {"exportExtent": "0,0,1,1", "areaOfInterest": square(west=0, south=0, side=1)}, "exportExtent", "is not used",
    ),
    "quality without optimisation": ({"compressionQuality": 50}, "compressionQuality", "is not used"),
    "quality above the declared one": (
        {"optimizeTilesForSize": True, "compressionQuality": 99}, "compressionQuality", "declares the quality",
    ),
    "end of a range beyond the levels": ({"levels": "0-20"}, "levels", "no level at an end of 0-20"),
    "nearest level": (
        {"exportBy": "Scale", "levels": "500000000", "nearestLevel": True}, "levels", "the nearest level is used",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WARNINGS)
def test_warnings_before_running(arcpy: ArcPy, export: Any, name: str) -> None:
    values, parameter, text = WARNINGS[name]
    shown = messages_of(arcpy, export, "warning", **CACHE, **values)
    assert list(shown) == [parameter]
    assert text in shown[parameter]


def test_warning_that_the_cache_has_no_jpeg_tiles(arcpy: ArcPy, export: Any, folder: Path, tmp_path: Path) -> None:
    png = make_cache(tmp_path / "png", {(0, 0, 0): png_tile(1)}, conf=conf_text(format="PNG24"))
    write_settings(folder / "ExportTiles.toml", {"Png": CacheSettings(png)})
    shown = messages_of(arcpy, export, "warning", cache="Png", optimizeTilesForSize=True)
    assert shown == {"optimizeTilesForSize": "The tiles of the cache are PNG24: only JPEG tiles become smaller."}
    assert messages_of(arcpy, export, "warning", cache="Png", optimizePng=True) == {}


def test_warning_that_the_cache_has_no_png_tiles(arcpy: ArcPy, export: Any) -> None:
    shown = messages_of(arcpy, export, "warning", **CACHE, optimizePng=True)
    assert shown == {"optimizePng": "The tiles of the cache are JPEG: only PNG tiles become smaller."}


def test_export_writes_a_package_in_the_scratch_folder(arcpy: ArcPy, export: Any) -> None:
    given = {"levels": "0-2,8", "optimizeTilesForSize": True, "compressionQuality": 50}
    result = outputs(arcpy.run(export, CACHE | given))
    package, report = Path(result["package"]), Path(result["report"])
    assert package.parent.parent == Path(arcpy.env.scratchFolder)
    # The package has the name of the service, not that of the cache's folder.
    assert (package.name, report) == ("World.tpkx", package.parent / "report.json")
    check_package(package, levels={0, 1, 2, 8})
    assert json.loads(report.read_text(encoding="utf-8"))["request"]["compressionQuality"] == 50
    assert arcpy.env.autoCancelling is False
    assert {kind for kind, _ in arcpy.messages} == {"Informative"}


def test_report_and_package_contain_no_path_of_the_server(arcpy: ArcPy, export: Any, tmp_path: Path) -> None:
    result = outputs(arcpy.run(export, CACHE | {"levels": "0-2,5"}))
    for path in map(Path, result.values()):
        assert tmp_path.name.encode() not in path.read_bytes()
        assert str(tmp_path.parent).encode() not in path.read_bytes()


def test_messages_are_not_those_that_arcgis_adds_itself(arcpy: ArcPy, export: Any) -> None:
    arcpy.run(export, CACHE | {"levels": "0"})
    with pytest.raises(arcpy.ExecuteError):
        arcpy.run(export, CACHE | {"levels": "7"})
    texts = "\n".join(text for _, text in arcpy.messages)
    assert "selection contains no tiles" in texts
    assert not re.search("Start Time|Succeeded at|Failed to execute|Failed at|Elapsed Time", texts)


def test_tiles_are_optimised_without_a_quality(arcpy: ArcPy, export: Any, estimate: Any) -> None:
    given = CACHE | {"levels": "1", "optimizeTilesForSize": True}
    package = Path(outputs(arcpy.run(export, given))["package"])
    check_optimised({address: tile for address, tile in world().items() if address[0] == 1}, read_package(package))
    assert any(text.startswith("optimised without loss: 4 tiles, from ") for _, text in arcpy.messages)
    assert outputs(arcpy.run(estimate, given))["totalSize"] == package.stat().st_size


def test_compact_package_is_a_tpk(arcpy: ArcPy, export: Any) -> None:
    given = {"storageFormatType": "Compact", "levels": "0"}
    assert outputs(arcpy.run(export, CACHE | given))["package"].endswith(".tpk")


def test_dataset_is_zipped(arcpy: ArcPy, export: Any, tmp_path: Path) -> None:
    result = outputs(arcpy.run(export, CACHE | {"tilePackage": False}))
    archive = Path(result["package"])
    check_nothing_left(archive.parent, "World.zip", "report.json")
    with zipfile.ZipFile(archive) as file:
        assert file.testzip() is None
        file.extractall(tmp_path / "unzipped")
    check_nothing_left(tmp_path / "unzipped", "World")
    check_dataset(tmp_path / "unzipped" / "World", storage="esriMapCacheStorageModeCompactV2", levels={0, 1, 2, 8})


def test_area_selects_tiles(arcpy: ArcPy, export: Any) -> None:
    """A square in the middle of one tile of level 8, in the world's south-east."""
    tile = LEVEL_0[1] / 2**8
    area = square(west=2.4 * tile, south=-3.6 * tile, side=0.2 * tile)
    assert "spatialReference" not in json.loads(area.JSON)["features"][0]["geometry"]
    package = outputs(arcpy.run(export, CACHE | {"areaOfInterest": area, "levels": "8"}))["package"]
    assert list(read_package(Path(package))) == [(8, 131, 130)]


def test_area_in_degrees(arcpy: ArcPy, export: Any) -> None:
    area = square(west=10, south=-10, side=1, wkid=4326)
    package = outputs(arcpy.run(export, CACHE | {"areaOfInterest": area, "levels": "1"}))["package"]
    assert list(read_package(Path(package))) == [(1, 1, 1)]


def test_values_are_passed_to_the_operation(
    arcpy: ArcPy, folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values are passed unchanged, an area as JSON that states the spatial reference of its polygons."""
    passed: dict[str, Any] = {}

    def export_tiles_job(sent: dict[str, Any], **others: Any) -> None:
        passed.update(sent, **others)
        raise ParameterError("stop")

    monkeypatch.setattr("gptool.tool.export_tiles_job", export_tiles_job)
    forget_arcpy()  # the toolbox imports the function anew
    settings = folder / "ExportTiles.toml"
    settings.write_text(f"workers = 3\n{settings.read_text(encoding='utf-8')}", encoding="utf-8")
    tool = load_toolbox(folder / "ExportTiles.pyt").tools[0]()
    given = {"levels": "0-1", "compressionQuality": 50, "areaOfInterest": square(west=10, south=-10, side=1, wkid=4326)}
    with pytest.raises(ParameterError, match="stop"):
        arcpy.run(tool, CACHE | given)
    area = json.loads(passed.pop("areaOfInterest"))
    assert (area["spatialReference"], len(area["features"])) == ({"wkid": 4326}, 1)
    assert passed.pop("on_change")
    assert passed.pop("redact")(f"{cache}: broken") == "World: broken"
    assert passed == {
        "levels": "0-1",
        "exportBy": "LevelID",
        "nearestLevel": False,
        "exportExtent": None,
        "tilePackage": True,
        "storageFormatType": "CompactV2",
        "optimizeTilesForSize": False,
        "compressionQuality": 50,
        "targetSize": None,
        "maxPartSize": None,
        "maxPartTiles": None,
        "tables": "efficient",
        "optimizePng": False,
        "cache": cache,
        "service": "World",
        "output_directory": arcpy.env.scratchFolder,
        "max_export_tiles_count": 200,
        "workers": 3,
    }


def test_messages_are_shown_once_and_in_order(arcpy: ArcPy, export: Any) -> None:
    arcpy.run(export, CACHE | {"levels": "1,3"})
    kinds = [kind for kind, _ in arcpy.messages]
    assert "Warning" in kinds  # level 3 holds no selected tiles
    texts = [text for _, text in arcpy.messages]
    assert len(texts) == len(set(texts))
    warned = next(i for i, (kind, _) in enumerate(arcpy.messages) if kind == "Warning")
    assert "level 3 holds no selected tiles" in texts[warned]


def test_progressor_advances(arcpy: ArcPy, export: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gptool.jobs.job.MIN_REPORT_SECONDS", 0.0)
    arcpy.run(export, CACHE | {})
    progressors = [call for call in arcpy.calls if call[0] == "SetProgressor"]
    assert [call[1] for call in progressors] == ["default", "step"]
    assert {call[3:] for call in progressors} == {(0, 100, 1)}
    positions = [call[1] for call in arcpy.calls if call[0] == "SetProgressorPosition"]
    assert positions == sorted(positions)
    assert positions[-1] == 100
    labels = [call[1] for call in arcpy.calls if call[0] == "SetProgressorLabel"]
    assert any("165 of 165" in label for label in labels)


def test_too_many_tiles_fail_with_the_message_of_arcgis_server(
    arcpy: ArcPy, export: Any, folder: Path, cache: Path
) -> None:
    write_settings(folder / "ExportTiles.toml", {"World": CacheSettings(cache, max_export_tiles_count=100)})
    with pytest.raises(arcpy.ExecuteError):
        arcpy.run(export, CACHE | {})
    first, *_ = [text for kind, text in arcpy.messages if kind == "Error"]
    assert first.startswith(
        "ERROR 001564: Requested tile count(165) exceeds the maximum allowed number of tiles(100) to be exported"
    )
    check_nothing_left(Path(arcpy.env.scratchFolder))


def test_empty_selection_fails_the_run(arcpy: ArcPy, export: Any) -> None:
    with pytest.raises(arcpy.ExecuteError):
        arcpy.run(export, CACHE | {"levels": "7"})
    assert "selection contains no tiles" in arcpy.GetMessages(2)
    check_nothing_left(Path(arcpy.env.scratchFolder))


def test_cache_disallowed_after_it_was_chosen(arcpy: ArcPy, export: Any, folder: Path, cache: Path) -> None:
    parameters = export.getParameterInfo()
    parameters[0].value = "World"
    write_settings(folder / "ExportTiles.toml", {"World": CacheSettings(cache, export_tiles_allowed=False)})
    with pytest.raises(arcpy.ExecuteError):
        export.execute(parameters, None)
    assert arcpy.messages == [("Error", "cache: not available for export; found 'World'")]


@pytest.mark.parametrize("polls", [0, 3])
def test_cancelled_job_leaves_no_files(arcpy: ArcPy, export: Any, polls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled at once, and after some polls of `isCancelled`."""
    monkeypatch.setattr("gptool.jobs.job.MIN_REPORT_SECONDS", 0.0)
    answers = iter([False] * polls)
    arcpy.env.cancel_when(lambda: next(answers, True))
    with pytest.raises(arcpy.ExecuteError):
        arcpy.run(export, CACHE | {})
    assert any(text.startswith("Cancelled") for _, text in arcpy.messages)
    assert not any(text.startswith("Succeeded") for _, text in arcpy.messages)
    check_nothing_left(Path(arcpy.env.scratchFolder))


def test_estimate_outputs(arcpy: ArcPy, estimate: Any) -> None:
    result = outputs(arcpy.run(estimate, CACHE | {"levels": "8"}))
    assert json.loads(result["out_service_url"]) == {
        "totalSize": int(result["totalSize"]),
        "totalTilesToExport": 144,
    }
    assert result["totalTilesToExport"] == 144.0
    check_nothing_left(Path(arcpy.env.scratchFolder))


def break_conf(cache: Path, settings: Path) -> None:
    (cache / "conf.xml").write_bytes(b"<no")


def remove_cache(cache: Path, settings: Path) -> None:
    cache.rename(cache.with_name("elsewhere"))


def remove_settings(cache: Path, settings: Path) -> None:
    settings.unlink()


def break_settings(cache: Path, settings: Path) -> None:
    settings.write_text("[caches", encoding="utf-8")


FAULTS = {
    break_conf: "World/conf.xml: ",
    remove_cache: "World: cache not found",
    remove_settings: "the settings: cannot be read: No such file",
    break_settings: "the settings: not valid TOML",
}


@pytest.mark.parametrize("make", FAULTS, ids=lambda make: make.__name__)
def test_errors_name_the_service_and_no_path(arcpy: ArcPy, folder: Path, tmp_path: Path, make: Any) -> None:
    cache = make_cache(tmp_path / "secret folder" / "w o r l d", world())
    settings = folder / "ExportTiles.toml"
    write_settings(settings, {"World": CacheSettings(cache)})
    make(cache, settings)
    for tool in [cls() for cls in load_toolbox(folder / "ExportTiles.pyt").tools]:
        arcpy.messages.clear()
        parameters = tool.getParameterInfo()
        parameters[0].value = "World"
        with pytest.raises(arcpy.ExecuteError):
            tool.execute(parameters, None)
        [message] = [text for kind, text in arcpy.messages if kind == "Error"]
        assert message.replace("\\", "/").startswith(FAULTS[make])
        assert not re.search(f"secret|{tmp_path.name}", message)


def test_toolbox_without_settings_opens(arcpy: ArcPy, folder: Path) -> None:
    (folder / "ExportTiles.toml").unlink()
    for tool in [cls() for cls in load_toolbox(folder / "ExportTiles.pyt").tools]:
        assert tool.getParameterInfo()[0].filter.list == []
        assert list(messages_of(arcpy, tool, "error")) == ["cache"]


def test_runs_while_publishing_do_nothing(arcpy: ArcPy, export: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", os.environ | {"EXPORT_TILES_PUBLISHING": "1"})
    assert outputs(arcpy.run(export, CACHE)) == {"package": None, "report": None}
    check_nothing_left(Path(arcpy.env.scratchFolder))

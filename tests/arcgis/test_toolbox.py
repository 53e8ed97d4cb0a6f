"""ExportTiles.pyt, run as ArcGIS runs it, with a stand-in for arcpy."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from gptool.arcgis.registration import register
from gptool.errors import ParameterError
from gptool.request import INPUTS
from gptool.settings import CacheSettings, write_settings
from helpers.arcpy_parameters import DATATYPES, FeatureSet, Parameter
from helpers.arcpy_stand_in import ArcPy, load_toolbox
from helpers.caches import LEVEL_0, world
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


def outputs(result: Any) -> dict[str, Any]:
    return {p.name: p.value for p in result.parameters if p.direction == "Output"}


def square(*, west: float, south: float, side: float, wkid: int = 102100) -> FeatureSet:
    """One square with its spatial reference on the geometry, as map clients send it."""
    x, y = (west, west + side), (south, south + side)
    rings = [[[x[0], y[0]], [x[0], y[1]], [x[1], y[1]], [x[1], y[0]], [x[0], y[0]]]]
    geometry = {"rings": rings, "spatialReference": {"wkid": wkid}}
    content = {"geometryType": "esriGeometryPolygon", "fields": [], "features": [{"geometry": geometry}]}
    return FeatureSet(json.dumps(content))


@pytest.mark.parametrize(
    ("label", "derived"),
    [
        ("Export Tiles", {"out_service_url": "String", "package": "File", "report": "File"}),
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
    table, results = rest[: len(INPUTS)], rest[len(INPUTS) :]
    for definition, parameter in zip(INPUTS, table, strict=True):
        assert (parameter.name, parameter.displayName, parameter.parameterType) == (
            definition.name,
            definition.label,
            "Optional",
        )
        assert parameter.datatype == DATATYPES[definition.type][0]
        choices = list(
            definition.choices or definition.limits or (["Polygon"] if parameter.datatype == "Feature Set" else [])
        )
        assert parameter.filter.list == choices
        assert parameter.filter.type == "Range" or not definition.limits
        assert parameter.datatype == "Feature Set" or parameter.value == definition.default
    assert {parameter.name: parameter.datatype for parameter in results} == derived
    assert {parameter.parameterType for parameter in results} == {"Derived"}


def test_area_of_interest_has_a_polygon_schema(export: Any) -> None:
    [area] = [p for p in export.getParameterInfo() if p.name == "areaOfInterest"]
    schema = json.loads(area.value.JSON)
    assert (schema["geometryType"], schema["features"]) == ("esriGeometryPolygon", [])


def messages_of(tool: Any, **values: Any) -> dict[str, str]:
    """The messages that ArcGIS shows beside the parameters when they have these values."""
    parameters: list[Parameter] = tool.getParameterInfo()
    for parameter in parameters:
        parameter.value = values.get(parameter.name, parameter.value)
        parameter.validate()
    tool.updateMessages(parameters)
    return {p.name: p.message for p in parameters if p.hasError()}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("levels", "one", "levels: .*found 'one'"),
        ("exportBy", "Level", "exportBy: .*found 'Level', expected LevelID, Resolution or Scale"),
        ("exportExtent", "1,2,3", "exportExtent: "),
        ("storageFormatType", "exploded", "storageFormatType: .*found 'exploded'"),
        ("tables", "best", "tables: .*found 'best', expected efficient or exact"),
        ("compressionQuality", 101, "compressionQuality: .*found 101, expected an integer from 0 to 100"),
    ],
)
def test_invalid_value_sets_the_message_of_its_parameter(
    export: Any, estimate: Any, name: str, value: Any, message: str
) -> None:
    for tool in (export, estimate):
        shown = messages_of(tool, **CACHE, **{name: value})
        assert list(shown) == [name]
        assert re.search(message, shown[name])


def test_valid_values_have_no_message(export: Any) -> None:
    good = {"levels": "0-2", "exportExtent": "DEFAULT", "compressionQuality": 50, "tilePackage": True}
    assert messages_of(export, **CACHE, **good) == {}
    # ArcGIS accepts only the exact values of a list; clients of image services write them in any letter case.
    assert messages_of(export, **CACHE, exportBy="levelId", storageFormatType="compact") == {}


def test_messages_of_arcgis_about_the_cache_are_kept(export: Any) -> None:
    assert messages_of(export) == {"cache": "ERROR 000735: Value is required"}
    assert list(messages_of(export, cache="Secret")) == ["cache"]


def test_export_writes_a_package_in_the_scratch_folder(arcpy: ArcPy, export: Any) -> None:
    given = {"levels": "0-2,8", "tilePackage": True, "optimizeTilesForSize": True, "compressionQuality": 50}
    result = outputs(arcpy.run(export, CACHE | given))
    job = Path(result["out_service_url"])
    assert job.parent == Path(arcpy.env.scratchFolder)
    assert (Path(result["package"]).parent, Path(result["report"])) == (job, job / "report.json")
    check_package(Path(result["package"]), levels={0, 1, 2, 8})
    assert json.loads(Path(result["report"]).read_text())["request"]["compressionQuality"] == 50
    assert arcpy.env.autoCancelling is False
    kinds = {kind for kind, _ in arcpy.messages}
    assert kinds == {"Informative"}
    assert arcpy.messages[0][1].startswith("Start Time: ")
    assert arcpy.messages[-1][1].startswith("Succeeded at ")


def test_tiles_are_optimised_without_a_quality(arcpy: ArcPy, export: Any, estimate: Any) -> None:
    given = CACHE | {"levels": "1", "tilePackage": True, "optimizeTilesForSize": True}
    package = Path(outputs(arcpy.run(export, given))["package"])
    check_optimised({address: tile for address, tile in world().items() if address[0] == 1}, read_package(package))
    assert any(text.startswith("optimised without loss: 4 tiles, from ") for _, text in arcpy.messages)
    assert outputs(arcpy.run(estimate, given))["totalSize"] == package.stat().st_size


def test_compact_package_is_a_tpk(arcpy: ArcPy, export: Any) -> None:
    given = {"tilePackage": True, "storageFormatType": "esriMapCacheStorageModeCompact", "levels": "0"}
    assert outputs(arcpy.run(export, CACHE | given))["package"].endswith(".tpk")


def test_dataset_is_a_folder_and_not_a_package(arcpy: ArcPy, export: Any) -> None:
    result = outputs(arcpy.run(export, CACHE))  # a dataset by default
    assert result["package"] is None
    [dataset] = [path for path in Path(result["out_service_url"]).iterdir() if path.is_dir()]
    check_dataset(dataset, storage="esriMapCacheStorageModeCompactV2", levels={0, 1, 2, 8})


def test_area_selects_tiles(arcpy: ArcPy, export: Any) -> None:
    """A square in the middle of one tile of level 8, in the world's south-east."""
    tile = LEVEL_0[1] / 2**8
    area = square(west=2.4 * tile, south=-3.6 * tile, side=0.2 * tile)
    assert "spatialReference" not in json.loads(area.JSON)["features"][0]["geometry"]
    package = outputs(arcpy.run(export, CACHE | {"areaOfInterest": area, "tilePackage": True, "levels": "8"}))[
        "package"
    ]
    assert list(read_package(Path(package))) == [(8, 131, 130)]


def test_area_in_degrees(arcpy: ArcPy, export: Any) -> None:
    area = square(west=10, south=-10, side=1, wkid=4326)
    package = outputs(arcpy.run(export, CACHE | {"areaOfInterest": area, "tilePackage": True, "levels": "1"}))[
        "package"
    ]
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
    tool = load_toolbox(folder / "ExportTiles.pyt").tools[0]()
    given = {"levels": "0-1", "compressionQuality": 50, "areaOfInterest": square(west=10, south=-10, side=1, wkid=4326)}
    with pytest.raises(arcpy.ExecuteError):
        arcpy.run(tool, CACHE | given)
    area = json.loads(passed.pop("areaOfInterest"))
    assert (area["spatialReference"], len(area["features"])) == ({"wkid": 4326}, 1)
    assert passed.pop("on_change")
    assert passed == {
        "levels": "0-1",
        "exportBy": "LevelID",
        "nearestLevel": False,
        "exportExtent": None,
        "tilePackage": False,
        "storageFormatType": None,
        "optimizeTilesForSize": False,
        "compressionQuality": 50,
        "tables": "efficient",
        "cache": cache,
        "output_directory": arcpy.env.scratchFolder,
        "max_export_tiles_count": 200,
    }


def test_messages_are_shown_once_and_in_order(arcpy: ArcPy, export: Any) -> None:
    arcpy.run(export, CACHE | {"levels": "1,3", "tilePackage": True})
    kinds = [kind for kind, _ in arcpy.messages]
    assert "Warning" in kinds  # level 3 holds no selected tiles
    texts = [text for _, text in arcpy.messages]
    assert len(texts) == len(set(texts))
    warned = next(i for i, (kind, _) in enumerate(arcpy.messages) if kind == "Warning")
    assert "level 3 holds no selected tiles" in texts[warned]
    assert texts[0].startswith("Start Time: ")
    assert texts[-1].startswith("Succeeded at ")


def test_progressor_advances(arcpy: ArcPy, export: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gptool.jobs.job.MIN_REPORT_SECONDS", 0.0)
    arcpy.run(export, CACHE | {"tilePackage": True})
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
        arcpy.run(export, CACHE | {"tilePackage": True})
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
        arcpy.run(export, CACHE | {"tilePackage": True})
    assert any(text.startswith("Cancelled") for _, text in arcpy.messages)
    assert not any(text.startswith("Succeeded") for _, text in arcpy.messages)
    check_nothing_left(Path(arcpy.env.scratchFolder))


def test_estimate_outputs(arcpy: ArcPy, estimate: Any) -> None:
    result = outputs(arcpy.run(estimate, CACHE | {"levels": "8", "tilePackage": True}))
    assert json.loads(result["out_service_url"]) == {
        "totalSize": int(result["totalSize"]),
        "totalTilesToExport": 144,
    }
    assert result["totalTilesToExport"] == 144.0
    check_nothing_left(Path(arcpy.env.scratchFolder))


def test_toolbox_without_settings_opens_and_fails_when_run(arcpy: ArcPy, folder: Path) -> None:
    (folder / "ExportTiles.toml").unlink()
    export = load_toolbox(folder / "ExportTiles.pyt").tools[0]()
    parameters = export.getParameterInfo()
    assert parameters[0].filter.list == []
    parameters[0].value = "World"
    with pytest.raises(arcpy.ExecuteError):
        export.execute(parameters, None)
    assert "ExportTiles.toml: cannot be read: No such file" in arcpy.GetMessages(2)

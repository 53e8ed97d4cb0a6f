"""The toolbox of ArcGIS Pro, which comes with the package, run as ArcGIS runs it, with a stand-in for arcpy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import gptool
from gptool.request import TOOL_INPUTS
from helpers.arcgis_tools import enabled, messages_of, outputs, square
from helpers.arcpy_stand_in import ArcPy, Extent, Layer, load_toolbox
from helpers.caches import LEVEL_0, make_cache, world
from helpers.checks import check_dataset, check_nothing_left, check_package
from helpers.tile_readers import read_package, read_tiles

TOOLBOX = Path(gptool.__file__).parent / "esri" / "toolboxes" / "ExportTiles.pyt"


@pytest.fixture
def tools(arcpy: ArcPy) -> dict[str, Any]:
    """The three tools, by the names of their classes."""
    toolbox = load_toolbox(TOOLBOX)
    assert (toolbox.label, toolbox.alias) == ("Export Tiles (gptool)", "gptool")
    return {cls.__name__: cls() for cls in toolbox.tools}


@pytest.fixture
def export(tools: dict[str, Any]) -> Any:
    return tools["ExportTiles"]


@pytest.fixture
def estimate(tools: dict[str, Any]) -> Any:
    return tools["EstimateExportTilesSize"]


@pytest.fixture
def verify(tools: dict[str, Any]) -> Any:
    return tools["VerifyPackage"]


@pytest.fixture
def given(cache: Path, tmp_path: Path) -> dict[str, Any]:
    """The required parameters of an export."""
    return {"in_cache": str(cache), "out_tiles": str(tmp_path / "world.tpkx")}


def test_parameters_follow_the_parameter_table(export: Any, estimate: Any) -> None:
    names = [definition.python_name for definition in TOOL_INPUTS]
    exported = [parameter.name for parameter in export.getParameterInfo()]
    assert exported == [
        *("in_cache", "out_tiles"),
        *(name for name in names if name != "tile_package"),
        *("total_size", "total_tiles"),
    ]
    assert [p.name for p in estimate.getParameterInfo()] == ["in_cache", *names, "total_size", "total_tiles"]


def test_types_are_those_of_desktop_tools(export: Any, estimate: Any) -> None:
    for tool in (export, estimate):
        types = {p.name: (p.datatype, p.parameterType, p.direction) for p in tool.getParameterInfo()}
        assert types["in_cache"] == ("Folder", "Required", "Input")
        assert types["export_extent"] == ("Extent", "Optional", "Input")
        assert types["area_of_interest"] == ("Feature Layer", "Optional", "Input")
        assert types["total_size"] == types["total_tiles"] == ("Double", "Derived", "Output")
    [output] = [p for p in export.getParameterInfo() if p.name == "out_tiles"]
    assert (output.datatype, output.parameterType, output.direction) == ("File", "Required", "Output")
    [package] = [p for p in estimate.getParameterInfo() if p.name == "tile_package"]
    assert package.value is True


def test_each_storage_format_has_one_word(export: Any, estimate: Any) -> None:
    for tool in (export, estimate):
        [storage] = [p for p in tool.getParameterInfo() if p.name == "storage_format_type"]
        assert (storage.filter.list, storage.value) == (["CompactV2", "Compact"], "CompactV2")


def test_export_writes_where_the_user_wants(arcpy: ArcPy, export: Any, given: dict[str, Any]) -> None:
    chosen = {"levels": ["0 (1:591,657,528)", "8 (1:2,311,162)"], "optimize_tiles_for_size": True}
    result = outputs(arcpy.run(export, given | chosen | {"compression_quality": 50}))
    package = Path(given["out_tiles"])
    check_package(package, levels={0, 8})
    assert result == {"total_size": package.stat().st_size, "total_tiles": len(read_package(package))}
    assert any("recompressed" in text for _, text in arcpy.messages)
    texts = "\n".join(text for _, text in arcpy.messages)
    assert not re.search("Start Time|Succeeded at|Elapsed Time", texts)
    check_nothing_left(Path(arcpy.env.scratchFolder))


@pytest.mark.parametrize("storage", ["CompactV2", "Compact"])
@pytest.mark.parametrize("name", ["new.tpk", "new.tpkx"])
def test_name_of_the_output_chooses_the_package(
    arcpy: ArcPy, export: Any, given: dict[str, Any], tmp_path: Path, name: str, storage: str
) -> None:
    arcpy.run(export, given | {"out_tiles": str(tmp_path / name), "storage_format_type": storage, "levels": "0;1-2"})
    assert {address[0] for address in read_tiles(tmp_path / name)} == {0, 1, 2}


@pytest.mark.parametrize("storage", ["CompactV2", "Compact"])
def test_folder_is_a_dataset(arcpy: ArcPy, export: Any, given: dict[str, Any], tmp_path: Path, storage: str) -> None:
    arcpy.run(export, given | {"out_tiles": str(tmp_path / "dataset"), "storage_format_type": storage})
    check_dataset(tmp_path / "dataset", storage=f"esriMapCacheStorageMode{storage}", levels={0, 1, 2, 8})


def test_existing_output_is_replaced_only_if_the_options_allow_it(
    arcpy: ArcPy, export: Any, given: dict[str, Any]
) -> None:
    package = Path(given["out_tiles"])
    package.write_bytes(b"mine")
    assert list(messages_of(arcpy, export, "error", **given)) == ["out_tiles"]
    with pytest.raises(arcpy.ExecuteError):
        arcpy.run(export, given)
    assert package.read_bytes() == b"mine"
    arcpy.env.overwriteOutput = True
    assert messages_of(arcpy, export, "warning", **given) == {"out_tiles": "The output exists, and will be replaced."}
    arcpy.run(export, given)
    check_package(package, levels={0, 1, 2, 8})


def test_folder_with_other_files_is_never_replaced(
    arcpy: ArcPy, export: Any, given: dict[str, Any], tmp_path: Path
) -> None:
    arcpy.env.overwriteOutput = True
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.doc").write_bytes(b"mine")
    shown = messages_of(arcpy, export, "error", **given | {"out_tiles": str(tmp_path / "folder")})
    assert "cannot replace a folder that holds other files" in shown["out_tiles"]


@pytest.mark.parametrize("name", ["out.zip", "out.sqlite"])
def test_outputs_of_other_formats_are_errors(
    arcpy: ArcPy, export: Any, given: dict[str, Any], tmp_path: Path, name: str
) -> None:
    shown = messages_of(arcpy, export, "error", **given | {"out_tiles": str(tmp_path / name)})
    assert "unsupported output format" in shown["out_tiles"]


def test_levels_are_listed_with_their_scales(arcpy: ArcPy, export: Any, cache: Path, tmp_path: Path) -> None:
    def choices(**values: Any) -> list[str]:
        [levels] = [p for p in arcpy.validate(export, values) if p.name == "levels"]
        return list(levels.filter.list)

    assert choices() == choices(in_cache=str(tmp_path)) == []
    by_id = choices(in_cache=str(cache))
    assert (len(by_id), by_id[0], by_id[-1]) == (9, "0 (1:591,657,528)", "8 (1:2,311,162)")
    assert choices(in_cache=str(cache), export_by="Scale")[0].startswith("591657527.59")
    assert choices(in_cache=str(cache), export_by="Resolution")[0].startswith("626172.13")
    small = make_cache(tmp_path / "small", world())
    assert choices(in_cache=str(cache)) == choices(in_cache=str(small))


def test_paths_that_a_model_will_make_are_not_looked_for(arcpy: ArcPy, export: Any, tmp_path: Path) -> None:
    """In ModelBuilder the cache may be the output of a tool that has not run; ArcGIS's own message is kept."""
    shown = messages_of(
        arcpy, export, "error", in_cache=str(tmp_path / "later"), out_tiles=str(tmp_path / "x.tpkx"), levels="0-3"
    )
    assert list(shown) == ["in_cache"]
    assert shown["in_cache"].startswith("ERROR 000732")


def test_levels_that_scripts_name_are_valid(arcpy: ArcPy, export: Any, given: dict[str, Any]) -> None:
    assert messages_of(arcpy, export, "error", **given, levels="0-2;8") == {}
    shown = messages_of(arcpy, export, "error", **given, levels="12")
    assert "The cache has 0 (1:591,657,528), " in shown["levels"]


def test_extent_has_its_own_spatial_reference(arcpy: ArcPy, export: Any, given: dict[str, Any]) -> None:
    tile = LEVEL_0[1] / 2
    metres = Extent(0.1 * tile, 0.1 * tile, 0.2 * tile, 0.2 * tile, wkid=102100)
    for extent in (metres, Extent(10, 10, 20, 20, wkid=4326), Extent(1e6, 1e6, 2e6, 2e6)):
        arcpy.env.overwriteOutput = True
        arcpy.run(export, given | {"export_extent": extent, "levels": ["1"]})
        assert list(read_package(Path(given["out_tiles"]))) == [(1, 0, 1)]


def test_area_is_a_layer_with_its_selection(arcpy: ArcPy, export: Any, given: dict[str, Any]) -> None:
    layer = Layer("Parks", square(west=10, south=-10, side=1, wkid=4326))
    arcpy.run(export, given | {"area_of_interest": layer, "levels": ["1"]})
    assert list(read_package(Path(given["out_tiles"]))) == [(1, 1, 1)]


def test_parameters_without_effect_are_not_available(
    arcpy: ArcPy, export: Any, given: dict[str, Any], tmp_path: Path
) -> None:
    def off(**values: Any) -> set[str]:
        return {name for name, is_on in enabled(arcpy.validate(export, given | values)).items() if not is_on}

    always = {"nearest_level", "storage_format_type"}
    assert off() == always | {"compression_quality", "tables"}
    assert off(optimize_tiles_for_size=True) == always | {"tables"}
    assert off(optimize_tiles_for_size=True, compression_quality=50) == always
    assert off(target_size="5MB") == always | {"compression_quality"}
    assert off(optimize_tiles_for_size=True, compression_quality=50, export_by="Scale") == {"storage_format_type"}
    assert "storage_format_type" not in off(out_tiles=str(tmp_path / "folder"))
    assert "export_extent" in off(area_of_interest=square(west=0, south=0, side=1))


def test_target_size_is_used_and_contradicts_a_quality(arcpy: ArcPy, export: Any, given: dict[str, Any]) -> None:
    both = {"optimize_tiles_for_size": True, "compression_quality": 50, "target_size": "1.2 MB"}
    assert messages_of(arcpy, export, "error", **given, **both) == {
        "target_size": "A target size and a compression quality are given; expected one of them."
    }
    arcpy.run(export, given | {"target_size": "1.2 MB"})
    assert 1_100_000 < Path(given["out_tiles"]).stat().st_size <= 1_200_000
    assert any("is the highest quality whose result fits" in text for _, text in arcpy.messages)


def test_quality_that_is_not_available_is_not_used(arcpy: ArcPy, export: Any, given: dict[str, Any]) -> None:
    assert messages_of(arcpy, export, "warning", **given, compression_quality=50) == {
        "compression_quality": "The quality is not used, since tiles are not optimized for size."
    }
    arcpy.run(export, given | {"compression_quality": 50, "levels": ["1"]})
    assert read_package(Path(given["out_tiles"])) == {at: tile for at, tile in world().items() if at[0] == 1}


def test_cache_that_cannot_be_read_fails_the_run(arcpy: ArcPy, export: Any, given: dict[str, Any]) -> None:
    with pytest.raises(arcpy.ExecuteError):
        arcpy.run(export, given | {"in_cache": arcpy.env.scratchFolder})
    assert arcpy.GetMessages(2).startswith(arcpy.env.scratchFolder)
    assert not Path(given["out_tiles"]).exists()


@pytest.mark.parametrize("polls", [0, 3])
def test_cancelled_export_leaves_no_files(
    arcpy: ArcPy, export: Any, given: dict[str, Any], tmp_path: Path, polls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gptool.jobs.job.MIN_REPORT_SECONDS", 0.0)
    answers = iter([False] * polls)
    arcpy.env.cancel_when(lambda: next(answers, True))
    with pytest.raises(arcpy.ExecuteError):
        arcpy.run(export, given)
    assert ("Warning", "Cancelled (ExportTiles).") in arcpy.messages
    assert arcpy.env.autoCancelling is False
    check_nothing_left(tmp_path, "scratch")


@pytest.mark.parametrize(("package", "suffix"), [(True, ".tpkx"), (False, "")])
def test_estimate_is_the_size_of_the_export(
    arcpy: ArcPy, export: Any, estimate: Any, cache: Path, tmp_path: Path, package: bool, suffix: str
) -> None:
    selection = {"in_cache": str(cache), "levels": "0-2"}
    expected = outputs(arcpy.run(estimate, selection | {"tile_package": package}))
    assert any(text.startswith("21 tiles, ") for _, text in arcpy.messages)
    result = outputs(arcpy.run(export, selection | {"out_tiles": str(tmp_path / f"world{suffix}")}))
    assert result == expected


class TestVerifyPackage:
    """The tool Verify Package."""

    def test_package_that_passes(self, arcpy: ArcPy, export: Any, verify: Any, given: dict[str, Any]) -> None:
        arcpy.run(export, given)
        arcpy.messages.clear()
        package = {"in_package": given["out_tiles"], "source": given["in_cache"], "clients": ["gdal", "qgis"]}
        assert outputs(arcpy.run(verify, package)) == {"passed": True, "findings": 0}
        [(kind, text)] = arcpy.messages
        assert (kind, "every rule holds" in text, "No device" in text) == ("Informative", True, True)

    def test_findings_are_warnings(self, arcpy: ArcPy, verify: Any, tmp_path: Path) -> None:
        (tmp_path / "x.tpkx").write_bytes(b"no zip")
        result = outputs(arcpy.run(verify, {"in_package": str(tmp_path / "x.tpkx")}))
        warnings = [text for kind, text in arcpy.messages if kind == "Warning"]
        assert result == {"passed": False, "findings": len(warnings)}
        assert warnings[0].startswith("container.")

    def test_source_that_is_no_cache(self, arcpy: ArcPy, verify: Any, tmp_path: Path) -> None:
        (tmp_path / "x.tpkx").write_bytes(b"no zip")
        with pytest.raises(arcpy.ExecuteError):
            arcpy.run(verify, {"in_package": str(tmp_path / "x.tpkx"), "source": str(tmp_path)})
        assert arcpy.GetMessages(2)

    def test_choices(self, verify: Any) -> None:
        choices = {p.name: p.filter.list for p in verify.getParameterInfo()}
        assert choices["tiles"] == ["all", "sample", "none"]
        assert "fieldmaps" in choices["clients"]


def test_package_is_a_cache_too(arcpy: ArcPy, export: Any, given: dict[str, Any]) -> None:
    arcpy.run(export, given | {"levels": ["0"]})
    again = {"in_cache": given["out_tiles"], "out_tiles": str(Path(given["out_tiles"]).with_name("again.tpkx"))}
    arcpy.run(export, again)
    assert len(read_package(Path(again["out_tiles"]))) == 1

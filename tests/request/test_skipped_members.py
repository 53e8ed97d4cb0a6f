"""Areas of which one member is no area: it is skipped with a warning, and the others are used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gptool import export_tiles
from gptool.errors import ParameterError
from gptool.request.area import read_area
from helpers.caches import make_cache, square

SQUARE = [[0, 0], [0, 9e6], [9e6, 9e6], [9e6, 0], [0, 0]]
POLYGON = {"rings": [SQUARE], "spatialReference": {"wkid": 102100}}
DEGREES = {"type": "Polygon", "coordinates": [[[0, 0], [60, 0], [60, 60], [0, 60], [0, 0]]]}

SKIPPED = "areaOfInterest: {}: skipped, as it is no area; found {}"


def features(*geometries: Any) -> dict[str, Any]:
    return {"features": [{"geometry": geometry} for geometry in geometries]}


def collection(*geometries: Any) -> dict[str, Any]:
    return {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "geometry": geometry} for geometry in geometries],
    }


MEMBERS: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "no geometry": (features(None, POLYGON), ["feature 1"], [SKIPPED.format("feature 0", "no geometry")]),
    "empty geometry": (features(POLYGON, {}), ["feature 0"], [SKIPPED.format("feature 1", "an empty object")]),
    "a point among polygons": (
        features(POLYGON, {"x": 1, "y": 2}),
        ["feature 0"],
        [SKIPPED.format("feature 1", "a point")],
    ),
    "a polyline": (features({"paths": []}, POLYGON), ["feature 1"], [SKIPPED.format("feature 0", "a polyline")]),
    "an empty ring": (
        {"rings": [[], SQUARE], "spatialReference": {"wkid": 102100}},
        ["geometry"],
        ["areaOfInterest: geometry: empty rings are left out"],
    ),
    "empty rings alone": (
        features({"rings": [[]]}, POLYGON),
        ["feature 1"],
        [SKIPPED.format("feature 0", "no ring with vertices")],
    ),
    "features that are geometries": ({"features": [POLYGON, POLYGON]}, ["feature 0", "feature 1"], []),
    "an envelope": (
        {"xmin": 0, "ymin": 0, "xmax": 9e6, "ymax": 9e6, "spatialReference": {"wkid": 102100}},
        ["geometry"],
        [],
    ),
    "envelopes": (
        {"geometryType": "esriGeometryEnvelope"}
        | features({"xmin": 0, "ymin": 0, "xmax": 9e6, "ymax": 9e6, "spatialReference": {"wkid": 102100}}),
        ["feature 0"],
        [],
    ),
    "GeoJSON without geometry": (
        collection(None, DEGREES),
        ["feature 1"],
        [SKIPPED.format("feature 0", "no geometry")],
    ),
    "GeoJSON with a point": (
        collection(DEGREES, {"type": "Point", "coordinates": [1, 2]}),
        ["feature 0"],
        [SKIPPED.format("feature 1", "type 'Point'")],
    ),
    "GeoJSON with an empty polygon": (
        collection({"type": "Polygon", "coordinates": []}, DEGREES),
        ["feature 1"],
        [SKIPPED.format("feature 0", "no ring with vertices")],
    ),
    "GeometryCollection": (
        {"type": "GeometryCollection", "geometries": [{"type": "LineString", "coordinates": []}, DEGREES]},
        ["geometry 1"],
        [SKIPPED.format("geometry 0", "type 'LineString'")],
    ),
}


@pytest.mark.parametrize(("value", "names", "warnings"), MEMBERS.values(), ids=MEMBERS)
def test_other_members_are_used(value: dict[str, Any], names: list[str], warnings: list[str]) -> None:
    area = read_area(value)
    assert [polygon.name for polygon in area.polygons] == names
    assert list(area.warnings) == warnings


@pytest.mark.parametrize("name", MEMBERS)
def test_tiles_of_the_others_are_exported(tmp_path: Path, name: str) -> None:
    value, _, warnings = MEMBERS[name]
    cache = make_cache(tmp_path / "cache", square(1, range(2), range(2)))
    result = export_tiles(cache, tmp_path / "x.tpkx", area_of_interest=value)
    assert result.tiles == 1
    assert list(result.warnings) == [text.replace("areaOfInterest", "area_of_interest") for text in warnings]


@pytest.mark.parametrize(
    "value",
    [
        features(None),
        features({"x": 1, "y": 2}, None),
        {"rings": [[]]},
        collection(None),
        {"type": "Point", "coordinates": [1, 2]},
    ],
)
def test_area_of_which_nothing_is_left_is_an_error(value: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=r"^areaOfInterest: .*: not a polygon; found .*, expected a feature set"):
        read_area(value)


@pytest.mark.parametrize("value", [features(POLYGON, {"curveRings": [["a"]]}), features(POLYGON, {"rings": [["a"]]})])
def test_damaged_polygons_are_not_skipped(value: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        read_area(value)


def test_only_some_skipped_members_are_listed() -> None:
    area = read_area(features(POLYGON, *[None] * 25))
    assert len(area.warnings) == 11
    assert area.warnings[-1] == "areaOfInterest: 15 more members skipped or mended"

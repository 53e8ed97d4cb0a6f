"""Areas of interest: outer rings and holes, repairs, and what is rejected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from gptool import estimate_export_tiles_size
from gptool.errors import ParameterError
from gptool.request.area import read_area
from gptool.request.area_members import signed_area
from gptool.request.polygons import build_polygons
from gptool.tool import estimate_export_tiles_size_job


def ring(*corners: tuple[float, float]) -> list[list[float]]:
    """Return a closed ring through corners, in their order."""
    return [list(corner) for corner in (*corners, corners[0])]


def square(xmin: float, ymin: float, side: float, *, hole: bool = False) -> list[list[float]]:
    """Return a square that runs clockwise as outer rings of Esri JSON do, or counter-clockwise as its holes do."""
    corners = [(xmin, ymin), (xmin, ymin + side), (xmin + side, ymin + side), (xmin + side, ymin)]
    return ring(*(reversed(corners) if hole else corners))


def area_of(*rings: list[list[float]]) -> tuple[shapely.MultiPolygon, list[str]]:
    polygons, repairs = build_polygons(read_area({"rings": list(rings)}).polygons)
    [(reference, polygon)] = polygons.items()
    assert reference is None
    assert polygon.is_valid
    return polygon, repairs


def box(xmin: float, ymin: float, side: float) -> shapely.Polygon:
    return shapely.box(xmin, ymin, xmin + side, ymin + side)


RINGS: dict[str, tuple[list[list[list[float]]], shapely.Geometry]] = {
    "single ring": ([square(0, 0, 4)], box(0, 0, 4)),
    "separate rings": ([square(0, 0, 1), square(2, 0, 1)], box(0, 0, 1) | box(2, 0, 1)),
    "overlapping rings": ([square(0, 0, 2), square(1, 0, 2)], box(0, 0, 2) | box(1, 0, 2)),
    "hole": ([square(0, 0, 4), square(1, 1, 2, hole=True)], box(0, 0, 4) - box(1, 1, 2)),
    "hole before its outer ring": ([square(1, 1, 2, hole=True), square(0, 0, 4)], box(0, 0, 4) - box(1, 1, 2)),
    "clockwise ring in an outer ring": ([square(0, 0, 4), square(1, 1, 2)], box(0, 0, 4)),
    "island in a hole": (
        [square(0, 0, 9), square(1, 1, 7, hole=True), square(3, 3, 2)],
        (box(0, 0, 9) - box(1, 1, 7)) | box(3, 3, 2),
    ),
    "hole in an island in a hole": (
        [square(0, 0, 9), square(1, 1, 7, hole=True), square(2, 2, 5), square(3, 3, 1, hole=True)],
        (box(0, 0, 9) - box(1, 1, 7)) | (box(2, 2, 5) - box(3, 3, 1)),
    ),
    "hole that touches its outer ring": (
        [square(0, 0, 4), ring((0, 1), (2, 2), (1, 3))],
        box(0, 0, 4) - shapely.Polygon([(0, 1), (2, 2), (1, 3)]),
    ),
    "holes of two outer rings": (
        [square(0, 0, 3), square(9, 0, 3), square(1, 1, 1, hole=True), square(10, 1, 1, hole=True)],
        (box(0, 0, 3) - box(1, 1, 1)) | (box(9, 0, 3) - box(10, 1, 1)),
    ),
    "open ring": ([square(0, 0, 4)[:-1]], box(0, 0, 4)),
    "redundant nested rings": (
        [square(0, 0, 9), square(1, 1, 7), square(2, 2, 5, hole=True), square(3, 3, 1, hole=True)],
        box(0, 0, 9) - box(2, 2, 5),
    ),
    "single counter-clockwise ring": ([square(0, 0, 4, hole=True)], box(0, 0, 4)),
}


@pytest.mark.parametrize("name", RINGS)
def test_rings_make_the_area(name: str) -> None:
    rings, expected = RINGS[name]
    polygon, repairs = area_of(*rings)
    assert polygon.equals(expected)
    assert repairs == []


REPAIRED: dict[str, tuple[list[list[list[float]]], shapely.Geometry, str]] = {
    "bow tie": (
        [ring((0, 0), (2, 2), (2, 0), (0, 2))],
        shapely.Polygon([(0, 0), (1, 1), (0, 2)]) | shapely.Polygon([(2, 0), (1, 1), (2, 2)]),
        "geometry, ring 0: repaired ring (Self-intersection[1 1])",
    ),
    "ring that touches itself": (
        [ring((0, 0), (0, 4), (4, 4), (4, 0), (2, 0), (3, 1), (1, 1), (2, 0))],
        box(0, 0, 4) - shapely.Polygon([(2, 0), (3, 1), (1, 1)]),
        "geometry, ring 0: repaired ring (Ring Self-intersection[2 0])",
    ),
    "spike": (
        [ring((0, 0), (0, 1), (1, 1), (5, 1), (1, 1), (1, 0))],
        box(0, 0, 1),
        "geometry, ring 0: repaired ring (Self-intersection[5 1])",
    ),
    "line beside an area": (
        [square(0, 0, 1), ring((5, 5), (6, 6))],
        box(0, 0, 1),
        "ring 1: skipped ring without area",
    ),
    "flat ring beside an area": (
        [square(0, 0, 1), ring((5, 5), (6, 6), (7, 7))],
        box(0, 0, 1),
        "ring 1: skipped ring without area",
    ),
    "all rings reversed": (
        [square(0, 0, 4, hole=True), square(1, 1, 2)],
        box(0, 0, 4) - box(1, 1, 2),
        "geometry: reversed all rings, since the outer rings run counter-clockwise",
    ),
    "hole that extends beyond its outer ring": (
        [square(0, 0, 4), square(2, 2, 4, hole=True)],
        box(0, 0, 4) - box(2, 2, 4),
        "geometry: clipped 1 hole extending beyond the outer rings",
    ),
    "reversed outer ring with a ring within it": (
        [square(0, 0, 4), square(5, 5, 9, hole=True), square(6, 6, 2)],
        box(0, 0, 4) | box(5, 5, 9),
        "geometry: reversed 1 counter-clockwise outer ring",
    ),
    "one of two outer rings reversed": (
        [square(0, 0, 4), square(5, 5, 2, hole=True)],
        box(0, 0, 4) | box(5, 5, 2),
        "geometry: reversed 1 counter-clockwise outer ring",
    ),
}


@pytest.mark.parametrize("name", REPAIRED)
def test_repairs_are_reported(name: str) -> None:
    rings, expected, message = REPAIRED[name]
    polygon, repairs = area_of(*rings)
    assert polygon.equals(expected)
    assert len(repairs) == 1
    assert repairs[0].startswith("areaOfInterest: ")
    assert message in repairs[0]


def test_overlapping_features_are_united() -> None:
    features = [{"geometry": {"rings": [square(x, 0, 3)]}} for x in (0, 2, 8)]
    polygons, repairs = build_polygons(read_area({"features": features}).polygons)
    assert polygons[None].equals(box(0, 0, 3) | box(2, 0, 3) | box(8, 0, 3))
    assert repairs == []


def test_features_may_have_their_own_spatial_references() -> None:
    features = [
        {"geometry": {"rings": [square(0, 0, 3)], "spatialReference": {"wkid": 4326}}},
        {"geometry": {"rings": [square(5, 0, 3)]}},
    ]
    polygons, _ = build_polygons(read_area({"features": features, "spatialReference": {"wkid": 102100}}).polygons)
    assert {reference.wkid: polygon.area for reference, polygon in polygons.items() if reference} == {
        4326: 9,
        102100: 9,
    }


def test_geojson_holes_do_not_depend_on_their_orientation() -> None:
    for reverse in (False, True):
        coordinates = [square(0, 0, 9, hole=reverse), square(1, 1, 2, hole=reverse), square(5, 5, 2)]
        polygons, repairs = build_polygons(read_area({"type": "Polygon", "coordinates": coordinates}).polygons)
        [polygon] = polygons.values()
        assert polygon.equals(box(0, 0, 9) - box(1, 1, 2) - box(5, 5, 2))
        assert repairs == []


def test_many_repairs_are_summarised() -> None:
    bow_tie = ring((0, 0), (2, 2), (2, 0), (0, 2))
    polygons, repairs = build_polygons(
        read_area({"rings": [[[x + 9 * i, y] for x, y in bow_tie] for i in range(25)]}).polygons
    )
    assert polygons[None].area == pytest.approx(50)
    assert len(repairs) == 11
    assert repairs[-1] == "areaOfInterest: 15 more repairs"


def test_many_rings_are_nested_correctly() -> None:
    """Thousands of holes, and hundreds of concentric rings."""
    holes = [square(10 * i + 1, 10 * j + 1, 5, hole=True) for i in range(50) for j in range(50)]
    polygon, _ = area_of(square(0, 0, 500), *holes)
    assert polygon.area == 500**2 - 2500 * 25
    nested = [square(i, i, 2000 - 2 * i, hole=bool(i % 2)) for i in range(999)]
    polygon, _ = area_of(*nested)
    assert polygon.area == sum((-1) ** i * (2000 - 2 * i) ** 2 for i in range(999))


coordinate = st.integers(0, 6)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=7), min_size=1, max_size=4))
def test_any_rings_make_a_valid_area_or_raise(rings: list[list[tuple[float, float]]]) -> None:
    try:
        polygon, _ = area_of(*(ring(*corners) for corners in rings))
    except ParameterError as error:
        assert "no polygon has an area" in str(error)
    else:
        assert polygon.area > 0


def test_signed_area_is_negative_for_clockwise_rings() -> None:
    assert signed_area(np.array(square(1e7, 1e7, 3.0))) == -9
    assert signed_area(np.array(square(1e7, 1e7, 3.0, hole=True))) == 9


VALID = {"rings": [square(0, 0, 1)]}
INVALID: dict[str, tuple[Any, str]] = {
    "truncated JSON": ("{", "value is not valid JSON .*; found '{', expected a feature set"),
    "JSON array": ("[1]", r"value is not a JSON object; found '\[1\]'"),
    "number": (5, "value is not a JSON object; found 5, expected a feature set"),
    "deep nesting of JSON": ("[" * 100_000, "JSON is nested too deeply"),
    "empty object": (
        "{}",
        "geometry: not a polygon; found an empty object, expected a feature set, a polygon with rings",
    ),
    "no features": ({"features": []}, "value contains no polygon; found no features"),
    "features that are not a list": ({"features": {}}, r"features: invalid value; found \{\}, expected a list"),
    "feature without geometry": ({"features": [{"geometry": None}]}, "feature 0: not a polygon; found no geometry"),
    "empty feature": ({"features": [{}]}, "feature 0: not a polygon; found an empty object"),
    "feature that is a number": ({"features": [5]}, "feature 0: not a polygon; found 5"),
    "point": ({"x": 1, "y": 2}, "geometry: not a polygon; found a point"),
    "multipoint": ({"features": [{"geometry": {"points": [[1, 2]]}}]}, "feature 0: not a polygon; found a multipoint"),
    "polyline": ({"paths": [[[1, 2], [3, 4]]]}, "geometry: not a polygon; found a polyline"),
    "feature set of points": (
        {"geometryType": "esriGeometryPoint", "features": []},
        "feature set: unsupported geometryType; found 'esriGeometryPoint', expected esriGeometryPolygon",
    ),
    "no rings": ({"rings": []}, "geometry: not a polygon; found no ring with vertices"),
    "rings that are not a list": ({"rings": 5}, "geometry, rings: invalid value; found 5, expected a list"),
    "ring that is not a list": ({"rings": ["abc"]}, "geometry, ring 0: invalid value; found 'abc', expected a list"),
    "empty ring": ({"rings": [[]]}, "geometry: not a polygon; found no ring with vertices"),
    "vertex of one number": (
        {"rings": [[[0, 0], [1]]]},
        r"geometry, ring 0: ring has an invalid vertex; found \[1\] as vertex 1, expected a pair of finite numbers",
    ),
    "vertex of texts": (
        {"rings": [[[0, 0], ["1", "2"]]]},
        r"geometry, ring 0: ring has an invalid vertex; found \['1', '2'\] as vertex 1",
    ),
    "curve in a ring": (
        {"rings": [[[0, 0], {"c": [[3, 3], [1, 4]]}, [1, 1]]]},
        "geometry, ring 0: ring has an invalid vertex; found .*c.* as vertex 1",
    ),
    "NaN": (
        {"rings": [[[0, 0], [float("nan"), 1], [1, 1]]]},
        "geometry, ring 0: ring has an invalid vertex; found a coordinate that is not finite",
    ),
    "infinity": (
        '{"rings":[[[0,0],[1e999,1],[1,1]]]}',
        "geometry, ring 0: ring has an invalid vertex; found a coordinate that is not finite",
    ),
    "integer beyond the range of a double": (
        {"rings": [[[0, 0], [10**400, 1], [1, 1]]]},
        "geometry, ring 0: ring has an invalid vertex; found a coordinate that exceeds the range",
    ),
    "invalid WKID": (
        {**VALID, "spatialReference": {"wkid": -4}},
        "geometry: wkid: value is out of range; found -4",
    ),
    "spatial reference without WKID and WKT": (
        {**VALID, "spatialReference": {"a": 1}},
        "geometry: invalid spatial reference; found .*'a'",
    ),
    "polygon without area": ({"rings": [ring((0, 0), (1, 1))]}, "no polygon has an area; found 1 polygon, expected"),
    "GeoJSON point": ({"type": "Point", "coordinates": [1, 2]}, "GeoJSON: not a polygon; found type 'Point'"),
    "GeoJSON line in a feature": (
        {"type": "Feature", "geometry": {"type": "LineString", "coordinates": [[1, 2], [3, 4]]}},
        "feature: not a polygon; found type 'LineString'",
    ),
    "GeoJSON feature without geometry": (
        {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": None}]},
        "feature 0: not a polygon; found no geometry",
    ),
    "GeoJSON without features": ({"type": "FeatureCollection", "features": []}, "value contains no polygon"),
    "GeoJSON without coordinates": (
        {"type": "Polygon"},
        "polygon, coordinates: is missing; expected a list",
    ),
    "GeoJSON without rings": (
        {"type": "Polygon", "coordinates": []},
        "polygon: not a polygon; found no ring with vertices",
    ),
    "GeoJSON in metres": (
        {"type": "Polygon", "coordinates": [square(500_000, 5e6, 9)]},
        "polygon, ring 0, vertex 0: coordinates of GeoJSON are not longitude and latitude; found 500000.0, 5000000.0",
    ),
}


@pytest.mark.parametrize("name", INVALID)
def test_invalid_areas_are_rejected(name: str) -> None:
    value, message = INVALID[name]
    with pytest.raises(ParameterError, match=rf"^areaOfInterest: {message}"):
        build_polygons(read_area(value).polygons)


def test_deeply_nested_geometries_are_rejected() -> None:
    value: dict[str, Any] = {"type": "Polygon", "coordinates": [square(0, 0, 1)]}
    for _ in range(3000):
        value = {"type": "GeometryCollection", "geometries": [value]}
    with pytest.raises(ParameterError, match="areaOfInterest: geometries are nested too deeply"):
        read_area(value)


class TestFiles:
    def test_file_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "area.json"
        path.write_text(json.dumps(VALID))
        assert [polygon.name for polygon in read_area(path).polygons] == ["geometry"]

    def test_file_name_is_accepted_from_python_but_not_from_a_job(self, cache: Path, tmp_path: Path) -> None:
        path = tmp_path / "area.json"
        path.write_text(json.dumps(VALID))
        assert estimate_export_tiles_size(cache, area_of_interest=str(path)).total_tiles_to_export == 4
        job = estimate_export_tiles_size_job({"areaOfInterest": str(path)}, cache=cache)
        assert job.status == "esriJobFailed"
        assert "areaOfInterest: value is not valid JSON" in job.messages[1].description

    def test_missing_file_is_rejected(self, tmp_path: Path) -> None:
        message = r"areaOfInterest: .*area\.json: file not found; expected the path of a file of polygons, JSON, or"
        with pytest.raises(ParameterError, match=message):
            read_area(tmp_path / "area.json")

    def test_file_that_is_not_in_utf_8_is_rejected(self, tmp_path: Path) -> None:
        (tmp_path / "area.json").write_bytes(b'{"a": "\xff\xfe"}')
        with pytest.raises(ParameterError, match=r"area\.json: file is not valid UTF-8 at byte 7; expected JSON"):
            read_area(tmp_path / "area.json")

"""Areas of interest: which rings add, which take away, what is put right, and what is refused."""

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
from gptool.request.area import read_area, signed_area
from gptool.request.polygons import make_polygons
from gptool.tool import estimate_export_tiles_size_job


def ring(*corners: tuple[float, float]) -> list[list[float]]:
    """A closed ring through corners, in their order."""
    return [list(corner) for corner in (*corners, corners[0])]


def square(xmin: float, ymin: float, side: float, *, hole: bool = False) -> list[list[float]]:
    """Clockwise as Esri's outer rings run; the other way as its holes do."""
    corners = [(xmin, ymin), (xmin, ymin + side), (xmin + side, ymin + side), (xmin + side, ymin)]
    return ring(*(reversed(corners) if hole else corners))


def area_of(*rings: list[list[float]]) -> tuple[shapely.MultiPolygon, list[str]]:
    polygons, told = make_polygons(read_area({"rings": list(rings)}))
    [(reference, polygon)] = polygons.items()
    assert reference is None
    assert polygon.is_valid
    return polygon, told


def box(xmin: float, ymin: float, side: float) -> shapely.Polygon:
    return shapely.box(xmin, ymin, xmin + side, ymin + side)


RINGS: dict[str, tuple[list[list[list[float]]], shapely.Geometry]] = {
    "one": ([square(0, 0, 4)], box(0, 0, 4)),
    "two apart": ([square(0, 0, 1), square(2, 0, 1)], box(0, 0, 1) | box(2, 0, 1)),
    "two that overlap": ([square(0, 0, 2), square(1, 0, 2)], box(0, 0, 2) | box(1, 0, 2)),
    "a hole": ([square(0, 0, 4), square(1, 1, 2, hole=True)], box(0, 0, 4) - box(1, 1, 2)),
    "a hole before its outer ring": ([square(1, 1, 2, hole=True), square(0, 0, 4)], box(0, 0, 4) - box(1, 1, 2)),
    "an inner ring that is no hole": ([square(0, 0, 4), square(1, 1, 2)], box(0, 0, 4)),
    "an island in a hole": (
        [square(0, 0, 9), square(1, 1, 7, hole=True), square(3, 3, 2)],
        (box(0, 0, 9) - box(1, 1, 7)) | box(3, 3, 2),
    ),
    "a hole in an island in a hole": (
        [square(0, 0, 9), square(1, 1, 7, hole=True), square(2, 2, 5), square(3, 3, 1, hole=True)],
        (box(0, 0, 9) - box(1, 1, 7)) | (box(2, 2, 5) - box(3, 3, 1)),
    ),
    "a hole that touches its outer ring": (
        [square(0, 0, 4), ring((0, 1), (2, 2), (1, 3))],
        box(0, 0, 4) - shapely.Polygon([(0, 1), (2, 2), (1, 3)]),
    ),
    "holes of two outer rings": (
        [square(0, 0, 3), square(9, 0, 3), square(1, 1, 1, hole=True), square(10, 1, 1, hole=True)],
        (box(0, 0, 3) - box(1, 1, 1)) | (box(9, 0, 3) - box(10, 1, 1)),
    ),
    "one that is not closed": ([square(0, 0, 4)[:-1]], box(0, 0, 4)),
    "rings within rings that make no difference": (
        [square(0, 0, 9), square(1, 1, 7), square(2, 2, 5, hole=True), square(3, 3, 1, hole=True)],
        box(0, 0, 9) - box(2, 2, 5),
    ),
    "one that runs the other way": ([square(0, 0, 4, hole=True)], box(0, 0, 4)),
}


@pytest.mark.parametrize("name", RINGS)
def test_rings(name: str) -> None:
    rings, expected = RINGS[name]
    polygon, told = area_of(*rings)
    assert polygon.equals(expected)
    assert told == []


MENDED: dict[str, tuple[list[list[list[float]]], shapely.Geometry, str]] = {
    "a bow tie keeps both wings": (
        [ring((0, 0), (2, 2), (2, 0), (0, 2))],
        shapely.Polygon([(0, 0), (1, 1), (0, 2)]) | shapely.Polygon([(2, 0), (1, 1), (2, 2)]),
        "the geometry, ring 0: was repaired (Self-intersection[1 1])",
    ),
    "a ring that touches itself": (
        [ring((0, 0), (0, 4), (4, 4), (4, 0), (2, 0), (3, 1), (1, 1), (2, 0))],
        box(0, 0, 4) - shapely.Polygon([(2, 0), (3, 1), (1, 1)]),
        "the geometry, ring 0: was repaired (Ring Self-intersection[2 0])",
    ),
    "a spike has no area": (
        [ring((0, 0), (0, 1), (1, 1), (5, 1), (1, 1), (1, 0))],
        box(0, 0, 1),
        "the geometry, ring 0: was repaired (Self-intersection[5 1])",
    ),
    "a line beside an area": ([square(0, 0, 1), ring((5, 5), (6, 6))], box(0, 0, 1), "ring 1: has no area, left out"),
    "a flat ring beside an area": (
        [square(0, 0, 1), ring((5, 5), (6, 6), (7, 7))],
        box(0, 0, 1),
        "ring 1: has no area, left out",
    ),
    "all of it the other way round": (
        [square(0, 0, 4, hole=True), square(1, 1, 2)],
        box(0, 0, 4) - box(1, 1, 2),
        "the geometry: its outer rings run counter-clockwise, they are taken as outer ones",
    ),
    "a hole that reaches beyond its outer ring": (
        [square(0, 0, 4), square(2, 2, 4, hole=True)],
        box(0, 0, 4) - box(2, 2, 4),
        "the geometry: 1 holes reach beyond their outer rings, and are cut off",
    ),
    "an outer ring the other way round, and what is in it": (
        [square(0, 0, 4), square(5, 5, 9, hole=True), square(6, 6, 2)],
        box(0, 0, 4) | box(5, 5, 9),
        "the geometry: 1 outer rings run counter-clockwise",
    ),
    "one of two outer rings the other way round": (
        [square(0, 0, 4), square(5, 5, 2, hole=True)],
        box(0, 0, 4) | box(5, 5, 2),
        "the geometry: 1 outer rings run counter-clockwise",
    ),
}


@pytest.mark.parametrize("name", MENDED)
def test_what_is_put_right_is_told(name: str) -> None:
    rings, expected, message = MENDED[name]
    polygon, told = area_of(*rings)
    assert polygon.equals(expected)
    assert len(told) == 1
    assert told[0].startswith("areaOfInterest: ")
    assert message in told[0]


def test_features_are_one_area_even_where_they_overlap() -> None:
    features = [{"geometry": {"rings": [square(x, 0, 3)]}} for x in (0, 2, 8)]
    polygons, told = make_polygons(read_area({"features": features}))
    assert polygons[None].equals(box(0, 0, 3) | box(2, 0, 3) | box(8, 0, 3))
    assert told == []


def test_features_may_have_references_of_their_own() -> None:
    features = [
        {"geometry": {"rings": [square(0, 0, 3)], "spatialReference": {"wkid": 4326}}},
        {"geometry": {"rings": [square(5, 0, 3)]}},
    ]
    polygons, _ = make_polygons(read_area({"features": features, "spatialReference": {"wkid": 102100}}))
    assert {reference.wkid: polygon.area for reference, polygon in polygons.items() if reference} == {
        4326: 9,
        102100: 9,
    }


def test_geojson_holes_do_not_depend_on_how_they_run() -> None:
    for turned in (False, True):
        coordinates = [square(0, 0, 9, hole=turned), square(1, 1, 2, hole=turned), square(5, 5, 2)]
        polygons, told = make_polygons(read_area({"type": "Polygon", "coordinates": coordinates}))
        [polygon] = polygons.values()
        assert polygon.equals(box(0, 0, 9) - box(1, 1, 2) - box(5, 5, 2))
        assert told == []


def test_many_repairs_are_summed_up() -> None:
    bow_tie = ring((0, 0), (2, 2), (2, 0), (0, 2))
    polygons, told = make_polygons(read_area({"rings": [[[x + 9 * i, y] for x, y in bow_tie] for i in range(25)]}))
    assert polygons[None].area == pytest.approx(50)
    assert len(told) == 11
    assert told[-1] == "areaOfInterest: 15 more were put right"


def test_many_rings_are_made_in_no_time() -> None:
    """Thousands of holes, and hundreds of rings in each other."""
    holes = [square(10 * i + 1, 10 * j + 1, 5, hole=True) for i in range(50) for j in range(50)]
    polygon, _ = area_of(square(0, 0, 500), *holes)
    assert polygon.area == 500**2 - 2500 * 25
    nested = [square(i, i, 2000 - 2 * i, hole=bool(i % 2)) for i in range(999)]
    polygon, _ = area_of(*nested)
    assert polygon.area == sum((-1) ** i * (2000 - 2 * i) ** 2 for i in range(999))


coordinate = st.integers(0, 6)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=7), min_size=1, max_size=4))
def test_any_rings_give_a_valid_area_or_an_error(rings: list[list[tuple[float, float]]]) -> None:
    try:
        polygon, _ = area_of(*(ring(*corners) for corners in rings))
    except ParameterError as error:
        assert "no area" in str(error)
    else:
        assert polygon.area > 0


def test_signed_area() -> None:
    assert signed_area(np.array(square(1e7, 1e7, 3.0))) == -9
    assert signed_area(np.array(square(1e7, 1e7, 3.0, hole=True))) == 9


SOUND = {"rings": [square(0, 0, 1)]}
REFUSED: dict[str, tuple[Any, str]] = {
    "no JSON": ("{", "not JSON"),
    "a list": ("[1]", r"no JSON object; found '\[1\]'"),
    "a number": (5, "not JSON; found 5, expected a feature set"),
    "too many layers": ("[" * 100_000, "JSON in too many layers"),
    "nothing": ("{}", "the geometry: no polygon; found nothing, expected a feature set, a polygon with rings"),
    "no features": ({"features": []}, "no polygon in it; found members features"),
    "features that are none": ({"features": {}}, r"features: no list; found \{\}"),
    "a feature without geometry": ({"features": [{"geometry": SOUND}, {}]}, "feature 1: no polygon; found None"),
    "a feature that is none": ({"features": [5]}, "feature 0: no polygon; found 5"),
    "a point": ({"x": 1, "y": 2}, "no polygon; found a point"),
    "points": ({"features": [{"geometry": {"points": [[1, 2]]}}]}, "feature 0: no polygon; found points"),
    "a line": ({"paths": [[[1, 2], [3, 4]]]}, "no polygon; found a line"),
    "curves": ({"curveRings": [[[0, 0], {"c": [[3, 3], [1, 4]]}]]}, "no polygon; found curves"),
    "an envelope": ({"xmin": 1, "ymin": 1, "xmax": 2, "ymax": 2}, "found an envelope, which exportExtent takes"),
    "a set of points": (
        {"geometryType": "esriGeometryPoint", "features": []},
        "the feature set: no polygon; found geometryType .esriGeometryPoint",
    ),
    "no rings": ({"rings": []}, "no polygon; found no rings"),
    "rings that are none": ({"rings": 5}, "rings: no list; found 5"),
    "a ring that is none": ({"rings": ["abc"]}, "ring 0: no list; found 'abc'"),
    "an empty ring": ({"rings": [[]]}, "ring 0: vertices; found none, expected pairs of finite numbers"),
    "a vertex of one number": ({"rings": [[[0, 0], [1]]]}, r"ring 0: vertices; found \[1\] as vertex 1"),
    "a vertex of words": ({"rings": [[[0, 0], ["1", "2"]]]}, r"ring 0: vertices; found \['1', '2'\] as vertex 1"),
    "a curve in a ring": (
        {"rings": [[[0, 0], {"c": [[3, 3], [1, 4]]}, [1, 1]]]},
        "ring 0: vertices; found .*c.* as v",
    ),
    "a vertex that is no number": (
        {"rings": [[[0, 0], [float("nan"), 1], [1, 1]]]},
        "ring 0: vertices; found a num",
    ),
    "a vertex beyond all": (
        '{"rings":[[[0,0],[1e999,1],[1,1]]]}',
        "found a number that is not finite",
    ),
    "a whole number beyond all": ({"rings": [[[0, 0], [10**400, 1], [1, 1]]]}, "ring 0: vertices"),
    "a bad reference": ({**SOUND, "spatialReference": {"wkid": -4}}, "the geometry: wkid: out of range; found -4"),
    "a reference of nothing": ({**SOUND, "spatialReference": {"a": 1}}, "no spatial reference; found .*'a'"),
    "an area without area": ({"rings": [ring((0, 0), (1, 1))]}, "the polygons have no area; found 1 polygons"),
    "GeoJSON point": ({"type": "Point", "coordinates": [1, 2]}, "the GeoJSON: no polygon; found type .Point"),
    "GeoJSON line in a feature": (
        {"type": "Feature", "geometry": {"type": "LineString", "coordinates": [[1, 2], [3, 4]]}},
        "the feature: no polygon; found type .LineString",
    ),
    "GeoJSON feature without geometry": (
        {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": None}]},
        "feature 0: no polygon; found None",
    ),
    "GeoJSON no features": ({"type": "FeatureCollection", "features": []}, "no polygon in it"),
    "GeoJSON no coordinates": ({"type": "Polygon"}, "the polygon, coordinates: no list; found None"),
    "GeoJSON no rings": ({"type": "Polygon", "coordinates": []}, "the polygon: no polygon; found no rings"),
    "GeoJSON in metres": (
        {"type": "Polygon", "coordinates": [square(500_000, 5e6, 9)]},
        "the polygon, ring 0, vertex 0: not longitude and latitude, which GeoJSON is in; found 500000.0, 5000000.0",
    ),
    "GeoJSON in another reference": (
        {"type": "Polygon", "crs": {"type": "name", "properties": {"name": "EPSG:25832"}}, "coordinates": []},
        "GeoJSON in another reference; found 'EPSG:25832', expected longitude and latitude",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    sent, message = REFUSED[name]
    with pytest.raises(ParameterError, match=rf"^areaOfInterest: .*{message}"):
        make_polygons(read_area(sent))


def test_geojson_that_says_it_is_in_degrees() -> None:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    [shape] = read_area({"type": "Polygon", "crs": crs, "coordinates": [square(0, 0, 1)]})
    assert shape.reference is not None
    assert shape.reference.wkid == 4326


def test_geometries_in_too_many_layers() -> None:
    value: dict[str, Any] = {"type": "Polygon", "coordinates": [square(0, 0, 1)]}
    for _ in range(3000):
        value = {"type": "GeometryCollection", "geometries": [value]}
    with pytest.raises(ParameterError, match="geometries in too many layers"):
        read_area(value)


class TestFiles:
    def test_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "area.json"
        path.write_text(json.dumps(SOUND))
        assert [shape.name for shape in read_area(path)] == ["the geometry"]

    def test_python_takes_a_name_for_a_file_and_a_job_does_not(self, cache: Path, tmp_path: Path) -> None:
        path = tmp_path / "area.json"
        path.write_text(json.dumps(SOUND))
        assert estimate_export_tiles_size(cache, area_of_interest=str(path)).total_tiles_to_export == 4
        job = estimate_export_tiles_size_job({"areaOfInterest": str(path)}, cache=cache)
        assert job.status == "esriJobFailed"
        assert "areaOfInterest: not JSON" in job.messages[1].description

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ParameterError, match=r"areaOfInterest: .*area\.json: can't be read: .*No such file"):
            read_area(tmp_path / "area.json")

    def test_a_file_of_other_bytes(self, tmp_path: Path) -> None:
        (tmp_path / "area.shp").write_bytes(b"\x00\x00\x27\x0a\xff\xfe")
        with pytest.raises(ParameterError, match=r"area\.shp: can't be read: .*utf-8"):
            read_area(tmp_path / "area.shp")

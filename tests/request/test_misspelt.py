"""Warnings about members of the JSON of an area whose names are wrong."""

from __future__ import annotations

from typing import Any

import pytest

from gptool.request.area import read_area

RINGS = {"rings": [[[0, 0], [0, 1], [1, 1]]]}
POINTLESS = {"attributes": {"spatialref": 1}, "symbol": None, "popupTemplate": {}}
"""Members that do not change the area; what is in attributes is anything."""

UNDERSTOOD = {
    "a ring": RINGS,
    "a feature set as ArcGIS writes it": {
        "displayFieldName": "",
        "fieldAliases": {},
        "geometryType": "esriGeometryPolygon",
        "spatialReference": {"wkid": 4326},
        "fields": [],
        "hasZ": False,
        "exceededTransferLimit": True,
        "features": [{"geometry": {**RINGS, "hasZ": False, "hasM": False}, **POINTLESS}],
    },
    "unknown names that are near to none": {**RINGS, "foo": 1, "x" * 100: 2},
    "GeoJSON": {"type": "Polygon", "coordinates": RINGS["rings"], "bbox": [0, 0, 1, 1]},
}

MISSPELT: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "of a geometry": ({**RINGS, "spatialref": {"wkid": 4326}}, [("spatialref", "spatialReference")]),
    "of a feature set": (
        {"features": [{"geometry": RINGS}], "spatial_reference": {"wkid": 1}},
        [("spatial_reference", "spatialReference")],
    ),
    "in one feature of many": (
        {"features": [*[{"geometry": RINGS}] * 9, {"geometry": {**RINGS, "SpatialReference": 1}}]},
        [("SpatialReference", "spatialReference")],
    ),
    "in all features": (
        {"features": [{"geometry": {**RINGS, "curveRing": [], "spatialRef": 1}}] * 99},
        [("curveRing", "curveRings"), ("spatialRef", "spatialReference")],
    ),
}


@pytest.mark.parametrize("value", UNDERSTOOD.values(), ids=UNDERSTOOD)
def test_nothing_is_said_about_what_is_understood(value: dict[str, Any]) -> None:
    assert read_area(value).warnings == ()


@pytest.mark.parametrize(("value", "names"), MISSPELT.values(), ids=MISSPELT)
def test_the_nearest_name_is_given(value: dict[str, Any], names: list[tuple[str, str]]) -> None:
    assert sorted(read_area(value).warnings) == [
        f"areaOfInterest: unknown member {name!r} is ignored; the nearest known name is {near}" for name, near in names
    ]


def test_spatial_reference_of_geojson() -> None:
    area = {"type": "Polygon", "coordinates": RINGS["rings"], "spatialReference": {"wkid": 3857}}
    assert read_area(area).warnings == (
        "areaOfInterest: spatialReference is ignored; GeoJSON without the member crs is in longitude and latitude",
    )

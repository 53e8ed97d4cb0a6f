"""GeoJSON with a `crs` member, as it was before RFC 7946 and is still written by GDAL and QGIS."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest

from gptool.errors import ParameterError
from gptool.plan import make_plan
from gptool.request.area import read_area
from helpers.plans import make_request, planned_tiles

RING = [[400000.0, 5800000.0], [900000.0, 5800000.0], [900000.0, 6300000.0], [400000.0, 5800000.0]]


def named(name: Any) -> dict[str, Any]:
    return {"type": "name", "properties": {"name": name}}


def polygon(coordinates: list[list[float]] = RING, **members: Any) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [coordinates], **members}


def wkids(value: dict[str, Any]) -> list[int | None]:
    return [member.reference and member.reference.wkid for member in read_area(value).polygons]


@pytest.mark.parametrize(
    "name",
    ["EPSG:25833", "epsg:3857", "ESRI:54030", "urn:ogc:def:crs:EPSG::25833", "urn:ogc:def:crs:EPSG:6.9:25833",
     "urn:ogc:def:crs:ESRI::102003", "urn:x-ogc:def:crs:EPSG::25833", "URN:OGC:DEF:CRS:EPSG::4258",
     "http://www.opengis.net/def/crs/EPSG/0/25833", "https://www.opengis.net/def/crs/EPSG/9.9.1/3035", " EPSG:25833 "],
)  # fmt: skip
def test_names_are_those_that_proj_reads(name: str) -> None:
    code = pyproj.CRS.from_user_input(name.strip().replace("https", "http").replace("9.9.1", "0")).to_authority()
    assert code is not None
    assert wkids(polygon(crs=named(name))) == [int(code[1])]


@pytest.mark.parametrize(
    "crs",
    [None, {}, "", {"type": "name"}, {"type": "name", "properties": {}}, *map(named, (
        "urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:OGC::CRS84", "OGC:CRS84", "CRS84", "EPSG:4326",
        "urn:ogc:def:crs:EPSG::4326", "http://www.opengis.net/def/crs/OGC/1.3/CRS84", None,
    ))],
)  # fmt: skip
def test_longitude_and_latitude_are_the_default_and_are_checked(crs: Any) -> None:
    assert wkids(polygon([[0, 0], [1, 0], [1, 89], [0, 0]], crs=crs)) == [4326]
    with pytest.raises(ParameterError, match=r"coordinates of GeoJSON are not longitude and latitude; .* a crs member"):
        read_area(polygon(crs=crs))


def test_members_inherit_and_may_replace_it() -> None:
    features = [
        {"type": "Feature", "geometry": polygon()},
        {"type": "Feature", "geometry": polygon(crs=named("EPSG:25832"))},
        {"type": "Feature", "crs": named("EPSG:3857"), "geometry": {"type": "GeometryCollection", "geometries": [
            polygon(), {"type": "MultiPolygon", "coordinates": [[RING]], "crs": named("EPSG:3035")}]}},
    ]  # fmt: skip
    value = {"type": "FeatureCollection", "crs": named("EPSG:25833"), "features": features}
    assert wkids(value) == [25833, 25832, 3857, 3035]


@pytest.mark.parametrize(
    "name",
    ["EPSG", "EPSG:", "EPSG:x", "EPSG:-1", "EPSG:25833;4326", "urn:ogc:def:crs:EPSG::", "IAU:30100", "EPSG:9999999999",
     "25833", 25833, ["EPSG:25833"], {"a": 1}, "x" * 10_000_000, "urn:ogc:def:crs:EPSG:" + "1." * 1_000_000],
    ids=lambda name: str(name)[:20],
)  # fmt: skip
def test_other_names_are_rejected(name: Any) -> None:
    message = (
        r"^areaOfInterest: feature: unsupported crs of GeoJSON; found .*, expected a code of EPSG or Esri, such as"
    )
    with pytest.raises(ParameterError, match=message) as caught:
        read_area({"type": "Feature", "geometry": polygon([[0, 0], [1, 0], [1, 1]], crs=named(name))})
    assert len(str(caught.value)) < 600


def test_linked_reference_is_rejected() -> None:
    link = {"type": "link", "properties": {"href": "http://example.com/crs/42", "type": "proj4"}}
    with pytest.raises(ParameterError, match=r"unsupported crs of GeoJSON; found .*example"):
        read_area(polygon(crs=link))


def test_unknown_code_fails_when_the_request_is_applied(cache: Path) -> None:
    message = r"areaOfInterest: spatial reference of the .* is unknown; found WKID 999999"
    with pytest.raises(ParameterError, match=message):
        make_plan(cache, make_request(area_of_interest=polygon(crs=named("EPSG:999999"))))


def test_it_selects_the_tiles_of_the_same_area_in_degrees(cache: Path) -> None:
    """Between two close vertices, edges are straight in either spatial reference to a small part of a tile."""
    steps = np.linspace(0, 1, 200)[:, None]
    dense = np.concatenate([np.array(a) * (1 - steps) + np.array(b) * steps for a, b in pairwise(RING)])
    lonlat = np.stack(pyproj.Transformer.from_crs(25833, 4326, always_xy=True).transform(*dense.T), axis=1)
    plans = [
        make_plan(cache, make_request(area_of_interest=area))
        for area in (polygon(crs=named("urn:ogc:def:crs:EPSG::25833")), polygon(lonlat.tolist()))
    ]
    assert planned_tiles(plans[0]) == planned_tiles(plans[1])
    assert np.allclose(*(plan.selection.area and plan.selection.area.bounds for plan in plans), atol=10, rtol=0)

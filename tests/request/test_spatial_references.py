"""Tiles selected by extents and areas in other spatial references, and across the antimeridian."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import shapely

from gptool.errors import ParameterError
from gptool.plan import make_plan
from helpers.bundles import Address
from helpers.caches import conf_text, make_cache, square
from helpers.plans import make_request, planned_tiles

EDGE = 20037508.342787
DEGREES = {"spatialReference": {"wkid": 4326}}


def box(xmin: float, ymin: float, xmax: float, ymax: float, **more: Any) -> dict[str, Any]:
    return {"xmin": xmin, "ymin": ymin, "xmax": xmax, "ymax": ymax, **more}


@pytest.fixture(scope="module")
def mercator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with all tiles of level 4 of web Mercator."""
    return make_cache(tmp_path_factory.mktemp("mercator") / "cache", square(4, range(16), range(16)))


FIJI = {(4, row, column) for row in (7, 8) for column in (0, 15)}
"""Tiles from 170 degrees east to 170 degrees west, 10 south to 10 north."""

ACROSS: dict[str, dict[str, Any]] = {
    "xmin greater than xmax, degrees": box(170, -10, -170, 10, **DEGREES),
    "beyond 180 degrees": box(170, -10, 190, 10, **DEGREES),
    "beyond -180 degrees": box(-190, -10, -170, 10, **DEGREES),
    "one turn away": box(530, -10, 550, 10, **DEGREES),
    "xmin greater than xmax, metres": box(0.95 * EDGE, -1e6, -0.95 * EDGE, 1e6),
    "beyond the eastern edge, metres": box(0.95 * EDGE, -1e6, 1.05 * EDGE, 1e6),
    "beyond the western edge, metres": box(-1.05 * EDGE, -1e6, -0.95 * EDGE, 1e6, spatialReference={"wkid": 3857}),
    "Pacific Mercator": box(2.3e6, -1e6, 4.4e6, 1e6, spatialReference={"wkid": 3832}),
}


@pytest.mark.parametrize("name", ACROSS)
def test_extents_across_the_antimeridian(mercator: Path, name: str) -> None:
    assert planned_tiles(make_plan(mercator, make_request(export_extent=ACROSS[name]))) == FIJI


@pytest.mark.parametrize(
    ("extent", "columns"),
    [
        pytest.param("25000000,-1000000,-25000000,1000000", range(1, 15), id="metres"),
        pytest.param(box(200, -9, -200, 9, **DEGREES), range(16), id="degrees"),
    ],
)
def test_extents_whose_sides_are_more_than_a_turn_apart(mercator: Path, extent: Any, columns: range) -> None:
    """From 135 degrees west, or 160 west, around to as far east of Greenwich."""
    plan = make_plan(mercator, make_request(export_extent=extent))
    assert {column for _, _, column in planned_tiles(plan)} == set(columns)


@pytest.mark.parametrize(
    "extent", [box(180, -9, -180, 9, **DEGREES), box(EDGE, -1, -EDGE, 1)], ids=["degrees", "metres"]
)
def test_extent_along_the_antimeridian_is_rejected(mercator: Path, extent: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=r"exportExtent: extent has no area|selection contains no tiles"):
        make_plan(mercator, make_request(export_extent=extent))


def test_interpretation_across_the_antimeridian_is_reported(mercator: Path) -> None:
    plan = make_plan(mercator, make_request(export_extent="19e6,-1e6,-19e6,1e6"))
    assert ["xmin is greater than xmax" in message.description for message in plan.notices] == [True]
    plan = make_plan(mercator, make_request(area_of_interest=box(19e6, -1e6, -19e6, 1e6)))
    assert [message.description for message in plan.notices] == [
        "areaOfInterest: geometry: xmin is greater than xmax, interpreted as an extent across the antimeridian"
    ]


def test_envelope_whose_rows_are_reversed(mercator: Path) -> None:
    with pytest.raises(
        ParameterError, match=r"^areaOfInterest: geometry, envelope: ymin is greater than ymax; found 0"
    ):
        make_plan(mercator, make_request(area_of_interest=box(0, 9, 1, 2)))


AREAS_ACROSS: dict[str, dict[str, Any]] = {
    "Esri JSON beyond 180 degrees": {"rings": [[[170, -10], [170, 10], [190, 10], [190, -10], [170, -10]]], **DEGREES},
    "GeoJSON in two parts": {
        "type": "MultiPolygon",
        "coordinates": [
            [[[170, -10], [180, -10], [180, 10], [170, 10], [170, -10]]],
            [[[-180, -10], [-170, -10], [-170, 10], [-180, 10], [-180, -10]]],
        ],
    },
    "Esri JSON beyond the edge, metres": {
        "rings": [[[19e6, -1e6], [19e6, 1e6], [21e6, 1e6], [21e6, -1e6], [19e6, -1e6]]]
    },
    **{f"envelope, {name}": envelope for name, envelope in ACROSS.items()},
    "feature set of an envelope": {"features": [{"geometry": ACROSS["xmin greater than xmax, degrees"]}]},
}


@pytest.mark.parametrize("name", AREAS_ACROSS)
def test_areas_across_the_antimeridian(mercator: Path, name: str) -> None:
    assert planned_tiles(make_plan(mercator, make_request(area_of_interest=AREAS_ACROSS[name]))) == FIJI


def test_columns_beyond_the_antimeridian_are_selected(tmp_path: Path) -> None:
    """Some local caches continue beyond the edge of the world."""
    cache = make_cache(tmp_path / "cache", square(4, range(7, 9), range(14, 18)))
    plan = make_plan(cache, make_request(export_extent=box(0.99 * EDGE, -1e6, 1.01 * EDGE, 1e6)))
    assert planned_tiles(plan) == {(4, row, column) for row in (7, 8) for column in (15, 16)}


WORLDS: dict[str, dict[str, Any]] = {
    "degrees": box(-180, -90, 180, 90, **DEGREES),
    "web Mercator": box(-EDGE, -EDGE, EDGE, EDGE, spatialReference={"wkid": 102100}),
    "web Mercator, rounded up": box(-20037508.35, -20037508.35, 20037508.35, 20037508.35),
    "wider than the world": box(-500, -90, 500, 90, **DEGREES),
}


@pytest.mark.parametrize("name", WORLDS)
def test_whole_world_selects_all_tiles(mercator: Path, name: str) -> None:
    assert make_plan(mercator, make_request(export_extent=WORLDS[name])).tiles == 256


@pytest.fixture(scope="module")
def utm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of 10 km tiles in UTM zone 33N, easting 200 to 800 km, northing 5,000 to 5,800 km."""
    conf = conf_text(
        x="0",
        y="10000000",
        reference="<WKID>25833</WKID><LatestWKID>25833</LatestWKID>",
        lods="<LODInfo><LevelID>0</LevelID><Scale>590550</Scale><Resolution>156.25</Resolution></LODInfo>",
    )
    return make_cache(tmp_path_factory.mktemp("utm") / "cache", square(0, range(420, 500), range(20, 80)), conf=conf)


def brute_force(ring: list[tuple[float, float]]) -> set[Address]:
    """Return the tiles that intersect a polygon in degrees whose edges are projected in 1,000 steps each."""
    steps = np.linspace(0, 1, 1000, endpoint=False)[:, np.newaxis]
    points = np.array([*ring, ring[0]])
    dense = np.concatenate([a + (b - a) * steps for a, b in pairwise(points)])
    x, y = pyproj.Transformer.from_crs(4326, 25833, always_xy=True).transform(*dense.T)
    area = shapely.Polygon(np.column_stack((x, y)))
    found = set()
    for row in range(420, 500):
        for column in range(20, 80):
            tile = shapely.box(column * 1e4, 1e7 - (row + 1) * 1e4, (column + 1) * 1e4, 1e7 - row * 1e4)
            if tile.buffer(-1).intersects(area):
                found.add((0, row, column))
    return found


RINGS: dict[str, list[tuple[float, float]]] = {
    "box": [(11.5, 46.5), (11.5, 51.5), (18.5, 51.5), (18.5, 46.5)],
    "triangle": [(12, 46), (15, 52), (18, 47)],
    "long edges that begin far away": [(-20, 44), (14, 52.2), (40, 44)],
}


@pytest.mark.parametrize("name", RINGS)
def test_areas_in_degrees_follow_their_curved_edges(utm: Path, name: str) -> None:
    area = {"rings": [[list(point) for point in RINGS[name]]], **DEGREES}
    assert planned_tiles(make_plan(utm, make_request(area_of_interest=json.dumps(area)))) == brute_force(RINGS[name])


def test_extents_in_degrees_follow_their_curved_edges(utm: Path) -> None:
    plan = make_plan(utm, make_request(export_extent=box(11.5, 46.5, 18.5, 51.5, **DEGREES)))
    assert planned_tiles(plan) == brute_force(RINGS["box"])


def test_whole_world_selects_all_tiles_of_a_local_cache(utm: Path) -> None:
    assert make_plan(utm, make_request(export_extent=box(-180, -90, 180, 90, **DEGREES))).tiles == 4800


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({"wkid": 999999}, "is unknown; found WKID 999999"),
        ({"wkt": "nonsense"}, "is unknown; found the text 'nonsense'"),
    ],
)
def test_unknown_spatial_references_are_rejected(mercator: Path, reference: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=rf"^exportExtent: spatial reference of the extent {message}"):
        make_plan(mercator, make_request(export_extent=box(0, 0, 1, 1, spatialReference=reference)))
    area = {"rings": [[[0, 0], [0, 1], [1, 1], [0, 0]]], "spatialReference": reference}
    with pytest.raises(ParameterError, match=rf"^areaOfInterest: spatial reference of the area {message}"):
        make_plan(mercator, make_request(area_of_interest=area))


def test_cache_in_an_unknown_spatial_reference(tmp_path: Path) -> None:
    """It supports extents and areas in its own spatial reference only, and has no antimeridian."""
    conf = conf_text(reference="<WKT>LOCAL</WKT>")
    cache = make_cache(tmp_path / "cache", square(4, range(16), range(16)), conf=conf)
    assert make_plan(cache, make_request(export_extent="0,0,1000,1000")).tiles == 1
    assert make_plan(cache, make_request(area_of_interest={"rings": [[[0, 0], [0, 9], [9, 9]]]})).tiles == 1
    with pytest.raises(ParameterError, match="spatial reference of the cache is unknown"):
        make_plan(cache, make_request(export_extent=box(0, 0, 1, 1, **DEGREES)))
    with pytest.raises(ParameterError, match="extent has no area"):
        make_plan(cache, make_request(export_extent="1000,0,0,1000"))


@pytest.mark.parametrize("where", ["exportExtent", "areaOfInterest"])
def test_areas_outside_the_valid_area_are_rejected(utm: Path, where: str) -> None:
    ring = [[-100, -40], [-100, -30], [-90, -30], [-90, -40], [-100, -40]]
    value = box(-100, -40, -90, -30, **DEGREES) if where == "exportExtent" else {"rings": [ring], **DEGREES}
    with pytest.raises(ParameterError, match=rf"^{where}: geometry lies outside the valid area of .*UTM"):
        make_plan(utm, make_request(**{where: value}))

"""Reprojected polygons against PROJ: points of the result, transformed back, lie in the polygon or not."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer
from shapely import box

from helpers.reprojection_checks import (
    EDGE,
    GAUSS_KRUEGER,
    WORLD,
    Polygonal,
    assert_edges_follow,
    assert_same_points,
    crs_of,
    reprojected,
)

CURVES = [
    pytest.param(box(5, 45, 15, 55), 4326, 3857, 1.0, id="box in degrees"),
    pytest.param(shapely.Polygon([(0, 30), (20, 60), (-10, 50)]), 4326, 3857, 1.0, id="diagonals in degrees"),
    pytest.param(
        shapely.Polygon([(-30, -40), (30, 40), (-30, 40)]), 4326, 3857, 10.0, id="S curve through the equator"
    ),
    pytest.param(
        shapely.Polygon([(-3e6, -6e6), (3e6, 6e6), (-3e6, 6e6)]), 3857, 4326, 1e-4, id="S curve from Mercator"
    ),
    pytest.param(box(1e6, 5e6, 2e6, 7e6), 3857, 4326, 1e-6, id="Mercator to degrees"),
    pytest.param(box(6, 47, 15, 55), 4326, 25833, 1.0, id="degrees to UTM"),
    pytest.param(box(1e6, 5e6, 2e6, 7e6), 3857, 25833, 1.0, id="Mercator to UTM"),
    pytest.param(box(2e5, 5e6, 8e5, 6e6), 25833, 3857, 1.0, id="UTM to Mercator"),
    pytest.param(box(2e5, 5e6, 8e5, 6e6), 25833, 3035, 0.1, id="UTM to equal area"),
    pytest.param(box(3e5, 1e5, 6e5, 6e5), 27700, 3857, 1.0, id="change of datum"),
    pytest.param(box(3e5, 1e5, 6e5, 6e5), 27700, 4326, 1e-6, id="change of datum, to degrees"),
    pytest.param(box(1, 43, 7, 49), 4326, 27572, 1.0, id="to Lambert from the Paris meridian"),
    pytest.param(box(0, 48, 5, 54), 4807, 3857, 1.0, id="from gradians from the Paris meridian"),
    pytest.param(box(4, 46, 8, 50), 4326, 4807, 1e-6, id="degrees to gradians"),
    pytest.param(box(3.4e6, 5.3e6, 3.6e6, 6e6), GAUSS_KRUEGER.format(shift=""), 3857, 1.0, id="well-known text"),
    pytest.param(
        box(3.4e6, 5.3e6, 3.6e6, 6e6),
        GAUSS_KRUEGER.format(shift=",TOWGS84[598.1,73.7,418.2,0.202,0.045,-2.455,6.7]"),
        3857,
        1.0,
        id="well-known text with TOWGS84",
    ),
    pytest.param(
        box(8, 48, 11, 54),
        4326,
        GAUSS_KRUEGER.format(shift=",TOWGS84[598.1,73.7,418.2,0.202,0.045,-2.455,6.7]"),
        1.0,
        id="to well-known text with TOWGS84",
    ),
    pytest.param(box(-20, -80, 30, -65), 4326, 3031, 1.0, id="to a polar projection"),
    pytest.param(box(1e5, 1e5, 2e6, 1e6), 3031, 4326, 1e-5, id="from a polar projection"),
    pytest.param(box(170, -43, 179, -35), 4326, 2193, 1.0, id="New Zealand"),
    pytest.param(box(5, 45, 15, 55) - box(8, 48, 9, 49) - box(10, 50, 12, 53), 4326, 3035, 1.0, id="holes"),
    pytest.param(
        (box(5, 45, 15, 55) - box(6, 46, 14, 54)) | (box(8, 48, 12, 52) - box(9, 49, 10, 50)) | box(20, 50, 21, 60),
        4326,
        3857,
        1.0,
        id="parts in holes",
    ),
]


@pytest.mark.parametrize(("polygon", "source", "target", "tolerance"), CURVES)
def test_edges_follow_the_projected_edges(
    polygon: Polygonal, source: int | str, target: int | str, tolerance: float
) -> None:
    result = reprojected(polygon, source, target, tolerance)
    assert_edges_follow(result, polygon, source, target, tolerance)
    assert_same_points(result, polygon, source, target, tolerance)
    assert len(result.geoms) == len(shapely.get_parts(polygon))
    assert shapely.get_num_interior_rings(result.geoms).sum() == sum(
        len(part.interiors) for part in shapely.get_parts(polygon)
    )


WRAPPED = [
    pytest.param(box(170, -10, 190, 10), 4326, 3857, 2, id="beyond 180"),
    pytest.param(box(-190, -10, -170, 10), 4326, 3857, 2, id="beyond -180"),
    pytest.param(box(350, -10, 370, 10), 4326, 3857, 1, id="one turn away"),
    pytest.param(box(170, -10, 190, 10) - box(178, -5, 185, 5), 4326, 3857, 2, id="hole across 180"),
    pytest.param(box(170, -10, 175, 10) | box(185, -10, 190, 10), 4326, 3857, 2, id="part on either side"),
    pytest.param(box(100, -10, 260, 10), 4326, 4258, 2, id="to degrees"),
    pytest.param(box(100, -10, 260, 10), 4326, 4807, 2, id="to gradians from the Paris meridian"),
    pytest.param(box(170, -50, 190, -30), 4326, 2193, 1, id="to New Zealand"),
    pytest.param(box(-195, -10, -171, 10), 4326, 32601, 1, id="to UTM zone 1"),
    pytest.param(box(19e6, -1e6, 21e6, 1e6), 3857, 4326, 2, id="Mercator beyond its edge"),
    pytest.param(box(-21e6, -6e6, -19e6, -4e6), 3857, 2193, 1, id="Mercator beyond its edge, to New Zealand"),
    pytest.param(box(-40, -10, -20, 10), 4326, 3832, 2, id="across the edge of a Pacific Mercator"),
    pytest.param(box(3e6, -1e6, 4e6, 1e6), 3832, 3857, 2, id="from a Pacific Mercator"),
    pytest.param(box(3e5, 1e6, 9e5, 2e6), 32660, 3857, 2, id="UTM zone 60 to Mercator"),
    pytest.param(box(3e5, 1e6, 9e5, 2e6), 32660, 4326, 2, id="UTM zone 60 to degrees"),
    pytest.param(box(3e5, 1e6, 9e5, 2e6) - box(7e5, 12e5, 8e5, 18e5), 32660, 3857, 2, id="UTM zone 60 with a hole"),
    pytest.param(box(3e5, 1e6, 9e5, 2e6), 32660, 32601, 1, id="UTM zone 60 to UTM zone 1"),
    pytest.param(box(11e5, 48e5, 26e5, 62e5), 2193, 3857, 2, id="New Zealand to Mercator"),
    pytest.param(box(11e5, 48e5, 26e5, 62e5), 2193, 4326, 2, id="New Zealand to degrees"),
]


@pytest.mark.parametrize(("polygon", "source", "target", "parts"), WRAPPED)
def test_polygons_across_the_antimeridian_are_split(polygon: Polygonal, source: int, target: int, parts: int) -> None:
    tolerance = 1e-5 if target in (4326, 4258, 4807) else 1.0
    result = reprojected(polygon, source, target, tolerance)
    assert len(result.geoms) == parts
    assert_same_points(result, polygon, source, target, tolerance)


POLES = [
    pytest.param(box(-1e6, -1e6, 1e6, 1e6), 3031, id="south pole"),
    pytest.param(box(-2e6, -1e6, 1e6, 3e6), 3413, id="north pole"),
    pytest.param(box(1e6, 1e6, 3e6, 3e6), 5041, id="pole with false easting and northing"),
    pytest.param(box(-1e6, -1e6, 1e6, 1e6) - box(-1e5, -2e5, 3e5, 1e5), 3031, id="pole in a hole"),
    pytest.param(box(-1e6, -1e6, 1e6, 1e6) - box(1e5, 2e5, 3e5, 4e5), 3413, id="hole beside the pole"),
    pytest.param(box(0, 0, 1e6, 1e6), 3031, id="corner at the pole"),
    pytest.param(box(-1e6, 0, 1e6, 1e6), 3031, id="edge through the south pole"),
    pytest.param(box(-1e6, -1e6, 0, 1e6), 3413, id="edge through the north pole"),
    pytest.param(box(-1e6, 1, 1e6, 1e6), 3413, id="edge close to the pole"),
    pytest.param(box(-1e6, -1e6, 1e6, 1e6) - box(0, 0, 1e5, 1e5), 3031, id="hole with a corner at the pole"),
    pytest.param(box(4.4e5, 9.9e6, 6e5, 10.1e6), 32633, id="pole of a transverse projection"),
]


@pytest.mark.parametrize("target", [4326, 3857])
@pytest.mark.parametrize(("polygon", "source"), POLES)
def test_enclosed_poles_are_covered(polygon: Polygonal, source: int, target: int) -> None:
    tolerance = 1e-5 if target == 4326 else 10.0
    assert_same_points(reprojected(polygon, source, target, tolerance), polygon, source, target, tolerance)


@pytest.mark.parametrize("source", [3413, 5041])
def test_enclosed_poles_between_polar_projections(source: int) -> None:
    polygon = box(-2e6, -1e6, 3e6, 3e6) - box(-1e5, -2e5, 3e5, 1e5)
    assert_same_points(reprojected(polygon, source, 3574), polygon, source, 3574, 1.0)


def test_antimeridian_leaves_no_edge_in_a_polar_projection() -> None:
    result = reprojected(box(-180, -90, 180, -60), 4326, 3031)
    assert len(result.geoms) == 1
    assert not result.geoms[0].interiors
    assert_same_points(result, box(-180, -91, 180, -60), 4326, 3031, 1.0)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param(3857, (-EDGE, -EDGE, EDGE, EDGE), id="web Mercator"),
        pytest.param(102100, (-EDGE, -EDGE, EDGE, EDGE), id="web Mercator, Esri's WKID"),
        pytest.param(3395, (-EDGE, -EDGE, EDGE, EDGE), id="ellipsoidal Mercator"),
        pytest.param(3832, (-EDGE, -EDGE, EDGE, EDGE), id="Pacific Mercator"),
        pytest.param(32662, (-EDGE, -EDGE / 2, EDGE, EDGE / 2), id="equidistant cylindrical"),
        pytest.param(6933, (-17367530, -7342230, 17367530, 7342230), id="equal-area cylindrical"),
        pytest.param(4258, (-180, -90, 180, 90), id="degrees, ETRS89"),
        pytest.param(4277, (-180, -90, 180, 90), id="degrees, OSGB36"),
        pytest.param(4807, (-200, -100, 200, 100), id="gradians from the Paris meridian"),
        pytest.param(25833, (166021, 3e6, 833978, 9329005), id="UTM"),
        pytest.param(32601, (166021, 0, 833978, 9329005), id="UTM on the antimeridian"),
        pytest.param(3035, (1.9e6, 1e6, 7.4e6, 6e6), id="Europe"),
        pytest.param(2193, (1e6, 47e5, 21e5, 62e5), id="New Zealand"),
        pytest.param(27700, (0, 0, 7e5, 13e5), id="Britain"),
        pytest.param(27572, (0, 16e5, 12e5, 27e5), id="France, from the Paris meridian"),
        pytest.param(3031, (-4e6, -4e6, 4e6, 4e6), id="Antarctica"),
        pytest.param(3413, (-4e6, -4e6, 4e6, 4e6), id="Arctic"),
        pytest.param(54009, (-12e6, -6e6, 12e6, 6e6), id="Mollweide"),
        pytest.param(54030, (-9e6, -8.6e6, 9e6, 8.6e6), id="Robinson"),
        pytest.param(
            GAUSS_KRUEGER.format(shift=""), (3.3e6, -9e6, 3.7e6, 9e6), id="well-known text without area of use"
        ),
    ],
)
def test_world_covers_the_valid_area_of_the_target(target: int | str, expected: tuple[float, ...]) -> None:
    is_degrees = target in (4258, 4277, 4807)
    result = reprojected(WORLD, 4326, target, 1e-5 if is_degrees else 10.0)
    assert len(result.geoms) == 1
    assert not result.geoms[0].interiors
    assert result.covers(box(*expected).buffer(-1e-6 if is_degrees else -1e-3))


def test_edges_that_remain_straight_get_no_vertices() -> None:
    assert shapely.get_num_coordinates(reprojected(box(5, 45, 15, 55), 4326, 3857)) == 5
    assert shapely.get_num_coordinates(reprojected(box(1e6, 5e6, 2e6, 7e6), 3857, 4326)) == 5


REFERENCES = [4326, 3857, 3395, 25832, 25833, 3035, 3034, 2154]


@settings(max_examples=60, deadline=None)
@given(
    source=st.sampled_from(REFERENCES),
    target=st.sampled_from(REFERENCES),
    lon=st.floats(-3, 12),
    lat=st.floats(44, 54),
    radii=st.lists(st.floats(0.1, 3), min_size=3, max_size=12),
)
def test_random_stars_follow_the_projected_edges(
    source: int, target: int, lon: float, lat: float, radii: list[float]
) -> None:
    angles = np.arange(len(radii)) * 2 * math.pi / len(radii)
    lons, lats = lon + np.array(radii) * np.cos(angles), lat + np.array(radii) * np.sin(angles)
    corners = Transformer.from_crs(4326, crs_of(source), always_xy=True).transform(lons, lats)
    polygon = shapely.Polygon(np.stack(corners, axis=1))
    tolerance = 1e-5 if target == 4326 else 1.0
    result = reprojected(polygon, source, target, tolerance)
    assert_edges_follow(result, polygon, source, target, tolerance)
    assert_same_points(result, polygon, source, target, tolerance)


def test_large_polygon_gets_few_vertices() -> None:
    angles = np.linspace(0, 2 * math.pi, 100_000, endpoint=False)
    radii = 3 + 0.3 * np.sin(50 * angles)
    polygon = shapely.Polygon(np.stack([12 + radii * np.cos(angles), 50 + radii * np.sin(angles)], axis=1))
    result = reprojected(polygon, 4326, 25833)
    assert 100_001 <= shapely.get_num_coordinates(result) < 101_000
    x, y = Transformer.from_crs(4326, 25833, always_xy=True).transform(*shapely.get_coordinates(polygon).T)
    edge = result.boundary
    shapely.prepare(edge)
    assert shapely.dwithin(edge, shapely.points(x, y), 1e-6).all()

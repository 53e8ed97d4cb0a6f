"""Polygons that remain unchanged, cross the antimeridian, or cannot be reprojected."""

from __future__ import annotations

from typing import Any

import pytest
import shapely
from shapely import box

from gptool.crs import densify
from gptool.crs.reprojection import reproject, unwrap, world_width
from gptool.errors import ParameterError
from gptool.model import SpatialReference
from helpers.reprojection_checks import EDGE, WORLD, Polygonal, reference, reprojected


@pytest.mark.parametrize("pair", [(3857, 102100), (102100, 3857), (4326, 4326), (25833, 25833), (999999, 999999)])
def test_equal_spatial_references_change_nothing(pair: tuple[int, int]) -> None:
    polygon = box(1.25, 2, 3.5, 4) - box(2, 3, 2.5, 3.5)
    assert reprojected(polygon, *pair) == shapely.MultiPolygon([polygon])
    assert reprojected(polygon | box(7, 7, 8, 8), *pair) == polygon | box(7, 7, 8, 8)


def test_heights_are_ignored() -> None:
    polygon = shapely.force_3d(box(5, 45, 15, 55), 100)
    assert reprojected(polygon, 4326, 25833) == reprojected(box(5, 45, 15, 55), 4326, 25833)


UNKNOWN = SpatialReference(999999, None, None)


@pytest.mark.parametrize(
    ("polygon", "source", "target", "message"),
    [
        (
            WORLD,
            UNKNOWN,
            reference(3857),
            "spatial reference of the area is unknown; found WKID 999999, expected a WKID of EPSG",
        ),
        (
            WORLD,
            reference(3857),
            UNKNOWN,
            "spatial reference of the cache is unknown; found WKID 999999, expected a WKID",
        ),
        (WORLD, SpatialReference(None, None, "x"), reference(3857), "area is unknown; found the text 'x'"),
        (WORLD, reference(5703), reference(3857), "area is unknown; found NAVD_1988, expected"),
        (WORLD, reference(4978), reference(3857), "area is unknown"),
        (WORLD, reference(104903), reference(3857), "no transformation from .*Moon.* to WGS 84 / Pseudo-Mercator"),
        (box(100, -10, 110, 10), reference(4326), reference(25833), "lies outside the valid area of .*UTM_Zone_33N"),
        (box(-170, -10, -160, 10), reference(4326), reference(25833), "geometry lies outside the valid area of "),
        (box(10, 89.95, 11, 90), reference(4326), reference(3857), "geometry lies outside the valid area of "),
        (box(10, 95, 11, 99), reference(4326), reference(32662), "geometry lies outside the valid area of "),
        (shapely.Polygon(), reference(4326), reference(3857), "geometry lies outside the valid area of "),
        (shapely.Polygon(), reference(25833), reference(3857), "geometry lies outside the valid area of "),
        (
            box(-1e8, -1e8, 1e8, 1e8),
            reference(3035),
            reference(3857),
            "geometry extends beyond the valid area of ETRS89",
        ),
        (box(-5e7, 0, 5e7, 1e6), reference(25833), reference(3857), "geometry extends beyond the valid area of ETRS89"),
        (
            box(-25e5, -12e6, 35e5, 12e6),
            reference(32633),
            reference(3857),
            "geometry winds around the poles ambiguously",
        ),
        (WORLD, reference(4326), reference(54032), "geometry crosses a discontinuity of the projection"),
    ],
)
def test_impossible_reprojections_are_rejected(
    polygon: Polygonal, source: SpatialReference, target: SpatialReference, message: str
) -> None:
    with pytest.raises(ParameterError, match=rf"^area of interest: .*{message}"):
        reproject(polygon, source, target, 1.0, "area of interest")


def test_number_of_vertices_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(densify, "MAX_VERTICES", 1000)
    message = "area of interest: geometry requires too many vertices between its own"
    with pytest.raises(ParameterError, match=message):
        reproject(box(0, 40, 30, 60), reference(4326), reference(3035), 0.01, "area of interest")


@pytest.mark.parametrize(
    ("name", "width"),
    [
        (4326, 360),
        (4807, 400),
        (3857, 2 * EDGE),
        (102100, 2 * EDGE),
        (3395, 2 * EDGE),
        (3832, 2 * EDGE),
        (32662, 2 * EDGE),
        (25833, None),
        (3035, None),
        (3031, None),
        (54030, None),
        (5703, None),
        (999999, None),
    ],
)
def test_world_width(name: int, width: float | None) -> None:
    assert world_width(reference(name)) == (None if width is None else pytest.approx(width, rel=1e-15))


@pytest.mark.parametrize(
    ("polygon", "name", "expected"),
    [
        pytest.param(box(170, 0, 190, 1), 4326, box(170, 0, 180, 1) | box(-180, 0, -170, 1), id="degrees"),
        pytest.param(
            box(-190, 0, -170, 1), 4326, box(170, 0, 180, 1) | box(-180, 0, -170, 1), id="degrees, beyond -180"
        ),
        pytest.param(box(-200, 0, 200, 1), 4326, box(-180, 0, 180, 1), id="wider than the world"),
        pytest.param(box(710, 0, 730, 1), 4326, box(-10, 0, 10, 1), id="two turns away"),
        pytest.param(box(190, 0, 210, 1), 4807, box(190, 0, 200, 1) | box(-200, 0, -190, 1), id="gradians"),
        pytest.param(box(-180, 0, 180 + 1e-7, 1), 4326, box(-180, 0, 180 + 1e-7, 1), id="rounded edge of the world"),
        pytest.param(
            box(-20037508.342787, 0, 20037508.3428, 1),
            3857,
            box(-20037508.342787, 0, 20037508.3428, 1),
            id="Esri's rounding",
        ),
        pytest.param(box(6e5, 0, 99e6, 1), 25833, box(6e5, 0, 99e6, 1), id="x that is not periodic"),
        pytest.param(box(6e5, 0, 99e6, 1), 999999, box(6e5, 0, 99e6, 1), id="unknown spatial reference"),
        pytest.param(shapely.MultiPolygon(), 4326, shapely.MultiPolygon(), id="empty"),
        pytest.param(
            box(179.999, 0, 180.001, 1), 4326, box(179.999, 0, 180, 1) | box(-180, 0, -179.999, 1), id="narrow"
        ),
    ],
)
def test_parts_beyond_the_antimeridian_are_moved(polygon: Polygonal, name: int, expected: Polygonal) -> None:
    result = unwrap(polygon, reference(name))
    assert isinstance(result, shapely.MultiPolygon)
    assert result.is_valid
    assert len(result.geoms) == len(shapely.get_parts(expected))
    assert result.symmetric_difference(expected).area <= 1e-9 * expected.area


def test_too_many_vertices_are_noticed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number is estimated from the first samples, before the edges are divided again and again."""
    sampled, sample = list[int](), densify._Sampler.sample

    def count(sampler: Any, ends: Any, mapped_ends: Any) -> Any:
        sampled.append(len(ends))
        return sample(sampler, ends, mapped_ends)

    monkeypatch.setattr(densify._Sampler, "sample", count)
    monkeypatch.setattr(densify, "MAX_VERTICES", 10_000)
    comb = shapely.Polygon([(0.1 * i, 40 + 30 * (i % 2)) for i in range(200)] + [(20, 30), (0, 30)])
    with pytest.raises(
        ParameterError, match=r"found about 2\d\d,\d{3}, expected at most 10,000: use the cache's spatial"
    ):
        reproject(comb, reference(4326), reference(3035), 0.01, "area of interest")
    assert sampled == [202, 202], "once to degrees, where edges stay straight, and once to the map"
    monkeypatch.setattr(densify, "MAX_VERTICES", 500_000)
    found = shapely.get_num_coordinates(reproject(comb, reference(4326), reference(3035), 0.01, "area of interest"))
    assert 250_000 < found < 500_000

"""Areas with curves: circular arcs, elliptic arcs and Bézier curves, against their analytic forms."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import shapely
from numpy.typing import NDArray

from gptool.cache.conf_xml import read_conf_xml
from gptool.errors import ParameterError
from gptool.model import TilingScheme
from gptool.plan import make_plan
from gptool.request import Area, read_request, select
from gptool.request.curve_flattening import MAX_VERTICES
from gptool.request.curve_rings import MAX_CURVES
from gptool.tool import estimate_export_tiles_size_job
from helpers.caches import conf_text
from helpers.plans import make_request, planned_tiles

Points = NDArray[np.float64]

TURN = 2 * math.pi
CENTRE = (1_400_000.0, 6_600_000.0)
FINEST = float(conf_text(range(9)).rpartition("<Resolution>")[2].partition("<")[0])
TOLERANCE = FINEST / 100


@pytest.fixture
def scheme(tmp_path: Path) -> TilingScheme:
    return read_conf_xml(conf_text(range(9)).encode(), tmp_path).scheme


def area_of(scheme: TilingScheme, *rings: list[Any], **members: Any) -> Area:
    value = {"curveRings": list(rings), **members}
    selection, messages = select(read_request({"areaOfInterest": value}), scheme, lambda lod: lod.level < 9)
    assert messages == []
    assert selection.area is not None
    return selection.area


def ring_of(area: Area) -> shapely.LinearRing:
    """The ring of an area that has one."""
    assert (area.points[0] == area.points[-1]).all()
    return shapely.LinearRing(area.points)


def ellipse(angles: Points, major: float, minor: float, rotation: float) -> Points:
    x, y = major * np.cos(angles), minor * np.sin(angles)
    cos, sin = math.cos(rotation), math.sin(rotation)
    return np.stack([CENTRE[0] + cos * x - sin * y, CENTRE[1] + sin * x + cos * y], axis=1)


def check_follows(area: Area, curve: Points, tolerance: float = TOLERANCE) -> None:
    """Check that the ring of an area deviates from a closed curve, given by dense points, by at most the tolerance."""
    ring, expected = ring_of(area), shapely.LinearRing(curve)
    middles = shapely.points((area.points[:-1] + area.points[1:]) / 2)
    shapely.prepare(expected)
    assert shapely.distance(middles, expected).max() <= tolerance
    assert shapely.distance(shapely.points(area.points), expected).max() <= tolerance
    assert shapely.distance(shapely.points(curve[::7]), ring).max() <= tolerance


def point(angle: float, major: float = 1.0, minor: float = 0.0, rotation: float = 0.0) -> list[float]:
    """A point of the circle, or of the ellipse, at an angle in degrees."""
    [found] = ellipse(np.array([math.radians(angle)]), major, minor or major, rotation).tolist()
    return list(found)


R = 250_000.0
CIRCLES: dict[str, list[Any]] = {
    "two halves": [point(90, R), {"c": [point(-90, R), point(0, R)]}, {"c": [point(90, R), point(180, R)]}],
    "three arcs": [
        point(0, R),
        {"c": [point(-200, R), point(-40, R)]},
        {"c": [point(-210, R), point(-205, R)]},
        {"c": [point(0, R), point(-359, R)]},
    ],
    "one arc to its start, and the point opposite": [point(30, R), {"c": [point(30, R), point(210, R)]}],
    "arc around a centre, whole": [point(30, R), {"a": [point(30, R), [*CENTRE], 0, 1]}],
    "arc around a centre, counter-clockwise": [point(30, R), {"a": [point(30, R), [*CENTRE], 0, 0]}],
    "minor and major arc": [
        point(30, R),
        {"a": [point(-60, R), [*CENTRE], 1, 1]},
        {"a": [point(30, R), [*CENTRE], 0, 1]},
    ],
    "ellipse with equal axes": [point(30, R), {"a": [point(30, R), [*CENTRE], 0, 1, 1.2, R, 1]}],
    "heights and measures": [
        [*point(30, R), 5, 6],
        {"a": [[*point(30, R), 5, 6], [*CENTRE, 7], 0, 1, 0, R, 1.0]},
    ],
    "rounded ends": [
        [round(value, 0) for value in point(30, R)],
        {"a": [[round(value, 0) for value in point(-100, R)], [*CENTRE], 1, 1]},
        {"a": [[round(value, 0) for value in point(30, R)], [*CENTRE], 0, 1]},
    ],
}


@pytest.mark.parametrize("name", CIRCLES)
def test_circles(scheme: TilingScheme, name: str) -> None:
    area = area_of(scheme, CIRCLES[name])
    rounding = 1.0 if name == "rounded ends" else 1e-6
    check_follows(area, ellipse(np.linspace(0, TURN, 20_001)[:-1], R, R, 0), TOLERANCE + rounding)
    # The vertices lie on the circle, and there are not many more than necessary.
    assert np.abs(np.hypot(*(area.points - CENTRE).T) - R).max() <= rounding
    necessary = math.pi / math.acos(1 - TOLERANCE / R)
    assert necessary <= len(area.points) - 1 <= 1.1 * necessary + 4


@pytest.mark.parametrize("rotation", [0.0, 0.7, -2.0, 7.5])
@pytest.mark.parametrize("ratio", [0.9, 0.3, 0.01])
def test_ellipses(scheme: TilingScheme, rotation: float, ratio: float) -> None:
    shape = R, ratio * R, rotation
    curve = ellipse(np.linspace(0, TURN, 50_001)[:-1], *shape)
    angles = [20, -100, -170]
    ends = [point(angle, *shape) for angle in [*angles[1:], angles[0]]]
    arcs = [{"a": [end, [*CENTRE], int(i < 2), 1, rotation, R, ratio]} for i, end in enumerate(ends)]
    check_follows(area_of(scheme, [point(20, *shape), *arcs]), curve, TOLERANCE + 0.01)
    whole = area_of(scheme, [point(20, *shape), {"a": [point(20, *shape), [*CENTRE], 0, 0, rotation, R, ratio]}])
    check_follows(whole, curve, TOLERANCE + 0.01)


@pytest.mark.parametrize(("clockwise", "share"), [(1, 0.25), (0, 0.75)])
@pytest.mark.parametrize("minor", [0, 1])
def test_direction_decides_which_arc_it_is(scheme: TilingScheme, clockwise: int, minor: int, share: float) -> None:
    """A sector from 90 to 0 degrees: a quarter clockwise, three quarters the other way round."""
    start, end = point(90, R), point(0, R)
    area = area_of(scheme, [[*CENTRE], start, {"a": [end, [*CENTRE], minor, clockwise]}, [*CENTRE]])
    assert shapely.Polygon(ring_of(area)).area == pytest.approx(share * math.pi * R**2, rel=1e-3)


@pytest.mark.parametrize("at", [1e-9, 1e-6, 0.001, 0.3, 0.5, 0.8, 0.999])
@pytest.mark.parametrize("sagitta", [1e-7, 1.0, 3e4, 2e5, 9e5])
def test_arc_through_a_point(scheme: TilingScheme, sagitta: float, at: float) -> None:
    """Arcs over a chord, flat or almost a whole circle, through any of their points, on either side."""
    chord = 2e5
    radius = (chord**2 / 4 + sagitta**2) / (2 * sagitta)
    half = 2 * math.atan2(2 * sagitta, chord)
    for side in (1, -1):
        angles = half * (2 * np.append(np.linspace(0, 1, 20_001), at) - 1)
        # The heights above the chord, without the cancellation of radius * cos(angle) - (radius - sagitta).
        heights = 2 * radius * np.sin((half - angles) / 2) * np.sin((half + angles) / 2)
        curve = np.stack([CENTRE[0] + radius * np.sin(angles), CENTRE[1] + side * heights], axis=1)
        ring = [[*curve[0]], {"c": [[*curve[-2]], [*curve[-1]]]}, [CENTRE[0], CENTRE[1] - side * 1e5]]
        area = area_of(scheme, [[float(v) for v in p] if isinstance(p, list) else p for p in ring])
        closed = np.concatenate([curve[:-1], [ring[2]]])
        # Close to the chord, the height of a given point has few digits.
        check_follows(area, closed, TOLERANCE + (1.0 if at < 0.001 or at > 0.998 else 0.01))


def de_casteljau(points: Points, t: float) -> Points:
    while len(points) > 1:
        points = points[:-1] * (1 - t) + points[1:] * t
    return points[0]


@pytest.mark.parametrize("seed", range(8))
def test_bezier_curves(scheme: TilingScheme, seed: int) -> None:
    rng = np.random.default_rng(seed)
    corners = np.array([[0, 0], [R, 0], [R, R], [0, R]]) + CENTRE
    ring: list[Any] = [corners[0].tolist()]
    curve = []
    for i in range(4):
        start, end = corners[i], corners[(i + 1) % 4]
        controls = [start + (end - start) * part + rng.uniform(-R / 6, R / 6, 2) for part in (0.33, 0.66)]
        ring.append({"b": [end.tolist(), *(control.tolist() for control in controls)]})
        curve += [de_casteljau(np.array([start, *controls, end]), t) for t in np.linspace(0, 1, 4000)[:-1]]
    check_follows(area_of(scheme, ring), np.array(curve), TOLERANCE + 0.05)


@pytest.mark.parametrize(
    ("wkid", "centre", "radius"),
    [
        (25833, (400_000.0, 5.8e6), 150_000.0),
        (4326, (12.0, 60.0), 4.0),
        (3995, (1e6, -2e6), 4e5),
        (4326, (180.0, 75.0), 3.0),
    ],
)
def test_curves_in_other_spatial_references(
    scheme: TilingScheme, wkid: int, centre: tuple[float, float], radius: float
) -> None:
    """Flattening and reprojection together deviate by at most a hundredth of a pixel."""
    angles = np.linspace(0, TURN, 100_001)[:-1]
    circle = np.stack([centre[0] + radius * np.cos(angles), centre[1] + radius * np.sin(angles)], axis=1)
    start = [centre[0] + radius, centre[1]]
    ring = [start, {"a": [start, [*centre], 0, 1]}]
    area = area_of(scheme, ring, spatialReference={"wkid": wkid})
    transformer = pyproj.Transformer.from_crs(wkid, 3857, always_xy=True)
    expected = np.stack(transformer.transform(*circle.T), axis=1)
    edge = 20037508.342789244
    if centre[0] == 180.0:  # half of the circle lies on the other side of the antimeridian
        expected[:, 0] %= 2 * edge
        starts, ends = (np.where([[1, 0]], side % (2 * edge), side) for side in (area.points[:-1], area.points[1:]))
        is_inner = np.maximum(np.abs(starts[:, 0] - edge), np.abs(ends[:, 0] - edge)) > 1
        middles = shapely.points(((starts + ends) / 2)[is_inner])
        assert shapely.distance(middles, shapely.LinearRing(expected)).max() <= TOLERANCE + 0.05
        return
    check_follows(area, expected, TOLERANCE + 0.05)


def test_curved_holes(scheme: TilingScheme) -> None:
    """A ring between two circles: the hole runs counter-clockwise."""
    outer = [point(0, R), {"a": [point(0, R), [*CENTRE], 0, 1]}]
    hole = [point(0, R / 2), {"a": [point(0, R / 2), [*CENTRE], 0, 0]}]
    area = area_of(scheme, outer, hole)
    is_vertex = ~np.isnan(area.points).any(axis=1)
    assert list(is_vertex).count(False) == 1, "between the rings"
    assert {np.hypot(*(point - CENTRE)).round(3) for point in area.points[is_vertex]} == {R, R / 2}


def test_a_circle_selects_the_tiles_of_its_polygon(cache: Path) -> None:
    circle = ellipse(np.linspace(0, TURN, 5000)[::-1], R, R, 0)
    polygon = {"rings": [circle.tolist()], "spatialReference": {"wkid": 3857}}
    curved = {"features": [{"geometry": {"curveRings": [CIRCLES["two halves"]], "spatialReference": {"wkid": 3857}}}]}
    plans = [make_plan(cache, make_request(area_of_interest=area, levels="0-2")) for area in (polygon, curved)]
    assert planned_tiles(plans[0]) == planned_tiles(plans[1])


def test_circle_smaller_than_a_pixel_selects_its_tile(cache: Path) -> None:
    ring = [[1.5, 1.0], {"a": [[1.5, 1.0], [1.0, 1.0], 0, 1]}]
    assert planned_tiles(make_plan(cache, make_request(area_of_interest={"curveRings": [ring]}, levels="1"))) == {
        (1, 0, 1)
    }


STRAIGHT: dict[str, Any] = {
    "interior point is the start": {"c": [[9e6, 0], [0, 0]]},
    "interior point is the end": {"c": [[9e6, 0], [9e6, 0]]},
    "interior point on the chord": {"c": [[9e6, 0], [4e6, 0]]},
    "axis of 0": {"a": [[9e6, 0], [4e6, 0], 1, 1, 0, 0, 1]},
    "ratio of 0": {"a": [[9e6, 0], [4e6, 0], 1, 1, 0, 5e6, 0]},
    "Bézier curve along the chord": {"b": [[9e6, 0], [3e6, 0], [6e6, 0]]},
    "no radius": {"a": [[9e6, 0], [0, 0], 1, 1]},
}


@pytest.mark.parametrize("name", STRAIGHT)
def test_degenerate_curves_are_straight(scheme: TilingScheme, name: str) -> None:
    area = area_of(scheme, [[0, 0], STRAIGHT[name], [9e6, 9e6], [0, 0]])
    triangle = shapely.Polygon([(0, 0), (9e6, 0), (9e6, 9e6)])
    assert shapely.Polygon(ring_of(area)).symmetric_difference(triangle).area < 1e-3


INVALID: dict[str, tuple[Any, str]] = {
    "unknown kind": ({"d": [[1, 1], [2, 2]]}, "segment 1: invalid curve; found .*, expected an object with c, a or b"),
    "empty object": ({}, "segment 1: invalid curve; found an empty object"),
    "one point": ({"c": [[1, 1]]}, "segment 1: invalid curve"),
    "no list": ({"c": 5}, "segment 1: invalid curve"),
    "Bézier with one control point": ({"b": [[1, 1], [2, 2]]}, "segment 1: invalid curve"),
    "arc without direction": ({"a": [[1, 1], [2, 2], 1]}, "segment 1: invalid curve"),
    "ends that are not on the ellipse": ({"a": [[9, 9], [1, 1], 1, 1, 0, 100, 1]}, "segment 1: invalid curve"),
    "negative axis": ({"a": [[9, 9], [1, 1], 1, 1, 0, -5, 1]}, "segment 1: invalid curve"),
    "ratio above 1": ({"a": [[9, 0], [0, 9], 1, 1, 0, 9, 2]}, "segment 1: invalid curve"),
    "NaN as rotation": ({"a": [[9, 9], [1, 1], 1, 1, math.nan, 9, 1]}, "segment 1: invalid curve"),
    "text as axis": ({"a": [[9, 9], [1, 1], 1, 1, 0, "9", 1]}, "segment 1: invalid curve"),
    "text as point": ({"c": ["ab", [1, 1]]}, "segment 1: ring has an invalid vertex; found 'ab'"),
    "infinite point": ({"c": [[1e999, 0], [1, 1]]}, "segment 1: ring has an invalid vertex; found a coordinate that"),
    "huge integer": ({"b": [[10**400, 0], [1, 1], [2, 2]]}, "segment 1: ring has an invalid vertex"),
    "almost infinite circle": ({"c": [[1, 0], [1e12, 1e-3]]}, "curves require too many vertices"),
}


@pytest.mark.parametrize("name", INVALID)
def test_invalid_curves_are_rejected(scheme: TilingScheme, name: str) -> None:
    curve, message = INVALID[name]
    with pytest.raises(ParameterError, match=f"^areaOfInterest: (geometry, ring 0, )?{message}") as caught:
        area_of(scheme, [[0, 0], curve, [0, 9]])
    assert len(str(caught.value)) < 600


def test_curve_must_start_at_a_point(scheme: TilingScheme) -> None:
    with pytest.raises(ParameterError, match="ring 0, segment 0: curve without a point before it"):
        area_of(scheme, [{"c": [[1, 1], [2, 0]]}])


def test_number_of_curves_and_of_their_vertices_is_limited(scheme: TilingScheme, cache: Path) -> None:
    """Neither thousands of curves nor huge ones cost more than a bounded number of vertices."""
    many = [[0, 0], *[{"b": [[1, 1], [3, 2], [5, 0]]}] * (MAX_CURVES + 1)]
    with pytest.raises(ParameterError, match=f"too many curves; found {MAX_CURVES + 1}, expected at most {MAX_CURVES}"):
        read_request({"areaOfInterest": {"curveRings": [many]}})
    circles = [[[x, 5e5], {"a": [[x, 5e5], [x, 0], 0, 1]}] for x in range(4000)]
    huge = [[[0, 0], {"a": [[0, 0], [1e12, 0], 0, 1]}]] * 3
    wild = [[[0, 0], *[{"b": [[0, 0], [1e12, 1e12], [-1e12, 1e12]]}] * 5]]
    for rings in (circles, huge, wild):
        with pytest.raises(
            ParameterError, match=f"curves require too many vertices; found .* at most {MAX_VERTICES}: "
        ):
            area_of(scheme, *rings)
    small = [[[1e4 * x, 0], {"a": [[1e4 * x, 0], [1e4 * x, 50], 0, 1]}] for x in range(2000)]
    job = estimate_export_tiles_size_job({"areaOfInterest": {"curveRings": small}, "levels": "8"}, cache=cache)
    assert job.status == "esriJobSucceeded"


def test_empty_rings_are_left_out_with_a_warning(cache: Path) -> None:
    value = {"curveRings": [[], CIRCLES["two halves"]], "spatialReference": {"wkid": 3857}}
    plan = make_plan(cache, make_request(area_of_interest=value, levels="0"))
    assert [notice.description for notice in plan.notices] == ["areaOfInterest: geometry: empty rings are left out"]
    with pytest.raises(ParameterError, match="geometry: not a polygon; found no ring with vertices"):
        read_request({"areaOfInterest": {"curveRings": [[]]}})


def test_curves_take_precedence_over_an_approximation(scheme: TilingScheme) -> None:
    area = area_of(scheme, CIRCLES["two halves"], rings=[[[0, 0], [0, 1], [1, 1]]])
    assert area.bounds == pytest.approx((CENTRE[0] - R, CENTRE[1] - R, CENTRE[0] + R, CENTRE[1] + R), abs=TOLERANCE)


def test_box_of_a_circle_in_messages(cache: Path) -> None:
    ring = [[1.5e7, 1e7], {"a": [[1.5e7, 1e7], [1.4e7, 1e7], 0, 1]}]
    value = {"curveRings": [ring], "spatialReference": {"wkid": 102100}}
    with pytest.raises(
        ParameterError, match=r"found level 8, polygons within 13000000.0,9000000.0,15000000.0,11000000.0"
    ):
        make_plan(cache, make_request(area_of_interest=value, levels="8"))

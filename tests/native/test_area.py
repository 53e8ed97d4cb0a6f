"""The tiles of a bundle that a polygon covers, compared with shapely tile by tile."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pytest
import shapely
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gptool._area import covered
from gptool.model import EDGE_TOLERANCE, PACKET_SIZE, PACKET_TILES

Shape = shapely.Polygon | shapely.MultiPolygon
Edges = NDArray[np.float64]

property_test = settings(derandomize=True, database=None, deadline=None, max_examples=60)

DYADIC = 2.0**-20
"""A tolerance near the real one that is exact in binary, as are all coordinates in eighths: nothing is rounded."""


class Grid(NamedTuple):
    origin_x: float
    origin_y: float
    width: float
    height: float

    def place(self, shape: Shape) -> Shape:
        """Convert a shape from tiles from the origin, y downwards, to units of the spatial reference."""
        side, corner = np.array([self.width, -self.height]), np.array([self.origin_x, self.origin_y])
        return shapely.transform(shape, lambda points: corner + points * side)


EXACT = Grid(-3, 40, 2, 0.5)
MERCATOR = Grid(-20037508.342787, 20037508.342787, 40075016.685574 / 2**30, 40075016.685574 / 2**30)
"""The Web Mercator scheme at 2^30 tiles, with rounded numbers as in real schemes."""


def to_edges(shape: Shape) -> Edges:
    rings = [ring for part in shapely.get_parts(shape) for ring in (part.exterior, *part.interiors)]
    points = [shapely.get_coordinates(ring) for ring in rings]
    return np.concatenate([np.hstack([line[:-1], line[1:]]) for line in points])


def covered_tiles(
    shape: Shape, grid: Grid = EXACT, row: int = 0, column: int = 0, tolerance: float = DYADIC
) -> NDArray[np.bool_]:
    return covered(to_edges(shape), *grid, row, column, tolerance)


def covered_by_shapely(
    shape: Shape, grid: Grid = EXACT, row: int = 0, column: int = 0, tolerance: float = DYADIC
) -> NDArray[np.bool_]:
    rows, columns = np.divmod(np.arange(PACKET_TILES), PACKET_SIZE)
    left, right = (grid.origin_x + grid.width * (column + columns + side) for side in (tolerance, 1 - tolerance))
    top, bottom = (grid.origin_y - grid.height * (row + rows + side) for side in (tolerance, 1 - tolerance))
    shapely.prepare(shape)
    return shapely.intersects(shape, shapely.box(left, bottom, right, top))


# ---- small examples ----

EXAMPLES: dict[str, tuple[Shape, float, str]] = {
    "box on tile edges": (shapely.box(1, 1, 3, 2), EDGE_TOLERANCE, ".... .##. .... ...."),
    "box on tile edges, without tolerance": (shapely.box(1, 1, 3, 2), 0, "#### #### #### ...."),
    "box beyond tile edges by less than the tolerance": (
        shapely.box(1 - 5e-7, 1, 3, 2 + 5e-7),
        EDGE_TOLERANCE,
        ".... .##. .... ....",
    ),
    "box beyond tile edges by more than the tolerance": (
        shapely.box(1 - 2e-6, 1, 3, 2 + 2e-6),
        EDGE_TOLERANCE,
        ".... ###. ###. ....",
    ),
    "box within a tile": (shapely.box(2.25, 1.25, 2.5, 1.5), EDGE_TOLERANCE, ".... ..#. .... ...."),
    "box around one centre": (shapely.box(0.75, 0.75, 2.25, 2.25), EDGE_TOLERANCE, "###. ###. ###. ...."),
    "box in the gap between shrunk tiles": (shapely.box(0.9, 0, 1.1, 4), 0.125, ".... .... .... ...."),
    "wedge in the gap": (shapely.Polygon([(0.5, 1), (1.1, 0.5), (1.1, 1.5)]), 0.25, ".... .... .... ...."),
    "corner on a corner": (shapely.Polygon([(1, 1), (2, 1), (1, 2)]), EDGE_TOLERANCE, ".... .#.. .... ...."),
    "slope through corners": (shapely.Polygon([(0, 0), (3, 3), (0, 3)]), EDGE_TOLERANCE, "#... ##.. ###. ...."),
    "hole of one tile": (
        shapely.box(0, 0, 3, 3) - shapely.box(1, 1, 2, 2),
        EDGE_TOLERANCE,
        "###. #.#. ###. ....",
    ),
    "hole within a tile": (shapely.box(1, 1, 2, 2) - shapely.box(1.2, 1.2, 1.8, 1.8), 0, "###. ###. ###. ...."),
    "two parts": (
        shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(2, 2, 4, 4)]),
        EDGE_TOLERANCE,
        "#... .... ..## ..##",
    ),
    "box from outside the left and the top": (shapely.box(-9, -9, 2, 2), EDGE_TOLERANCE, "##.. ##.. .... ...."),
    "box left of the bundle": (shapely.box(-9, 0, 0, 4), EDGE_TOLERANCE, ".... .... .... ...."),
    "box around the bundle": (shapely.box(-999, -999, 999, 999), EDGE_TOLERANCE, "#### #### #### ####"),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_first_four_rows_and_columns(name: str) -> None:
    shape, tolerance, expected = EXAMPLES[name]
    tiles = covered_tiles(EXACT.place(shape), tolerance=tolerance)
    assert (tiles.shape, tiles.dtype) == ((PACKET_TILES,), np.bool_)
    corner = tiles.reshape(PACKET_SIZE, PACKET_SIZE)[:4, :4]
    assert " ".join("".join(".#"[tile] for tile in row) for row in corner.tolist()) == expected


# ---- compared with shapely ----


def points_within(left: int, right: int, top: int, bottom: int) -> st.SearchStrategy[tuple[float, float]]:
    """Return a strategy for points on tile corners and on eighths of tiles."""

    def coordinate(first: int, last: int) -> st.SearchStrategy[float]:
        eighths = st.integers(8 * first, 8 * last).map(lambda eighth: eighth / 8)
        return st.integers(first, last).map(float) | eighths

    return st.tuples(coordinate(left, right), coordinate(top, bottom))


def star_around(points: list[tuple[float, float]]) -> shapely.Polygon:
    """Return a polygon of these corners, ordered by their angle around their mean."""
    x, y = np.mean(points, axis=0)
    return shapely.Polygon(sorted(set(points), key=lambda point: (math.atan2(point[1] - y, point[0] - x), point)))


def stars(left: int, right: int, top: int, bottom: int, corners: int) -> st.SearchStrategy[shapely.Polygon]:
    points = st.lists(points_within(left, right, top, bottom), min_size=3, max_size=corners, unique=True)
    return points.map(star_around)


def with_holes(holes: list[shapely.Polygon]) -> shapely.Polygon:
    return shapely.Polygon(shapely.box(10, 10, 110, 110).exterior, [hole.exterior for hole in holes])


boxes = st.tuples(*[st.integers(-20, 150)] * 2, *[st.integers(1, 60)] * 2).map(
    lambda box: shapely.box(box[0], box[1], box[0] + box[2], box[1] + box[3])
)
slivers = st.tuples(points_within(-40, 170, -40, 170), points_within(-40, 170, -40, 170), st.integers(1, 3)).map(
    lambda ends: shapely.Polygon([ends[0], ends[1], (ends[1][0] + ends[2] / 8, ends[1][1] + 0.125)])
)
holed = st.tuples(stars(11, 60, 11, 60, 6), stars(61, 109, 11, 60, 6), stars(11, 109, 61, 109, 9)).map(with_holes)
parts = st.tuples(stars(-30, 40, -30, 70, 9), stars(41, 160, -30, 70, 9), stars(-30, 160, 71, 160, 9)).map(
    shapely.MultiPolygon
)
shapes = {"star": stars(-40, 170, -40, 170, 24), "box": boxes, "sliver": slivers, "holes": holed, "parts": parts}


@pytest.mark.parametrize("kind", shapes)
def test_every_tile_agrees_with_shapely(kind: str) -> None:
    @property_test
    @given(shape=shapes[kind])
    def check(shape: Shape) -> None:
        assume(shape.is_valid)
        placed = EXACT.place(shape)
        np.testing.assert_array_equal(covered_tiles(placed), covered_by_shapely(placed))

    check()


@property_test
@given(box=boxes)
@example(box=shapely.box(128, 128, 130, 130))
@example(box=shapely.box(-5, -5, 0, 0))
def test_boxes_without_tolerance_cover_the_tiles_they_touch(box: shapely.Polygon) -> None:
    placed = EXACT.place(box)
    np.testing.assert_array_equal(covered_tiles(placed, tolerance=0), covered_by_shapely(placed, tolerance=0))


def round_star(corners: int, inner: float, outer: float, seed: int) -> shapely.Polygon:
    """Return a star around (0, 0)."""
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    radii = np.random.default_rng(seed).uniform(inner, outer, corners)
    return shapely.Polygon(np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1))


def moved(shape: Shape, x: float, y: float) -> Shape:
    return shapely.transform(shape, lambda points: np.add(points, [x, y]))


@pytest.mark.parametrize(("first", "corners"), [(0, 2000), (0, 7), (-256, 7), (128 * 3000, 7)])
def test_neighbouring_bundles_agree_with_shapely(first: int, corners: int) -> None:
    star = moved(round_star(corners, 150, 250, corners), first + 320, first + 320)
    hole = moved(round_star(9, 100, 140, 1), first + 320, first + 320)
    shape = EXACT.place(shapely.Polygon(star.exterior, [hole.exterior]) if corners > 100 else star)
    starts = range(first, first + 5 * PACKET_SIZE, PACKET_SIZE)
    found = {(row, column): covered_tiles(shape, EXACT, row, column) for row in starts for column in starts}
    for (row, column), tiles in found.items():
        np.testing.assert_array_equal(tiles, covered_by_shapely(shape, EXACT, row, column))
    assert not any(found[row, column].any() for row in (starts[0], starts[4]) for column in (starts[0], starts[4]))


@pytest.mark.parametrize("row", [-128, 0, 128, 1 << 20])
@pytest.mark.parametrize("column", [-128, 0, 128, 1 << 20])
def test_bundles_inside_and_outside_the_polygon(row: int, column: int) -> None:
    around = EXACT.place(shapely.box(column, row, column + PACKET_SIZE, row + PACKET_SIZE))
    for distance in (0, 0.1, 5, 1e6):
        wide = around.buffer(distance, join_style="mitre")
        assert covered_tiles(wide, EXACT, row, column).all()
        frame = around.buffer(distance + 9, join_style="mitre") - wide
        assert not covered_tiles(frame, EXACT, row, column).any()


def test_order_and_direction_of_edges_do_not_matter() -> None:
    edges = to_edges(EXACT.place(moved(round_star(60, 20, 80, 3), 50, 50)))
    expected = covered(edges, *EXACT, 0, 0, DYADIC)
    edges[::2] = edges[::2][:, [2, 3, 0, 1]]
    shuffled = np.random.default_rng(1).permutation(edges)
    np.testing.assert_array_equal(covered(shuffled, *EXACT, 0, 0, DYADIC), expected)


# ---- large rows and columns ----

LAST = 2**30 - PACKET_SIZE


@pytest.mark.parametrize(("row", "column"), [(0, LAST), (LAST, 0), (LAST, LAST), (2**29, 2**29)])
def test_scheme_with_many_rows_and_columns(row: int, column: int) -> None:
    star = MERCATOR.place(moved(round_star(300, 20, 80, 5), column + 60, row + 60))
    tiles = covered_tiles(star, MERCATOR, row, column, EDGE_TOLERANCE)
    np.testing.assert_array_equal(tiles, covered_by_shapely(star, MERCATOR, row, column, EDGE_TOLERANCE))
    assert PACKET_TILES / 4 < np.count_nonzero(tiles) < PACKET_TILES

    box = MERCATOR.place(shapely.box(column + 7, row + 5, column + 90, row + 100))
    expected = np.zeros((PACKET_SIZE, PACKET_SIZE), np.bool_)
    expected[5:100, 7:90] = True
    np.testing.assert_array_equal(covered_tiles(box, MERCATOR, row, column, EDGE_TOLERANCE), expected.ravel())


@pytest.mark.parametrize("first", [2**31 - 128, 2**40])
def test_largest_rows_and_columns(first: int) -> None:
    shape = EXACT.place(moved(shapely.Polygon([(3, 3), (90, 20), (60.5, 110.5)]), first, first))
    place = EXACT, first, first, 2.0**-8  # coordinates are too large to resolve 2^-20 of a tile
    np.testing.assert_array_equal(covered_tiles(shape, *place), covered_by_shapely(shape, *place))


# ---- threads ----


def test_many_threads_get_the_same_results() -> None:
    edges = to_edges(EXACT.place(moved(round_star(3000, 100, 300, 2), 320, 320)))
    bundles = [(row, column) for row in range(0, 640, 128) for column in range(0, 640, 128)] * 4

    def work(bundle: tuple[int, int]) -> bytes:
        return covered(edges, *EXACT, *bundle, EDGE_TOLERANCE).tobytes()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, bundles)) == [work(bundle) for bundle in bundles]


@pytest.mark.parametrize("bundles", [1, 2, 5])
@pytest.mark.parametrize("seed", range(8))
def test_bundles_side_by_side_are_those_by_themselves(seed: int, bundles: int) -> None:
    """Whether edges are within one, cross several, or lie left or right of all of them."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-300, 128 * bundles + 300, 60), rng.uniform(-200, 330, 60)
    if seed % 2:
        x, y = x.round(), y.round()
    edges = to_edges(shapely.make_valid(shapely.Polygon(zip(x.tolist(), y.tolist(), strict=True))))
    row, column = 128 * int(rng.integers(3)), 128 * int(rng.integers(3))
    edges += np.array([column, -row, column, -row], np.float64)
    together = covered(edges, 0, 0, 1, 1, row, column, 0.01, bundles).reshape(bundles, -1)
    apart = [covered(edges, 0, 0, 1, 1, row, column + 128 * i, 0.01) for i in range(bundles)]
    assert np.array_equal(together, apart)
    assert 0 < together.sum() < together.size


@pytest.mark.parametrize("bundles", [0, -1, 1025])
def test_number_of_bundles_is_bounded(bundles: int) -> None:
    with pytest.raises(ValueError, match=f"bundles: out of range; found {bundles}, expected 1 to 1024"):
        covered(np.zeros((0, 4)), 0, 0, 1, 1, 0, 0, 0.01, bundles)

"""Windows of tiling schemes against exact fractions, and number texts."""

from __future__ import annotations

import math
import pickle
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptool.model import (
    EDGE_TOLERANCE,
    BundleAddress,
    Extent,
    Lod,
    NumberText,
    SpatialReference,
    TileWindow,
    TilingScheme,
)


def make_scheme(resolution: str, *, x: str = "0", y: str = "0", rows: int = 256, columns: int = 256) -> TilingScheme:
    lod = Lod(0, NumberText(resolution), NumberText("1"))
    reference = SpatialReference(3857, 3857, None)
    return TilingScheme(reference, NumberText(x), NumberText(y), rows, columns, NumberText("96"), (lod,))


def exact_window(scheme: TilingScheme, box: Extent) -> tuple[int, int, int, int]:
    """Return the window of the tiles that share area with an extent, with the tolerance, in exact arithmetic."""
    resolution, tolerance = Fraction(scheme.lods[0].resolution.value), Fraction(EDGE_TOLERANCE)
    width, height = resolution * scheme.tile_columns, resolution * scheme.tile_rows
    x, y = Fraction(scheme.origin_x.value), Fraction(scheme.origin_y.value)
    left, right = (Fraction(box.xmin) - x) / width, (Fraction(box.xmax) - x) / width
    top, bottom = (y - Fraction(box.ymax)) / height, (y - Fraction(box.ymin)) / height
    down, across = min(tolerance, (bottom - top) / 4), min(tolerance, (right - left) / 4)
    return (
        math.floor(top + down),
        math.ceil(bottom - down) - 1,
        math.floor(left + across),
        math.ceil(right - across) - 1,
    )


coordinates = st.floats(-2e7, 2e7)


@given(
    xs=st.tuples(coordinates, coordinates).map(sorted).filter(lambda pair: pair[1] - pair[0] > 1),
    ys=st.tuples(coordinates, coordinates).map(sorted).filter(lambda pair: pair[1] - pair[0] > 1),
    resolution=st.floats(0.01, 1e5),
    rows=st.sampled_from([256, 512]),
    columns=st.sampled_from([256, 512]),
)
def test_window_contains_the_tiles_that_share_area(
    xs: list[float], ys: list[float], resolution: float, rows: int, columns: int
) -> None:
    scheme = make_scheme(repr(resolution), x="-400.5", y="1234567.25", rows=rows, columns=columns)
    box = Extent(xs[0], ys[0], xs[1], ys[1])
    window, exact = scheme.window(scheme.lods[0], box), exact_window(scheme, box)
    # An edge within 10^-9 of the tolerance may be rounded to either side.
    assert all(abs(a - b) <= 1 for a, b in zip(window, exact, strict=True))
    cover = scheme.extent(scheme.lods[0], window)
    side = resolution * max(rows, columns) * 2 * EDGE_TOLERANCE + 1e-6
    assert cover.xmin <= box.xmin + side
    assert cover.xmax >= box.xmax - side
    assert cover.ymin <= box.ymin + side
    assert cover.ymax >= box.ymax - side


@given(
    window=st.tuples(st.integers(-9, 10**6), st.integers(0, 300), st.integers(-9, 10**6), st.integers(0, 300)),
    level=st.integers(0, 23),
)
def test_extent_of_a_window_selects_that_window(window: tuple[int, int, int, int], level: int) -> None:
    """Also with Esri's rounded numbers, which move the edges between tiles."""
    scheme = make_scheme(repr(156543.03392800014 / 2**level), x="-20037508.342787001", y="20037508.342787001")
    row, rows, column, columns = window
    expected = TileWindow(row, row + rows, column, column + columns)
    assert scheme.window(scheme.lods[0], scheme.extent(scheme.lods[0], expected)) == expected


@pytest.mark.parametrize(
    ("box", "window"),
    [
        pytest.param((0, -256, 256, 0), (0, 0, 0, 0), id="single tile"),
        pytest.param((0, -257, 256, 0), (0, 1, 0, 0), id="one pixel more below"),
        pytest.param((-1, -256, 256, 0), (0, 0, -1, 0), id="one pixel left of the origin"),
        pytest.param((-0.0001, -256, 256.0001, 0), (0, 0, 0, 0), id="rounding errors"),
        pytest.param((10, -20, 11, -19), (0, 0, 0, 0), id="within a tile"),
    ],
)
def test_window_of_extents_near_tile_edges(
    box: tuple[float, float, float, float], window: tuple[int, int, int, int]
) -> None:
    scheme = make_scheme("1")
    assert scheme.window(scheme.lods[0], Extent(*box)) == window


@pytest.mark.parametrize("size", [1e-9, 1e-6, 1e-3, 1.0, 100.0])
@pytest.mark.parametrize("scale", [1e-9, 1e-6, 1e-3, 1.0])
def test_small_extent_across_an_edge_selects_both_tiles(size: float, scale: float) -> None:
    """However small it is compared to the tiles of a coarse level."""
    scheme = make_scheme(repr(size / scale))
    side = size / scale * 256
    box = Extent(side - size, -side - size, side + size, -side + size)
    assert scheme.window(scheme.lods[0], box) == (0, 1, 0, 1)


def test_extent_of_any_size_has_a_window() -> None:
    window = make_scheme("1").window(make_scheme("1").lods[0], Extent(-1e308, -1e308, 1e308, 1e308))
    assert window.row_min < -(2**39)
    assert window.column_max > 2**39


def test_rounded_numbers_of_web_mercator_select_no_neighbours() -> None:
    """The two columns of level 1 meet at x = -0.000004: an extent from x = 0 selects the right one only."""
    scheme = make_scheme("78271.516963999937", x="-20037508.342787001", y="20037508.342787001")
    assert scheme.window(scheme.lods[0], Extent(0, 0, 2e7, 2e7)) == (0, 0, 1, 1)
    assert scheme.window(scheme.lods[0], Extent(-2e7, -2e7, 0, 0)) == (1, 1, 0, 0)


@pytest.mark.parametrize("text", ["", "abc", "nan", "inf", "1e999", "1,5", "1_0", "\u0661", "0x1", "1e", ".", "0" * 65])
def test_invalid_number_texts_are_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a (finite )?number"):
        NumberText(text)


def test_number_text_preserves_its_digits_and_pickles() -> None:
    number = pickle.loads(pickle.dumps(NumberText("591657527.59155500")))
    assert (str(number), number.value) == ("591657527.59155500", 591657527.591555)


def test_positions_in_a_bundle_are_row_major() -> None:
    assert BundleAddress(3, 128, 256).tile(0) == (3, 128, 256)
    assert BundleAddress(3, 128, 256).tile(129) == (3, 129, 257)


@pytest.mark.parametrize(
    ("window", "intersects"),
    [((0, 127, 0, 127), False), ((0, 128, 0, 128), True), ((255, 300, 255, 300), True), ((256, 300, 0, 999), False)],
)
def test_intersection_of_window_and_bundle(window: tuple[int, int, int, int], intersects: bool) -> None:
    assert TileWindow(*window).intersects_bundle(BundleAddress(0, 128, 128)) is intersects

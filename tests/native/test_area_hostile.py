"""Numbers, edges and grids that no valid polygon or scheme has: a result or an exception, never a crash."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from gptool._area import covered
from gptool.model import EDGE_TOLERANCE, PACKET_TILES

Edges = NDArray[np.float64]

BOX: Edges = np.array([[10, 10, 60.5, 10], [60.5, 10, 60.5, 70], [60.5, 70, 10, 70], [10, 70, 10, 10]])
GRID = {"origin_x": -3, "origin_y": 100, "width": 0.5, "height": 0.5}


def covered_tiles(edges: Any, **changes: Any) -> NDArray[np.bool_]:
    return covered(edges, **{**GRID, "row": 0, "column": 0, "tolerance": EDGE_TOLERANCE, **changes})


NOT_FINITE = [math.nan, math.inf, -math.inf]
any_number = st.floats() | st.floats(-300, 300) | st.sampled_from([*NOT_FINITE, 1e308, -1e308, 5e-324, 0.0])
sides = st.just(1.0) | st.floats(min_value=0, exclude_min=True, allow_infinity=False)
starts = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 128, 2**31])


@settings(derandomize=True, database=None, deadline=None, max_examples=400)
@given(
    edges=arrays(np.float64, st.tuples(st.integers(0, 12), st.just(4)), elements=any_number),
    origin=st.tuples(any_number, any_number),
    size=st.tuples(sides, sides),
    start=st.tuples(starts, starts),
    tolerance=st.floats(0, 0.5, exclude_max=True),
)
def test_any_numbers_give_a_result(
    edges: Edges, origin: tuple[float, float], size: tuple[float, float], start: tuple[int, int], tolerance: float
) -> None:
    tiles = covered(edges, *origin, *size, *start, tolerance)
    assert (tiles.shape, tiles.dtype) == ((PACKET_TILES,), np.bool_)
    assert tiles.view(np.uint8).max() <= 1


@pytest.mark.parametrize("number", [*NOT_FINITE, 1.7e308])
@pytest.mark.parametrize("place", range(4))
def test_edge_with_a_coordinate_that_is_not_finite_is_ignored(place: int, number: float) -> None:
    invalid = np.array([[50.0, 50.0, 0.0, 90.0]])
    invalid[:, place] = number
    np.testing.assert_array_equal(covered_tiles(np.vstack([invalid, BOX])), covered_tiles(BOX))


def test_no_edges() -> None:
    assert not covered_tiles(np.empty((0, 4))).any()


def test_rows_may_be_apart_reversed_or_overlap() -> None:
    expected = covered_tiles(BOX)
    assert expected.any()
    np.testing.assert_array_equal(covered_tiles(np.hstack([BOX, BOX])[:, :4]), expected)
    np.testing.assert_array_equal(covered_tiles(BOX[::-1]), expected)
    vertices = np.vstack([BOX[:, :2], BOX[:1, :2]])
    overlapping = np.lib.stride_tricks.sliding_window_view(vertices.ravel(), 4)[::2]
    assert overlapping.strides == (16, 8)
    np.testing.assert_array_equal(covered_tiles(overlapping), expected)


WRONG_EDGES: dict[str, tuple[Callable[[Edges], Any], type[Exception], str]] = {
    "three columns": (
        lambda edges: edges[:, :3].copy(),
        ValueError,
        "edges: wrong shape; found 3 columns, expected 4",
    ),
    "no rows and five columns": (
        lambda _: np.empty((0, 5)),
        ValueError,
        "edges: wrong shape; found 5 columns, expected 4",
    ),
    "one dimension": (lambda edges: edges.ravel(), ValueError, "wrong number of dimensions"),
    "three dimensions": (lambda edges: edges[None], ValueError, "wrong number of dimensions"),
    "float32": (lambda edges: edges.astype(np.float32), ValueError, "dtype mismatch"),
    "integers": (lambda edges: edges.astype(np.int64), ValueError, "dtype mismatch"),
    "big-endian": (lambda edges: edges.astype(">f8"), ValueError, "dtype mismatch|endian"),
    "column-major": (np.asfortranarray, ValueError, "edges: numbers of a row are not side by side"),
    "every second column": (
        lambda edges: np.repeat(edges, 2, axis=1)[:, ::2],
        ValueError,
        "edges: numbers of a row are not side by side",
    ),
    "list": (lambda edges: edges.tolist(), TypeError, "buffer|bytes-like"),
    "None": (lambda _: None, TypeError, "must not be None"),
}


@pytest.mark.parametrize("name", WRONG_EDGES)
def test_edges_of_wrong_shape_or_type_are_rejected(name: str) -> None:
    change, error, message = WRONG_EDGES[name]
    with pytest.raises(error, match=message):
        covered_tiles(change(BOX))


@pytest.mark.parametrize("tolerance", [0.5, 1, -1e-9, *NOT_FINITE])
def test_invalid_tolerance_is_rejected(tolerance: float) -> None:
    with pytest.raises(ValueError, match=r"^tolerance: out of range; found .*, expected at least 0 and below 0\.5$"):
        covered_tiles(BOX, tolerance=tolerance)


@pytest.mark.parametrize("name", ["width", "height"])
@pytest.mark.parametrize("side", [0, -1, *NOT_FINITE])
def test_invalid_tile_size_is_rejected(side: float, name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: out of range; found .*, expected a finite number above 0$"):
        covered_tiles(BOX, **{name: side})

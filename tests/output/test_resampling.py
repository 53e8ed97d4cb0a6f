"""Resampling in integers, against means computed pixel by pixel in fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from gptool.output.resampling import compose, resample

SIDES = st.integers(1, 9)


def mean(values: list[int], index: int, count: int) -> Fraction:
    """Return the mean of the part of a row of pixels that the pixel `index` of `count` covers."""
    size = Fraction(len(values), count)
    start, end = index * size, (index + 1) * size
    covered = (max(min(end, i + 1) - max(start, i), 0) * value for i, value in enumerate(values))
    return sum(covered, Fraction(0)) / size


@given(st.lists(st.integers(0, 255), min_size=1, max_size=9), SIDES)
def test_pixels_are_rounded_means_of_what_they_cover(values: list[int], count: int) -> None:
    row = np.array(values, np.uint8).reshape(1, -1, 1)
    expected = [mean(values, i, count) for i in range(count)]
    found = resample(row, 1, count)[0, :, 0].tolist()
    assert all(abs(value - exact) <= Fraction(1, 2) for value, exact in zip(found, expected, strict=True))
    assert resample(row.swapaxes(0, 1), count, 1)[:, 0, 0].tolist() == found


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_whole_factors_agree_with_pillow(factor: int) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    reduced = np.asarray(Image.fromarray(pixels).reduce(factor)).astype(int)
    difference = np.abs(resample(pixels, 64 // factor, 96 // factor).astype(int) - reduced)
    assert difference.max() <= 1  # rows and columns are rounded one after the other


@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 255))
def test_one_colour_stays(rows: int, columns: int, new_rows: int, new_columns: int, value: int) -> None:
    result = resample(np.full((rows, columns, 3), value, np.uint8), new_rows, new_columns)
    assert result.shape == (new_rows, new_columns, 3)
    assert (result == value).all()


def test_transparency_shows_the_background() -> None:
    pixels: NDArray[np.uint8] = np.array([[[200, 100, 0, 255], [9, 9, 9, 0], [255, 255, 255, 128]]], np.uint8)
    assert compose(pixels, (10, 20, 30)).tolist() == [[[200, 100, 0], [10, 20, 30], [133, 138, 143]]]

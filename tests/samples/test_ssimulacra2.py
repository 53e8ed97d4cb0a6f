"""The score, compared with those of the reference implementation, which are recorded here."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gptool.samples.ssimulacra2 import Original

Pixels = NDArray[np.uint8]

SIZES = (256, 256), (131, 200), (512, 384)

SCORES = {
    ((256, 256), "coarse"): 68.9345,
    ((256, 256), "noisy"): 68.6585,
    ((256, 256), "shifted"): 30.6074,
    ((256, 256), "grey"): -66.4389,
    ((256, 256), "slightly brighter"): 94.5479,
    ((256, 256), "blurred"): 63.0849,
    ((131, 200), "coarse"): 74.2042,
    ((131, 200), "noisy"): 73.9683,
    ((131, 200), "shifted"): 37.8401,
    ((131, 200), "grey"): -64.2342,
    ((131, 200), "slightly brighter"): 94.5373,
    ((131, 200), "blurred"): 62.5832,
    ((512, 384), "coarse"): 61.0868,
    ((512, 384), "noisy"): 63.0051,
    ((512, 384), "shifted"): 32.2759,
    ((512, 384), "grey"): -75.2937,
    ((512, 384), "slightly brighter"): 94.4067,
    ((512, 384), "blurred"): 61.8200,
}
"""What the program of https://github.com/cloudinary/ssimulacra2 (commit 81feacf) prints for PNG files of the pixels."""


def picture(rows: int, columns: int) -> Pixels:
    """Return a picture of smooth colours and fine texture."""
    random = np.random.default_rng(rows * columns)
    coarse = random.integers(0, 256, (9, 9, 3))
    y, x = np.linspace(0, 7.999, rows)[:, None, None], np.linspace(0, 7.999, columns)[None, :, None]
    i, j = y.astype(int)[:, 0, 0], x.astype(int)[0, :, 0]
    y, x = y % 1, x % 1
    upper = coarse[i][:, j] * (1 - x) + coarse[i][:, j + 1] * x
    lower = coarse[i + 1][:, j] * (1 - x) + coarse[i + 1][:, j + 1] * x
    smooth = upper * (1 - y) + lower * y
    return (smooth + random.integers(-20, 20, (rows, columns, 3))).clip(0, 255).astype(np.uint8)


def distort(pixels: Pixels, kind: str) -> Pixels:
    wide = pixels.astype(np.int32)
    if kind == "coarse":
        return (wide // 24 * 24 + 12).clip(0, 255).astype(np.uint8)
    if kind == "noisy":
        return (wide + np.random.default_rng(1).integers(-12, 13, wide.shape)).clip(0, 255).astype(np.uint8)
    if kind == "shifted":
        return np.roll(pixels, 1, axis=1)
    if kind == "grey":
        return np.repeat(wide.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    if kind == "slightly brighter":
        return (wide + 2).clip(0, 255).astype(np.uint8)
    return ((wide + np.roll(wide, 1, axis=0) + np.roll(wide, 1, axis=1)) // 3).astype(np.uint8)


KINDS = "coarse", "noisy", "shifted", "grey", "slightly brighter", "blurred"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_score_is_that_of_the_reference(size: tuple[int, int], kind: str) -> None:
    pixels = picture(*size)
    expected = SCORES[size, kind]
    # Near the highest score the curve is steep, and shows the rounding of the reference's 32-bit sums.
    tolerance = 0.02 if expected < 90 else 0.6
    assert Original(pixels).score(distort(pixels, kind)) == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("size", [*SIZES, (64, 64), (1, 1), (7, 300)], ids=str)
def test_identical_pictures_have_the_highest_score(size: tuple[int, int]) -> None:
    pixels = picture(*size)
    assert Original(pixels).score(pixels) == 100


def test_score_of_a_small_picture_falls_with_its_distortion() -> None:
    pixels = picture(64, 64)
    original = Original(pixels)
    scores = [original.score((pixels // step * step).astype(np.uint8)) for step in (2, 8, 32, 128)]
    assert 100 > scores[0] > scores[1] > scores[2] > scores[3]
    assert scores[0] > 90

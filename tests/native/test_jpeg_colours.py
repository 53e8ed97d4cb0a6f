"""Recompression keeps colours: every pair of source quality and request, both kinds of tables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from gptool._jpeg import recompress_batch
from gptool.model import Tables
from helpers.jpeg_batches import batch, split
from helpers.jpeg_requantisation import TABLE_MODES
from helpers.jpeg_tiles import TURBO, encode_turbo, tj

SIDE = 96
"""Enough blocks for the rounding of decoded samples to average out."""
OWN = range(20, 101)
MAX_SHIFT, MAX_FADING = 0.6, 0.015
"""Levels by which the mean colour of a tile may move, and the share by which the chroma of its blocks may change."""

ROUNDING = 0.15
"""Levels more for a tile that is nothing but a gradient. Without AC each of its blocks is one value, often just between
two levels, and decoders round all of these up."""

Pixels = NDArray[np.uint8]
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE] / SIDE


def lake() -> Pixels:
    """A flat, slightly green tile: the chroma of each block is a few levels."""
    return np.full((SIDE, SIDE, 3), (96, 118, 101), np.uint8)


def sea() -> Pixels:
    return np.full((SIDE, SIDE, 3), (170, 211, 223), np.uint8)


def gradient() -> Pixels:
    """Smooth colours that vary from block to block."""
    return np.stack((90 + 50 * ROWS + 13 * COLUMNS, 110 + 30 * COLUMNS, 120 - 40 * ROWS + 17 * COLUMNS), -1).astype(
        np.uint8
    )


def field() -> Pixels:
    """A green field with a texture of luminance."""
    texture = np.random.default_rng(3).normal(0, 12, (SIDE, SIDE, 1))
    return (np.array((104, 128, 88)) + texture).clip(0, 255).astype(np.uint8)


def meadow() -> Pixels:
    """Smooth colours that vary in all directions over a few blocks, around an unsaturated green."""
    noise = np.random.default_rng(1).normal(0, 20, (SIDE // 24 + 2, SIDE // 24 + 2, 3))
    place, fraction = np.divmod(np.arange(SIDE) / 24, 1)
    start, weight = place.astype(int), (fraction**2 * (3 - 2 * fraction))[:, None]
    rows = noise[start] * (1 - weight[..., None]) + noise[start + 1] * weight[..., None]
    return (np.array((110, 115, 105)) + rows[:, start] * (1 - weight) + rows[:, start + 1] * weight).astype(np.uint8)


IMAGES: list[Callable[[], Pixels]] = [lake, sea, gradient, field, meadow]


def colours(tiles: list[bytes]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean RGB colour of each tile, float64[n, 3], and the mean chroma of its 8 x 8 blocks, float64[n]."""
    images = np.stack([TURBO.decode(tile, tj.TJPF_RGB) for tile in tiles]).astype(float)
    blocks = images.reshape(-1, SIDE // 8, 8, SIDE // 8, 8, 3).mean((2, 4))
    luma = blocks @ (0.299, 0.587, 0.114)
    chroma = np.hypot(0.564 * (blocks[..., 2] - luma), 0.713 * (blocks[..., 0] - luma))
    return images.mean((1, 2)), chroma.mean((1, 2))


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("tables", TABLE_MODES)
def test_colours_do_not_fade(image: Callable[[], Pixels], tables: Tables) -> None:
    tiles = [encode_turbo(image(), quality=own) for own in OWN]
    rounding = ROUNDING if image is gradient else 0.0
    before, chroma = colours(tiles)
    places = batch(tiles)
    for request in range(101):
        output, sizes, _ = recompress_batch(*places, request, tables=tables)
        after, new_chroma = colours(split(output, sizes))
        assert abs(after - before).max() <= MAX_SHIFT + rounding
        assert abs(new_chroma - chroma).max() <= (MAX_FADING * chroma + 2 * rounding).min()

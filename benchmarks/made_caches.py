"""Caches that the benchmarks make of the demo's relief."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice, product
from pathlib import Path

import numpy as np
from caches import conf_text, make_cache
from numpy.typing import NDArray

from gptool.jpeg_pixels import encode

SIDE, QUALITY, STEP = 256, 75, 2


def cut_tiles(relief: list[NDArray[np.uint8]], count: int) -> list[bytes]:
    """Different JPEG tiles: the world is cut again and again, each time from a few pixels farther east."""
    across = round(len(relief) ** 0.5)
    strips = [np.concatenate(relief[i : i + across], axis=1) for i in range(0, len(relief), across)]
    turned = (np.roll(strip, -shift, axis=1) for shift in range(0, SIDE, STEP) for strip in strips)
    cut = (encode(np.ascontiguousarray(tile), QUALITY) for strip in turned for tile in np.split(strip, across, axis=1))
    tiles = list(islice(cut, count))
    assert len(set(tiles)) == count
    return tiles


def make_rectangle(folder: Path, level: int, rows: range, columns: range, tiles: Sequence[bytes]) -> Path:
    """Lay a compact V2 cache of a rectangle of tiles, repeated where they are too few."""
    places = ((level, row, column) for row, column in product(rows, columns))
    conf = conf_text([level], tile=SIDE, quality=QUALITY)
    return make_cache(folder, dict(zip(places, cycle(tiles), strict=False)), conf=conf)

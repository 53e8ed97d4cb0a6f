"""Lossless optimisation of PNG tiles: bytes saved and time per tile, by oxipng's level of effort."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from inputs import SIDE, Pixels, cut_tiles
from PIL import Image
from street_map import draw_street_map

from gptool.png.optimisation import EFFORT, optimise_png

REDUCTIONS = "bit_depth_reduction", "color_type_reduction", "palette_reduction", "grayscale_reduction"
OWN = "gptool"
LEVELS = (0, 1, 2, 4)
REDUCED = f"level {EFFORT}, other colour types"


def _to_alpha(image: Image.Image) -> Image.Image:
    """Return the image with its most frequent colour made transparent."""
    pixels = np.asarray(image.convert("RGBA")).copy()
    colours, counts = np.unique(pixels.reshape(-1, 4), axis=0, return_counts=True)
    pixels[(pixels == colours[counts.argmax()]).all(axis=2)] = 0
    return Image.fromarray(pixels)


KINDS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "street map, RGB": lambda image: image,
    "street map, RGBA": _to_alpha,
    "street map, 256 colours": lambda image: image.quantize(256),
    "relief, RGB": lambda image: image,
}


def _encode(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _decode(tile: bytes) -> Pixels:
    with Image.open(io.BytesIO(tile)) as image:
        return np.asarray(image.convert("RGBA"))


@pytest.fixture(scope="module", params=KINDS)
def pngs(request: pytest.FixtureRequest, relief: list[Pixels], once: bool) -> tuple[str, list[bytes]]:
    """A kind of PNG tiles: its name, and up to 16 tiles."""
    name: str = request.param
    cut = relief[::4] if name.startswith("relief") else cut_tiles(draw_street_map(4 * SIDE))
    return name, [_encode(KINDS[name](Image.fromarray(pixels))) for pixels in cut[: 2 if once else None]]


def _optimise(tiles: list[bytes]) -> list[bytes]:
    return [optimise_png(tile).tile for tile in tiles]


def _run_oxipng(oxipng: Any, level: int, reduces: bool, tiles: list[bytes]) -> list[bytes]:
    options = dict.fromkeys(REDUCTIONS, reduces)
    return [min(tile, oxipng.optimize_from_memory(tile, level=level, **options), key=len) for tile in tiles]


def _check(tiles: list[bytes], result: list[bytes]) -> dict[str, str]:
    for before, after in zip(tiles, result, strict=True):
        assert np.array_equal(_decode(before), _decode(after))
    return {"bytes": f"{sum(map(len, tiles)) / len(tiles):.0f}", "saved %": _saved(tiles, result)}


def _saved(tiles: list[bytes], result: list[bytes]) -> str:
    return f"{100 * (1 - sum(map(len, result)) / sum(map(len, tiles))):.1f}"


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("name", [OWN, *(f"level {level}" for level in LEVELS), REDUCED])
def bench_png(pngs: tuple[str, list[bytes]], name: str, measure: Callable[..., None]) -> None:
    """Compare levels of effort; oxipng has threads of its own, so that the time is that of the process."""
    oxipng = pytest.importorskip("oxipng", reason="oxipng-pybind is not installed (the extra `png`)")
    kind, tiles = pngs
    level = EFFORT if name in (OWN, REDUCED) else int(name.split()[1])
    method = partial(_optimise, tiles) if name == OWN else partial(_run_oxipng, oxipng, level, name == REDUCED, tiles)
    measure(
        method,
        partial(_optimise, tiles),
        group=f"PNG, {kind}, CPU time",
        baseline_name=OWN,
        name=name,
        tiles=len(tiles),
        check=partial(_check, tiles),
        min_rounds=3,
    )

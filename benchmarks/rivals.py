"""Methods that recompress a batch of tiles to a quality: gptool's, and others through pixels."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from inputs import Pixels, Tiles
from numpy.typing import NDArray
from PIL import Image
from turbojpeg import TJPF_BGR, TJSAMP_420, TurboJPEG

from gptool import _jpeg

TURBO = TurboJPEG()

EFFICIENT, EXACT, LOSSLESS = "gptool, efficient tables", "gptool, exact tables", "gptool, lossless"
TURBO_YUV, TURBO_PIXELS = "PyTurboJPEG, YUV", "PyTurboJPEG, pixels"
PILLOW, PILLOW_OPTIMIZED = "Pillow-SIMD", "Pillow-SIMD, optimize=True"

Batch = tuple[NDArray[np.uint8], NDArray[np.uint32], NDArray[np.uint8]]


def _gptool(tiles: Tiles, quality: int, tables: Any) -> Batch:
    return _jpeg.recompress_batch(tiles.source, tiles.offsets, tiles.sizes, quality, tables=tables)


def optimise(tiles: Tiles) -> Batch:
    """Return the tiles optimised without loss by gptool."""
    return _jpeg.recompress_batch(tiles.source, tiles.offsets, tiles.sizes, None)


def _save(image: Image.Image, quality: int, optimize: bool) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, optimize=optimize, subsampling="4:2:0")
    return file.getvalue()


def _pillow(tiles: Tiles, quality: int, optimize: bool) -> list[bytes]:
    results = []
    for tile in tiles.cut:
        with Image.open(io.BytesIO(tile), formats=("JPEG",)) as image:
            results.append(_save(image, quality, optimize))
    return results


def _turbo_pixels(tiles: Tiles, quality: int) -> list[bytes]:
    return [TURBO.encode(TURBO.decode(tile, TJPF_BGR), quality, TJPF_BGR, TJSAMP_420) for tile in tiles.cut]


def _turbo_yuv(tiles: Tiles, quality: int) -> list[bytes]:
    return [TURBO.scale_with_quality(tile, quality=quality) for tile in tiles.cut]


METHODS: dict[str, Callable[[Tiles, int], Batch | list[bytes]]] = {
    EFFICIENT: partial(_gptool, tables="efficient"),
    EXACT: partial(_gptool, tables="exact"),
    TURBO_YUV: _turbo_yuv,
    TURBO_PIXELS: _turbo_pixels,
    PILLOW: partial(_pillow, optimize=False),
    PILLOW_OPTIMIZED: partial(_pillow, optimize=True),
}


def split(result: Any) -> list[bytes]:
    """Return the separate tiles of a result."""
    if isinstance(result, list):
        return result
    output, sizes = result[:2]
    return [part.tobytes() for part in np.split(output, np.cumsum(sizes)[:-1])]


def encode_optimized(pixels: Pixels, quality: int) -> bytes:
    """Return a JPEG tile, 4:2:0, of RGB pixels, with optimised Huffman tables as gptool's results have."""
    return _save(Image.fromarray(pixels), quality, optimize=True)

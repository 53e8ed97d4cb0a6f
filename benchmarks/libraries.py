"""Methods of further libraries, which the extra `bench` installs: each recompresses a batch of tiles to a quality."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import metadata
from typing import Any, NamedTuple

import numpy as np
from inputs import Tiles

MOZJPEG, JPEGLI = "mozjpeg (libvips)", "jpegli"
MOZJPEG_LOSSLESS = "mozjpeg, lossless, progressive"

Method = Callable[[Tiles, int], list[bytes]]


class Library(NamedTuple):
    """A module, and the function that recompresses one tile with it: `recompress(module, tile, quality)`."""

    module: str
    recompress: Callable[[Any, bytes, int], bytes]

    def load(self) -> Method:
        """Return the method.

        Raises
        ------
        ImportError
            If the module is not installed.
        """
        recompress = partial(self.recompress, importlib.import_module(self.module))
        return lambda tiles, quality: [recompress(tile, quality) for tile in tiles.cut]


def _simplejpeg(simplejpeg: Any, tile: bytes, quality: int) -> bytes:
    pixels = simplejpeg.decode_jpeg(tile, "BGR")
    recompressed: bytes = simplejpeg.encode_jpeg(pixels, quality, "BGR", "420")
    return recompressed


def _opencv(cv2: Any, tile: bytes, quality: int, optimize: bool) -> bytes:
    pixels = cv2.imdecode(np.frombuffer(tile, np.uint8), cv2.IMREAD_COLOR)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, int(optimize)]
    recompressed: bytes = cv2.imencode(".jpg", pixels, options)[1].tobytes()
    return recompressed


def _imagecodecs(imagecodecs: Any, tile: bytes, quality: int, optimize: bool) -> bytes:
    pixels = imagecodecs.jpeg8_decode(tile)
    recompressed: bytes = imagecodecs.jpeg8_encode(pixels, quality, subsampling="420", optimize=optimize)
    return recompressed


def _mozjpeg(pyvips: Any, tile: bytes, quality: int, progressive: bool) -> bytes:
    """Encode as mozjpeg's own program does by default: its quantisation tables (3), and a trellis."""
    recompressed: bytes = pyvips.Image.new_from_buffer(tile, "").jpegsave_buffer(
        Q=quality,
        subsample_mode="on",
        quant_table=3,
        trellis_quant=True,
        overshoot_deringing=True,
        optimize_coding=True,
        interlace=progressive,
        optimize_scans=progressive,
    )
    return recompressed


def _mozjpeg_lossless(package: Any, tile: bytes, quality: int) -> bytes:
    optimised: bytes = package.optimize(tile)
    return optimised


def _jpegli(pyjpegli: Any, tile: bytes, quality: int) -> bytes:
    pixels, width, height = pyjpegli.decode(tile)
    recompressed: bytes = pyjpegli.encode(pixels, width, height, quality)
    return recompressed


LIBRARIES = {
    "simplejpeg": Library("simplejpeg", _simplejpeg),
    "imagecodecs": Library("imagecodecs", partial(_imagecodecs, optimize=False)),
    "imagecodecs, optimize=True": Library("imagecodecs", partial(_imagecodecs, optimize=True)),
    "OpenCV": Library("cv2", partial(_opencv, optimize=False)),
    "OpenCV, optimize": Library("cv2", partial(_opencv, optimize=True)),
    MOZJPEG: Library("pyvips", partial(_mozjpeg, progressive=False)),
    f"{MOZJPEG}, progressive": Library("pyvips", partial(_mozjpeg, progressive=True)),
    JPEGLI: Library("pyjpegli", _jpegli),
    MOZJPEG_LOSSLESS: Library("mozjpeg_lossless_optimization", _mozjpeg_lossless),
}
"""Libraries by the names of their methods. All go through pixels but the last, which ignores the quality."""

PACKAGES = (
    *("imagecodecs", "mozjpeg-lossless-optimization", "opencv-python-headless"),
    *("pyjpegli", "pyvips-binary", "simplejpeg"),
)


def versions() -> str:
    """Return the packages that are installed, with their versions."""
    found = []
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found.append(f"{package} {metadata.version(package)}")
    return ", ".join(found)

"""How an image differs from its original to the eye: SSIMULACRA2, PSNR, and the colours of its 8 x 8 blocks."""

from __future__ import annotations

import importlib
import io
import sys
from functools import cache
from typing import NamedTuple

import numpy as np
from fidelity import WEIGHTS
from imagery import PACKAGES
from inputs import Pixels
from numpy.typing import NDArray
from PIL import Image

from gptool.jpeg.pixels import decode

BLOCK = 8

TO_XYZ = np.array(
    ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
)
"""Linear RGB to XYZ, and the curves below: IEC 61966-2-1 (sRGB); CIELAB of CIE 15, white D65."""

TO_LAB = np.array(((0, 116, 0), (500, -500, 0), (0, 200, -200)))

Floats = NDArray[np.float64]


class Score(NamedTuple):
    """One tile, or the mean of several.

    `ssimulacra2` is at most 100. `errors` are mean squared errors of RGB and of luma. `mean` is the mean colour, RGB
    levels; `chroma` and `delta_e` are means of the blocks: the chroma in CIELAB, and the distance of their colours from
    the original's (1976).
    """

    size: float
    ssimulacra2: float
    errors: Floats
    mean: Floats
    chroma: float
    delta_e: float

    @property
    def psnr_rgb(self) -> float:
        return float(10 * np.log10(255**2 / self.errors[0]))

    @property
    def psnr_luma(self) -> float:
        return float(10 * np.log10(255**2 / self.errors[1]))


def average(scores: list[Score]) -> Score:
    """Return the mean of tiles."""
    columns = zip(*scores, strict=True)
    size, ssimulacra2, errors, mean, chroma, delta_e = (np.mean(np.array(column), axis=0) for column in columns)
    return Score(float(size), float(ssimulacra2), errors, mean, float(chroma), float(delta_e))


def block_colours(pixels: Pixels) -> Floats:
    """Return the mean colour of each block in CIELAB, float64[rows, columns, 3]."""
    rows, columns = pixels.shape[0] // BLOCK, pixels.shape[1] // BLOCK
    means = pixels.reshape(rows, BLOCK, columns, BLOCK, 3).mean((1, 3)) / 255
    linear = np.where(means <= 0.04045, means / 12.92, ((means + 0.055) / 1.055) ** 2.4)
    ratios = linear @ TO_XYZ.T / TO_XYZ.sum(1)
    curve = np.where(ratios > (6 / 29) ** 3, np.cbrt(ratios), ratios * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.asarray(curve @ TO_LAB.T - (16, 0, 0))


def _to_file(pixels: Pixels) -> io.BytesIO:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PPM")
    return file


def _ssimulacra2(before: Pixels, after: Pixels) -> float:
    if str(PACKAGES) not in sys.path:
        sys.path.append(str(PACKAGES))
    package = importlib.import_module("ssimulacra2.ssimulacra2")
    return float(package.compute_ssimulacra2(_to_file(before), _to_file(after)))


class Original:
    """An image before any compression, to compare tiles with."""

    def __init__(self, pixels: Pixels) -> None:
        """Keep the image, uint8[rows, columns, 3]."""
        self.pixels = pixels
        self._blocks = block_colours(pixels)
        self.score = cache(self._score)

    def _score(self, tile: bytes) -> Score:
        """Compare a JPEG tile with the original."""
        pixels = decode(tile)
        difference = pixels - self.pixels.astype(np.float32)
        errors = np.array((np.mean(difference**2), np.mean((difference @ WEIGHTS) ** 2)))
        blocks = block_colours(pixels)
        chroma = np.hypot(blocks[..., 1], blocks[..., 2]).mean()
        delta_e = np.linalg.norm(blocks - self._blocks, axis=-1).mean()
        return Score(
            len(tile),
            _ssimulacra2(self.pixels, pixels),
            errors,
            pixels.mean((0, 1)),
            float(chroma),
            float(delta_e),
        )

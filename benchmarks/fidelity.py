"""The fidelity of a JPEG: PSNR and SSIM of its luma."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from turbojpeg import TJPF_GRAY, TurboJPEG

WEIGHTS = np.array((0.299, 0.587, 0.114), np.float32)
RADIUS, SIGMA = 5, 1.5
GAUSSIAN = np.exp(-((np.arange(-RADIUS, RADIUS + 1) / SIGMA) ** 2) / 2)
TAPS = (GAUSSIAN / GAUSSIAN.sum()).astype(np.float32)
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
"""Window and constants of Wang, Bovik, Sheikh and Simoncelli (2004)."""

STEP = 3
"""Pixels between windows: they still overlap, and cover all positions relative to the 8 x 8 grid of a JPEG."""

OFFSET = 128
"""Subtracted from luma before it is squared, so that 32 bits suffice."""

TURBO = TurboJPEG()

Luma = NDArray[np.float32]


def luma(pixels: NDArray[np.uint8]) -> Luma:
    """Return the unrounded luma of RGB pixels."""
    return pixels @ WEIGHTS


def decode_luma(tile: bytes) -> Luma:
    """Return the luma of a JPEG tile, without conversion to RGB."""
    return TURBO.decode(tile, TJPF_GRAY)[..., 0].astype(np.float32)


def psnr(originals: Sequence[Luma], decoded: Sequence[Luma]) -> float:
    """Return the PSNR of all tiles together, decibels."""
    errors = [np.mean((after - before) ** 2) for before, after in zip(originals, decoded, strict=True)]
    return float(10 * np.log10(255**2 / np.mean(errors)))


def _smooth(part: Luma) -> Luma:
    """Return the weighted means of the windows that lie wholly within the image."""
    for _ in range(2):  # along columns, then along rows, transposed each time
        last = len(part) - 2 * RADIUS
        part = sum(tap * part[i : i + last : STEP] for i, tap in enumerate(TAPS)).T
    return part


def _ssim(before: Luma, after: Luma) -> float:
    x, y = before - OFFSET, after - OFFSET
    mean_x, mean_y, squares, products = map(_smooth, (x, y, x * x + y * y, x * y))
    variances, covariance = squares - mean_x**2 - mean_y**2, products - mean_x * mean_y
    mean_x, mean_y = mean_x + OFFSET, mean_y + OFFSET
    means = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    return float(np.mean(means * (2 * covariance + C2) / (variances + C2)))


def ssim(originals: Sequence[Luma], decoded: Sequence[Luma]) -> float:
    """Return the mean SSIM of the tiles."""
    return float(np.mean([_ssim(before, after) for before, after in zip(originals, decoded, strict=True)]))

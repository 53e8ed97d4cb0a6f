"""The fidelity of a JPEG: PSNR of its luma."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from turbojpeg import TJPF_GRAY, TurboJPEG

WEIGHTS = np.array((0.299, 0.587, 0.114), np.float32)
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

"""Resampling of pixels in integers, so that the result is the same on every system."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

OPAQUE = 255


def resample(pixels: NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.uint8]:
    """Return pixels in another number of rows and columns: each is the mean of the area that it covers.

    Parameters
    ----------
    pixels : uint8[rows, columns, bands]
    rows, columns : int
        Those of the result.
    """
    return _resample_rows(_resample_rows(pixels, rows).swapaxes(0, 1), columns).swapaxes(0, 1)


def _resample_rows(pixels: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """Return `count` rows. The sum of the pixels of a column above any position is linear within each of them."""
    present = len(pixels)
    if count == present:
        return pixels
    whole, part = np.divmod(np.arange(count + 1, dtype=np.int64) * present, count)  # the edges of the new rows
    within = np.add.reduceat(pixels, whole[:-1], axis=0, dtype=np.uint32).astype(np.int64)
    within[whole[1:] == whole[:-1]] = 0  # both edges are in one row
    beyond = pixels[np.minimum(whole, present - 1)] * part[:, None, None]
    sums = within * count + np.diff(beyond, axis=0)
    return ((sums + present // 2) // present).astype(np.uint8)


def compose(pixels: NDArray[np.uint8], background: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return pixels with transparency before a background.

    Parameters
    ----------
    pixels : uint8[rows, columns, 4]
        RGBA.
    background : (int, int, int)
        RGB.
    """
    alpha = pixels[..., 3:].astype(np.int64)
    mixed = pixels[..., :3] * alpha + np.array(background, np.int64) * (OPAQUE - alpha)
    return ((mixed + OPAQUE // 2) // OPAQUE).astype(np.uint8)

"""Tiles in one buffer, as the native functions take and return them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import settings
from numpy.typing import NDArray

property_test = settings(derandomize=True, database=None, deadline=None, max_examples=300)


def batch(tiles: Sequence[bytes]) -> tuple[bytes, NDArray[np.uint64], NDArray[np.uint32]]:
    """Return the tiles in one buffer, with their offsets and sizes."""
    sizes = np.array([len(tile) for tile in tiles], np.uint32)
    return b"".join(tiles), np.cumsum(sizes, dtype=np.uint64) - sizes, sizes


def split(output: NDArray[np.uint8], sizes: NDArray[np.uint32]) -> list[bytes]:
    """Return the tiles of a buffer in which they follow each other."""
    return [part.tobytes() for part in np.split(output, np.cumsum(sizes)[:-1])]

"""Deleted tiles as runs: level, row, first and last column, each within one bundle."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from gptool.model import PACKET_SIZE, PACKET_TILES, BundleAddress

Run = tuple[int, int, int, int]
"""Level, row, first column and last column."""


def to_runs(address: BundleAddress, mask: NDArray[np.bool_]) -> list[Run]:
    """Return the runs of the tiles of a mask, bool[16384], row by row."""
    grid = np.zeros((PACKET_SIZE, PACKET_SIZE + 2), np.int8)
    grid[:, 1:-1] = mask.reshape(PACKET_SIZE, PACKET_SIZE)
    edges = np.diff(grid, axis=1)
    rows, firsts = np.nonzero(edges == 1)
    _, ends = np.nonzero(edges == -1)
    places = zip(rows.tolist(), firsts.tolist(), ends.tolist(), strict=True)
    level, top, left = address
    return [(level, top + row, left + first, left + end - 1) for row, first, end in places]


def to_mask(address: BundleAddress, runs: Iterable[Run]) -> NDArray[np.bool_]:
    """Return the mask, bool[16384], of the tiles of runs within a bundle."""
    mask = np.zeros((PACKET_SIZE, PACKET_SIZE), np.bool_)
    for _, row, first, last in runs:
        mask[row - address.row, first - address.column : last - address.column + 1] = True
    return mask.reshape(PACKET_TILES)


def bundle_of(run: Run) -> BundleAddress:
    """Return the bundle of a run."""
    level, row, first, _ = run
    return BundleAddress(level, row // PACKET_SIZE * PACKET_SIZE, first // PACKET_SIZE * PACKET_SIZE)


def run_tiles(run: Run) -> int:
    """Return the number of tiles of a run."""
    return run[3] - run[2] + 1

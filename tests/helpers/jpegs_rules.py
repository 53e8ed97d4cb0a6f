"""What should come out of a recompression, said once more in NumPy."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from gptool.model import Tables
from helpers import jpegs_seen
from helpers.jpegs_coded import Frame, Levels
from helpers.jpegs_made import pixels, turbo

Steps = NDArray[np.int64]
"""A quantisation table: 64 of them, natural order."""

MODES: tuple[Tables, ...] = ("efficient", "exact")


@cache
def ijg(quality: int) -> dict[int, Steps]:
    """Return the IJG tables, luminance and chrominance, as libjpeg itself writes them."""
    return jpegs_seen.tables(turbo(pixels(8, 8), quality=max(quality, 1)))


def snapped(own: Steps, wanted: Steps, levels: Levels) -> tuple[Steps, Levels]:
    """Return table and levels by the rule of "efficient": multiples of the old steps, the nearest level, ties to 0."""
    divisor = np.maximum(own, 1)
    factor = np.floor(wanted / divisor + 0.5).astype(int)
    factor = np.where(own == 0, 1, np.maximum(1, np.minimum(factor, 255 // divisor)))
    return factor * own, np.sign(levels) * np.ceil(abs(levels) / factor - 0.5).astype(int)


def widened(own: Steps, wanted: Steps, levels: Levels) -> tuple[Steps, Levels]:
    """Return table and levels by the rule of "exact": the wanted steps if coarser, levels rounded up from .60 on."""
    step = np.where(own == 0, 0, np.maximum(own, wanted))
    moved = np.sign(levels) * ((10 * abs(levels) * own + 4 * step) // np.maximum(10 * step, 1))
    return step, np.where(step == own, levels, moved)


RULES = {"efficient": snapped, "exact": widened}


def requantised(tile: bytes, request: int, tables: Tables, *, luminance_only: bool) -> list[tuple[Steps, Levels]]:
    """Return the table and the levels that each component of a tile should get."""
    own = jpegs_seen.tables(tile)
    return [
        RULES[tables](own[slot], ijg(request)[int(component in (1, 2) and not luminance_only)], levels)
        for component, (slot, levels) in enumerate(zip(Frame.of(tile).slots, jpegs_seen.levels(tile), strict=True))
    ]

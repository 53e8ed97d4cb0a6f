"""The expected result of requantisation: the rules of native/requantise.h, implemented a second time in NumPy."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from gptool.model import Tables
from helpers import jpeg_readers
from helpers.jpeg_huffman import Coefficients, Frame
from helpers.jpeg_tiles import encode_turbo, pixels

Steps = NDArray[np.int64]
"""The 64 steps of a quantisation table, natural order."""

TABLE_MODES: tuple[Tables, ...] = ("efficient", "exact")


@cache
def ijg_tables(quality: int) -> dict[int, Steps]:
    """Return the IJG tables, luminance and chrominance, as libjpeg itself writes them."""
    return jpeg_readers.read_qtables(encode_turbo(pixels(8, 8), quality=max(quality, 1)))


def requantise_efficiently(own: Steps, wanted: Steps, coefficients: Coefficients) -> tuple[Steps, Coefficients]:
    """Apply the rule of efficient tables: multiples of the own steps, coefficients to nearest, ties to 0."""
    divisor = np.maximum(own, 1)
    factor = np.floor(wanted / divisor + 0.5).astype(int)
    factor = np.where(own == 0, 1, np.maximum(1, np.minimum(factor, 255 // divisor)))
    return factor * own, np.sign(coefficients) * np.ceil(abs(coefficients) / factor - 0.5).astype(int)


def requantise_exactly(own: Steps, wanted: Steps, coefficients: Coefficients) -> tuple[Steps, Coefficients]:
    """Apply the rule of exact tables: the wanted steps if coarser, coefficients rounded up from .60."""
    step = np.where(own == 0, 0, np.maximum(own, wanted))
    scaled = (10 * abs(coefficients) * own + 4 * step) // np.maximum(10 * step, 1)
    return step, np.where(step == own, coefficients, np.sign(coefficients) * scaled)


RULES = {"efficient": requantise_efficiently, "exact": requantise_exactly}


def table_quality(steps: Steps, kind: int) -> float:
    """Return the quality of a table by its AC steps: exact for IJG tables, else by their mean scale.

    Parameters
    ----------
    kind : int
        0 for luminance, 1 for chrominance.
    """
    for quality in range(1, 101):
        if (ijg_tables(quality)[kind][1:] == steps[1:]).all():
            return quality
    inside = (steps > 1) & (steps != 255)
    inside[0] = False
    base = ijg_tables(50)[kind]
    if not inside.any():
        return 100 if steps[63] <= 1 else 1
    scale = 100 * steps[inside].sum() / base[inside].sum()
    return float((200 - scale) / 2 if scale <= 100 else 5000 / scale)


def is_varied(coefficients: Coefficients) -> bool:
    """Return whether most blocks of a component differ from the previous one in their DC coefficient."""
    dc = coefficients[..., 0].ravel()
    return bool(2 * np.count_nonzero(np.diff(dc)) > len(dc))


def requantise_component(
    own: Steps, kind: int, request: int, tables: Tables, coefficients: Coefficients, *, varied: bool
) -> tuple[Steps, Coefficients]:
    """Return the expected table and coefficients of a component.

    Parameters
    ----------
    kind : int
        That of its table, see `table_quality`.
    varied : bool
        Whether all components of the table are, see `is_varied`.
    """
    if max(request, 1) >= table_quality(own, kind):
        return own, coefficients
    step, changed = RULES[tables](own, ijg_tables(request)[kind], coefficients)
    limits = {1: 15, 8: 15, 0: 6} if kind else {0: 9}  # by index in natural order, DC last
    for index, limit in limits.items():
        highest = min(limit, ijg_tables(request)[kind][index])
        factor = max([f for f in range(1, 16, 2) if f * own[index] <= highest], default=1) if own[index] else 1
        if index == 0 and not (varied and (step[1:] != own[1:]).any()):
            factor = 1
        step[index] = factor * own[index]
        changed[..., index] = np.rint(coefficients[..., index] / factor)  # an odd factor has no ties
    return step, changed


def requantise(tile: bytes, request: int, tables: Tables, *, luminance_only: bool) -> list[tuple[Steps, Coefficients]]:
    """Return the expected table and coefficients of each component of a tile."""
    own = jpeg_readers.read_qtables(tile)
    slots = Frame.of(tile).slots
    # A table that several components share follows the first of them.
    kinds = [int(slots.index(slot) in (1, 2) and not luminance_only) for slot in slots]
    planes = jpeg_readers.read_coefficients(tile)
    flat = {slot for slot, plane in zip(slots, planes, strict=True) if not is_varied(plane)}
    return [
        requantise_component(own[slot], kind, request, tables, plane, varied=slot not in flat)
        for slot, kind, plane in zip(slots, kinds, planes, strict=True)
    ]

"""How far down a request keeps a tile as it is: quantisers that are multiples of a tile's own move in steps."""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from typing import NamedTuple

from gptool import _jpeg
from gptool._jpeg import Outcome
from gptool.model import Tables

SOS, DQT, DHT = 0xDA, 0xDB, 0xC4
APP0, APP14 = 0xE0, 0xEE
FRAMES = range(0xC0, 0xD0)
"""Where the markers of frames lie, SOF0 to SOF15, and among them DHT."""

KNOWN_HEADERS = 256


class Step(NamedTuple):
    """The step of the staircase that a tile stands on.

    Attributes
    ----------
    quality : int
        The tile's own, rounded.
    lowest : int or None
        The lowest request, 1..100, that keeps it as it is. All between that and its own quality do. None when that is
        not known.
    """

    quality: int
    lowest: int | None


def lowest_that_keeps(tile: bytes, quality: int, tables: Tables) -> int | None:
    """Return the lowest request that keeps a tile as it is, which a request of `quality` does.

    Parameters
    ----------
    tile : bytes
        Kept, with `Outcome.KEPT_UNCHANGED`.
    quality : int
        0..100.
    tables : {"efficient", "exact"}

    Returns
    -------
    int or None
        1 when no request changes it. None when its header does not tell.
    """
    header = _header(tile)
    return _lowest(header, quality, tables) if header else None


def _header(tile: bytes) -> bytes:
    """Return what of a JPEG decides over its quantisers, nothing when that is not found.

    What differs from tile to tile is left out, so that few headers stand for the tiles of a cache.
    """
    parts, at = [tile[:2]], 2
    while at + 4 <= len(tile) and tile[at] == 0xFF:
        marker, end = tile[at + 1], at + 2 + int.from_bytes(tile[at + 2 : at + 4])
        if marker in (SOS, DQT, APP0, APP14) or (marker in FRAMES and marker != DHT):
            parts.append(tile[at:end])
        if marker == SOS:
            return b"".join(parts)
        at = end
    return b""


@lru_cache(KNOWN_HEADERS)
def _lowest(header: bytes, quality: int, tables: Tables) -> int | None:
    """Ask what decides over the tiles themselves: without data it ends where a quantiser would change."""
    if not _keeps(header, quality, tables):
        return None
    # The lower a request, the coarser its table: those that keep a tile lie side by side.
    return 1 + bisect_left(range(1, quality), True, key=lambda lower: _keeps(header, lower, tables))


def _keeps(header: bytes, quality: int, tables: Tables) -> bool:
    return _jpeg.recompress(header, quality, tables=tables)[1] is Outcome.KEPT_UNCHANGED

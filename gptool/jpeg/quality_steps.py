"""The steps of the efficient tables: which requests leave a tile unchanged.

With the efficient tables, each quantisation step of a recompressed tile is an integer multiple of the tile's own, so
that the quality of the result moves in steps: a range of requests below a tile's quality changes no step.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from typing import NamedTuple

from gptool import _jpeg
from gptool._jpeg import Outcome
from gptool.model import Tables

SOS, DQT, DHT = 0xDA, 0xDB, 0xC4
APP0, APP14 = 0xE0, 0xEE
FRAME_MARKERS = range(0xC0, 0xD0)
"""The markers SOF0 to SOF15, with DHT among them (T.81, table B.1)."""

CACHED_HEADERS = 256


class QualityStep(NamedTuple):
    """The step of the efficient tables that a tile is on.

    Attributes
    ----------
    quality : int
        The tile's quality, rounded.
    lowest : int or None
        The lowest request, 1 to 100, that changes no quantisation step of the tile; all requests from there up to its
        quality do not either. None if it is unknown.
    """

    quality: int
    lowest: int | None


def find_step(
    tile: bytes, own_quality: int, quality: int, tables: Tables, declared_quality: int | None
) -> QualityStep | None:
    """Return the step that a tile is on; None if a request changes the tile's quantisation steps, or is not below them.

    Parameters
    ----------
    tile : bytes
        A JPEG tile.
    own_quality : int
        Its quality, rounded.
    quality : int
        The request, 0 to 100.
    tables, declared_quality
        See `gptool._jpeg.recompress`.

    Returns
    -------
    QualityStep or None
        Its `lowest` is 1 if no request changes the tile, and None if its header is unusual.
    """
    header = _quantisation_header(tile)
    if not header:
        is_unchanged = _is_unchanged(tile, quality, tables, declared_quality)
        return QualityStep(own_quality, None) if is_unchanged else None
    lowest = _lowest(header, quality, tables, declared_quality)
    return QualityStep(own_quality, lowest) if lowest else None


def _quantisation_header(tile: bytes) -> bytes:
    """Return the segments of a JPEG that decide over its quantisation steps; empty if they cannot be found.

    All that differs from tile to tile is removed, so that the tiles of a cache have few different headers.
    """
    parts, at = [tile[:2]], 2
    while at + 4 <= len(tile) and tile[at] == 0xFF:
        marker, end = tile[at + 1], at + 2 + int.from_bytes(tile[at + 2 : at + 4])
        if marker in (SOS, DQT, APP0, APP14) or (marker in FRAME_MARKERS and marker != DHT):
            parts.append(tile[at:end])
        if marker == SOS:
            return b"".join(parts)
        at = end
    return b""


@lru_cache(CACHED_HEADERS)
def _lowest(header: bytes, quality: int, tables: Tables, declared_quality: int | None) -> int | None:
    """Return the lowest request that leaves a tile unchanged, given one; None if that one does not."""

    def is_unchanged(request: int) -> bool:
        return _is_unchanged(header, request, tables, declared_quality)

    # The lower a request, the coarser its table: the requests that leave a tile unchanged are contiguous.
    return 1 + bisect_left(range(1, quality), True, key=is_unchanged) if is_unchanged(quality) else None


def _is_unchanged(tile: bytes, quality: int, tables: Tables, declared_quality: int | None) -> bool:
    outcome = _jpeg.judge(tile, quality, tables=tables, declared_quality=declared_quality)
    return outcome is Outcome.KEPT_UNCHANGED

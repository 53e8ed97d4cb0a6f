"""The steps of the efficient tables: which requests leave a tile unchanged.

With the efficient tables, each quantisation step of a recompressed tile is an integer multiple of the tile's own, so
that the quality of the result moves in steps: a range of requests below a tile's quality leaves it as it is.
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
        The lowest request, 1 to 100, that leaves the tile unchanged; all requests from there up to its quality do.
        None if it is unknown.
    """

    quality: int
    lowest: int | None


def lowest_unchanged_quality(tile: bytes, quality: int, tables: Tables) -> int | None:
    """Return the lowest request that leaves a tile unchanged, given one that does.

    Parameters
    ----------
    tile : bytes
        A JPEG tile for which a request of `quality` results in `Outcome.KEPT_UNCHANGED`.
    quality : int
        0 to 100.
    tables : {"efficient", "exact"}

    Returns
    -------
    int or None
        1 if no request changes the tile. None if its header cannot be read.
    """
    header = _quantisation_header(tile)
    return _lowest(header, quality, tables) if header else None


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
def _lowest(header: bytes, quality: int, tables: Tables) -> int | None:
    """Search the requests; a header without image data fails where a quantisation step would change."""
    if not _is_unchanged(header, quality, tables):
        return None
    # The lower a request, the coarser its table: the requests that leave a tile unchanged are contiguous.
    return 1 + bisect_left(range(1, quality), True, key=lambda lower: _is_unchanged(header, lower, tables))


def _is_unchanged(header: bytes, quality: int, tables: Tables) -> bool:
    return _jpeg.recompress(header, quality, tables=tables)[1] is Outcome.KEPT_UNCHANGED

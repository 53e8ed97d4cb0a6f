"""Tile ids, directories and the header of a .pmtiles (PMTiles version 3, chapters 3 and 4).

https://github.com/protomaps/PMTiles/blob/main/spec/v3/spec.md. The package `pmtiles` does the same one number at a
time; here each step is one for arrays.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.model import Extent

ENTRY = np.dtype([("id", "<u8"), ("offset", "<u8"), ("length", "<u4"), ("run", "<u4")])
"""An entry of a directory: `run` tiles from `id` on, or a leaf directory if it is 0."""

HEADER = struct.Struct("<7sB11Q6B4iB2i")
"""127 bytes, chapter 3.1."""

MAGIC, VERSION = b"PMTiles", 3
FIRST_BYTES = 16384
"""The header and the root directory are within these, so that clients read both at once."""

MAX_ROOT_BYTES = FIRST_BYTES - HEADER.size

CLUSTERED, GZIP, UNCOMPRESSED = 1, 2, 1

VARINT_BYTES = 10
GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\2\xff"
"""RFC 1952: no name, no time, the greatest compression, an unknown operating system."""


def tile_ids(zoom: int, columns: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the ids of tiles: the tiles of all coarser zooms, and the place on the zoom's Hilbert curve."""
    return hilbert_places(zoom, columns, rows) + np.int64((4**zoom - 1) // 3)


def hilbert_places(order: int, columns: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of cells on the Hilbert curve through 2^order x 2^order cells."""
    x, y = columns.astype(np.int64), rows.astype(np.int64)
    places = np.zeros(len(x), np.int64)
    for bit in reversed(range(order)):
        side = 1 << bit
        right, below = x & side, y & side
        places += ((3 * right) ^ below) << bit
        mirrored = (below == 0) & (right > 0)
        x, y = np.where(mirrored, side - 1 - x, x), np.where(mirrored, side - 1 - y, y)
        x, y = np.where(below == 0, y, x), np.where(below == 0, x, y)
    return places


def encode_directory(entries: NDArray[np.void]) -> bytes:
    """Return a directory as it is stored: columns of varints, compressed."""
    ids, offsets, lengths = (entries[name].astype(np.uint64) for name in ("id", "offset", "length"))
    follows = np.zeros(len(entries), np.bool_)
    follows[1:] = offsets[1:] == offsets[:-1] + lengths[:-1]
    columns = (
        np.diff(ids, prepend=np.uint64(0)),
        entries["run"].astype(np.uint64),
        lengths,
        np.where(follows, np.uint64(0), offsets + np.uint64(1)),
    )
    return compress(_varints(np.array([len(entries)], np.uint64)) + b"".join(map(_varints, columns)))


def _varints(values: NDArray[np.uint64]) -> bytes:
    """Return numbers in groups of seven bits, the least first, of which all but the last have the highest bit set."""
    shifts = np.arange(0, 7 * VARINT_BYTES, 7, dtype=np.uint64)
    groups = values[:, np.newaxis] >> shifts
    used = groups > 0
    used[:, 0] = True
    more = np.zeros_like(used)
    more[:, :-1] = used[:, 1:]
    data = (groups & np.uint64(0x7F)).astype(np.uint8) | (more.astype(np.uint8) << np.uint8(7))
    return bytes(data[used].tobytes())


def compress(data: bytes) -> bytes:
    """Return data compressed by gzip, without time and operating system: equal data gives equal bytes."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflate.compress(data) + deflate.flush()
    return GZIP_HEADER + body + struct.pack("<2I", zlib.crc32(data), len(data) & 0xFFFFFFFF)


class Section(NamedTuple):
    """A part of the file: its offset and length, bytes."""

    offset: int
    length: int


def encode_header(
    sections: Sequence[Section],
    counts: tuple[int, int, int],
    tile_type: int,
    zooms: tuple[int, int],
    bounds: Extent,
    centre: tuple[float, float],
) -> bytes:
    """Return the header.

    Parameters
    ----------
    sections : sequence of Section
        Of the root directory, the metadata, the leaf directories and the tiles.
    counts : (int, int, int)
        Tiles, entries of tiles, and different contents.
    tile_type : int
        The code of chapter 3.2.
    zooms : (int, int)
        The coarsest and the deepest zoom; the coarsest is that of the initial view.
    bounds, centre : Extent, (float, float)
        Degrees.
    """
    numbers = [number for section in sections for number in section]
    positions = [round(degrees * 10_000_000) for degrees in (*bounds, *centre)]
    codes = CLUSTERED, GZIP, UNCOMPRESSED, tile_type, *zooms
    return HEADER.pack(MAGIC, VERSION, *numbers, *counts, *codes, *positions[:4], zooms[0], *positions[4:])

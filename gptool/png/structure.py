"""The structure of a PNG (ISO/IEC 15948): chunks, checksums, and image data of the right length."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER = struct.Struct(">2I5B")
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Bits per sample by colour type (11.2.2)."""

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PALETTE = 3
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column, first row, and steps of columns and rows of the passes of an interlaced image (8.2)."""

FIRST_CHUNK_END = 33
"""Offset of the byte after IHDR, which follows the signature."""

MAX_FILTER = 4
MAX_IMAGE_BYTES = 1 << 30
"""Maximum size of decompressed image data: 8192 x 8192 pixels of four channels and 16 bits take half of it."""


class Chunk(NamedTuple):
    """A chunk: its type and its data."""

    type: bytes
    data: memoryview


class _Invalid(Exception):  # noqa: N818 - a result, not an error of the program
    """What is wrong with a PNG."""


def png_size(data: bytes) -> tuple[int, int]:
    """Return width and height as the header of a valid PNG states them, pixels."""
    width, height = struct.unpack_from(">2I", data, 16)
    return width, height


def declared_bytes(data: bytes) -> int | None:
    """Return the bytes of decompressed image data that a PNG's header declares; None if the header is invalid."""
    if len(data) < FIRST_CHUNK_END or data[12:16] != b"IHDR":
        return None
    header = HEADER.unpack_from(data, 16)
    try:
        _check_header(header)
    except _Invalid:
        return None
    return sum(stride * rows for stride, rows in _strides(header))


def check_png(data: bytes, size: tuple[int, int] | None) -> str | None:
    """Return what is wrong with a PNG, None if nothing is.

    Parameters
    ----------
    data : bytes
    size : (int, int) or None
        The width and height that it must have, pixels; None for any. Images of another size are not decompressed.
    """
    try:
        if not data.startswith(SIGNATURE):
            return "no PNG signature"
        chunks = list(_chunks(memoryview(data)))
        header = _check_order(chunks)
        if size is not None and header[:2] != size:
            return None  # another rule
        _check_image(header, b"".join(chunk.data for chunk in chunks if chunk.type == b"IDAT"))
    except _Invalid as problem:
        return str(problem)
    return None


def _chunks(data: memoryview) -> Iterator[Chunk]:
    """Yield the chunks up to IEND."""
    at = len(SIGNATURE)
    while True:
        if at + 12 > len(data):
            raise _Invalid("truncated: no IEND chunk")
        length, kind = int.from_bytes(data[at : at + 4]), bytes(data[at + 4 : at + 8])
        end = at + 12 + length
        if end > len(data):
            raise _Invalid(f"truncated: chunk {kind!r} of {length} bytes ends after the tile")
        stated = int.from_bytes(data[end - 4 : end])
        if zlib.crc32(data[at + 4 : end - 4]) != stated:
            raise _Invalid(f"CRC mismatch of chunk {kind!r}")
        yield Chunk(kind, data[at + 8 : end - 4])
        if kind == b"IEND":
            return
        at = end


def _check_header(header: tuple[int, ...]) -> None:
    """Check the fields of the header (11.2.2)."""
    width, height, depth, colour, compression, filtering, interlace = header
    if not width or not height or depth not in DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise _Invalid(f"IHDR is invalid: {header}")


def _check_order(chunks: list[Chunk]) -> tuple[int, ...]:
    """Check the sequence of critical chunks (5.6) and return the fields of the header."""
    kinds = [chunk.type for chunk in chunks]
    if kinds[0] != b"IHDR" or kinds.count(b"IHDR") != 1 or len(chunks[0].data) != HEADER.size:
        raise _Invalid("IHDR is not the first chunk, or has a wrong size")
    header = HEADER.unpack(chunks[0].data)
    _check_header(header)
    depth, colour = header[2:4]
    image = [i for i, kind in enumerate(kinds) if kind == b"IDAT"]
    if not image or image[-1] - image[0] != len(image) - 1:
        raise _Invalid("no IDAT chunks, or others between them")
    palettes = [i for i, kind in enumerate(kinds) if kind == b"PLTE"]
    if (colour == PALETTE and len(palettes) != 1) or len(palettes) > 1 or any(i > image[0] for i in palettes):
        raise _Invalid(f"{len(palettes)} PLTE chunks, or one behind the image")
    for i in palettes:
        entries, rest = divmod(len(chunks[i].data), 3)
        if rest or not 1 <= entries <= 256 or (colour == PALETTE and entries > 1 << depth):
            raise _Invalid(f"PLTE has {len(chunks[i].data)} bytes")
    unknown = [kind for kind in kinds if not kind[0] & 0x20 and kind not in (b"IHDR", b"PLTE", b"IDAT", b"IEND")]
    if unknown:
        raise _Invalid(f"unknown critical chunk {unknown[0]!r}")
    return header


def _strides(header: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return the bytes of a filtered row, and the number of rows, of each pass of an image."""
    width, height, depth, colour, _, _, interlace = header
    bits = depth * CHANNELS[colour]
    passes = [(width, height)]
    if interlace:
        sizes = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in ADAM7]
        passes = [(columns, rows) for columns, rows in sizes if columns > 0 and rows > 0]
    return [(1 + (columns * bits + 7) // 8, rows) for columns, rows in passes]


def _check_image(header: tuple[int, ...], packed: bytes) -> None:
    """Check that the image data inflate to the right length, and that each row has a valid filter."""
    strides = _strides(header)
    expected = sum(stride * rows for stride, rows in strides)
    if expected > MAX_IMAGE_BYTES:
        raise _Invalid(f"IHDR declares {expected} bytes of image data")
    inflater = zlib.decompressobj()
    try:
        image = inflater.decompress(packed, expected + 1)
        if not inflater.eof and len(image) == expected:
            image += inflater.decompress(inflater.unconsumed_tail, 1)
    except zlib.error as error:
        raise _Invalid(f"image data are corrupt: {error}") from None
    if len(image) != expected or not inflater.eof:
        raise _Invalid(f"image data of {len(image)} bytes or incomplete, expected {expected}")
    at = 0
    for stride, rows in strides:
        filters = np.frombuffer(image, np.uint8, stride * rows, at)[::stride]
        if (filters > MAX_FILTER).any():
            raise _Invalid(f"filter type {filters.max()} of a row")
        at += stride * rows

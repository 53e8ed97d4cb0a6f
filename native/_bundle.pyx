"""Compact bundles, V1 and V2: their index as arrays, tiles packed for a bundle, and what a tile is by its bytes.

Every offset and size is checked before it is used. All functions may be called from any number of threads at a time.
"""

from enum import IntEnum

import numpy as np

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from buffers cimport check_places, first_byte, little_endian


cdef enum:
    TILES = 128 * 128
    INDEX_BYTES = 8 * TILES
    INDEX_BYTES_V1 = 5 * TILES
    HEADER_V1 = 60  # a V1 bundle's; nothing comes before it
    FIRST_TILE = 64 + INDEX_BYTES  # nothing but header and index comes before
    OFFSET_BITS = 40

cdef enum Kind:
    KIND_UNKNOWN = 0
    KIND_JPEG = 1
    KIND_PNG = 2
    KIND_LERC = 3


class TileKind(IntEnum):
    """What a tile is, by its first bytes."""

    UNKNOWN = KIND_UNKNOWN
    JPEG = KIND_JPEG
    PNG = KIND_PNG
    LERC = KIND_LERC


cdef const uint8_t[::1] _entries(index, Py_ssize_t expected):
    """Return the bytes of an index, which must be that many. Raises ValueError when they are not."""
    cdef const uint8_t[::1] view = np.frombuffer(index, np.uint8)
    if view.shape[0] != expected:
        raise ValueError(f"index: found {view.shape[0]} bytes, expected {expected}")
    return view


def read_index_v2(index, uint64_t file_size):
    """Return the index of a compact V2 bundle as arrays.

    An entry is a little-endian u64: bits 0-39 the offset of the tile's first byte, bits 40-63 its size (Esri's
    CompactCacheV2 specification). Size 0 means no tile, whatever the offset.

    Parameters
    ----------
    index : buffer of 131,072 bytes
    file_size : int
        Bytes of the bundle file.

    Returns
    -------
    offsets : uint64[16384]
        Row-major, 128 * row + column within the bundle; 0 where there is no tile.
    sizes : uint32[16384]
        Bytes; 0 where there is no tile.
    bad : int
        The position of the first entry that does not lie between index and end of file, -1 when all do. Entries from
        there on are not read.

    Raises
    ------
    ValueError
        When `index` has another length.
    """
    cdef const uint8_t[::1] view = _entries(index, INDEX_BYTES)
    offsets, sizes = np.zeros(TILES, np.uint64), np.zeros(TILES, np.uint32)
    cdef uint64_t[::1] offsets_view = offsets
    cdef uint32_t[::1] sizes_view = sizes
    cdef Py_ssize_t i, bad = -1
    cdef uint64_t entry, offset, size
    with nogil:
        for i in range(TILES):
            entry = little_endian(&view[8 * i], 8)
            offset, size = entry & ((<uint64_t>1 << OFFSET_BITS) - 1), entry >> OFFSET_BITS
            if size == 0:
                continue
            if offset < FIRST_TILE or offset > file_size or size > file_size - offset:
                bad = i
                break
            offsets_view[i], sizes_view[i] = offset, <uint32_t>size
    return offsets, sizes, bad


def read_index_v1(index, uint64_t file_size):
    """Return the entries of a compact V1 index as an array.

    An entry is a little-endian number of five bytes: the offset in the bundle of the tile's size, a u32 in front of its
    first byte. Entries are column-major, `128 * column + row`. Offset 0 means no tile; so does a size of 0, which is
    not looked at here.

    Parameters
    ----------
    index : buffer of 81,920 bytes
        The entries, without the header in front of them.
    file_size : int
        Bytes of the bundle file.

    Returns
    -------
    offsets : uint64[16384]
        Row-major, 128 * row + column within the bundle; 0 where there is no tile.
    bad : int
        The position of an entry whose size does not lie between header and end of file, -1 when all do. Entries behind
        it in the index are not read.

    Raises
    ------
    ValueError
        When `index` has another length.
    """
    cdef const uint8_t[::1] view = _entries(index, INDEX_BYTES_V1)
    offsets = np.zeros(TILES, np.uint64)
    cdef uint64_t[::1] offsets_view = offsets
    cdef Py_ssize_t i, position, bad = -1
    cdef uint64_t offset
    with nogil:
        for i in range(TILES):
            offset = little_endian(&view[5 * i], 5)
            if offset == 0:
                continue
            position = 128 * (i % 128) + i // 128
            offsets_view[position] = offset
            if offset < HEADER_V1 or file_size < 4 or offset > file_size - 4:
                bad = position
                break
    return offsets, bad


cdef bint _is_packed(const uint8_t *source, const uint64_t[::1] offsets, const uint32_t[::1] sizes) noexcept nogil:
    """Tell whether the tiles, at least one, stand in the buffer as `pack` would write them."""
    cdef Py_ssize_t i
    cdef uint64_t expected = offsets[0]
    if expected < 4:
        return False
    for i in range(offsets.shape[0]):
        if offsets[i] != expected or little_endian(source + expected - 4, 4) != sizes[i]:
            return False
        expected += sizes[i] + 4
    return True


def pack(source, const uint64_t[::1] offsets, const uint32_t[::1] sizes):
    """Return n tiles of one buffer the way a compact bundle holds them: each behind its size as a little-endian u32.

    That is a part of the buffer itself when they stand there so already.

    Parameters
    ----------
    source : buffer of bytes
    offsets : uint64[n]
        Where each tile starts in `source`, bytes.
    sizes : uint32[n]
        Bytes.

    Returns
    -------
    uint8[4 * n + sum(sizes)]

    Raises
    ------
    ValueError
        When a tile does not lie within `source`.
    """
    cdef const uint8_t[::1] view = np.frombuffer(source, np.uint8)
    cdef Py_ssize_t i, n = offsets.shape[0]
    check_places(view.shape[0], offsets, sizes)
    cdef uint64_t length = 4 * n
    for i in range(n):
        length += sizes[i]
    if n and _is_packed(first_byte(view), offsets, sizes):
        return np.asarray(view[offsets[0] - 4 : offsets[0] - 4 + length])
    packed = np.empty(length, np.uint8)
    cdef const uint8_t[::1] packed_view = packed
    cdef uint8_t *at = <uint8_t *>first_byte(packed_view)
    cdef const uint8_t *start = first_byte(view)
    cdef uint32_t size
    cdef int byte
    with nogil:
        for i in range(n):
            size = sizes[i]
            for byte in range(4):
                at[byte] = <uint8_t>(size >> (8 * byte))
            memcpy(at + 4, start + offsets[i], size)
            at += 4 + size
    return packed


cdef bint _holds(const uint8_t *tile, size_t size, size_t start, const uint8_t *mark, size_t length) noexcept nogil:
    """Tell whether the mark stands in tile[start:size], looked for from the end: a few bytes may trail behind it."""
    cdef size_t at = size
    while at >= start + length:
        if tile[at - 1] == mark[length - 1] and memcmp(tile + at - length, mark, length) == 0:
            return True
        at -= 1
    return False


cdef size_t _scan_of(const uint8_t *tile, size_t size) noexcept nogil:
    """Return where a JPEG's first scan header starts, `size` where there is none: segments may hold other images.

    Like libjpeg it passes over stray bytes in front of a marker, and knows the markers that have no segment.
    """
    cdef size_t at = 2
    cdef uint8_t marker
    while at + 4 <= size:
        marker = tile[at + 1]
        if tile[at] != 0xff or marker == 0xff or marker == 0x00:
            at += 1
        elif marker == 0xda:
            return at
        elif marker == 0x01 or 0xd0 <= marker <= 0xd8:
            at += 2
        else:
            at += 2 + (<size_t>tile[at + 2] << 8 | tile[at + 3])
    return size


cdef Kind _inspect(const uint8_t *tile, size_t size, uint8_t *whole) noexcept nogil:
    whole[0] = True
    if size >= 3 and memcmp(tile, b"\xff\xd8\xff", 3) == 0:
        whole[0] = _holds(tile, size, _scan_of(tile, size), <const uint8_t *><const char *>b"\xff\xd9", 2)
        return KIND_JPEG
    if size >= 8 and memcmp(tile, b"\x89PNG\r\n\x1a\n", 8) == 0:
        whole[0] = _holds(tile, size, 8, <const uint8_t *><const char *>b"IEND\xae\x42\x60\x82", 8)
        return KIND_PNG
    if size >= 10 and (memcmp(tile, b"CntZImage ", 10) == 0 or memcmp(tile, b"Lerc2 ", 6) == 0):
        return KIND_LERC
    return KIND_UNKNOWN


def inspect(source, const uint64_t[::1] offsets, const uint32_t[::1] sizes):
    """Return what each of n tiles of one buffer is, without decoding it.

    Parameters
    ----------
    source : buffer of bytes
    offsets : uint64[n]
        Where each tile starts in `source`, bytes.
    sizes : uint32[n]
        Bytes.

    Returns
    -------
    kinds : uint8[n]
        Values of `TileKind`.
    whole : bool[n]
        False for a JPEG without its end-of-image marker or a PNG without its IEND chunk: a tile cut short.

    Raises
    ------
    ValueError
        When a tile does not lie within `source`.
    """
    cdef const uint8_t[::1] view = np.frombuffer(source, np.uint8)
    cdef Py_ssize_t i, n = offsets.shape[0]
    check_places(view.shape[0], offsets, sizes)
    kinds, whole = np.empty(n, np.uint8), np.empty(n, np.uint8)
    cdef uint8_t[::1] kinds_view = kinds
    cdef uint8_t[::1] whole_view = whole
    cdef const uint8_t *start = first_byte(view)
    with nogil:
        for i in range(n):
            kinds_view[i] = _inspect(start + offsets[i], sizes[i], &whole_view[i])
    return kinds, whole.view(np.bool_)

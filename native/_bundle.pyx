"""Compact bundles, V1 and V2: indexes as arrays, tiles packed for a bundle, and the format of a tile.

Every offset and size is checked before it is used. All functions are thread-safe.
"""

from enum import IntEnum

import numpy as np

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

cimport codes
from buffers cimport bytes_of, bytes_of_tiles, first_byte, uint32_at, uint40_at, uint64_at


cdef enum:
    SIDE = 128  # rows, and columns, of tiles
    TILES = SIDE * SIDE
    INDEX_BYTES = 8 * TILES
    INDEX_BYTES_V1 = 5 * TILES
    HEADER_BYTES_V1 = 60  # of a V1 bundle, before its first tile
    FIRST_TILE = 64 + INDEX_BYTES  # offset of the first tile of a V2 bundle, after header and index
    OFFSET_BITS = 40


class TileKind(IntEnum):
    """The format of a tile by its first bytes."""

    UNKNOWN = codes.GPT_TILE_UNKNOWN
    JPEG = codes.GPT_TILE_JPEG
    PNG = codes.GPT_TILE_PNG
    LERC = codes.GPT_TILE_LERC


cdef const uint8_t[::1] _index_bytes(index, Py_ssize_t expected) except *:
    """Return the bytes of an index; raise ValueError unless it has the expected size."""
    cdef const uint8_t[::1] view = bytes_of(index)
    if view.shape[0] != expected:
        raise ValueError(f"index: wrong size; found {view.shape[0]} bytes, expected {expected}")
    return view


def read_index_v2(index, uint64_t file_size):
    """Return the index of a compact V2 bundle as arrays.

    An entry is a little-endian u64: bits 0-39 are the offset of the tile's first byte, bits 40-63 its size (Esri's
    CompactCacheV2 specification). A size of 0 means no tile, whatever the offset.

    Parameters
    ----------
    index : buffer of 131,072 bytes
    file_size : int
        Size of the bundle file, bytes.

    Returns
    -------
    offsets : uint64[16384]
        Offset of each tile in the file, row-major: 128 * row + column within the bundle; 0 where there is no tile.
    sizes : uint32[16384]
        Size of each tile, bytes; 0 where there is no tile.
    bad : int
        Position of the first entry whose tile does not lie between index and end of file, -1 if there is none. The
        entries from that position on are not read.

    Raises
    ------
    ValueError
        If `index` has another size.
    """
    cdef const uint8_t[::1] view = _index_bytes(index, INDEX_BYTES)
    offsets, sizes = np.zeros(TILES, np.uint64), np.zeros(TILES, np.uint32)
    cdef uint64_t[::1] offsets_view = offsets
    cdef uint32_t[::1] sizes_view = sizes
    cdef const uint8_t *entries = first_byte(view)
    cdef Py_ssize_t i, bad = -1
    cdef uint64_t entry, offset, size
    with nogil:
        for i in range(TILES):
            entry = uint64_at(entries + 8 * i)
            offset, size = entry & ((<uint64_t>1 << OFFSET_BITS) - 1), entry >> OFFSET_BITS
            if size == 0:
                continue
            if offset < FIRST_TILE or offset > file_size or size > file_size - offset:
                bad = i
                break
            offsets_view[i], sizes_view[i] = offset, <uint32_t>size
    return offsets, sizes, bad


cdef inline bint _is_zero(const uint8_t *fields, uint64_t length, uint64_t offset) noexcept nogil:
    """Return whether the four bytes at an offset, which may be beyond the end, are a size of 0."""
    return length >= 4 and offset <= length - 4 and uint32_at(fields + offset) == 0


def read_index_v1(index, uint64_t file_size, const uint8_t[::1] fields not None=b""):
    """Return the entries of a compact V1 index as arrays.

    An entry is a little-endian number of five bytes: the offset in the bundle of the tile's size, which is a u32 before
    its first byte. Entries are column-major, `128 * column + row`. An offset of 0 means no tile; so does a size of 0,
    but of sizes only those in `fields` are read here.

    Parameters
    ----------
    index : buffer of 81,920 bytes
        The entries, without the header before them.
    file_size : int
        Size of the bundle file, bytes.
    fields : buffer
        The bytes of the bundle behind its header, where the sizes of absent tiles usually are; may be empty.

    Returns
    -------
    offsets : uint64[16384]
        Row-major, 128 * row + column within the bundle; 0 where there is no tile.
    positions : uint16[n]
        The row-major positions of the offsets that are not 0, in the order of the index.
    bad : int
        Row-major position of an entry whose size does not lie between header and end of file, -1 if there is none. The
        entries after it in the index are not read.

    Raises
    ------
    ValueError
        If `index` has another size.
    """
    cdef const uint8_t[::1] view = _index_bytes(index, INDEX_BYTES_V1)
    offsets, positions = np.zeros(TILES, np.uint64), np.empty(TILES, np.uint16)
    cdef uint64_t[::1] offsets_view = offsets
    cdef uint16_t[::1] positions_view = positions
    cdef const uint8_t *entry = first_byte(view)
    cdef const uint8_t *first_field = first_byte(fields)
    cdef Py_ssize_t column, row, count = 0, bad = -1
    cdef uint64_t offset, length = fields.shape[0]
    with nogil:
        for column in range(SIDE):
            for row in range(SIDE):
                offset = uint40_at(entry)
                entry += 5
                if offset == 0 or _is_zero(first_field, length, offset - HEADER_BYTES_V1):
                    continue
                offsets_view[SIDE * row + column] = offset
                positions_view[count] = <uint16_t>(SIDE * row + column)
                count += 1
                if offset < HEADER_BYTES_V1 or file_size < 4 or offset > file_size - 4:
                    bad = SIDE * row + column
                    break
            if bad >= 0:
                break
    return offsets, positions[:count], bad


cdef bint _is_packed(const uint8_t *source, const uint64_t[::1] offsets, const uint32_t[::1] sizes) noexcept nogil:
    """Return whether the tiles, at least one, lie in the buffer as `pack` would write them."""
    cdef Py_ssize_t i
    cdef uint64_t expected = offsets[0]
    if expected < 4:
        return False
    for i in range(offsets.shape[0]):
        if offsets[i] != expected or uint32_at(source + expected - 4) != sizes[i]:
            return False
        expected += sizes[i] + 4
    return True


def pack(source, const uint64_t[::1] offsets, const uint32_t[::1] sizes):
    """Return n tiles of one buffer in the layout of a compact bundle: each after its size as a little-endian u32.

    The result is a view of `source` if the tiles have this layout already.

    Parameters
    ----------
    source : buffer of bytes
    offsets : uint64[n]
        Start of each tile in `source`, bytes.
    sizes : uint32[n]
        Size of each tile, bytes.

    Returns
    -------
    uint8[4 * n + sum(sizes)]

    Raises
    ------
    ValueError
        If a tile does not lie within `source`.
    """
    cdef const uint8_t[::1] view = bytes_of_tiles(source, offsets, sizes)
    cdef Py_ssize_t i, n = offsets.shape[0]
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


cdef bint _has_end_mark(
    const uint8_t *tile, size_t size, size_t start, const uint8_t *mark, size_t length
) noexcept nogil:
    """Return whether tile[start:size] contains the mark, searched from the end: a few bytes may follow it."""
    cdef size_t at = size
    while at >= start + length:
        if tile[at - 1] == mark[length - 1] and memcmp(tile + at - length, mark, length) == 0:
            return True
        at -= 1
    return False


cdef size_t _first_scan(const uint8_t *tile, size_t size) noexcept nogil:
    """Return the offset of a JPEG's first SOS marker, `size` without one: earlier segments may contain other images.

    As libjpeg does, skip stray bytes before a marker, and take markers without a segment into account.
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


cdef bint _is_whole_lerc1(const uint8_t *tile, size_t size) noexcept nogil:
    """Return whether a LERC1 tile holds the two parts whose sizes it states: the mask of valid pixels, and the values.

    The layout is that of Esri's lerc repository, src/LercLib/Lerc1Decode/CntZImage.cpp: a header of 34 bytes, and for
    each part the numbers of blocks, the number of bytes, the maximum, and the bytes.
    """
    cdef size_t at = 34
    cdef int _part
    for _part in range(2):
        if size < at + 16:
            return False
        at += 16 + <size_t>uint32_at(tile + at + 8)
        if size < at:
            return False
    return True


cdef bint _is_whole_lerc2(const uint8_t *tile, size_t size) noexcept nogil:
    """Return whether a LERC2 tile has the number of bytes that it states.

    The layout is that of Esri's lerc repository, src/LercLib/Lerc2.cpp: signature, version, from version 3 on a
    checksum, rows, columns, from version 4 on the number of values of a pixel, valid pixels, side of a block, bytes.
    """
    cdef uint32_t version
    cdef size_t at
    if size < 10:
        return False
    version = uint32_at(tile + 6)
    at = 10 + 16 + (4 if version >= 3 else 0) + (4 if version >= 4 else 0)
    return size >= at + 4 and size >= uint32_at(tile + at)


cdef codes.gpt_tile_kind _inspect(const uint8_t *tile, size_t size, uint8_t *is_whole) noexcept nogil:
    cdef size_t start
    is_whole[0] = True
    if size >= 3 and memcmp(tile, b"\xff\xd8\xff", 3) == 0:
        start = _first_scan(tile, size)
        is_whole[0] = _has_end_mark(tile, size, start, <const uint8_t *><const char *>b"\xff\xd9", 2)
        return codes.GPT_TILE_JPEG
    if size >= 8 and memcmp(tile, b"\x89PNG\r\n\x1a\n", 8) == 0:
        is_whole[0] = _has_end_mark(tile, size, 8, <const uint8_t *><const char *>b"IEND\xae\x42\x60\x82", 8)
        return codes.GPT_TILE_PNG
    if size >= 10 and memcmp(tile, b"CntZImage ", 10) == 0:
        is_whole[0] = _is_whole_lerc1(tile, size)
        return codes.GPT_TILE_LERC
    if size >= 6 and memcmp(tile, b"Lerc2 ", 6) == 0:
        is_whole[0] = _is_whole_lerc2(tile, size)
        return codes.GPT_TILE_LERC
    return codes.GPT_TILE_UNKNOWN


def inspect(source, const uint64_t[::1] offsets, const uint32_t[::1] sizes):
    """Return the format of each of n tiles in one buffer, without decoding it.

    Parameters
    ----------
    source : buffer of bytes
    offsets : uint64[n]
        Start of each tile in `source`, bytes.
    sizes : uint32[n]
        Size of each tile, bytes.

    Returns
    -------
    kinds : uint8[n]
        Values of `TileKind`.
    whole : bool[n]
        False for a truncated tile: a JPEG without an end-of-image marker, a PNG without an IEND chunk, or a LERC tile
        that has fewer bytes than it states.

    Raises
    ------
    ValueError
        If a tile does not lie within `source`.
    """
    cdef const uint8_t[::1] view = bytes_of_tiles(source, offsets, sizes)
    cdef Py_ssize_t i, n = offsets.shape[0]
    kinds, whole = np.empty(n, np.uint8), np.empty(n, np.uint8)
    cdef uint8_t[::1] kinds_view = kinds
    cdef uint8_t[::1] whole_view = whole
    cdef const uint8_t *start = first_byte(view)
    with nogil:
        for i in range(n):
            kinds_view[i] = _inspect(start + offsets[i], sizes[i], &whole_view[i])
    return kinds, whole.view(np.bool_)

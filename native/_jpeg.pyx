"""JPEG tiles recompressed in the DCT domain, in batches, without the GIL.

The arithmetic is in requantise.c and quality.c, the way of a tile in transcode.c, that of many in batch.c; here
buffers are checked and results get their Python types. All functions may be called from any number of threads at a
time.
"""

from enum import IntEnum
from operator import index

import numpy as np

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

cimport huffman
cimport transcode as tc
from buffers cimport check_places, first_byte


class Outcome(IntEnum):
    """The outcome of a tile: recompressed, or why it was kept byte for byte.

    The functions of this module never return `NOT_REQUESTED`: it is for tiles that are copied because no recompression
    was requested.
    """

    RECOMPRESSED = tc.TRANSCODE_RECOMPRESSED
    KEPT_QUALITY = tc.TRANSCODE_KEPT_QUALITY
    KEPT_UNCHANGED = tc.TRANSCODE_KEPT_UNCHANGED
    KEPT_NOT_SMALLER = tc.TRANSCODE_KEPT_NOT_SMALLER
    KEPT_NOT_JPEG = tc.TRANSCODE_KEPT_NOT_JPEG
    KEPT_UNSUPPORTED = tc.TRANSCODE_KEPT_UNSUPPORTED
    DAMAGED = tc.TRANSCODE_DAMAGED
    NOT_REQUESTED = tc.TRANSCODE_NOT_REQUESTED


tc.transcode_init()

_TABLES = {"efficient": tc.TRANSCODE_EFFICIENT, "exact": tc.TRANSCODE_EXACT}

cdef int _table_mode(str tables) except -1:
    if tables not in _TABLES:
        raise ValueError(f"tables: found {tables!r}, expected one of {', '.join(_TABLES)}")
    return _TABLES[tables]


cdef int _clamped_quality(quality) except -1:
    if not 0 <= index(quality) <= 100:
        raise ValueError(f"quality: found {quality}, expected 0 to 100")
    return index(quality) or 1  # the IJG scale starts at 1


def quality(tile):
    """Return the IJG quality that a JPEG's first quantisation table stands for.

    Parameters
    ----------
    tile : buffer of bytes

    Returns
    -------
    float or None
        0..100: exact for IJG tables, else an estimate from their mean scale. None when the tile is no JPEG, its
        header can't be read, or it has no table.
    """
    found = qualities(tile, np.zeros(1, np.uint64), np.array([memoryview(tile).nbytes], np.uint32))[0]
    return None if np.isnan(found) else float(found)


def qualities(source, const uint64_t[::1] offsets, const uint32_t[::1] sizes):
    """Return the quality of each of n tiles in one buffer, as `quality` does, NaN for None.

    Parameters
    ----------
    source : buffer of bytes
    offsets : uint64[n]
        Where each tile starts in `source`, bytes.
    sizes : uint32[n]
        Bytes.

    Returns
    -------
    float64[n]

    Raises
    ------
    ValueError
        When a tile does not lie within `source`.
    """
    cdef const uint8_t[::1] view = np.frombuffer(source, np.uint8)
    cdef Py_ssize_t i, n = offsets.shape[0]
    cdef tc.header_memory memory
    cdef const uint8_t *tile
    check_places(view.shape[0], offsets, sizes)
    found = np.empty(n)
    cdef double[::1] out = found
    memset(&memory, 0, sizeof(memory))
    with nogil:
        for i in range(n):
            tile = first_byte(view) + offsets[i]
            if not tc.header_quality(&memory, tile, sizes[i], &out[i]):
                out[i] = tc.transcode_quality(tile, sizes[i])
    return found


def recompress(tile, quality, *, str tables="efficient"):
    """Recompress one JPEG tile.

    Parameters
    ----------
    tile : buffer of bytes
    quality : int
        0..100, the IJG quality to come down to. 0 counts as 1.
    tables : {"efficient", "exact"}
        Quantisers that are multiples of the tile's own, or those of the IJG tables; never finer than the tile's own.

    Returns
    -------
    bytes
        The recompressed tile, always smaller, or the tile as it was.
    Outcome

    Raises
    ------
    ValueError
        For a quality or tables out of range.
    """
    output, _, outcomes = recompress_batch(
        tile, np.zeros(1, np.uint64), np.array([memoryview(tile).nbytes], np.uint32), quality, tables=tables
    )
    return output.tobytes(), Outcome(outcomes[0])


def recompress_batch(source, const uint64_t[::1] offsets, const uint32_t[::1] sizes, quality, *,
                     str tables="efficient"):
    """Recompress n tiles of one buffer. The GIL is released once for all of them.

    Parameters
    ----------
    source : buffer of bytes
        Must not change while the call runs.
    offsets : uint64[n]
        Where each tile starts in `source`, bytes.
    sizes : uint32[n]
        Bytes.
    quality, tables
        As for `recompress`.

    Returns
    -------
    output : uint8[...]
        The n results one after the other; a tile that was kept is there as it was.
    sizes : uint32[n]
        Bytes of each result.
    outcomes : uint8[n]
        Values of `Outcome`.

    Raises
    ------
    ValueError
        For a quality or tables out of range, or a tile that does not lie within `source`.
    """
    cdef const uint8_t[::1] view = np.frombuffer(source, np.uint8)
    cdef int wanted = _clamped_quality(quality), mode = _table_mode(tables)
    cdef Py_ssize_t n = offsets.shape[0]
    check_places(view.shape[0], offsets, sizes)
    # No result is larger than its tile, so this always suffices.
    output = np.empty(int(np.sum(sizes, dtype=np.uint64)), np.uint8)
    new_sizes, outcomes = np.empty(n, np.uint32), np.empty(n, np.uint8)
    cdef const uint8_t[::1] out_view = output
    cdef uint32_t[::1] sizes_view = new_sizes
    cdef uint8_t[::1] outcomes_view = outcomes
    cdef size_t total = 0
    cdef int done = 1
    if n > 0:
        with nogil:
            done = tc.transcode_batch(
                first_byte(view), &offsets[0], &sizes[0], n, wanted, mode, <uint8_t *>first_byte(out_view),
                &sizes_view[0], &outcomes_view[0], &total,
            )
    if not done:
        raise MemoryError(f"no memory to recompress {n} tiles")
    return output[:total], new_sizes, outcomes


def diagnose(tile):
    """Return libjpeg's words for what is wrong with a JPEG tile, "" when nothing is.

    Parameters
    ----------
    tile : buffer of bytes

    Returns
    -------
    str
        One line: the error, or the first warning, met when all of the tile is read.
    """
    cdef const uint8_t[::1] view = np.frombuffer(tile, np.uint8)
    cdef char message[tc.TRANSCODE_MESSAGE_SIZE]
    with nogil:
        tc.transcode_diagnose(first_byte(view), view.shape[0], message)
    return message.decode("ascii", "replace")


def huffman_table(const uint32_t[::1] counts):
    """Return the Huffman table that is shortest for these symbols, as a DHT segment holds it.

    Parameters
    ----------
    counts : uint32[256]
        How often each symbol comes; at least one does.

    Returns
    -------
    bits : bytes
        How many codes have 1, 2, ... 16 bits.
    values : bytes
        The symbols in the order of their codes.

    Raises
    ------
    ValueError
        For another number of counts, or when all are 0.
    """
    cdef huffman.huffman_table table
    if counts.shape[0] != huffman.HUFFMAN_SYMBOLS or not np.any(counts):
        raise ValueError(f"counts: found {counts.shape[0]}, expected {huffman.HUFFMAN_SYMBOLS}, not all of them 0")
    huffman.huffman_make_table(&counts[0], &table)
    return <bytes>table.bits[1:huffman.HUFFMAN_LONGEST + 1], <bytes>table.values[:table.used]

"""Recompression of JPEG tiles in the DCT domain, in batches, without the GIL.

The C sources do the work (see README.md); this module checks buffers and converts results to Python types. All
functions are thread-safe.
"""

from enum import IntEnum
from operator import index

import numpy as np

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

cimport codes
from batch cimport gpt_recompress_batch
from buffers cimport bytes_of, bytes_of_tiles, check_lengths, first_byte
from compare cimport gpt_check_tile, gpt_compare_tiles, gpt_shape
from decoder cimport GPT_MESSAGE_SIZE, gpt_diagnose_tile
from huffman cimport GPT_HUFFMAN_SYMBOLS, GPT_MAX_CODE_LENGTH, gpt_huffman_table, gpt_make_huffman_table
from recompress cimport (
    GPT_KEEP_STEPS, GPT_TABLES_EFFICIENT, GPT_TABLES_EXACT, gpt_judge_tile, gpt_request, gpt_table_mode
)
from table_info cimport gpt_read_table_info, gpt_table_cache, gpt_table_info

cdef extern from *:
    """
    #include <stdio.h>
    #include <jpeglib.h>
    #define GPT_TEXT_OF(value) #value
    #define GPT_TEXT(value) GPT_TEXT_OF(value)
    #define GPT_LIBJPEG_TURBO_VERSION GPT_TEXT(LIBJPEG_TURBO_VERSION)
    """
    const char *GPT_LIBJPEG_TURBO_VERSION

LIBJPEG_TURBO_VERSION = GPT_LIBJPEG_TURBO_VERSION.decode("ascii")
"""The version of libjpeg-turbo whose headers this module was compiled with."""


class Outcome(IntEnum):
    """The outcome of a tile: recompressed, optimised without loss, or the reason why it was kept byte for byte.

    `recompress` and `recompress_batch` never return `NOT_REQUESTED`: it is for tiles that are copied because no
    recompression was requested.
    """

    RECOMPRESSED = codes.GPT_OUTCOME_RECOMPRESSED
    KEPT_QUALITY = codes.GPT_OUTCOME_KEPT_QUALITY
    KEPT_UNCHANGED = codes.GPT_OUTCOME_KEPT_UNCHANGED
    KEPT_NOT_SMALLER = codes.GPT_OUTCOME_KEPT_NOT_SMALLER
    KEPT_NOT_JPEG = codes.GPT_OUTCOME_KEPT_NOT_JPEG
    KEPT_UNSUPPORTED = codes.GPT_OUTCOME_KEPT_UNSUPPORTED
    DAMAGED = codes.GPT_OUTCOME_DAMAGED
    NOT_REQUESTED = codes.GPT_OUTCOME_NOT_REQUESTED
    OPTIMISED = codes.GPT_OUTCOME_OPTIMISED


class Damage(IntEnum):
    """What is wrong with a JPEG tile.

    `UNSUPPORTED` is no damage: it is a kind of JPEG that libjpeg-turbo or this module rejects. Recompression keeps such
    a tile as `Outcome.KEPT_UNSUPPORTED`.
    """

    NONE = codes.GPT_DAMAGE_NONE
    NOT_JPEG = codes.GPT_DAMAGE_NOT_JPEG
    TRUNCATED = codes.GPT_DAMAGE_TRUNCATED
    CORRUPT_HEADER = codes.GPT_DAMAGE_CORRUPT_HEADER
    MISSING_TABLE = codes.GPT_DAMAGE_MISSING_TABLE
    CORRUPT_DATA = codes.GPT_DAMAGE_CORRUPT_DATA
    IMPLAUSIBLE = codes.GPT_DAMAGE_IMPLAUSIBLE
    UNSUPPORTED = codes.GPT_DAMAGE_UNSUPPORTED


class Relation(IntEnum):
    """How a JPEG tile relates to the tile that it was made of."""

    SAME = codes.GPT_RELATION_SAME
    COARSER = codes.GPT_RELATION_COARSER
    UNREADABLE = codes.GPT_RELATION_UNREADABLE
    OTHER_SHAPE = codes.GPT_RELATION_OTHER_SHAPE
    FINER_STEPS = codes.GPT_RELATION_FINER_STEPS
    OTHER_COEFFICIENTS = codes.GPT_RELATION_OTHER_COEFFICIENTS


_TABLE_MODES = {"efficient": GPT_TABLES_EFFICIENT, "exact": GPT_TABLES_EXACT}

cdef gpt_table_mode _table_mode(str tables) except *:
    if tables not in _TABLE_MODES:
        raise ValueError(f"tables: invalid choice; found {tables!r}, expected one of {', '.join(_TABLE_MODES)}")
    return _TABLE_MODES[tables]


cdef gpt_request _request(quality, str tables, declared_quality) except *:
    """Return a request from Python's arguments."""
    cdef gpt_request request
    request.quality = GPT_KEEP_STEPS
    if quality is not None:
        if not 0 <= index(quality) <= 100:
            raise ValueError(f"quality: out of range; found {quality}, expected 0 to 100")
        request.quality = index(quality) or 1  # the IJG scale starts at 1
    if declared_quality is not None and not 1 <= index(declared_quality) <= 100:
        raise ValueError(f"declared_quality: out of range; found {declared_quality}, expected 1 to 100")
    request.tables = _table_mode(tables)
    request.declared_quality = index(declared_quality or 0)
    return request


def quality(tile):
    """Return the IJG quality of a JPEG tile, by its first quantisation table.

    Parameters
    ----------
    tile : buffer of bytes

    Returns
    -------
    float or None
        0..100: exact for IJG tables, else an estimate from their mean scale. The DC step is ignored. None if the tile
        is not a JPEG, its header can't be read or has no quantisation table.
    """
    found = qualities(tile, np.zeros(1, np.uint64), np.array([memoryview(tile).nbytes], np.uint32))[0]
    return None if np.isnan(found) else float(found)


def read_tables(source, const uint64_t[::1] offsets, const uint32_t[::1] sizes):
    """Return what the quantisation tables of n tiles in one buffer say.

    Parameters
    ----------
    source : buffer of bytes
    offsets : uint64[n]
        Start of each tile in `source`, bytes.
    sizes : uint32[n]
        Size of each tile, bytes.

    Returns
    -------
    qualities : float64[n]
        The quality of each tile, see `quality`; NaN where that is None.
    is_foreign : bool[n]
        Whether the tile has a table that is not an IJG table, so that its quality is an estimate. The DC step is not
        compared. False for what is not a JPEG or has no readable header.

    Raises
    ------
    ValueError
        If a tile does not lie within `source`.
    """
    cdef const uint8_t[::1] view = bytes_of_tiles(source, offsets, sizes)
    cdef Py_ssize_t i, n = offsets.shape[0]
    cdef gpt_table_cache cache
    cdef gpt_table_info info
    qualities, is_foreign = np.empty(n), np.empty(n, np.bool_)
    cdef double[::1] qualities_view = qualities
    cdef uint8_t[::1] is_foreign_view = is_foreign.view(np.uint8)
    memset(&cache, 0, sizeof(cache))
    with nogil:
        for i in range(n):
            info = gpt_read_table_info(&cache, first_byte(view) + offsets[i], sizes[i])
            qualities_view[i] = info.quality
            is_foreign_view[i] = info.is_foreign != 0
    return qualities, is_foreign


def qualities(source, offsets, sizes):
    """Return the quality of each of n tiles in one buffer, float64[n]: the first result of `read_tables`."""
    return read_tables(source, offsets, sizes)[0]


def judge(tile, quality, *, str tables="efficient", declared_quality=None):
    """Return what a request does to a JPEG tile, by its header alone. The tile may end before its image data.

    Parameters
    ----------
    tile : buffer of bytes
    quality, tables, declared_quality
        See `recompress`.

    Returns
    -------
    Outcome
        `RECOMPRESSED` if a quantisation step would change, else `KEPT_QUALITY`, or `KEPT_UNCHANGED` although the
        request is below the tile's quality, or `KEPT_NOT_SMALLER` for a quality of None. For a header that can't be
        judged, the outcome of `recompress`.

    Raises
    ------
    ValueError
        If `quality`, `tables` or `declared_quality` is invalid.
    """
    cdef const uint8_t[::1] view = bytes_of(tile)
    cdef gpt_request request = _request(quality, tables, declared_quality)
    cdef codes.gpt_outcome outcome
    with nogil:
        outcome = gpt_judge_tile(first_byte(view), view.shape[0], &request)
    return Outcome(outcome)


def recompress(tile, quality, *, str tables="efficient", declared_quality=None):
    """Recompress one JPEG tile.

    A tile whose quantisation steps the request does not change is optimised without loss: it gets Huffman tables of its
    own, and loses EXIF, XMP, comments and trailing bytes. That is the only thing done for a quality of None.

    Parameters
    ----------
    tile : buffer of bytes
    quality : int or None
        Target quality on the IJG scale, 0..100. 0 counts as 1. None: no coefficient changes.
    tables : {"efficient", "exact"}
        Quantisation steps that are multiples of the tile's own, or those of the IJG tables; never finer than the
        tile's own. The DC step stays.
    declared_quality : int or None
        The quality that the cache declares, 1..100. A tile with foreign tables (see `read_tables`) keeps its
        coefficients if the request is not below it.

    Returns
    -------
    bytes
        The recompressed tile, which is always smaller, or the unchanged tile.
    Outcome

    Raises
    ------
    ValueError
        If `quality`, `tables` or `declared_quality` is invalid.
    """
    output, _, outcomes = recompress_batch(
        tile, np.zeros(1, np.uint64), np.array([memoryview(tile).nbytes], np.uint32), quality, tables=tables,
        declared_quality=declared_quality,
    )
    return output.tobytes(), Outcome(outcomes[0])


def recompress_batch(source, const uint64_t[::1] offsets, const uint32_t[::1] sizes, quality, *,
                     str tables="efficient", declared_quality=None):
    """Recompress n tiles of one buffer. The GIL is released once for all of them.

    Parameters
    ----------
    source : buffer of bytes
        Must not change during the call.
    offsets : uint64[n]
        Start of each tile in `source`, bytes.
    sizes : uint32[n]
        Size of each tile, bytes.
    quality, tables, declared_quality
        See `recompress`.

    Returns
    -------
    output : uint8[...]
        The n results one after the other; a tile that is kept is copied.
    sizes : uint32[n]
        Size of each result, bytes.
    outcomes : uint8[n]
        Values of `Outcome`.

    Raises
    ------
    ValueError
        If `quality`, `tables` or `declared_quality` is invalid, or a tile does not lie within `source`.
    MemoryError
        If there is not enough memory.
    """
    cdef const uint8_t[::1] view = bytes_of_tiles(source, offsets, sizes)
    cdef gpt_request request = _request(quality, tables, declared_quality)
    cdef Py_ssize_t n = offsets.shape[0]
    # No result is larger than its tile, so the capacity always suffices.
    output = np.empty(int(np.sum(sizes, dtype=np.uint64)), np.uint8)
    new_sizes, outcomes = np.empty(n, np.uint32), np.empty(n, np.uint8)
    cdef const uint8_t[::1] output_view = output
    cdef uint32_t[::1] sizes_view = new_sizes
    cdef uint8_t[::1] outcomes_view = outcomes
    cdef size_t written = 0
    cdef int has_memory = 1
    if n > 0:
        with nogil:
            has_memory = gpt_recompress_batch(
                first_byte(view), &offsets[0], &sizes[0], n, &request, <uint8_t *>first_byte(output_view),
                &sizes_view[0], &outcomes_view[0], &written,
            )
    if not has_memory:
        raise MemoryError(f"not enough memory to recompress {n} tiles")
    return output[:written], new_sizes, outcomes


def diagnose(tile):
    """Return what is wrong with a JPEG tile, as a code and as text for display.

    Parameters
    ----------
    tile : buffer of bytes

    Returns
    -------
    Damage
        `Damage.NONE` if all of the tile can be decoded without a warning.
    str
        One line: libjpeg's text of the error or the first warning; "" if there is none.
    """
    cdef const uint8_t[::1] view = bytes_of(tile)
    cdef char message[GPT_MESSAGE_SIZE]
    cdef codes.gpt_damage damage
    with nogil:
        damage = gpt_diagnose_tile(first_byte(view), view.shape[0], message)
    return Damage(damage), message.decode("ascii", "replace")


def check_batch(source, const uint64_t[::1] offsets, const uint32_t[::1] sizes):
    """Decode n JPEG tiles of one buffer. The GIL is released once for all of them.

    Parameters
    ----------
    source : buffer of bytes
        Must not change during the call.
    offsets : uint64[n]
        Start of each tile in `source`, bytes.
    sizes : uint32[n]
        Size of each tile, bytes.

    Returns
    -------
    damages : uint8[n]
        Values of `Damage`. A tile with sampling factors that libjpeg-turbo can't turn into pixels is `UNSUPPORTED`.
    shapes : uint32[n, 3]
        Height and width in pixels and the number of components, as the header states them; 0 if it can't be read.

    Raises
    ------
    ValueError
        If a tile does not lie within `source`.
    """
    cdef const uint8_t[::1] view = bytes_of_tiles(source, offsets, sizes)
    cdef Py_ssize_t i, n = offsets.shape[0]
    cdef gpt_shape shape
    damages, shapes = np.empty(n, np.uint8), np.empty((n, 3), np.uint32)
    cdef uint8_t[::1] damages_view = damages
    cdef uint32_t[:, ::1] shapes_view = shapes
    with nogil:
        for i in range(n):
            damages_view[i] = gpt_check_tile(first_byte(view) + offsets[i], sizes[i], &shape)
            shapes_view[i, 0] = shape.height
            shapes_view[i, 1] = shape.width
            shapes_view[i, 2] = shape.components
    return damages, shapes


def compare_batch(source, const uint64_t[::1] offsets, const uint32_t[::1] sizes,
                  other, const uint64_t[::1] other_offsets, const uint32_t[::1] other_sizes):
    """Compare n JPEG tiles with those that they were made of. The GIL is released once for all of them.

    Parameters
    ----------
    source : buffer of bytes
        Holds the original tiles. Must not change during the call.
    offsets : uint64[n]
        Start of each tile in `source`, bytes.
    sizes : uint32[n]
        Size of each tile, bytes.
    other, other_offsets, other_sizes
        The same of the tiles to be compared with them.

    Returns
    -------
    uint8[n]
        Values of `Relation`. Coefficients that differ from the original's by more than 0.6 of their quantisation step
        are `OTHER_COEFFICIENTS`: no rounding of this module gives them.

    Raises
    ------
    ValueError
        If the numbers of tiles differ, or a tile does not lie within its buffer.
    """
    cdef const uint8_t[::1] view = bytes_of_tiles(source, offsets, sizes)
    cdef const uint8_t[::1] other_view = bytes_of_tiles(other, other_offsets, other_sizes)
    cdef Py_ssize_t i, n = offsets.shape[0]
    check_lengths("offsets", n, "other_offsets", other_offsets.shape[0])
    relations = np.empty(n, np.uint8)
    cdef uint8_t[::1] relations_view = relations
    with nogil:
        for i in range(n):
            relations_view[i] = gpt_compare_tiles(
                first_byte(view) + offsets[i], sizes[i], first_byte(other_view) + other_offsets[i], other_sizes[i]
            )
    return relations


def huffman_table(const uint32_t[::1] counts):
    """Return the optimal Huffman table for the frequencies of symbols, as a DHT segment holds it.

    Parameters
    ----------
    counts : uint32[256]
        Frequency of each symbol; at least one is above 0.

    Returns
    -------
    bits : bytes
        The number of codes of 1, 2, ... 16 bits.
    values : bytes
        The symbols in the order of their codes.

    Raises
    ------
    ValueError
        If there are not 256 counts, or all are 0.
    """
    cdef gpt_huffman_table table
    if counts.shape[0] != GPT_HUFFMAN_SYMBOLS or not np.any(counts):
        raise ValueError(
            f"counts: wrong length, or all are 0; found {counts.shape[0]}, expected {GPT_HUFFMAN_SYMBOLS}, not all 0"
        )
    gpt_make_huffman_table(&counts[0], &table)
    return <bytes>table.bits[1:GPT_MAX_CODE_LENGTH + 1], <bytes>table.values[:table.count]

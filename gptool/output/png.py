"""An encoder of PNG whose bytes depend on the pixels alone.

Those of the usual encoders depend on the build of their compressor: on another system a package would get another
thumbnail, and hence another identifier. The sources of the formats are PNG (W3C Recommendation, third edition), zlib
(RFC 1950) and DEFLATE (RFC 1951).
"""

from __future__ import annotations

import heapq
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
ZLIB_HEADER = b"\x78\x01"

END_OF_BLOCK = 256
MIN_RUN, MAX_RUN = 3, 258
"""Bytes that one length of DEFLATE stands for."""

MAX_CODE_LENGTH = 15

CODE_LENGTH_BITS = 4
"""Bits of each code length in the header of a block: a code of 16 words of the same length (RFC 1951, 3.2.7)."""

CODE_LENGTH_ORDER = 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15

Bits = list[tuple[int, int]]
"""Values and their numbers of bits; the lowest bit of a value comes first."""


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return a PNG of 24 bits a pixel.

    Parameters
    ----------
    pixels : uint8[rows, columns, 3]
        RGB.
    """
    rows, columns, _ = pixels.shape
    header = struct.pack(">2I5B", columns, rows, 8, 2, 0, 0, 0)
    data = _filter_rows(pixels).tobytes()
    compressed = ZLIB_HEADER + _deflate(data) + struct.pack(">I", zlib.adler32(data))
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", compressed) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _filter_rows(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the rows, each with the number of its filter before it: the one with the least sum of differences."""
    rows, columns, _ = pixels.shape
    padded = np.zeros((rows + 1, columns + 1, 3), np.int16)
    padded[1:, 1:] = pixels
    here, left, above, corner = padded[1:, 1:], padded[1:, :-1], padded[:-1, 1:], padded[:-1, :-1]
    predictions = np.stack([np.zeros_like(here), left, above, (left + above) // 2, _paeth(left, above, corner)])
    filtered = (here - predictions).astype(np.uint8).reshape(len(predictions), rows, -1)
    sums = np.abs(filtered.view(np.int8).astype(np.int64)).sum(axis=2)
    best = sums.argmin(axis=0)
    return np.column_stack([best.astype(np.uint8), filtered[best, np.arange(rows)]])


def _paeth(left: NDArray[np.int16], above: NDArray[np.int16], corner: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return the neighbour that is nearest to left + above - corner (PNG specification, 9.4)."""
    estimate = left + above - corner
    to_left, to_above, to_corner = np.abs(estimate - left), np.abs(estimate - above), np.abs(estimate - corner)
    nearest = np.where(to_above <= to_corner, above, corner)
    return np.where((to_left <= to_above) & (to_left <= to_corner), left, nearest)


def _deflate(data: bytes) -> bytes:
    """Return data as one block of DEFLATE with a code of its own, whose only matches repeat the byte before them."""
    symbols, extra, extra_bits = _find_runs(data)
    counts = np.bincount(symbols, minlength=END_OF_BLOCK + 1)
    lengths = _code_lengths(counts.tolist())
    words = np.array(_code_words(lengths), np.uint64)
    sizes = np.array(lengths, np.uint64)[symbols]
    # A length is followed by its extra bits and by the distance 1: a bit of 0, the only word of the code of distances.
    is_run = symbols > END_OF_BLOCK
    values = words[symbols] | (extra << sizes)
    return _pack_bits(_block_header(lengths), values, sizes + extra_bits + is_run.astype(np.uint64))


def _find_runs(data: bytes) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the symbols of data, the last of which ends the block, and for each the extra bits and their number."""
    values = np.frombuffer(data, np.uint8)
    starts = np.flatnonzero(np.diff(values, prepend=np.uint8(~values[0] & 255)))
    sizes = np.diff(starts, append=len(values))
    symbols: list[NDArray[np.int64]] = []
    extras: list[tuple[int, int, int]] = []  # position among the symbols, extra bits, their number
    done = count = 0
    for start, size in zip(starts[sizes > MIN_RUN].tolist(), sizes[sizes > MIN_RUN].tolist(), strict=True):
        literal_end, rest = start + 1, size - 1
        symbols.append(values[done:literal_end].astype(np.int64))
        count += literal_end - done
        while rest >= MIN_RUN:
            run = min(rest, MAX_RUN)
            symbol, extra, bits = _length_symbol(run)
            symbols.append(np.array([symbol]))
            extras.append((count, extra, bits))
            count, rest = count + 1, rest - run
        done = start + size - rest
    symbols += [values[done:].astype(np.int64), np.array([END_OF_BLOCK])]
    found = np.concatenate(symbols)
    extra_values, extra_bits = np.zeros(len(found), np.uint64), np.zeros(len(found), np.uint64)
    for position, extra, bits in extras:
        extra_values[position], extra_bits[position] = extra, bits
    return found, extra_values, extra_bits


def _length_symbol(length: int) -> tuple[int, int, int]:
    """Return the symbol of a length, its extra bits, and their number (RFC 1951, 3.2.5)."""
    if length == MAX_RUN:
        return 285, 0, 0
    offset = length - MIN_RUN
    bits = max(offset.bit_length() - 3, 0)
    return 257 + 4 * bits + (offset >> bits), offset & ((1 << bits) - 1), bits


def _code_lengths(counts: list[int]) -> list[int]:
    """Return the lengths of the words of a Huffman code, 0 for symbols that do not occur."""
    while True:
        heap: list[tuple[int, int, tuple[int, ...]]] = [
            (count, symbol, (symbol,)) for symbol, count in enumerate(counts) if count
        ]
        lengths = [0] * len(counts)
        heapq.heapify(heap)
        while len(heap) > 1:
            (first, order, one), (second, _, other) = heapq.heappop(heap), heapq.heappop(heap)
            for symbol in one + other:
                lengths[symbol] += 1
            heapq.heappush(heap, (first + second, order, one + other))
        if max(lengths) <= MAX_CODE_LENGTH:
            return lengths
        counts = [(count + 1) // 2 for count in counts]  # a flatter code is shorter


def _code_words(lengths: list[int]) -> list[int]:
    """Return the words of the canonical code of these lengths, with the first bit lowest (RFC 1951, 3.2.2)."""
    words, next_word = [0] * len(lengths), 0
    for length in range(1, MAX_CODE_LENGTH + 1):
        next_word <<= 1
        for symbol in (symbol for symbol, own in enumerate(lengths) if own == length):
            words[symbol] = int(f"{next_word:0{length}b}"[::-1], 2)
            next_word += 1
    return words


def _block_header(lengths: list[int]) -> Bits:
    """Return the header of the last block: the code lengths of its symbols, and of one distance."""
    bits: Bits = [(1, 1), (2, 2), (len(lengths) - 257, 5), (0, 5), (len(CODE_LENGTH_ORDER) - 4, 4)]
    bits += [(CODE_LENGTH_BITS if symbol <= MAX_CODE_LENGTH else 0, 3) for symbol in CODE_LENGTH_ORDER]
    words = _code_words([CODE_LENGTH_BITS] * (MAX_CODE_LENGTH + 1))
    return bits + [(words[length], CODE_LENGTH_BITS) for length in (*lengths, 1)]


def _pack_bits(header: Bits, values: NDArray[np.uint64], sizes: NDArray[np.uint64]) -> bytes:
    """Return the bits of the header and of the values, as many of each as its size, in bytes."""
    values = np.concatenate([np.array([value for value, _ in header], np.uint64), values])
    sizes = np.concatenate([np.array([size for _, size in header], np.uint64), sizes])
    ends = np.cumsum(sizes)
    places = ends - sizes
    # No value has more than 32 bits, so each lies in one word of 32 bits or in that and the next.
    first, shifted = (places >> 5).astype(np.int64), values << (places & 31)
    words = np.zeros(int(ends[-1]) // 32 + 2, np.uint64)
    starts = np.flatnonzero(np.diff(first, prepend=-1))
    words[first[starts]] = np.add.reduceat(shifted & 0xFFFFFFFF, starts)
    words[first[starts] + 1] += np.add.reduceat(shifted >> 32, starts)
    return words.astype("<u4").tobytes()[: -(-int(ends[-1]) // 8)]

"""Huffman tables of recompressed tiles: counted right, and as short as any can be."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator

import jpegs
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from test_jpeg import RECOMPRESSED

from gptool._jpeg import huffman_table, recompress

ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, i // 8 if (i // 8 + i % 8) % 2 else i % 8))
"""Natural places of the coefficients in zigzag order: along the diagonals, there and back."""

# ---- the table ----


def code_lengths(counts: dict[int, int]) -> dict[int, int]:
    """Lengths of the best codes without a limit, by the textbook; a symbol that never comes takes one too."""
    heap: list[tuple[int, list[int]]] = [(count, [symbol]) for symbol, count in (counts | {-1: 0}).items()]
    heapq.heapify(heap)
    lengths = dict.fromkeys([*counts, -1], 0)
    while len(heap) > 1:
        (first, a), (second, b) = heapq.heappop(heap), heapq.heappop(heap)
        for symbol in a + b:
            lengths[symbol] += 1
        heapq.heappush(heap, (first + second, a + b))
    return lengths


def lengths_of(bits: bytes, values: bytes) -> dict[int, int]:
    """Length of each symbol's code, as a decoder reads a DHT segment."""
    lengths = [length for length, count in enumerate(bits, 1) for _ in range(count)]
    return dict(zip(values, lengths, strict=True))


FIBONACCI = [1, 1]
while len(FIBONACCI) < 47:  # as far as 32 bits go
    FIBONACCI.append(FIBONACCI[-1] + FIBONACCI[-2])


@settings(derandomize=True, database=None, deadline=None)
@given(counts=st.dictionaries(st.integers(0, 255), st.integers(1, 10**6) | st.integers(1, 3), min_size=1))
@example(counts={0: 1})
@example(counts=dict.fromkeys(range(256), 1))
@example(counts=dict(enumerate(FIBONACCI)))
@example(counts=dict(enumerate(reversed(FIBONACCI))))
@example(counts=dict.fromkeys(range(200), 1) | {200 + i: 2**i for i in range(24)})
def test_tables_are_valid_and_as_short_as_can_be(counts: dict[int, int]) -> None:
    array = np.zeros(256, np.uint32)
    array[list(counts)] = list(counts.values())
    lengths = lengths_of(*huffman_table(array))
    assert lengths.keys() == counts.keys()
    longest = max(lengths.values())
    assert longest <= 16
    # Prefix-free, and the code of all ones is not used.
    assert sum(2 ** (longest - length) for length in lengths.values()) < 2**longest
    best = code_lengths(counts)
    cost, least = (sum(counts[symbol] * each[symbol] for symbol in counts) for each in (lengths, best))
    assert cost == least if max(best.values()) <= 16 else least <= cost < 1.02 * least


@pytest.mark.parametrize("counts", [np.zeros(256, np.uint32), np.ones(255, np.uint32)])
def test_counts_are_256_and_not_all_0(counts: NDArray[np.uint32]) -> None:
    with pytest.raises(ValueError, match="expected 256, not all of them 0"):
        huffman_table(counts)


# ---- the counts ----


def symbols(levels: list[NDArray[np.int64]], tile: bytes) -> Iterator[tuple[int, int, int]]:
    """Class of table (0: DC), component and symbol of all that a tile's one scan codes (T.81, A.2 and F.1.2)."""
    frame = next(payload for marker, payload in jpegs.segments(tile) if marker in jpegs.SOFS)
    sampling = [divmod(each, 16) for each in frame[7::3]]
    sides = [int.from_bytes(frame[3:5]), int.from_bytes(frame[1:3])]
    most = [max(factors) for factors in zip(*sampling, strict=True)]
    if len(sampling) == 1:
        sampling, most = [(1, 1)], [1, 1]  # not interleaved: an MCU is a block
    for component, (factors, blocks) in enumerate(zip(sampling, levels, strict=True)):
        columns, rows = (-(-side * f // (8 * m)) for side, f, m in zip(sides, factors, most, strict=True))
        last = 0
        for row, column in scan_order(rows, columns, *factors):
            real = row < rows and column < columns  # the others fill up an MCU: no difference, no AC level
            block = blocks[row, column] if real else np.array([last, *[0] * 63])
            yield 0, component, abs(int(block[0] - last)).bit_length()
            last = int(block[0])
            yield from ((1, component, symbol) for symbol in ac_symbols(block[ZIGZAG]))


def scan_order(rows: int, columns: int, across: int, down: int) -> Iterator[tuple[int, int]]:
    """Row and column of each block of a component, MCU by MCU."""
    for top in range(0, rows, down):
        for left in range(0, columns, across):
            yield from ((top + i, left + j) for i in range(down) for j in range(across))


def ac_symbols(block: NDArray[np.int64]) -> Iterator[int]:
    places = np.flatnonzero(block[1:]) + 1
    for run, level in zip(np.diff([0, *places]) - 1, block[places], strict=True):
        yield from [0xF0] * (run // 16)
        yield (run % 16) << 4 | int(abs(level)).bit_length()
    if len(places) == 0 or places[-1] < 63:
        yield 0


@pytest.mark.parametrize("kind", [kind for kind in RECOMPRESSED if kind != "512 x 512"])
def test_a_scan_is_as_short_as_its_levels_allow(kind: str) -> None:
    """Every symbol was counted, and none that is not coded: else the best tables would make a shorter scan."""
    tile, _ = recompress(jpegs.tile(kind), 50)
    scan = jpegs.segments(tile)[-1][1]
    tables = [divmod(scan[4 + 2 * component], 16) for component in range(scan[2])]
    counts: dict[tuple[int, int], Counter[int]] = defaultdict(Counter)
    for table_class, component, symbol in symbols(jpegs.levels(tile), tile):
        counts[table_class, tables[component][table_class]][symbol] += 1
    bits = 0
    for table in counts.values():
        best = code_lengths(dict(table))
        bits += sum(count * (best[symbol] + (symbol & 15)) for symbol, count in table.items())
    data = scan[int.from_bytes(scan[:2]) :].removesuffix(b"\xff\xd9").replace(b"\xff\0", b"\xff")
    assert len(data) == -(-bits // 8)

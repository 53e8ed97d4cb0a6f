"""The Huffman coding of recompressed tiles: right to the bit, and as short as any can be."""

import heapq
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gptool._jpeg import Outcome, huffman_table, recompress
from gptool.model import Tables
from helpers import jpegs, jpegs_coded
from helpers.jpeg_table import RECOMPRESSED
from helpers.jpegs_coded import ZIGZAG, Frame, codes, entropy_coded, scan, scan_of, symbols, unstuffed
from helpers.jpegs_made import DQT, EOI, with_payload
from helpers.jpegs_rules import MODES, requantised
from helpers.jpegs_seen import levels

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
    with pytest.raises(ValueError, match="expected 256, not all 0"):
        huffman_table(counts)


# ---- the counts ----


SMALL = [kind for kind in RECOMPRESSED if kind not in jpegs.LARGE]


@pytest.mark.parametrize("kind", SMALL)
def test_a_scan_is_as_short_as_its_levels_allow(kind: str) -> None:
    """Every symbol was counted, and none that is not coded: else the best tables would make a shorter scan."""
    tile, _ = recompress(jpegs.tile(kind), 50)
    selected, data = scan_of(tile)
    counts: dict[tuple[int, int], Counter[int]] = defaultdict(Counter)
    for table_class, component, symbol, _ in symbols(levels(tile), Frame.of(tile), range(len(selected))):
        counts[table_class, selected[component][table_class]][symbol] += 1
    bits = 0
    for table in counts.values():
        best = code_lengths(dict(table))
        bits += sum(count * (best[symbol] + (symbol & 15)) for symbol, count in table.items())
    assert len(unstuffed(data)) == -(-bits // 8)


# ---- the scan ----


def check_scan(tile: bytes) -> None:
    """Hold a tile's entropy-coded bytes against its levels, coded once more with its own tables."""
    selected, data = scan_of(tile)
    names = {table: {symbol: code for code, symbol in found.items()} for table, found in codes(tile).items()}
    found = symbols(levels(tile), Frame.of(tile), range(len(selected)))
    bits = "".join(names[table, selected[component][table]][symbol] + more for table, component, symbol, more in found)
    assert data == entropy_coded(bits)


@pytest.mark.parametrize("kind", SMALL)
def test_a_scan_is_its_levels_to_the_bit(kind: str) -> None:
    check_scan(recompress(jpegs.tile(kind), 50)[0])


@pytest.mark.parametrize("kind", ["4:2:0", "4:1:1", "grayscale", "17 x 33", "YCCK"])
def test_two_decoders_find_the_same_levels(kind: str) -> None:
    """Else the one that stands in where TurboJPEG does not know the sampling would prove little."""
    tile = jpegs.tile(kind)
    for found, expected in zip(jpegs_coded.levels(tile), levels(tile), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("tables", MODES)
@pytest.mark.parametrize("share", [0, 0.003, 0.03, 0.3, 1])
def test_any_levels_that_baseline_can_hold_come_through(share: float, tables: Tables) -> None:
    """Runs of any length, levels of up to 10 bits."""
    random = np.random.default_rng(0)
    frame = Frame(100, 300, jpegs.IN_420, (0, 1, 1))
    planes = [random_levels(random, (*frame.blocks(component), 64), share) for component in range(3)]
    check_levels(jpegs.head(frame) + scan(planes, frame, 0, 1, 2) + EOI, tables)


def random_levels(random: np.random.Generator, shape: tuple[int, ...], share: float) -> NDArray[np.int64]:
    """Return levels of which this share is not 0; each bit more makes them half as frequent."""
    bits = random.geometric(0.5, shape).clip(1, 10)
    magnitudes = random.integers(2 ** (bits - 1), 2**bits) * (random.random(shape) < share)
    magnitudes[..., 0] = random.integers(0, 1024, shape[:-1])
    return magnitudes * random.choice([-1, 1], shape)


def test_the_longest_codes_come_through() -> None:
    """Each symbol is about 1.6 times as frequent as the one before, so that its code is a bit shorter."""
    counts = FIBONACCI[:18]
    frame = Frame(8 * 76, 8 * 89, ((1, 1),), (0,))  # as many blocks as symbols
    numbers = np.repeat(range(len(counts)), counts)
    plane = np.zeros((len(numbers), 64), int)
    plane[::2, 0] = 100
    # Runs of 0 to 8, levels of 9 bits or 10: no symbol can take more than 16 + 10.
    plane[np.arange(len(plane)), np.array(ZIGZAG)[1 + numbers // 2]] = 300 + 400 * (numbers % 2)
    plane = plane.reshape(76, 89, 64)
    output = check_levels(jpegs.head(frame) + scan([plane], frame, 0) + EOI, "efficient")
    assert max(len(code) for code in codes(output)[1, 0]) == 16


def check_levels(tile: bytes, tables: Tables) -> bytes:
    """Recompress a tile so that only the DC levels change."""
    tile = with_payload(tile, DQT, lambda table: table[:1] + b"\2" + b"\xff" * 63)
    output, outcome = recompress(tile, 50, tables=tables)
    assert outcome is Outcome.RECOMPRESSED
    expected = requantised(tile, 50, tables, luminance_only=len(Frame.of(tile).slots) == 1)
    for found, (_, expected_levels) in zip(levels(output), expected, strict=True):
        np.testing.assert_array_equal(found, expected_levels)
    check_scan(output)
    return output

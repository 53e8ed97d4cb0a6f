"""The Huffman coding of recompressed tiles: correct to the bit, and optimal."""

import heapq
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gptool._jpeg import Outcome, huffman_table, recompress
from gptool.model import Tables
from helpers import jpeg_huffman, jpeg_kinds
from helpers.jpeg_huffman import (
    ZIGZAG,
    Frame,
    encode_scan,
    pack_bits,
    read_huffman_codes,
    read_scan,
    scan_symbols,
    unstuff,
)
from helpers.jpeg_outcomes import RECOMPRESSED
from helpers.jpeg_readers import read_coefficients
from helpers.jpeg_requantisation import TABLE_MODES, requantise
from helpers.jpeg_tiles import DQT, EOI, with_payload

# ---- the table ----


def optimal_lengths(counts: dict[int, int]) -> dict[int, int]:
    """Return the code lengths of Huffman's algorithm without a limit; one code is reserved."""
    heap: list[tuple[int, list[int]]] = [(count, [symbol]) for symbol, count in (counts | {-1: 0}).items()]
    heapq.heapify(heap)
    lengths = dict.fromkeys([*counts, -1], 0)
    while len(heap) > 1:
        (first, a), (second, b) = heapq.heappop(heap), heapq.heappop(heap)
        for symbol in a + b:
            lengths[symbol] += 1
        heapq.heappush(heap, (first + second, a + b))
    return lengths


def table_lengths(bits: bytes, values: bytes) -> dict[int, int]:
    """Return the code length of each symbol, as a decoder reads a DHT segment."""
    lengths = [length for length, count in enumerate(bits, 1) for _ in range(count)]
    return dict(zip(values, lengths, strict=True))


FIBONACCI = [1, 1]
while len(FIBONACCI) < 47:  # the largest numbers of 32 bits
    FIBONACCI.append(FIBONACCI[-1] + FIBONACCI[-2])


@settings(derandomize=True, database=None, deadline=None)
@given(counts=st.dictionaries(st.integers(0, 255), st.integers(1, 10**6) | st.integers(1, 3), min_size=1))
@example(counts={0: 1})
@example(counts=dict.fromkeys(range(256), 1))
@example(counts=dict(enumerate(FIBONACCI)))
@example(counts=dict(enumerate(reversed(FIBONACCI))))
@example(counts=dict.fromkeys(range(200), 1) | {200 + i: 2**i for i in range(24)})
def test_table_is_valid_and_optimal(counts: dict[int, int]) -> None:
    array = np.zeros(256, np.uint32)
    array[list(counts)] = list(counts.values())
    lengths = table_lengths(*huffman_table(array))
    assert lengths.keys() == counts.keys()
    longest = max(lengths.values())
    assert longest <= 16
    # Prefix-free, and the code of all ones is unused.
    assert sum(2 ** (longest - length) for length in lengths.values()) < 2**longest
    best = optimal_lengths(counts)
    size, best_size = (sum(counts[symbol] * each[symbol] for symbol in counts) for each in (lengths, best))
    assert size == best_size if max(best.values()) <= 16 else best_size <= size < 1.02 * best_size


@pytest.mark.parametrize("counts", [np.zeros(256, np.uint32), np.ones(255, np.uint32)])
def test_wrong_counts_are_rejected(counts: NDArray[np.uint32]) -> None:
    with pytest.raises(ValueError, match="expected 256, not all 0"):
        huffman_table(counts)


# ---- the counts ----


SMALL = [kind for kind in RECOMPRESSED if kind not in jpeg_kinds.LARGE]


@pytest.mark.parametrize("kind", SMALL)
def test_scan_has_the_optimal_size(kind: str) -> None:
    """All symbols are counted, and no others: otherwise optimal tables would give a shorter scan."""
    tile, _ = recompress(jpeg_kinds.tile(kind), 50)
    selected, data = read_scan(tile)
    counts: dict[tuple[int, int], Counter[int]] = defaultdict(Counter)
    for table_class, component, symbol, _ in scan_symbols(
        read_coefficients(tile), Frame.of(tile), range(len(selected))
    ):
        counts[table_class, selected[component][table_class]][symbol] += 1
    bits = 0
    for table in counts.values():
        best = optimal_lengths(dict(table))
        bits += sum(count * (best[symbol] + (symbol & 15)) for symbol, count in table.items())
    assert len(unstuff(data)) == -(-bits // 8)


# ---- the scan ----


def check_scan(tile: bytes) -> None:
    """Compare a tile's entropy-coded bytes with its coefficients, encoded again with its own tables."""
    selected, data = read_scan(tile)
    codes = {slot: {symbol: code for code, symbol in table.items()} for slot, table in read_huffman_codes(tile).items()}
    found = scan_symbols(read_coefficients(tile), Frame.of(tile), range(len(selected)))
    bits = "".join(codes[table, selected[component][table]][symbol] + more for table, component, symbol, more in found)
    assert data == pack_bits(bits)


@pytest.mark.parametrize("kind", SMALL)
def test_scan_encodes_its_coefficients_to_the_bit(kind: str) -> None:
    check_scan(recompress(jpeg_kinds.tile(kind), 50)[0])


@pytest.mark.parametrize("kind", ["4:2:0", "4:1:1", "grayscale", "17 x 33", "YCCK"])
def test_both_test_decoders_agree(kind: str) -> None:
    """The second one replaces TurboJPEG for sampling factors that it does not support."""
    tile = jpeg_kinds.tile(kind)
    for found, expected in zip(jpeg_huffman.read_coefficients(tile), read_coefficients(tile), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("tables", TABLE_MODES)
@pytest.mark.parametrize("share", [0, 0.003, 0.03, 0.3, 1])
def test_all_baseline_coefficients_are_encoded(share: float, tables: Tables) -> None:
    """Runs of any length, coefficients of up to 10 bits."""
    random = np.random.default_rng(0)
    frame = Frame(100, 300, jpeg_kinds.IN_420, (0, 1, 1))
    planes = [random_coefficients(random, (*frame.blocks(component), 64), share) for component in range(3)]
    check_coefficients(jpeg_kinds.make_header(frame) + encode_scan(planes, frame, 0, 1, 2) + EOI, tables)


@pytest.mark.parametrize("tables", TABLE_MODES)
def test_every_magnitude_and_position_is_encoded(tables: Tables) -> None:
    """Every AC coefficient and DC difference of baseline coding, and a coefficient at each position of a block."""
    frame = Frame(8 * 64, 8 * 128, ((1, 1),), (0,))
    plane = np.zeros((64 * 128, 64), int)
    plane[:2047, 9] = np.arange(-1023, 1024)
    plane[np.arange(2100, 2163), np.arange(1, 64)] = 1000
    zigzag = np.arange(1, 2048) // 2 * (-1) ** np.arange(1, 2048)  # differences 1, -2, 3, ... 2046
    plane[3000 : 3000 + len(zigzag), 0] = zigzag
    plane[5100 : 5100 + len(zigzag), 0] = -zigzag
    tile = jpeg_kinds.make_header(frame) + encode_scan([plane.reshape(64, 128, 64)], frame, 0) + EOI
    check_coefficients(tile, tables)


def random_coefficients(random: np.random.Generator, shape: tuple[int, ...], share: float) -> NDArray[np.int64]:
    """Return coefficients of which this share is not 0; each additional bit halves their frequency."""
    bits = random.geometric(0.5, shape).clip(1, 10)
    magnitudes = random.integers(2 ** (bits - 1), 2**bits) * (random.random(shape) < share)
    magnitudes[..., 0] = random.integers(0, 1024, shape[:-1])
    return magnitudes * random.choice([-1, 1], shape)


def test_longest_codes_are_encoded() -> None:
    """Each symbol is about 1.6 times as frequent as the previous one, so that its code is one bit shorter."""
    counts = FIBONACCI[:18]
    frame = Frame(8 * 76, 8 * 89, ((1, 1),), (0,))  # as many blocks as symbols
    numbers = np.repeat(range(len(counts)), counts)
    plane = np.zeros((len(numbers), 64), int)
    plane[::2, 0] = 100
    # Runs of 0 to 8, coefficients of 9 or 10 bits: the longest possible code has 16 + 10 bits.
    plane[np.arange(len(plane)), np.array(ZIGZAG)[1 + numbers // 2]] = 300 + 400 * (numbers % 2)
    plane = plane.reshape(76, 89, 64)
    output = check_coefficients(jpeg_kinds.make_header(frame) + encode_scan([plane], frame, 0) + EOI, "efficient")
    assert max(len(code) for code in read_huffman_codes(output)[1, 0]) == 16


def check_coefficients(tile: bytes, tables: Tables) -> bytes:
    """Recompress a tile so that only the last coefficient, in both orders, changes."""
    steps = [255] * 63 + [2]
    tile = with_payload(tile, DQT, lambda table: table[:1] + bytes(steps))
    output, outcome = recompress(tile, 50, tables=tables)
    assert outcome is Outcome.RECOMPRESSED
    expected = requantise(tile, 50, tables, luminance_only=len(Frame.of(tile).slots) == 1)
    for found, (_, coefficients) in zip(read_coefficients(output), expected, strict=True):
        np.testing.assert_array_equal(found, coefficients)
    check_scan(output)
    return output

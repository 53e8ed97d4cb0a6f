"""Sequential Huffman coding by T.81, one symbol at a time: for tiles that no encoder writes."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from helpers.jpeg_tiles import DHT, EOI, SOF3, SOFS, SOI, SOS, read_segments, segment

Coefficients = NDArray[np.int64]
"""The quantised coefficients of one component: (block rows, block columns, 64), natural order."""

ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, i // 8 if (i // 8 + i % 8) % 2 else i % 8))
"""Natural indexes of the coefficients in zigzag order: along the diagonals, back and forth."""

FLAT_DHT = bytes([0, 0, 0, 0, 15, *bytes(12), *range(15), 0x10, *bytes(7), 255, *bytes(8), *range(255)])
"""A DHT payload: the code of each symbol is the symbol itself, in 4 bits (DC) or 8; the code of all ones is unused."""


class Frame(NamedTuple):
    """A frame header, and the blocks that follow from it."""

    height: int
    width: int
    sampling: tuple[tuple[int, int], ...]
    slots: tuple[int, ...]
    precision: int = 8

    @classmethod
    def of(cls, tile: bytes) -> "Frame":
        payload = next(payload for marker, payload in read_segments(tile) if marker in SOFS)
        sides = int.from_bytes(payload[1:3]), int.from_bytes(payload[3:5])
        return cls(*sides, tuple(divmod(each, 16) for each in payload[7::3]), tuple(payload[8::3]), payload[0])

    def payload(self) -> bytes:
        components = [
            (number, 16 * across + down, slot)
            for number, ((across, down), slot) in enumerate(zip(self.sampling, self.slots, strict=True), 1)
        ]
        sides = self.height.to_bytes(2) + self.width.to_bytes(2)
        return bytes([self.precision]) + sides + bytes([len(components), *sum(components, ())])

    def blocks(self, component: int) -> tuple[int, int]:
        """Return the number of block rows and block columns of a component."""
        across, down = self.sampling[component]
        widest, highest = (max(factors) for factors in zip(*self.sampling, strict=True))
        return -(-self.height * down // (8 * highest)), -(-self.width * across // (8 * widest))

    def scan_order(self, components: Sequence[int]) -> Iterator[tuple[int, int, int, bool]]:
        """Yield component, row and column of each block of a scan, and False if it is only padding (T.81, A.2)."""
        if len(components) == 1:
            rows, columns = self.blocks(components[0])
            yield from ((components[0], row, column, True) for row in range(rows) for column in range(columns))
            return
        widest, highest = (max(factors) for factors in zip(*self.sampling, strict=True))
        for down in range(-(-self.height // (8 * highest))):
            for across in range(-(-self.width // (8 * widest))):
                for component in components:
                    h, v = self.sampling[component]
                    rows, columns = self.blocks(component)
                    for row, column in np.ndindex(v, h):
                        block_row, block_column = down * v + row, across * h + column
                        yield component, block_row, block_column, block_row < rows and block_column < columns


# ---- encoder ----


def scan_symbols(
    planes: Sequence[Coefficients], frame: Frame, components: Sequence[int]
) -> Iterator[tuple[int, int, int, str]]:
    """Yield table class (0: DC), component, symbol and additional bits of all that a scan codes (T.81, F.1.2)."""
    last = [0] * len(planes)
    for component, row, column, is_real in frame.scan_order(components):
        block = planes[component][row, column] if is_real else np.array([last[component], *[0] * 63])
        difference = int(block[0]) - last[component]
        last[component] = int(block[0])
        yield 0, component, *magnitude_bits(difference)
        nonzero = np.flatnonzero(zigzag := block[ZIGZAG])
        nonzero = nonzero[nonzero > 0]
        for run, value in zip(np.diff([0, *nonzero]) - 1, zigzag[nonzero], strict=True):
            yield from [(1, component, 0xF0, "")] * (run // 16)
            category, bits = magnitude_bits(int(value))
            yield 1, component, int(run % 16) << 4 | category, bits
        if len(nonzero) == 0 or nonzero[-1] < 63:
            yield 1, component, 0, ""


def magnitude_bits(value: int) -> tuple[int, str]:
    """Return SSSS category and additional bits (T.81, F.1.2.1)."""
    category = abs(value).bit_length()
    return category, f"{value if value > 0 else value + 2**category - 1:0{category}b}" if category else ""


def pack_bits(bits: str) -> bytes:
    """Return bits as entropy-coded bytes: padded with ones, each 0xFF followed by 0."""
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8).replace(b"\xff", b"\xff\0")


def encode_scan(planes: Sequence[Coefficients], frame: Frame, *components: int) -> bytes:
    """Return one scan of these components, from its SOS marker, coded with FLAT_DHT."""
    found = scan_symbols(planes, frame, components)
    bits = "".join(f"{symbol:0{(4, 8)[table]}b}{more}" for table, _, symbol, more in found)
    named = b"".join(bytes([component + 1, 0]) for component in components)
    return segment(SOS, b"\0" + bytes([6 + len(named), len(components)]) + named + b"\0\x3f\0" + pack_bits(bits))


def encode_lossless(samples: NDArray[np.uint8]) -> bytes:
    """Return a lossless tile of one component: each sample as the difference to its left neighbour (T.81, H)."""
    before = np.roll(samples, 1, axis=1).astype(int)
    before[1:, 0], before[0, 0] = samples[:-1, 0], 128
    bits = "".join(
        f"{category:04b}{more}" for category, more in map(magnitude_bits, (samples - before).ravel().tolist())
    )
    height, width = samples.shape
    frame = Frame(height, width, ((1, 1),), (0,))
    parts = (SOF3, frame.payload()), (DHT, FLAT_DHT), (SOS, b"\0\x08\1\1\0\1\0\0" + pack_bits(bits))
    return SOI + b"".join(segment(*part) for part in parts) + EOI


# ---- decoder ----


class BitReader:
    """A reader of the bits of a scan."""

    def __init__(self, data: bytes) -> None:
        self.remaining = iter(f"{int.from_bytes(data):0{8 * len(data)}b}")

    def read_symbol(self, table: dict[str, int]) -> int:
        code = next(self.remaining)
        while code not in table:
            code += next(self.remaining)
        return table[code]

    def read_value(self, category: int) -> int:
        bits = "".join(islice(self.remaining, category))
        return 0 if not bits else int(bits, 2) if bits[0] == "1" else int(bits, 2) - 2**category + 1


def read_huffman_codes(tile: bytes) -> dict[tuple[int, int], dict[str, int]]:
    """Return the symbol of each code, by class (0: DC) and slot of the Huffman table."""
    found: dict[tuple[int, int], dict[str, int]] = {}
    for payload in (payload for marker, payload in read_segments(tile) if marker == DHT):
        at = 0
        while at < len(payload):
            table = found[divmod(payload[at], 16)] = {}
            counts, values = payload[at + 1 : at + 17], iter(payload[at + 17 :])
            code = 0
            for length, count in enumerate(counts, 1):
                table |= {f"{code + i:0{length}b}": next(values) for i in range(count)}
                code = 2 * (code + count)
            at += 17 + len(table)
    return found


def unstuff(data: bytes) -> bytes:
    """Return entropy-coded bytes without the zeros after 0xFF."""
    return data.replace(b"\xff\0", b"\xff")


def read_scan(tile: bytes) -> tuple[list[tuple[int, int]], bytes]:
    """Return the DC and AC table slots of each component of a tile's only scan, and its entropy-coded bytes."""
    payload = read_segments(tile)[-1][1]
    selected = [divmod(payload[4 + 2 * i], 16) for i in range(payload[2])]
    return selected, payload[int.from_bytes(payload[:2]) :].removesuffix(EOI)


def read_coefficients(tile: bytes) -> list[Coefficients]:
    """Return the coefficients of each component of a tile with one complete scan and no restart markers."""
    frame, tables, (selected, data) = Frame.of(tile), read_huffman_codes(tile), read_scan(tile)
    planes = [np.zeros((*frame.blocks(component), 64), int) for component in range(len(selected))]
    bits, last = BitReader(unstuff(data)), [0] * len(planes)
    for component, row, column, is_real in frame.scan_order(range(len(planes))):
        dc, ac = selected[component]
        last[component] += bits.read_value(bits.read_symbol(tables[0, dc]))
        block, k = np.array([last[component], *[0] * 63]), 0
        while k < 63:
            run, category = divmod(bits.read_symbol(tables[1, ac]), 16)
            if (run, category) == (0, 0):
                break
            k += run + 1
            block[ZIGZAG[k]] = bits.read_value(category)
        if is_real:
            planes[component][row, column] = block
    return planes

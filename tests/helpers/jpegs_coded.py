"""Sequential Huffman coding as T.81 has it, a symbol at a time: for tiles that encoders don't make."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from helpers.jpegs_made import DHT, EOI, SOF3, SOFS, SOI, SOS, segment, segments

Levels = NDArray[np.int64]
"""Of one component: (blocks down, blocks across, 64), natural order."""

ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, i // 8 if (i // 8 + i % 8) % 2 else i % 8))
"""Natural places of the coefficients in zigzag order: along the diagonals, there and back."""

FLAT = bytes([0, 0, 0, 0, 15, *bytes(12), *range(15), 0x10, *bytes(7), 255, *bytes(8), *range(255)])
"""A DHT payload: the code of each symbol is the symbol itself, in 4 bits (DC) or 8; the code of all ones is free."""


class Frame(NamedTuple):
    """What a frame header says, and the blocks that follow from it."""

    height: int
    width: int
    sampling: tuple[tuple[int, int], ...]
    slots: tuple[int, ...]
    precision: int = 8

    @classmethod
    def of(cls, tile: bytes) -> "Frame":
        payload = next(payload for marker, payload in segments(tile) if marker in SOFS)
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
        """Return how many rows and columns of blocks a component has."""
        across, down = self.sampling[component]
        widest, highest = (max(factors) for factors in zip(*self.sampling, strict=True))
        return -(-self.height * down // (8 * highest)), -(-self.width * across // (8 * widest))

    def scan_order(self, components: Sequence[int]) -> Iterator[tuple[int, int, int, bool]]:
        """Yield component, row and column of each block of a scan, and whether it is more than filling (T.81, A.2)."""
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
                        place = down * v + row, across * h + column
                        yield component, *place, place[0] < rows and place[1] < columns


# ---- from levels to bits ----


def symbols(planes: Sequence[Levels], frame: Frame, components: Sequence[int]) -> Iterator[tuple[int, int, int, str]]:
    """Yield all that a scan codes: class of table (0: DC), component, symbol, and the bits behind it (T.81, F.1.2)."""
    last = [0] * len(planes)
    for component, row, column, real in frame.scan_order(components):
        block = planes[component][row, column] if real else np.array([last[component], *[0] * 63])
        difference = int(block[0]) - last[component]
        last[component] = int(block[0])
        yield 0, component, *magnitude(difference)
        places = np.flatnonzero(in_zigzag := block[ZIGZAG])
        places = places[places > 0]
        for run, level in zip(np.diff([0, *places]) - 1, in_zigzag[places], strict=True):
            yield from [(1, component, 0xF0, "")] * (run // 16)
            size, bits = magnitude(int(level))
            yield 1, component, int(run % 16) << 4 | size, bits
        if len(places) == 0 or places[-1] < 63:
            yield 1, component, 0, ""


def magnitude(value: int) -> tuple[int, str]:
    size = abs(value).bit_length()
    return size, f"{value if value > 0 else value + 2**size - 1:0{size}b}" if size else ""


def entropy_coded(bits: str) -> bytes:
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8).replace(b"\xff", b"\xff\0")


def scan(planes: Sequence[Levels], frame: Frame, *components: int) -> bytes:
    """Return one scan of these components, from the SOS marker on, in the codes of FLAT."""
    found = symbols(planes, frame, components)
    bits = "".join(f"{symbol:0{(4, 8)[table]}b}{more}" for table, _, symbol, more in found)
    named = b"".join(bytes([component + 1, 0]) for component in components)
    return segment(SOS, b"\0" + bytes([6 + len(named), len(components)]) + named + b"\0\x3f\0" + entropy_coded(bits))


def lossless(samples: NDArray[np.uint8]) -> bytes:
    """Return a lossless tile of one component: each sample as the difference to the one on its left (T.81, H)."""
    before = np.roll(samples, 1, axis=1).astype(int)
    before[1:, 0], before[0, 0] = samples[:-1, 0], 128
    bits = "".join(f"{size:04b}{more}" for size, more in map(magnitude, (samples - before).ravel().tolist()))
    frame = Frame(*samples.shape, ((1, 1),), (0,))
    parts = (SOF3, frame.payload()), (DHT, FLAT), (SOS, b"\0\x08\1\1\0\1\0\0" + entropy_coded(bits))
    return SOI + b"".join(segment(*part) for part in parts) + EOI


# ---- and back ----


class Bits:
    """The bits of a scan, first to last."""

    def __init__(self, data: bytes) -> None:
        self.left = iter(f"{int.from_bytes(data):0{8 * len(data)}b}")

    def symbol(self, table: dict[str, int]) -> int:
        code = next(self.left)
        while code not in table:
            code += next(self.left)
        return table[code]

    def value(self, size: int) -> int:
        bits = "".join(islice(self.left, size))
        return 0 if not bits else int(bits, 2) if bits[0] == "1" else int(bits, 2) - 2**size + 1


def codes(tile: bytes) -> dict[tuple[int, int], dict[str, int]]:
    """Return what each code stands for, by class (0: DC) and slot of the Huffman table."""
    found: dict[tuple[int, int], dict[str, int]] = {}
    for payload in (payload for marker, payload in segments(tile) if marker == DHT):
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


def unstuffed(data: bytes) -> bytes:
    return data.replace(b"\xff\0", b"\xff")


def scan_of(tile: bytes) -> tuple[list[tuple[int, int]], bytes]:
    """Return the slots of DC and AC table of each component of a tile's only scan, and its entropy-coded bytes."""
    payload = segments(tile)[-1][1]
    selected = [divmod(payload[4 + 2 * i], 16) for i in range(payload[2])]
    return selected, payload[int.from_bytes(payload[:2]) :].removesuffix(EOI)


def levels(tile: bytes) -> list[Levels]:
    """Return the levels of each component of a tile that has one scan, all of it, and no restart markers."""
    frame, tables, (selected, data) = Frame.of(tile), codes(tile), scan_of(tile)
    planes = [np.zeros((*frame.blocks(component), 64), int) for component in range(len(selected))]
    bits, last = Bits(unstuffed(data)), [0] * len(planes)
    for component, row, column, real in frame.scan_order(range(len(planes))):
        dc, ac = selected[component]
        last[component] += bits.value(bits.symbol(tables[0, dc]))
        block, place = np.array([last[component], *[0] * 63]), 0
        while place < 63:
            run, size = divmod(bits.symbol(tables[1, ac]), 16)
            if (run, size) == (0, 0):
                break
            place += run + 1
            block[ZIGZAG[place]] = bits.value(size)
        if real:
            planes[component][row, column] = block
    return planes

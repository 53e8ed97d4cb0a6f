"""Compact V1 bundles whose tiles are read once: they have the tiles that reading the sizes beforehand finds."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gptool.cache.byte_source import ByteSource, ReadBuffer
from gptool.cache.compact_v1 import BoundedBundle, size_bounds
from gptool.errors import BundleError
from gptool.model import BundleAddress
from gptool.system.store_url import StoreUrl

HEADER = 60
ADDRESS = BundleAddress(0, 0, 0)


class Memory(ByteSource):
    """A file in memory, which is read like an object in a store."""

    request_bytes = 200

    def __init__(self, data: bytes) -> None:
        super().__init__(StoreUrl("s3", "bucket", "R0000C0000.bundle"), len(data))
        self.data, self.bytes_read = np.frombuffer(data, np.uint8), 0

    def _read(self, offset: int, size: int, buffer: ReadBuffer) -> NDArray[np.uint8]:
        self.bytes_read += size
        return self.data[offset : offset + size]

    def _read_uint32(self, offsets: NDArray[np.uint64]) -> NDArray[np.uint32]:
        raise AssertionError("sizes are not read on their own")


def open_bounded(data: bytes, fields_at: list[int]) -> tuple[Memory, BoundedBundle] | None:
    """Open a bundle with these offsets of sizes, which are those of its first positions; None if it has no bounds."""
    source, present = Memory(data), np.arange(len(fields_at))
    offsets = np.zeros(16384, np.uint64)
    offsets[present] = fields_at
    bounds = size_bounds(source, offsets, present)
    offsets[present] += np.uint64(4)
    return (source, BoundedBundle(source, ADDRESS, offsets, bounds)) if bounds.any() else None


def read_all(bundle: BoundedBundle) -> dict[int, bytes]:
    batches = bundle.batches(np.flatnonzero(bundle.sizes))
    return {int(batch.positions[i]): batch.tile(i) for batch in batches for i in range(len(batch.sizes))}


def laid_out(tiles: list[bytes], gap: bytes = b"") -> tuple[bytes, list[int]]:
    data, fields_at = bytes(HEADER), []
    for tile in tiles:
        fields_at.append(len(data))
        data += struct.pack("<I", len(tile)) + tile + gap
    return data, fields_at


def test_tiles_without_gaps_have_their_sizes_as_bounds_and_are_read_once() -> None:
    tiles = [bytes([i]) * (i + 1) for i in range(100)]
    data, fields_at = laid_out(tiles)
    opened = open_bounded(data, fields_at)
    assert opened
    source, bundle = opened
    assert bundle.sizes[:100].tolist() == [len(tile) for tile in tiles]
    assert read_all(bundle) == dict(enumerate(tiles))
    assert source.bytes_read == len(data) - HEADER


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(body=st.binary(max_size=120), fields_at=st.lists(st.integers(HEADER, HEADER + 120), min_size=1, max_size=8))
def test_any_layout_has_the_tiles_that_its_sizes_say(body: bytes, fields_at: list[int]) -> None:
    """Entries may share bytes, point into tiles, and be in any order. Sizes are small, so that many are valid."""
    data = bytes(HEADER) + bytes(value % 40 if i % 4 == 0 else 0 for i, value in enumerate(body))
    fields_at = [HEADER + (at - HEADER) // 4 * 4 for at in fields_at if at + 4 <= len(data)]
    opened = open_bounded(data, fields_at)
    if opened is None:
        return  # such bundles are read as those on disks are
    sizes = [int.from_bytes(data[at : at + 4], "little") for at in fields_at]
    try:
        found = read_all(opened[1])
    except BundleError as error:
        assert "points past the end of the file" in str(error)
        assert any(at + 4 + size > len(data) for at, size in zip(fields_at, sizes, strict=True))
    else:
        expected = {i: data[at + 4 : at + 4 + size] for i, (at, size) in enumerate(zip(fields_at, sizes, strict=True))}
        assert found == {i: tile for i, tile in expected.items() if tile}


@pytest.mark.parametrize("fields_at", [[60, 62], [60, 64], [60, 68]], ids=["overlapping", "adjacent", "at the end"])
def test_index_with_sizes_next_to_each_other_has_no_bounds(fields_at: list[int]) -> None:
    assert open_bounded(bytes(72), fields_at) is None


def test_tile_that_many_entries_share_has_no_bounds_if_they_may_be_too_many_bytes() -> None:
    assert open_bounded(bytes(1 << 20), [60] * 1024) is not None
    assert open_bounded(bytes(1 << 20), [60] * 1025) is None


@pytest.mark.parametrize("size", [11, 2**24, 2**32 - 1])
def test_impossible_size_is_an_error(size: int) -> None:
    data, fields_at = laid_out([b"a" * 10, b"b" * 10])
    opened = open_bounded(data[: fields_at[1]] + struct.pack("<I", size) + b"b" * 10, fields_at)
    assert opened
    with pytest.raises(BundleError, match="index entry of level 0, row 0, column 1 points past the end") as caught:
        read_all(opened[1])
    assert str(caught.value).startswith("s3://bucket/R0000C0000.bundle: ")
    assert f"found {size} bytes at offset 78, expected a range within bytes 60 to 88" in str(caught.value)


def test_tiles_that_share_too_many_bytes_are_an_error_before_their_memory_is_needed() -> None:
    """Each entry has room for a few bytes, but claims nearly the whole file."""
    count, large = 1000, 15_000_000
    data = bytearray(HEADER + 8 * count + large)
    fields_at = [HEADER + 8 * i for i in range(count)]
    for at in fields_at:
        data[at : at + 4] = struct.pack("<I", large)
    opened = open_bounded(bytes(data), fields_at)
    assert opened
    with pytest.raises(BundleError, match="tiles share bytes and their total size exceeds the limit"):
        for _ in opened[1].batches(np.flatnonzero(opened[1].sizes)):
            pass

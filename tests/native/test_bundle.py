"""Indexes of compact bundles, packed tiles, and the format of tiles."""

import struct
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gptool._bundle import TileKind, inspect, pack, read_index_v1, read_index_v2
from helpers import jpeg_kinds, jpeg_tiles
from helpers.lerc_tiles import is_whole_lerc, lerc1_tile, lerc2_tile

TILES = 128 * 128
FIRST_TILE = 64 + 8 * TILES
"""The offset after header and index."""

Entries = dict[int, tuple[int, int]]
"""Offset and size by position; other positions have no tile."""

property_test = settings(derandomize=True, database=None, deadline=None)


# ---- the index ----


def make_index(entries: Entries) -> bytes:
    """Return an index by the CompactCacheV2 specification: a little-endian u64 per tile, 40 bits offset, 24 size."""
    index = bytearray(8 * TILES)
    for position, (offset, size) in entries.items():
        struct.pack_into("<Q", index, 8 * position, offset | size << 40)
    return bytes(index)


def expected_tiles(entries: Entries, file_size: int) -> tuple[Entries, int]:
    """Return the entries of tiles before the first bad entry, and its position or -1."""
    tiles: Entries = {}
    for position, (offset, size) in sorted(entries.items()):
        if size == 0:
            continue
        if offset < FIRST_TILE or offset + size > file_size:
            return tiles, position
        tiles[position] = offset, size
    return tiles, -1


offsets_in_file = st.integers(0, 2**40 - 1) | st.integers(FIRST_TILE - 2, FIRST_TILE + 2**20)
sizes_in_file = st.integers(0, 2**24 - 1) | st.integers(0, 2)


@property_test
@given(
    entries=st.dictionaries(st.integers(0, TILES - 1), st.tuples(offsets_in_file, sizes_in_file), max_size=40),
    file_size=st.integers(0, 2**41) | st.integers(FIRST_TILE, FIRST_TILE + 2**21) | st.just(2**64 - 1),
)
@example(entries={0: (FIRST_TILE, 2**24 - 1), TILES - 1: (2**40 - 1, 1)}, file_size=2**40)
@example(entries={0: (FIRST_TILE, 2**24 - 1), TILES - 1: (2**40 - 1, 2)}, file_size=2**40)
def test_index_is_read_up_to_the_first_bad_entry(entries: Entries, file_size: int) -> None:
    offsets, sizes, bad = read_index_v2(make_index(entries), file_size)
    tiles = {int(i): (int(offsets[i]), int(sizes[i])) for i in np.flatnonzero(offsets | sizes)}
    assert (tiles, bad) == expected_tiles(entries, file_size)
    assert (offsets.dtype, sizes.dtype, len(offsets), len(sizes)) == (np.uint64, np.uint32, TILES, TILES)


@pytest.mark.parametrize(
    ("offset", "size", "bad"),
    [
        (FIRST_TILE, 10, -1),
        (FIRST_TILE + 90, 10, -1),
        (FIRST_TILE + 91, 10, 7),  # exceeds the file by one byte
        (FIRST_TILE + 101, 1, 7),
        (2**40 - 1, 2**24 - 1, 7),
        (FIRST_TILE - 1, 10, 7),  # overlaps the index by one byte
        (0, 1, 7),
        (0, 0, -1),  # no tile, whatever the offset
        (4, 0, -1),
        (2**40 - 1, 0, -1),
    ],
)
def test_tile_must_lie_between_index_and_end_of_file(offset: int, size: int, bad: int) -> None:
    assert read_index_v2(make_index({7: (offset, size)}), FIRST_TILE + 100)[2] == bad


@pytest.mark.parametrize("length", [0, 8 * TILES - 1, 8 * TILES + 1, 8 * TILES + 64])
def test_index_of_wrong_size_is_rejected(length: int) -> None:
    with pytest.raises(ValueError, match=f"index: wrong size; found {length} bytes, expected 131072"):
        read_index_v2(bytes(length), 2**40)


HEADER_V1 = 60
"""The offset after the header of a V1 bundle."""


def to_row_major(entry: int) -> int:
    """Return the row-major position of an entry of a V1 index, which is column-major."""
    column, row = divmod(entry, 128)
    return 128 * row + column


def expected_offsets_v1(entries: dict[int, int], file_size: int) -> tuple[dict[int, int], int]:
    """Return the offsets by position up to and including the first bad one, and its position or -1."""
    offsets = {}
    for entry, offset in sorted(entries.items()):
        if offset == 0:
            continue
        offsets[to_row_major(entry)] = offset
        if offset < HEADER_V1 or offset + 4 > file_size:
            return offsets, to_row_major(entry)
    return offsets, -1


@property_test
@given(
    entries=st.dictionaries(
        st.integers(0, TILES - 1), st.integers(0, 2**40 - 1) | st.integers(HEADER_V1 - 1, 2**17), max_size=40
    ),
    file_size=st.integers(0, 2**41) | st.integers(0, 100) | st.integers(2**17, 2**17 + 10) | st.just(2**64 - 1),
)
@example(entries={0: 2**40 - 1, TILES - 1: HEADER_V1}, file_size=2**40 + 3)
@example(entries={0: 2**40 - 1, 1: 1}, file_size=2**40 + 2)
@example(entries={1: HEADER_V1, 128: HEADER_V1 - 1, 129: 70}, file_size=74)
def test_index_v1_is_read_in_column_major_order_up_to_the_first_bad_entry(
    entries: dict[int, int], file_size: int
) -> None:
    index = bytearray(5 * TILES)
    for entry, offset in entries.items():
        index[5 * entry : 5 * entry + 5] = offset.to_bytes(5, "little")
    offsets, positions, bad = read_index_v1(index, file_size)
    expected, expected_bad = expected_offsets_v1(entries, file_size)
    assert ({int(i): int(offsets[i]) for i in np.flatnonzero(offsets)}, bad) == (expected, expected_bad)
    assert positions.tolist() == list(expected), "in the order of the index"
    assert (offsets.dtype, len(offsets)) == (np.uint64, TILES)


@pytest.mark.parametrize("file_size", [2**40 + 3, 2**40 - 2**27, 2**39])
def test_full_index_v1(file_size: int) -> None:
    index = np.random.default_rng(1).bytes(5 * TILES)
    entries = {i: int.from_bytes(index[5 * i : 5 * i + 5], "little") for i in range(TILES)}
    offsets, positions, bad = read_index_v1(index, file_size)
    assert positions.tolist() == list(expected_offsets_v1(entries, file_size)[0])
    assert ({int(i): int(offsets[i]) for i in np.flatnonzero(offsets)}, bad) == expected_offsets_v1(entries, file_size)


@property_test
@given(
    entries=st.dictionaries(st.integers(0, TILES - 1), st.integers(HEADER_V1 - 1, HEADER_V1 + 50), max_size=30),
    fields=st.binary(max_size=40) | st.builds(bytes, st.integers(0, 40)),
)
@example(entries={0: HEADER_V1, 1: HEADER_V1 + 1}, fields=bytes(4))
@example(entries={0: HEADER_V1}, fields=bytes(3))
def test_entries_of_index_v1_whose_size_field_is_zero_are_absent(entries: dict[int, int], fields: bytes) -> None:
    index = bytearray(5 * TILES)
    for entry, offset in entries.items():
        index[5 * entry : 5 * entry + 5] = offset.to_bytes(5, "little")
    found, positions, bad = read_index_v1(index, 2**20, fields)
    size_fields = {entry: fields[offset - HEADER_V1 :][:4] for entry, offset in entries.items() if offset >= HEADER_V1}
    tiles = {entry: offset for entry, offset in entries.items() if size_fields.get(entry) != bytes(4)}
    assert ({int(i): int(found[i]) for i in np.flatnonzero(found)}, bad) == expected_offsets_v1(tiles, 2**20)
    assert sorted(positions.tolist()) == np.flatnonzero(found).tolist()


@pytest.mark.parametrize("length", [0, 5 * TILES - 1, 5 * TILES + 1, 8 * TILES])
def test_index_v1_of_wrong_size_is_rejected(length: int) -> None:
    with pytest.raises(ValueError, match=f"index: wrong size; found {length} bytes, expected 81920"):
        read_index_v1(bytes(length), 2**40)


# ---- tiles of one buffer ----


@property_test
@given(st.data())
def test_packed_tiles_follow_their_sizes(data: st.DataObject) -> None:
    source = data.draw(st.binary(max_size=300))
    spans = data.draw(st.lists(st.tuples(*[st.integers(0, len(source))] * 2).map(sorted), max_size=20))
    tiles = [source[start:end] for start, end in spans]
    offsets = np.array([start for start, _ in spans], np.uint64)
    packed = pack(source, offsets, np.array([len(tile) for tile in tiles], np.uint32))
    assert packed.tobytes() == b"".join(struct.pack("<I", len(tile)) + tile for tile in tiles)


def test_sizes_of_packed_tiles_have_four_bytes() -> None:
    source = bytes(0x010203)
    packed = pack(source, np.zeros(1, np.uint64), np.array([len(source)], np.uint32))
    assert packed[:4].tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize("function", [pack, inspect])
@pytest.mark.parametrize(
    ("offsets", "sizes", "message"),
    [
        ([0, 0], [1], "offsets and sizes: lengths differ; found 2 and 1 entries"),
        ([0, 5], [10, 6], "tile 1: lies outside the source; found 6 bytes at offset 5, expected them within 10 bytes"),
        ([11], [0], "tile 0: lies outside the source; found 0 bytes at offset 11"),
        ([2**64 - 1], [2], "tile 0: lies outside the source; found 2 bytes at offset 18446744073709551615"),
    ],
)
def test_tiles_outside_the_source_are_rejected(
    function: Callable[..., object], offsets: list[int], sizes: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        function(bytes(10), np.array(offsets, np.uint64), np.array(sizes, np.uint32))


# ---- formats ----

PNG = jpeg_kinds.tile("PNG")
JPEG = jpeg_kinds.tile("1 x 1")


FORMATS = {
    "JPEG": (JPEG, TileKind.JPEG, True),
    "JPEG with trailing bytes": (JPEG + bytes(100), TileKind.JPEG, True),
    "JPEG without its last byte": (JPEG[:-1], TileKind.JPEG, False),
    "JPEG truncated in the middle": (JPEG[: len(JPEG) // 2], TileKind.JPEG, False),
    "JPEG truncated after a thumbnail": (
        jpeg_tiles.encode_pillow(jpeg_tiles.pixels(), comment=JPEG)[:-300],
        TileKind.JPEG,
        False,
    ),
    "first three bytes of a JPEG": (b"\xff\xd8\xff", TileKind.JPEG, False),
    "first two bytes of a JPEG": (b"\xff\xd8", TileKind.UNKNOWN, True),
    "JPEG without its first four bytes": (JPEG[4:], TileKind.UNKNOWN, True),
    "PNG": (PNG, TileKind.PNG, True),
    "PNG with trailing bytes": (PNG + b"\r\n", TileKind.PNG, True),
    "PNG without its last byte": (PNG[:-1], TileKind.PNG, False),
    "signature of a PNG": (PNG[:8], TileKind.PNG, False),
    "first seven bytes of a PNG": (PNG[:7], TileKind.UNKNOWN, True),
    "LERC 1": (lerc1_tile(), TileKind.LERC, True),
    "LERC 1 without its last byte": (lerc1_tile()[:-1], TileKind.LERC, False),
    "LERC 1 without its second part": (lerc1_tile()[:60], TileKind.LERC, False),
    "LERC 1, header only": (lerc1_tile()[:34], TileKind.LERC, False),
    **{
        f"LERC 2, version {version}{name}": (lerc2_tile(version)[:end], TileKind.LERC, end is None)
        for version in range(1, 7)
        for name, end in {"": None, " without its last byte": -1, ", half a header": 24, ", signature": 6}.items()
    },
    "LERC 2 with trailing bytes": (lerc2_tile(2) + bytes(9), TileKind.LERC, True),
    "GIF": (b"GIF89a" + bytes(30), TileKind.UNKNOWN, True),
    "one byte": (b"\xff", TileKind.UNKNOWN, True),
    "empty": (b"", TileKind.UNKNOWN, True),
}


@pytest.mark.parametrize(("tile", "kind", "whole"), FORMATS.values(), ids=FORMATS)
def test_format_of_a_tile(tile: bytes, kind: TileKind, whole: bool) -> None:
    kinds, wholes = inspect(tile, np.zeros(1, np.uint64), np.array([len(tile)], np.uint32))
    assert (TileKind(kinds[0]), bool(wholes[0])) == (kind, whole)


def test_each_tile_of_a_batch_is_inspected_alone() -> None:
    """The end of a tile is not searched in its neighbour."""
    tiles = [tile for tile, _, _ in FORMATS.values()]
    sizes = np.array([len(tile) for tile in tiles], np.uint32)
    kinds, wholes = inspect(b"".join(tiles), np.cumsum(sizes, dtype=np.uint64) - sizes, sizes)
    assert list(zip(kinds, wholes, strict=True)) == [(kind, whole) for _, kind, whole in FORMATS.values()]
    assert (kinds.dtype, wholes.dtype) == (np.uint8, np.bool_)


def test_no_tiles() -> None:
    none = b"", np.empty(0, np.uint64), np.empty(0, np.uint32)
    assert len(pack(*none)) == 0
    assert [len(part) for part in inspect(*none)] == [0, 0]


heads = st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"CntZImage ", b"Lerc2 "])
ends = st.sampled_from([b"", b"\xff\xd9", b"IEND\xae\x42\x60\x82", b"\xff", b"IEND"])


@property_test
@given(tile=st.tuples(heads, st.binary(max_size=20), ends, st.binary(max_size=5)).map(b"".join))
def test_format_of_any_bytes(tile: bytes) -> None:
    end: bytes | None = b""
    if tile.startswith(b"\xff\xd8\xff"):
        kind, end = TileKind.JPEG, None  # depends on the end after the first scan: see FORMATS
    elif tile.startswith(b"\x89PNG\r\n\x1a\n"):
        kind, end = TileKind.PNG, b"IEND\xae\x42\x60\x82"
    elif tile.startswith((b"CntZImage ", b"Lerc2 ")):
        kind, end = TileKind.LERC, None
    else:
        kind = TileKind.UNKNOWN
    kinds, wholes = inspect(tile, np.zeros(1, np.uint64), np.array([len(tile)], np.uint32))
    assert kinds[0] == kind
    if kind is TileKind.LERC:
        assert wholes[0] == is_whole_lerc(tile)
    assert end is None or wholes[0] == (end in tile)

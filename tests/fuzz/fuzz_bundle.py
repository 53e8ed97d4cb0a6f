"""The target for `_bundle`: indexes and tiles are what NumPy and slices of bytes make of them.

An input is a byte for the function, one for its manner, and what the function takes.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gptool._bundle import TileKind, inspect, pack, read_index_v1, read_index_v2

TILES = 128 * 128
STARTS = {
    b"\xff\xd8\xff": TileKind.JPEG,
    b"\x89PNG\r\n\x1a\n": TileKind.PNG,
    b"CntZImage ": TileKind.LERC,
    b"Lerc2 ": TileKind.LERC,
}
PLACE = np.dtype([("offset", "<u8"), ("size", "<u4")])


def one_input(data: memoryview) -> None:
    if len(data) < 10:
        return
    function = (check_index_v2, check_index_v1, check_tiles)[data[0] % 3]
    function(data[2:], manner=data[1])


def an_index(data: memoryview, size: int, manner: int) -> NDArray[np.uint8]:
    """Return an index with these entries at its start, or at its end, and none elsewhere."""
    index, entries = np.zeros(size, np.uint8), np.frombuffer(data, np.uint8)[:size]
    if manner % 2:
        index[size - len(entries) :] = entries
    else:
        index[: len(entries)] = entries
    return index


def check_index_v2(data: memoryview, manner: int) -> None:
    file_size, index = int.from_bytes(data[:8], "little"), an_index(data[8:], 8 * TILES, manner)
    expect_refused(lambda: read_index_v2(data[8:], file_size), refused=len(data) - 8 != 8 * TILES)
    entries = index.view("<u8")
    offsets, sizes = entries & np.uint64(2**40 - 1), entries >> np.uint64(40)
    wrong = (sizes > 0) & ((offsets < 64 + 8 * TILES) | (offsets + sizes > file_size))
    bad = int(wrong.argmax()) if wrong.any() else -1
    taken = (sizes > 0) & (np.arange(TILES) < (bad if bad >= 0 else TILES))
    found = read_index_v2(index, file_size)
    np.testing.assert_array_equal(found[0], np.where(taken, offsets, 0))
    np.testing.assert_array_equal(found[1], np.where(taken, sizes, 0))
    assert found[2] == bad


def check_index_v1(data: memoryview, manner: int) -> None:
    file_size, index = int.from_bytes(data[:8], "little"), an_index(data[8:], 5 * TILES, manner)
    expect_refused(lambda: read_index_v1(data[8:], file_size), refused=len(data) - 8 != 5 * TILES)
    offsets = np.pad(index.reshape(TILES, 5), ((0, 0), (0, 3))).view("<u8")[:, 0]
    wrong = (offsets > 0) & ((offsets < 60) | (offsets + np.uint64(4) > file_size))
    last = int(wrong.argmax()) if wrong.any() else TILES
    row_major = np.where(np.arange(TILES) <= last, offsets, 0).reshape(128, 128).T.ravel()
    found = read_index_v1(index, file_size)
    np.testing.assert_array_equal(found[0], row_major)
    assert found[1] == (128 * (last % 128) + last // 128 if last < TILES else -1)


def check_tiles(data: memoryview, manner: int) -> None:
    """Places are as they come, or brought within the source."""
    count = min(data[0], (len(data) - 1) // PLACE.itemsize)
    places = np.frombuffer(data[1:], PLACE, count)
    source = data[1 + count * PLACE.itemsize :]
    offsets, sizes = places["offset"].astype(np.uint64), places["size"].astype(np.uint32)
    if manner % 2:
        offsets %= np.uint64(len(source) + 1)
        sizes = (sizes % (len(source) - offsets + 1)).astype(np.uint32)
    within = all(int(at) + int(size) <= len(source) for at, size in zip(offsets, sizes, strict=True))
    expect_refused(lambda: pack(source, offsets, sizes), refused=not within)
    expect_refused(lambda: inspect(source, offsets, sizes), refused=not within)
    if within:
        spans = zip(offsets.tolist(), sizes.tolist(), strict=True)
        check_what_they_are(source, offsets, sizes, [bytes(source[at : at + size]) for at, size in spans])


def check_what_they_are(
    source: memoryview, offsets: NDArray[np.uint64], sizes: NDArray[np.uint32], tiles: list[bytes]
) -> None:
    assert pack(source, offsets, sizes).tobytes() == b"".join(len(tile).to_bytes(4, "little") + tile for tile in tiles)
    for tile, kind, whole in zip(tiles, *inspect(source, offsets, sizes), strict=True):
        expected = next((STARTS[start] for start in STARTS if tile.startswith(start)), TileKind.UNKNOWN)
        if len(tile) < 10 and expected is TileKind.LERC:
            expected = TileKind.UNKNOWN  # shorter than any header of LERC
        assert kind == expected
        if expected is TileKind.PNG:
            assert whole == (b"IEND\xae\x42\x60\x82" in tile[8:])
        elif expected is TileKind.JPEG:
            assert b"\xff\xd9" in tile[2:] or not whole
        else:
            assert whole


def expect_refused(call: Callable[[], object], *, refused: bool) -> None:
    """Check that a call raises ValueError, or that it does not."""
    try:
        call()
    except ValueError:
        assert refused
    else:
        assert not refused

"""The fuzzing target for `_bundle`: results are compared with NumPy and slices of bytes.

An input is a byte for the function, one for the variant of its arguments, and the arguments.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gptool._bundle import TileKind, inspect, pack, read_index_v1, read_index_v2
from helpers.lerc_tiles import is_whole_lerc

TILES = 128 * 128
STARTS = {
    b"\xff\xd8\xff": TileKind.JPEG,
    b"\x89PNG\r\n\x1a\n": TileKind.PNG,
    b"CntZImage ": TileKind.LERC,
    b"Lerc2 ": TileKind.LERC,
}
SPAN = np.dtype([("offset", "<u8"), ("size", "<u4")])


def one_input(data: memoryview) -> None:
    if len(data) < 10:
        return
    function = (check_index_v2, check_index_v1, check_tiles)[data[0] % 3]
    function(data[2:], variant=data[1])


def make_index(data: memoryview, size: int, variant: int) -> NDArray[np.uint8]:
    """Return an index with these entries at its start or its end, and empty entries elsewhere."""
    index, entries = np.zeros(size, np.uint8), np.frombuffer(data, np.uint8)[:size]
    if variant % 2:
        index[size - len(entries) :] = entries
    else:
        index[: len(entries)] = entries
    return index


def check_index_v2(data: memoryview, variant: int) -> None:
    file_size, index = int.from_bytes(data[:8], "little"), make_index(data[8:], 8 * TILES, variant)
    check_rejected(lambda: read_index_v2(data[8:], file_size), rejected=len(data) - 8 != 8 * TILES)
    entries = index.view("<u8")
    offsets, sizes = entries & np.uint64(2**40 - 1), entries >> np.uint64(40)
    wrong = (sizes > 0) & ((offsets < 64 + 8 * TILES) | (offsets + sizes > file_size))
    bad = int(wrong.argmax()) if wrong.any() else -1
    taken = (sizes > 0) & (np.arange(TILES) < (bad if bad >= 0 else TILES))
    found = read_index_v2(index, file_size)
    np.testing.assert_array_equal(found[0], np.where(taken, offsets, 0))
    np.testing.assert_array_equal(found[1], np.where(taken, sizes, 0))
    assert found[2] == bad


def check_index_v1(data: memoryview, variant: int) -> None:
    file_size, index = int.from_bytes(data[:8], "little"), make_index(data[8:], 5 * TILES, variant)
    check_rejected(lambda: read_index_v1(data[8:], file_size), rejected=len(data) - 8 != 5 * TILES)
    offsets = np.pad(index.reshape(TILES, 5), ((0, 0), (0, 3))).view("<u8")[:, 0]
    wrong = (offsets > 0) & ((offsets < 60) | (offsets + np.uint64(4) > file_size))
    last = int(wrong.argmax()) if wrong.any() else TILES
    row_major = np.where(np.arange(TILES) <= last, offsets, 0).reshape(128, 128).T.ravel()
    found = read_index_v1(index, file_size)
    np.testing.assert_array_equal(found[0], row_major)
    assert sorted(found[1].tolist()) == np.flatnonzero(row_major).tolist()
    assert found[2] == (128 * (last % 128) + last // 128 if last < TILES else -1)
    fewer = read_index_v1(index, file_size, data[8:])[0]
    assert np.isin(fewer, (0, *found[0].tolist())).all() or found[2] >= 0


def check_tiles(data: memoryview, variant: int) -> None:
    """Check tiles at any offsets, or at offsets within the source."""
    count = min(data[0], (len(data) - 1) // SPAN.itemsize)
    spans = np.frombuffer(data[1:], SPAN, count)
    source = data[1 + count * SPAN.itemsize :]
    offsets, sizes = spans["offset"].astype(np.uint64), spans["size"].astype(np.uint32)
    if variant % 2:
        offsets %= np.uint64(len(source) + 1)
        sizes = (sizes % (len(source) - offsets + 1)).astype(np.uint32)
    within = all(int(at) + int(size) <= len(source) for at, size in zip(offsets, sizes, strict=True))
    check_rejected(lambda: pack(source, offsets, sizes), rejected=not within)
    check_rejected(lambda: inspect(source, offsets, sizes), rejected=not within)
    if within:
        pairs = zip(offsets.tolist(), sizes.tolist(), strict=True)
        check_formats(source, offsets, sizes, [bytes(source[at : at + size]) for at, size in pairs])


def check_formats(
    source: memoryview, offsets: NDArray[np.uint64], sizes: NDArray[np.uint32], tiles: list[bytes]
) -> None:
    assert pack(source, offsets, sizes).tobytes() == b"".join(len(tile).to_bytes(4, "little") + tile for tile in tiles)
    for tile, kind, whole in zip(tiles, *inspect(source, offsets, sizes), strict=True):
        expected = next((STARTS[start] for start in STARTS if tile.startswith(start)), TileKind.UNKNOWN)
        assert kind == expected
        if expected is TileKind.PNG:
            assert whole == (b"IEND\xae\x42\x60\x82" in tile[8:])
        elif expected is TileKind.JPEG:
            assert b"\xff\xd9" in tile[2:] or not whole
        elif expected is TileKind.LERC:
            assert whole == is_whole_lerc(tile)
        else:
            assert whole


def check_rejected(call: Callable[[], object], *, rejected: bool) -> None:
    """Check whether a call raises ValueError."""
    try:
        call()
    except ValueError:
        assert rejected
    else:
        assert not rejected

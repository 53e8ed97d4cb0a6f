"""Tests of compact V1 caches: column-major index, size fields in front of the tiles, incomplete bundles."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptool import export_tiles, open_cache
from gptool.errors import BundleError, CacheError, GptoolError
from gptool.plan import make_plan
from helpers.bundles import Address, bundle_path, bundle_v1_bytes
from helpers.caches import conf_text, jpeg_tile, make_cache, make_exploded_cache, make_v1_cache, square
from helpers.plans import make_request
from helpers.program_readers import read_with_gptool
from helpers.tile_readers import read_package

FIRST_SIZE_FIELD = 60 + 65536
"""Offset of the size field of the first tile, bytes."""

DEEP = conf_text(range(13), storage="esriMapCacheStorageModeCompact")


def read_independently(data: bytes, index: bytes) -> dict[tuple[int, int], bytes]:
    """Return the tiles of a bundle by (row, column) within it, without code of the package."""
    tiles = {}
    for column in range(128):
        for row in range(128):
            at = 16 + 5 * (128 * column + row)
            offset = int.from_bytes(index[at : at + 5], "little")
            size = int.from_bytes(data[offset : offset + 4], "little") if offset else 0
            if size:
                tiles[row, column] = data[offset + 4 : offset + 4 + size]
    return tiles


def pair(folder: Path, level: int = 0, row: int = 0, column: int = 0) -> tuple[Path, Path]:
    """Return the paths of the .bundle and the .bundlx of a tile."""
    path = bundle_path(folder / "_alllayers", level, row, column)
    return path, path.with_suffix(".bundlx")


TILE_SETS = {
    "tile off the diagonal": {(8, 1, 2): jpeg_tile(1)},
    "corner of four bundles": square(8, range(126, 130), range(126, 130)),
    "laid out in the order of the index": {(8, row, column): jpeg_tile(row) for column in (3, 5) for row in (1, 7, 9)},
    "far from row 0": {(12, 0x900, 0xD00): jpeg_tile(1), (12, 0x97F, 0xD01): jpeg_tile(2)},
    "rows outside the scheme": square(1, range(5), range(1)),
}


@pytest.mark.parametrize("tiles", TILE_SETS.values(), ids=TILE_SETS)
def test_all_tiles_are_read(tmp_path: Path, tiles: dict[Address, bytes]) -> None:
    assert read_with_gptool(open_cache(make_v1_cache(tmp_path, tiles, conf=DEEP))) == tiles


def test_index_is_column_major(tmp_path: Path) -> None:
    """The last tile of a column, the first of the next one, and the last tile of the bundle are read."""
    tiles = {(127, 0): b"a", (0, 1): b"bb", (127, 127): b"ccc"}
    _, index = bundle_v1_bytes(tiles)
    entries = [int.from_bytes(index[16 + 5 * i : 21 + 5 * i], "little") for i in (127, 128, 16383)]
    assert entries == [FIRST_SIZE_FIELD, FIRST_SIZE_FIELD + 5, FIRST_SIZE_FIELD + 11]
    make_v1_cache(tmp_path, {(8, row, column): tile for (row, column), tile in tiles.items()})
    assert {address[1:]: tile for address, tile in read_with_gptool(open_cache(tmp_path)).items()} == tiles


def test_size_or_offset_of_zero_means_no_tile(tmp_path: Path) -> None:
    tiles = {(0, 0, 0): b"", (0, 1, 0): jpeg_tile(1), (0, 2, 0): b"", (0, 3, 0): jpeg_tile(3)}
    make_v1_cache(tmp_path, tiles)
    data, index = pair(tmp_path)
    entries = bytearray(index.read_bytes())
    entries[16 + 5 * 3 : 16 + 5 * 4] = bytes(5)
    index.write_bytes(entries)
    assert read_with_gptool(open_cache(tmp_path)) == {(0, 1, 0): jpeg_tile(1)}
    assert read_independently(data.read_bytes(), bytes(entries)) == {(1, 0): jpeg_tile(1)}


def test_unused_bytes_are_ignored(tmp_path: Path) -> None:
    """They are the header of the .bundle, and the tail of the .bundlx."""
    make_v1_cache(tmp_path, square(0, range(2), range(2)))
    data, index = pair(tmp_path)
    data.write_bytes(b"\xff" * 60 + data.read_bytes()[60:] + b"unused")
    index.write_bytes(index.read_bytes()[:-16])
    assert read_with_gptool(open_cache(tmp_path)) == square(0, range(2), range(2))


@pytest.mark.parametrize(
    "names", [("R0000C0080.BUNDLE", "r0000c0080.bundlx"), ("R00000C00080.bundle", "R00000000C0080.BUNDLX")]
)
def test_other_spellings_of_bundle_names_are_found(tmp_path: Path, names: tuple[str, str]) -> None:
    make_v1_cache(tmp_path, square(8, range(1), range(128, 129)))
    data, index = pair(tmp_path, 8, 0, 128)
    data.rename(data.with_name(names[0]))
    index.rename(index.with_name(names[1]))
    assert list(read_with_gptool(open_cache(tmp_path))) == [(8, 0, 128)]


def test_tiles_can_share_bytes_and_overlap(tmp_path: Path) -> None:
    make_v1_cache(tmp_path, {(0, 0, 0): b"\4\0\0\0abcdefgh", (0, 0, 1): jpeg_tile(1)})
    data, index = pair(tmp_path)
    entries = bytearray(index.read_bytes())
    entries[16 + 5 : 16 + 10] = entries[16:21]  # row 1, column 0: the tile of row 0
    entries[16 + 10 : 16 + 15] = (FIRST_SIZE_FIELD + 4).to_bytes(5, "little")  # row 2, column 0: part of it
    index.write_bytes(entries)
    tiles = read_with_gptool(open_cache(tmp_path))
    assert tiles[0, 1, 0] == tiles[0, 0, 0] == b"\4\0\0\0abcdefgh"
    assert tiles[0, 2, 0] == b"abcd"
    assert {address[1:]: tile for address, tile in tiles.items()} == read_independently(
        data.read_bytes(), bytes(entries)
    )


def test_memory_is_bounded_if_entries_share_a_large_tile(tmp_path: Path) -> None:
    make_v1_cache(tmp_path, {(0, 0, 0): bytes(3_000_000)})
    _, index = pair(tmp_path)
    data = index.read_bytes()
    index.write_bytes(data[:16] + FIRST_SIZE_FIELD.to_bytes(5, "little") * 50 + data[16 + 5 * 50 :])
    cache = open_cache(tmp_path)
    with cache.open_bundle(cache.bundles(cache.scheme.lods[0])[0]) as bundle:
        positions = np.flatnonzero(bundle.sizes)
        assert set(bundle.sizes[positions].tolist()) == {3_000_000}
        batches = [(len(batch.sizes), len(batch.source)) for batch in bundle.batches(positions)]
    assert sum(tiles for tiles, _ in batches) == 50
    assert max(size for _, size in batches) <= 2 * 3_000_000


def test_cache_pickles(tmp_path: Path) -> None:
    cache = open_cache(make_v1_cache(tmp_path, square(0, range(1), range(1))))
    assert pickle.loads(pickle.dumps(cache)) == cache


# ---- incomplete bundles ----


@pytest.mark.parametrize(("missing", "present"), [(".bundle", ".bundlx"), (".bundlx", ".bundle")])
def test_incomplete_bundle_is_skipped_with_a_warning(tmp_path: Path, missing: str, present: str) -> None:
    tiles = square(8, range(126, 130), range(126, 130))
    cache = make_v1_cache(tmp_path / "cache", tiles)
    path = bundle_path(cache / "_alllayers", 8, 128, 0)
    path.with_suffix(missing).unlink()
    expected = f"{path.with_suffix(present)}: {missing} file of the bundle is missing; its tiles are skipped"
    assert make_plan(cache, make_request()).skipped == (expected,)
    result = export_tiles(cache, tmp_path / "x.tpkx")
    assert result.warnings == (expected,)
    assert read_package(result.path).keys() == {tile for tile in tiles if not tile[1] >= 128 > tile[2]}


def test_incomplete_bundle_outside_the_selection_is_ignored(tmp_path: Path) -> None:
    cache = make_v1_cache(tmp_path, square(8, range(126, 130), range(126, 130)) | square(0, range(1), range(1)))
    pair(cache, 8, 128, 0)[0].unlink()
    assert make_plan(cache, make_request(levels="0")).skipped == ()
    assert (
        make_plan(cache, make_request(levels="8", export_extent=(1, 1, 100000, 100000))).skipped == ()
    )  # north-east of it
    assert (
        len(make_plan(cache, make_request(levels="8", export_extent=(-100000, -100000, 100000, 100000))).skipped) == 1
    )


def test_cache_of_incomplete_bundles_holds_no_tiles(tmp_path: Path) -> None:
    cache = make_v1_cache(tmp_path / "cache", square(0, range(1), range(1)))
    pair(cache)[1].unlink()
    with pytest.raises(
        CacheError, match=r"cache contains no tiles; .*\.bundle: \.bundlx file of the bundle is missing"
    ):
        export_tiles(cache, tmp_path / "x.tpkx")


@pytest.mark.parametrize("make", [make_cache, make_v1_cache, make_exploded_cache])
def test_level_outside_the_scheme_is_a_warning(tmp_path: Path, make: Callable[..., Path]) -> None:
    storage = "esriMapCacheStorageModeCompact" + ("V2" if make is make_cache else "")
    tiles = square(0, range(1), range(1)) | square(5, range(1), range(1))
    cache = make(tmp_path / "cache", tiles, conf=conf_text([0, 2], storage=storage))
    (cache / "_alllayers" / "L77").mkdir()  # empty
    (cache / "_alllayers" / "L78").write_bytes(b"not a folder")
    result = export_tiles(cache, tmp_path / "x.tpkx")
    assert [warning.split(": ")[0] for warning in result.warnings] == [str(cache / "_alllayers" / "L05")]
    assert "level is not in the tiling scheme, its tiles are skipped" in result.warnings[0]
    assert list(read_package(result.path)) == [(0, 0, 0)]
    assert export_tiles(cache, tmp_path / "y.tpkx", levels="0").warnings == ()  # no other level could be meant


# ---- corrupt files ----


def with_entry(offset: int, size_field: int | None = None) -> tuple[bytes, bytes]:
    """Return a bundle of one tile, and its index with an entry at row 3, column 5.

    `size_field`: the first 4 of the last 12 bytes of the bundle.
    """
    data, index = map(bytearray, bundle_v1_bytes({(0, 0): jpeg_tile(1)}))
    at = 16 + 5 * (128 * 5 + 3)
    index[at : at + 5] = offset.to_bytes(5, "little")
    if size_field is not None:
        data[-12:-8] = struct.pack("<I", size_field)
    return bytes(data), bytes(index)


DATA, INDEX = with_entry(0)
SIZE = len(DATA)
LAST_SIZE_FIELD = SIZE - 12
ENTRY = "index entry of level 8, row 3, column 133"
PAST_END = f"{ENTRY} points past the end of the file"
CORRUPT_BUNDLES = {
    "empty index": (
        DATA,
        b"",
        ".bundlx",
        "file is too short for the index of a bundle; found 0 bytes, expected at least 81936 bytes",
    ),
    "truncated index": (DATA, INDEX[:81935], ".bundlx", "found 81935 bytes"),
    "index of another version": (
        DATA,
        b"\4" + INDEX[1:],
        ".bundlx",
        r"index header is corrupt; found .* \(4, 16, 16384, 5\), expected \(3, 16, 16384, 5\) of a compact V1 index",
    ),
    "index of 8-byte entries": (
        DATA,
        INDEX[:12] + struct.pack("<I", 8) + INDEX[16:],
        ".bundlx",
        r"number of entries and entry size \(3, 16, 16384, 8\)",
    ),
    "index of 2^32 - 1 entries": (DATA, INDEX[:8] + b"\xff" * 4 + INDEX[12:], ".bundlx", "4294967295"),
    "bundle in place of the index": (INDEX, DATA, ".bundlx", f"found {SIZE} bytes"),
    "empty bundle": (
        b"",
        INDEX,
        ".bundle",
        "level 8, row 0, column 128 points past the end of the file; found 4 bytes at offset 65596",
    ),
    "bundle truncated in a tile": (DATA[:-1], INDEX, ".bundle", "level 8, row 0, column 128"),
    "bundle truncated in a size field": (DATA[: FIRST_SIZE_FIELD + 3], INDEX, ".bundle", "level 8, row 0, column 128"),
    "entry in the header": (
        *with_entry(59),
        ".bundle",
        f"{ENTRY} points into the header or index; found 4 bytes at offset 59",
    ),
    "entry at the end": (*with_entry(SIZE), ".bundle", f"{PAST_END}; found 4 bytes at offset {SIZE}"),
    "truncated size field": (*with_entry(SIZE - 3), ".bundle", f"{PAST_END}; found 4 bytes"),
    "entry at 2^40 - 1": (*with_entry(2**40 - 1), ".bundle", f"{PAST_END}; found 4 bytes at offset {2**40 - 1}"),
    "tile that ends past the end": (
        *with_entry(LAST_SIZE_FIELD, 9),
        ".bundle",
        f"{PAST_END}; found 9 bytes at offset {LAST_SIZE_FIELD + 4}",
    ),
    "tile of 2^24 bytes": (*with_entry(LAST_SIZE_FIELD, 2**24), ".bundle", f"{PAST_END}; found {2**24} bytes"),
    "tile of 2^32 - 1 bytes": (
        *with_entry(LAST_SIZE_FIELD, 2**32 - 1),
        ".bundle",
        f"{PAST_END}; found {2**32 - 1} bytes",
    ),
}


@pytest.mark.parametrize("name", CORRUPT_BUNDLES)
def test_corrupt_bundle_is_rejected(tmp_path: Path, name: str) -> None:
    data, index, suffix, message = CORRUPT_BUNDLES[name]
    make_v1_cache(tmp_path, square(8, range(1), range(128, 129)))
    paths = pair(tmp_path, 8, 0, 128)
    for path, content in zip(paths, (data, index), strict=True):
        path.write_bytes(content)
    with pytest.raises(BundleError, match=message) as caught:
        read_with_gptool(open_cache(tmp_path))
    assert str(caught.value).startswith(f"{paths[0].with_suffix(suffix)}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("size", "rejected"), [(2**24 - 1, False), (2**24, True)])
def test_maximum_tile_size(tmp_path: Path, size: int, rejected: bool) -> None:
    """A larger tile is rejected even if the file has that many bytes (here it is sparse)."""
    make_v1_cache(tmp_path, {(0, 0, 0): b"x"})
    with pair(tmp_path)[0].open("r+b") as file:
        file.seek(FIRST_SIZE_FIELD)
        file.write(struct.pack("<I", size))
        file.truncate(FIRST_SIZE_FIELD + 4 + size)
    cache = open_cache(tmp_path)
    try:
        with cache.open_bundle(cache.bundles(cache.scheme.lods[0])[0]) as bundle:
            assert bundle.sizes[0] == size
            assert not rejected
    except BundleError as error:
        assert rejected
        assert "level 0, row 0, column 0 states a tile that is too large; found 16777216 bytes at offset" in str(error)
        assert str(error).endswith("expected at most 16777215 bytes")


def test_file_truncated_while_it_is_read_is_rejected(tmp_path: Path) -> None:
    cache = open_cache(make_v1_cache(tmp_path, square(0, range(1), range(1))))
    with cache.open_bundle(cache.bundles(cache.scheme.lods[0])[0]) as bundle:
        path = pair(tmp_path)[0]
        path.write_bytes(path.read_bytes()[:-10])
        with pytest.raises(BundleError, match="file was truncated while it was read"):
            list(bundle.batches(np.array([0])))


@pytest.mark.parametrize("name", ["R0001C0000.bundlx", "R0000C0081.bundle", "R00000C0000.bundlx"])
def test_invalid_bundle_names_are_rejected(tmp_path: Path, name: str) -> None:
    make_v1_cache(tmp_path, square(0, range(1), range(1)))
    (tmp_path / "_alllayers" / "L00" / name).write_bytes(b"")
    with pytest.raises(BundleError, match=r"multiples of 0080|bundle has more than one file"):
        read_with_gptool(open_cache(tmp_path))


MUTATED_OFFSETS = {
    "data": [*range(60), *range(FIRST_SIZE_FIELD - 8, FIRST_SIZE_FIELD + 8)],
    "index": [*range(32), *range(650, 668)],
}


@settings(derandomize=True, database=None, deadline=None, max_examples=60)
@given(data=st.data())
def test_mutated_bundle_is_read_or_rejected(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.getbasetemp() / "mutated-v1"
    make_v1_cache(folder, square(0, range(2), range(2)))
    contents = []
    for path, name in zip(pair(folder), MUTATED_OFFSETS, strict=True):
        content = bytearray(path.read_bytes())
        for offset in data.draw(st.lists(st.sampled_from(MUTATED_OFFSETS[name]), max_size=4)):
            content[offset] = data.draw(st.integers(0, 255))
        cut = data.draw(st.just(0) | st.integers(0, 40) | st.integers(0, len(content)))
        contents.append(bytes(content[: len(content) - cut]))
        path.write_bytes(contents[-1])
    try:
        tiles = read_with_gptool(open_cache(folder))
    except GptoolError as error:
        assert str(pair(folder)[0].with_suffix("")) in str(error)
        assert "\n" not in str(error)
    else:
        assert {address[1:]: tile for address, tile in tiles.items()} == read_independently(*contents)

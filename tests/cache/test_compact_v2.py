"""Tests of compact V2 caches: both header variants, unused space, shared bytes, and corrupt indexes."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptool.cache import open_cache
from gptool.errors import BundleError, CacheError, CacheNotFoundError, GptoolError
from helpers.bundles import bundle_bytes, bundle_path
from helpers.caches import conf_text, jpeg_tile, make_cache, square
from helpers.program_readers import read_with_gptool
from helpers.tile_readers import read_cache


@pytest.mark.parametrize("arcgis", [False, True], ids=["specification", "ArcGIS"])
@pytest.mark.parametrize("empty", [0, 4])
@pytest.mark.parametrize("dead", [0, 100, 70_000], ids=lambda dead: f"{dead} unused bytes")
def test_all_tiles_are_read(tmp_path: Path, arcgis: bool, empty: int, dead: int) -> None:
    tiles = square(8, range(126, 130), range(126, 130))
    cache = open_cache(make_cache(tmp_path, tiles, arcgis=arcgis, empty=empty, dead=dead))
    assert read_with_gptool(cache) == tiles == read_cache(tmp_path)


def make_shared(folder: Path, tile: bytes, entries: int) -> None:
    """Make a cache of one bundle whose first index entries all point to the same tile."""
    make_cache(folder, {(0, 0, 0): tile})
    path = bundle_path(folder / "_alllayers", 0, 0, 0)
    data = bytearray(path.read_bytes())
    data[64 : 64 + 8 * entries] = data[64:72] * entries
    path.write_bytes(data)


def test_tiles_can_share_bytes(tmp_path: Path) -> None:
    make_shared(tmp_path, jpeg_tile(1), 2)
    assert read_with_gptool(open_cache(tmp_path)) == {(0, 0, 0): jpeg_tile(1), (0, 0, 1): jpeg_tile(1)}


def test_memory_is_bounded_if_entries_share_a_large_tile(tmp_path: Path) -> None:
    make_shared(tmp_path, b"\0" * 3_000_000, 100)
    cache = open_cache(tmp_path)
    with cache.open_bundle(cache.bundles(cache.scheme.lods[0])[0]) as bundle:
        batches = [len(batch.sizes) for batch in bundle.batches(np.arange(100))]
    assert sum(batches) == 100
    assert max(batches) <= 2


def test_small_bundle_with_large_total_size_is_rejected(tmp_path: Path) -> None:
    make_shared(tmp_path, b"\0" * 100_000, 16384)
    with pytest.raises(
        BundleError, match=r"share bytes .* limit; found 1638400000 bytes, expected at most 1073741824 bytes"
    ):
        read_with_gptool(open_cache(tmp_path))


@pytest.mark.parametrize("name", ["R0000C0080.BUNDLE", "r0000c0080.bundle", "R00000000C00000080.bundle"])
def test_other_spellings_of_bundle_names_are_found(tmp_path: Path, name: str) -> None:
    make_cache(tmp_path, square(8, range(1), range(128, 129)))
    path = bundle_path(tmp_path / "_alllayers", 8, 0, 128)
    path.rename(path.with_name(name))
    assert list(read_with_gptool(open_cache(tmp_path))) == [(8, 0, 128)]


def test_other_files_are_ignored(tmp_path: Path) -> None:
    make_cache(tmp_path, square(0, range(1), range(1)))
    for name in ("Thumbs.db", "R0000C0000.bundlx", ".DS_Store", "R0000C0000.bundle.lock"):
        (tmp_path / "_alllayers" / "L00" / name).write_bytes(b"")
    assert list(read_with_gptool(open_cache(tmp_path))) == [(0, 0, 0)]


def test_cache_pickles(tmp_path: Path) -> None:
    cache = open_cache(make_cache(tmp_path, square(0, range(1), range(1))))
    assert pickle.loads(pickle.dumps(cache)) == cache


@pytest.mark.parametrize(
    ("conf_path", "tiles_path"),
    [
        ("conf.xml", "_alllayers"),
        ("Conf.xml", "_alllayers"),
        ("conf.xml", "Layers/_alllayers"),
        ("Layers/conf.xml", "Layers/_alllayers"),
    ],
)
def test_conf_xml_and_tiles_are_found(tmp_path: Path, conf_path: str, tiles_path: str) -> None:
    make_cache(tmp_path / "made", square(0, range(1), range(1)))
    (tmp_path / "cache" / "Layers").mkdir(parents=True)
    (tmp_path / "made" / "conf.xml").rename(tmp_path / "cache" / conf_path)
    (tmp_path / "made" / "_alllayers").rename(tmp_path / "cache" / tiles_path)
    assert list(read_with_gptool(open_cache(tmp_path / "cache"))) == [(0, 0, 0)]


def test_locations_without_a_cache_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(
        CacheNotFoundError,
        match=r"nowhere: cache not found; expected a cache folder, a \.tpkx, a \.tpk or a \.mbtiles$",
    ):
        open_cache(tmp_path / "nowhere")
    with pytest.raises(CacheNotFoundError, match=r"not a cache: it has no root\.json, and neither it nor a folder "):
        open_cache(tmp_path)
    (tmp_path / "conf.xml").write_text(conf_text())
    with pytest.raises(CacheNotFoundError, match="contains no _alllayers folder, nor do its subfolders"):
        open_cache(tmp_path)
    with pytest.raises(
        CacheError, match=r"not a zip file, or only the start of one; expected a cache folder, a \.tpkx, a \.tpk or"
    ):
        open_cache((tmp_path / "conf.xml").rename(tmp_path / "other.xml"))


@pytest.mark.parametrize("name", ["conf.xml", "Conf.xml"])
def test_path_of_conf_xml_is_that_of_the_cache(tmp_path: Path, name: str) -> None:
    cache = make_cache(tmp_path / "world", square(0, range(1), range(1)))
    opened = open_cache((cache / "conf.xml").rename(cache / name))
    assert (opened.name, opened.location) == ("world", cache)
    assert list(read_with_gptool(opened)) == [(0, 0, 0)]


def patched(**fields: int) -> bytes:
    """Return a bundle of one tile whose header has other values in these fields."""
    formats = {"version": (0, "<I"), "offset_bytes": (12, "<I"), "user_header": (32, "<Q"), "index_size": (60, "<I")}
    data = bytearray(bundle_bytes({(0, 0): jpeg_tile(1)}))
    for name, value in fields.items():
        offset, format_ = formats[name]
        struct.pack_into(format_, data, offset, value)
    return bytes(data)


def with_entry(offset: int, size: int) -> bytes:
    """Return a bundle of one tile, with a second index entry at row 3, column 5."""
    data = bytearray(bundle_bytes({(0, 0): jpeg_tile(1)}))
    struct.pack_into("<Q", data, 64 + 8 * (3 * 128 + 5), size << 40 | offset)
    return bytes(data)


SIZE = len(bundle_bytes({(0, 0): jpeg_tile(1)}))
CORRUPT_BUNDLES = {
    "empty file": (
        b"",
        "file is too short for the header and index of a bundle; found 0 bytes, expected at least 131136 bytes",
    ),
    "truncated header": (patched()[:63], "found 63 bytes"),
    "truncated index": (patched()[:131135], "found 131135 bytes"),
    "other version": (
        patched(version=2),
        r"bundle header is corrupt; found .* \(2, 5, 40, 131072\), expected \(3, 5, 40, 131072\) of a compact V2",
    ),
    "offsets of 4 bytes": (patched(offset_bytes=4), "bundle header is corrupt"),
    "other user header offset": (patched(user_header=1 << 60), "bundle header is corrupt"),
    "other index size": (patched(index_size=0), "bundle header is corrupt"),
    "entry past the end": (
        with_entry(SIZE, 1),
        "index entry of level 8, row 3, column 133 points past the end of the file; "
        f"found 1 bytes at offset {SIZE}, expected a range within bytes 131136 to {SIZE}",
    ),
    "entry that ends past the end": (
        with_entry(SIZE - 5, 6),
        f"level 8, row 3, column 133 points past the end of the file; found 6 bytes at offset {SIZE - 5}",
    ),
    "entry at 2^40 - 1": (
        with_entry((1 << 40) - 1, (1 << 24) - 1),
        f"points past the end of the file; found {(1 << 24) - 1} bytes at offset {(1 << 40) - 1}",
    ),
    "entry within the index": (
        with_entry(100, 8),
        "level 8, row 3, column 133 points into the header or index; found 8 bytes at offset 100",
    ),
}


@pytest.mark.parametrize("name", CORRUPT_BUNDLES)
def test_corrupt_bundle_is_rejected(tmp_path: Path, name: str) -> None:
    data, message = CORRUPT_BUNDLES[name]
    make_cache(tmp_path, square(8, range(1), range(128, 129)))
    path = bundle_path(tmp_path / "_alllayers", 8, 0, 128)
    path.write_bytes(data)
    with pytest.raises(BundleError, match=message) as caught:
        read_with_gptool(open_cache(tmp_path))
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("name", ["R0001C0000.bundle", "R0000C0081.bundle"])
def test_bundle_name_off_the_grid_is_rejected(tmp_path: Path, name: str) -> None:
    make_cache(tmp_path, square(0, range(1), range(1)))
    (tmp_path / "_alllayers" / "L00" / name).write_bytes(b"")
    with pytest.raises(
        BundleError, match="bundle name is not on the grid of bundles; expected row and column to be multiples of 0080"
    ):
        read_with_gptool(open_cache(tmp_path))


def test_two_files_of_one_bundle_are_rejected(tmp_path: Path) -> None:
    make_cache(tmp_path, square(0, range(1), range(1)))
    (tmp_path / "_alllayers" / "L00" / "R00000C0000.bundle").write_bytes(b"")
    with pytest.raises(
        BundleError, match=r"L00: bundle has more than one file; found .*R0000C0000\.bundle.*, expected one"
    ):
        read_with_gptool(open_cache(tmp_path))


def test_file_truncated_while_it_is_read_is_rejected(tmp_path: Path) -> None:
    cache = open_cache(make_cache(tmp_path, square(0, range(1), range(1))))
    with cache.open_bundle(cache.bundles(cache.scheme.lods[0])[0]) as bundle:
        path = bundle_path(tmp_path / "_alllayers", 0, 0, 0)
        path.write_bytes(path.read_bytes()[:-10])
        with pytest.raises(BundleError, match="file was truncated while it was read"):
            list(bundle.batches(np.array([0])))


@settings(max_examples=50)
@given(data=st.data())
def test_mutated_bundle_is_read_or_rejected(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.getbasetemp() / "mutated"
    make_cache(folder, square(0, range(2), range(2)))
    path = bundle_path(folder / "_alllayers", 0, 0, 0)
    content = bytearray(path.read_bytes())
    for offset in data.draw(st.lists(st.sampled_from([*range(80), *range(64 + 1024, 64 + 1048)]), max_size=6)):
        content[offset] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(131000, len(content)))])
    try:
        read_with_gptool(open_cache(folder))
    except GptoolError as error:
        assert str(path) in str(error)

"""Tests of exploded caches: a file for each tile, foreign files among them, and bounded memory."""

from __future__ import annotations

import os
import pickle
import re
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptool import export_tiles, open_cache
from gptool.cache import listing_cache
from gptool.cache.base import BATCH_BYTES
from gptool.cache.exploded import TILE, _list_numbered
from gptool.cache.file_store import FileStore
from gptool.cache.folder_store import FolderStore
from gptool.errors import BundleError, CacheError
from gptool.export.unit import Unit, run_unit
from gptool.jpeg.recompression import Recompression
from gptool.model import BundleAddress, StorageFormat
from gptool.output.bundle import CompactV2Writer, bundle_regions
from gptool.plan import make_plan
from gptool.request import Selection
from helpers.bundles import Address
from helpers.caches import conf_text, jpeg_tile, make_exploded_cache, png_tile, square
from helpers.checks import check_package
from helpers.plans import make_request
from helpers.program_readers import read_with_gptool
from helpers.tile_readers import read_package


def row_folder(cache: Path, level: int = 0, row: int = 0) -> Path:
    """Return the folder of a row of tiles."""
    return cache / "_alllayers" / f"L{level:02d}" / f"R{row:08x}"


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """Return a cache of one tile."""
    return make_exploded_cache(tmp_path / "one", square(0, range(1), range(1)))


TILE_SETS = {
    "corner of four bundles": square(8, range(126, 130), range(126, 130)),
    "far from row 0": {(12, 0x900, 0xD00): jpeg_tile(1), (12, 0xFFFFFFFF, 0xFFFFFFFF): jpeg_tile(2)},
    "rows outside the scheme": square(1, range(5), range(1)),
    "PNG and JPEG": {(0, 0, 0): jpeg_tile(1), (0, 0, 1): png_tile(2)},
}


@pytest.mark.parametrize("tiles", TILE_SETS.values(), ids=TILE_SETS)
def test_all_tiles_are_read(tmp_path: Path, tiles: dict[Address, bytes]) -> None:
    cache = open_cache(make_exploded_cache(tmp_path, tiles, conf=conf_text(range(13))))
    assert cache.storage is StorageFormat.EXPLODED
    assert read_with_gptool(cache) == tiles
    addresses = [address for lod in cache.scheme.lods for address in cache.bundles(lod)]
    assert addresses == sorted({(level, row // 128 * 128, column // 128 * 128) for level, row, column in tiles})


@pytest.mark.parametrize("name", ["C00000000.jpeg", "C00000000.JPG", "c00000000.jpg", "C0.jpg", "C00000000.png"])
def test_other_spellings_of_tile_names_are_read(one: Path, name: str) -> None:
    """They include a JPEG named .png, which caches of MIXED tiles contain."""
    next(row_folder(one).iterdir()).rename(row_folder(one) / name)
    assert read_with_gptool(open_cache(one)) == square(0, range(1), range(1))


@pytest.mark.parametrize("name", ["R0000000A", "r0000000a", "R000a"])
def test_other_spellings_of_row_folders_are_read(one: Path, name: str) -> None:
    row_folder(one).rename(row_folder(one).with_name(name))
    assert list(read_with_gptool(open_cache(one))) == [(0, 10, 0)]


FOREIGN = ("Thumbs.db", ".DS_Store", "C00000000.jpg.tmp", "C00000001.gif", "C00000001", "C0000000g.jpg", "C.jpg")


@pytest.mark.posix("names that Windows does not allow")
def test_foreign_files_are_ignored(one: Path) -> None:
    for name in (*FOREIGN, "C000000001.jpg", "xC00000001.jpg", "C00000001.jpg\n", "C\N{ARABIC-INDIC DIGIT ONE}.jpg"):
        (row_folder(one) / name).write_bytes(b"foreign")
        (row_folder(one).parent / name).write_bytes(b"foreign")
    for name in ("notes", "R", "R0000000g", "R000000001", "_R00000001"):
        (row_folder(one).parent / name).mkdir()
    (row_folder(one) / os.fsdecode(b"C\xff.jpg")).touch()
    assert read_with_gptool(open_cache(one)) == square(0, range(1), range(1))


def test_cache_pickles(one: Path) -> None:
    cache = open_cache(one)
    assert pickle.loads(pickle.dumps(cache)) == cache
    assert read_with_gptool(pickle.loads(pickle.dumps(cache))) == read_with_gptool(cache)


@pytest.mark.posix("symbolic links, which Windows lets only administrators make")
def test_links_to_the_same_tile_are_read(one: Path) -> None:
    """MapProxy makes such links for tiles of a single colour."""
    folder = row_folder(one)
    for column in range(1, 4):
        (folder / f"C{column:08x}.jpg").symlink_to("C00000000.jpg")
    folder.with_name("R00000001").symlink_to(folder.name)
    assert read_with_gptool(open_cache(one)) == {
        (0, row, column): jpeg_tile(0) for row in (0, 1) for column in range(4)
    }


def test_export_has_the_same_tiles(tmp_path: Path) -> None:
    tiles = square(8, range(126, 130), range(126, 130)) | square(0, range(1), range(1))
    result = export_tiles(make_exploded_cache(tmp_path / "cache", tiles), tmp_path / "x.tpkx")
    check_package(result.path, levels={0, 8})
    assert read_package(result.path) == tiles


def test_empty_files_are_skipped_and_listed(tmp_path: Path) -> None:
    tiles = square(8, range(126, 130), range(126, 130))
    empty = {(8, 127, 126), (8, 129, 129)}
    cache = make_exploded_cache(tmp_path / "cache", tiles | dict.fromkeys(empty, b""))
    result = export_tiles(cache, tmp_path / "x.tpkx")
    assert read_package(result.path) == {address: tile for address, tile in tiles.items() if address not in empty}
    assert {tuple(tile[:3]) for tile in result.damaged} == empty
    assert result.tiles == len(tiles) - 2
    again = export_tiles(cache, tmp_path / "part.tpkx", export_extent=(1, 1, 100000, 100000))
    assert again.damaged == []


# ---- invalid files ----


def make_sparse_file(path: Path, size: int) -> None:
    path.touch()
    os.truncate(path, size)


INVALID_TILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "file of 2^24 bytes": (
        lambda path: make_sparse_file(path, 2**24),
        "C00000001.jpg: tile at level 0, row 0, column 1 is too large; found 16777216 bytes, expected at most 16777215",
    ),
    "file of 2^40 bytes": (
        lambda path: make_sparse_file(path, 2**40),
        "C00000001.jpg: tile at level 0, row 0, column 1 is too large; found 1099511627776 bytes",
    ),
    "folder": (Path.mkdir, "is not a regular file"),
    "pipe": (getattr(os, "mkfifo", None), "is not a regular file"),
    "broken link": (lambda path: path.symlink_to("nowhere"), "cannot be opened: No such file"),
    "link to itself": (lambda path: path.symlink_to(path.name), "cannot be opened: Too many levels of symbolic"),
}


@pytest.mark.parametrize("name", INVALID_TILES)
@pytest.mark.posix("pipes and symbolic links among files")
def test_invalid_tile_file_is_rejected(one: Path, name: str) -> None:
    make, message = INVALID_TILES[name]
    path = row_folder(one) / "C00000001.jpg"
    make(path)
    with pytest.raises(CacheError, match=re.escape(message)) as caught:
        read_with_gptool(open_cache(one))
    assert str(caught.value).startswith(f"{path}: ")


def test_maximum_tile_size_is_accepted(one: Path) -> None:
    make_sparse_file(row_folder(one) / "C00000001.jpg", 2**24 - 1)
    cache = open_cache(one)
    with cache.open_bundle(BundleAddress(0, 0, 0)) as bundle:
        assert bundle.sizes[1] == 2**24 - 1


@pytest.mark.parametrize("name", ["C00000000.png", "C0.jpg", "c00000000.JPEG"])
def test_two_files_of_one_tile_are_rejected(one: Path, name: str) -> None:
    (row_folder(one) / name).write_bytes(jpeg_tile(2))
    with pytest.raises(BundleError, match="two names state the same row or column") as caught:
        read_with_gptool(open_cache(one))
    assert str(caught.value).startswith(f"{row_folder(one)}: ")
    assert name in str(caught.value)


def test_two_folders_of_one_row_are_rejected(one: Path) -> None:
    row_folder(one).with_name("R0").mkdir()
    with pytest.raises(BundleError, match=r"L00: two names state the same row or column; found R0.* and R0"):
        read_with_gptool(open_cache(one))


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to(path.name)], ids=["file", "link to itself"])
@pytest.mark.posix("symbolic links, which Windows lets only administrators make")
def test_invalid_row_folder_is_rejected(one: Path, make: Callable[[Path], None]) -> None:
    path = row_folder(one, row=1)
    make(path)
    with pytest.raises(CacheError, match="folder cannot be listed") as caught:
        read_with_gptool(open_cache(one))
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.write_bytes(b"shorter"), "file size changed while it was read"),
        (lambda path: path.write_bytes(jpeg_tile(0) + b"longer"), "file size changed while it was read"),
        (Path.unlink, "cannot be read: No such file"),
    ],
    ids=["shorter", "longer", "deleted"],
)
def test_tile_that_changes_while_it_is_read_is_rejected(
    one: Path, change: Callable[[Path], object], message: str
) -> None:
    with open_cache(one).open_bundle(BundleAddress(0, 0, 0)) as bundle:
        change(row_folder(one) / "C00000000.jpg")
        with pytest.raises(CacheError, match=message):
            list(bundle.batches(np.array([0])))


# ---- files added and deleted ----


def test_unit_sees_tiles_added_after_the_cache_was_opened(one: Path, tmp_path: Path) -> None:
    """A listing is cached with the modification time of its folder: a unit must not use an outdated one."""
    for folder in (row_folder(one), row_folder(one).parent):
        os.utime(folder, (1, 1))  # before any later change, however coarse the clock of the file system
    cache = open_cache(one)
    assert make_plan(cache, make_request()).tiles == 1
    (row_folder(one) / "C00000001.jpg").write_bytes(jpeg_tile(1))
    row_folder(one, row=1).mkdir()
    (row_folder(one, row=1) / "C00000000.jpg").write_bytes(jpeg_tile(2))
    lod, unchanged = cache.scheme.lods[0], Recompression(None, "efficient")
    selection, address = Selection(cache.scheme, (lod,), None), BundleAddress(0, 0, 0)
    regions = bundle_regions(tmp_path, CompactV2Writer, address)
    unit = Unit(cache, selection, lod, address, unchanged, CompactV2Writer, regions)
    assert run_unit(pickle.loads(pickle.dumps(unit))).report.tiles == 3
    os.utime(row_folder(one), (1, 2))
    assert read_with_gptool(cache).keys() == {(0, 0, 0), (0, 0, 1), (0, 1, 0)}
    (row_folder(one) / "C00000000.jpg").unlink()
    assert read_with_gptool(cache).keys() == {(0, 0, 1), (0, 1, 0)}


# ---- many tiles ----


class ManyFiles(FileStore):
    """400 rows of 400 tiles each, which do not exist on disk."""

    ROWS, COLUMNS = 400, 400

    def list_names(self, folder: str) -> Sequence[str]:
        if folder == "_alllayers/L00":
            return [f"R{row:08x}" for row in range(self.ROWS)]
        return [f"C{column:08x}.jpg" for column in range(self.COLUMNS)]

    def folder_stamp(self, folder: str) -> int | None:
        return 0

    def file_states(self, paths: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        return np.ones(len(paths), np.int64), np.zeros(len(paths), np.int64)

    is_file = is_folder = file_stamp = read_files = open = _check_crc32 = None  # type: ignore[assignment]


def test_memory_is_bounded_while_a_level_is_listed(one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing_cache, "MAX_BYTES", 100 * 24 * ManyFiles.COLUMNS)
    cache = replace(open_cache(one), files=ManyFiles(tmp_path))
    tracemalloc.start()
    addresses = cache.bundles(cache.scheme.lods[0])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(addresses) == 4 * 4
    assert peak < 200 * 24 * ManyFiles.COLUMNS  # 8 bytes for a number and 16 for a name, of the cached rows
    with cache.open_bundle(addresses[-1]) as bundle:
        assert np.count_nonzero(bundle.sizes) == (400 - 3 * 128) * (400 - 3 * 128)


def test_batches_are_bounded_and_in_order(tmp_path: Path) -> None:
    tiles = {(0, 0, column): bytes([column]) * 300_000 for column in range(12)}
    cache = open_cache(make_exploded_cache(tmp_path, tiles))
    with cache.open_bundle(BundleAddress(0, 0, 0)) as bundle:
        assert list(bundle.batches(np.arange(0))) == []
        batches = list(bundle.batches(np.arange(12)[::-1]))
    assert np.concatenate([batch.positions for batch in batches]).tolist() == list(range(12))
    assert max(len(batch.source) for batch in batches) <= BATCH_BYTES + 300_000


NAMES = st.builds(
    "".join,
    st.tuples(
        st.sampled_from("CcR"),
        st.text("0123aF", max_size=9),
        st.sampled_from([".jpg", ".jpeg", ".png", ".JPG", ".gif", ".jpg ", ""]),
    ),
)


def column_of(name: str) -> int | None:
    """Return the column that a file name states, None for a foreign file."""
    stem, _, suffix = name.lower().partition(".")
    is_tile = stem[0] == "c" and 1 <= len(stem[1:]) <= 8 and suffix in ("jpg", "jpeg", "png")
    return int(stem[1:], 16) if is_tile else None


@settings(derandomize=True, database=None, deadline=None, max_examples=60)
@given(names=st.sets(NAMES, max_size=8))
@pytest.mark.posix("names that Windows does not allow")
def test_any_name_is_a_tile_or_ignored(tmp_path_factory: pytest.TempPathFactory, names: set[str]) -> None:
    folder = tmp_path_factory.mktemp("names")
    make_exploded_cache(folder, {(0, 0, 0xFEDCBA): b"x"})
    for name in names:
        (row_folder(folder) / name).write_bytes(name.encode())
    columns = [column for column in map(column_of, names) if column is not None]
    expected = {(0, 0, column): name.encode() for name in names if (column := column_of(name)) is not None}
    try:
        assert read_with_gptool(open_cache(folder)) == expected | {(0, 0, 0xFEDCBA): b"x"}
        assert len(set(columns)) == len(columns)
    except BundleError as error:
        assert "two names state the same row or column" in str(error)
        assert len(set(columns)) < len(columns)


@pytest.mark.parametrize(
    ("names", "style"),
    [
        (["C00000001.jpg", "C0000000a.jpg"], "C{:08x}.jpg"),
        (["c00000001.PNG", "c0000000A.PNG"], "c{:08X}.PNG"),
        (["C00000001.jpg", "C00000002.png"], None),
        (["C0000000a.jpg", "C0000000B.jpg"], None),
        (["C1.jpg", "C00000002.jpg"], None),
        (["C0001.jpg", "C0002.jpg"], None),
    ],
)
def test_listing_finds_tiles_whatever_the_style_of_their_names(
    tmp_path: Path, names: list[str], style: str | None
) -> None:
    folder = tmp_path / "R00000000"
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    listing = _list_numbered(FolderStore(tmp_path), folder.name, TILE)
    assert listing.style == style
    assert (listing.names is None) == (style is not None)
    numbers, found = listing.select(0, 1 << 32)
    assert numbers.tolist() == [int(name[1:].partition(".")[0], 16) for name in names]
    assert found == names
    assert listing.select(2, 10)[1] == [name for name, number in zip(names, numbers, strict=True) if 2 <= number < 10]

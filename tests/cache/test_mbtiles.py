"""MBTiles as caches: every schema, sparse tiles, metadata that are wrong, and exports of every kind."""

from __future__ import annotations

import pickle
import sqlite3
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import from_origin

import gptool
from gptool import export_tiles, open_cache
from gptool.cache.base import BATCH_BYTES
from gptool.cache.mbtiles import MBTilesCache
from gptool.cache.mbtiles_listing import MAX_LISTINGS
from gptool.crs.web_mercator import is_web_mercator
from gptool.model import BundleAddress, StorageFormat
from helpers.bundles import Address
from helpers.caches import jpeg_tile, make_cache, png_tile, square, world
from helpers.checks import check_dataset, check_package, check_tpk
from helpers.mbtiles import FLAT, change, make_mbtiles, make_normalised_mbtiles, read_mbtiles
from helpers.program_readers import read_with_gptool
from helpers.tile_readers import COMPACT, COMPACT_V2, read_json, read_tiles

WORLD = world()
HALF_WORLD = 20037508.342787

BY_ROWS = "CREATE INDEX by_rows ON tiles (zoom_level, tile_row, tile_column);"
PRIMARY_KEY = FLAT.replace(
    "tile_data blob)", "tile_data blob, PRIMARY KEY (zoom_level, tile_column, tile_row)) WITHOUT ROWID"
)
SHALLOW = """
    CREATE TABLE metadata (name text, value text);
    CREATE TABLE tiles_shallow (z integer, x integer, y integer, data_id integer, PRIMARY KEY (z, x, y)) WITHOUT ROWID;
    CREATE TABLE tiles_data (data_id integer PRIMARY KEY, tile_data blob);
    CREATE VIEW tiles AS SELECT z AS zoom_level, x AS tile_column, y AS tile_row, tile_data
        FROM tiles_shallow JOIN tiles_data USING (data_id);
    CREATE TRIGGER put INSTEAD OF INSERT ON tiles BEGIN
        INSERT INTO tiles_data (tile_data) VALUES (new.tile_data);
        INSERT INTO tiles_shallow VALUES (new.zoom_level, new.tile_column, new.tile_row, last_insert_rowid());
    END;
"""

MAKERS: dict[str, Callable[[Path, Mapping[Address, bytes]], Path]] = {
    "flat": make_mbtiles,
    "normalised": make_normalised_mbtiles,
    "row before column": lambda path, tiles: make_mbtiles(path, tiles, index=BY_ROWS),
    "primary key": lambda path, tiles: make_mbtiles(path, tiles, schema=PRIMARY_KEY, index=""),
    "no index": lambda path, tiles: make_mbtiles(path, tiles, index=""),
    "index of levels": lambda path, tiles: make_mbtiles(path, tiles, index="CREATE INDEX i ON tiles (zoom_level);"),
    "other names": lambda path, tiles: make_mbtiles(path, tiles, schema=SHALLOW, index=""),
}

SPREAD = {
    "world": WORLD,
    "far from row 0": square(22, range(0x1FFFFE, 0x200002), range(0x2ABFFF, 0x2AC001)),
    "corners of the grid": {(9, row, column): jpeg_tile(row + column) for row in (0, 511) for column in (0, 511)},
    "one tile": square(5, range(7, 8), range(9, 10)),
    "deepest level": square(30, range(2**30 - 1, 2**30), range(2**29, 2**29 + 2)),
    "PNG and JPEG": {(3, 1, 2): jpeg_tile(1), (3, 1, 3): png_tile(2)},
}


@pytest.fixture
def mbtiles(tmp_path: Path) -> Path:
    return make_mbtiles(tmp_path / "world.mbtiles", WORLD)


@pytest.mark.parametrize("tiles", SPREAD.values(), ids=SPREAD)
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_all_tiles_are_read(
    tmp_path: Path, make: Callable[[Path, Mapping[Address, bytes]], Path], tiles: dict[Address, bytes]
) -> None:
    path = make(tmp_path / "x.mbtiles", tiles)
    cache = open_cache(path)
    assert read_with_gptool(cache) == read_mbtiles(path) == tiles
    assert (cache.name, cache.location, cache.storage) == ("x", path, StorageFormat.MBTILES)
    addresses = [address for lod in cache.scheme.lods for address in cache.bundles(lod)]
    assert addresses == sorted({(level, row // 128 * 128, column // 128 * 128) for level, row, column in tiles})


ADDRESSES = st.integers(0, 12).flatmap(lambda level: st.tuples(st.just(level), *2 * (st.integers(0, 2**level - 1),)))


@settings(deadline=None, max_examples=60)
@given(
    tiles=st.dictionaries(ADDRESSES, st.integers(0, 5).map(jpeg_tile), min_size=1, max_size=40),
    make=st.sampled_from([*MAKERS.values()]),
    wanted=st.floats(0, 1),
)
def test_any_tiles_are_exported(
    tiles: dict[Address, bytes], make: Callable[[Path, Mapping[Address, bytes]], Path], wanted: float
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = make(Path(folder, "x.mbtiles"), tiles)
        assert read_tiles(export_tiles(path, Path(folder, "x.tpkx")).path) == tiles
        cache = open_cache(path)
        for lod in cache.scheme.lods:
            for address in cache.bundles(lod):
                mask = np.random.default_rng(0).random(128 * 128) < wanted
                with cache.open_bundle(address, mask) as bundle:
                    positions = bundle.present(mask)
                    read = {p for batch in bundle.batches(positions) for p in batch.positions.tolist()}
                assert read == set(positions.tolist())


def test_cache_pickles(mbtiles: Path) -> None:
    cache = open_cache(mbtiles)
    assert pickle.loads(pickle.dumps(cache)) == cache
    assert read_with_gptool(pickle.loads(pickle.dumps(cache))) == WORLD


def test_batches_are_bounded(tmp_path: Path) -> None:
    tiles = {(4, row, column): bytes([row]) * 100_000 for row in range(16) for column in range(3)}
    cache = open_cache(make_mbtiles(tmp_path / "x.mbtiles", tiles))
    with cache.open_bundle(BundleAddress(4, 0, 0)) as bundle:
        assert list(bundle.batches(np.arange(0))) == []
        batches = list(bundle.batches(np.flatnonzero(bundle.sizes)))
    assert sum(len(batch.sizes) for batch in batches) == len(tiles)
    assert max(len(batch.source) for batch in batches) < BATCH_BYTES + 100_000


# ---- tiles that are skipped ----

SKIPPED: dict[str, tuple[tuple[object, ...], str]] = {
    "row beyond the grid": ((8, 3, 256, b"x"), "level 8: 1 tile outside the grid of 256 x 256 tiles, skipped"),
    "negative row": ((8, 3, -1, b"x"), "level 8: 1 tile outside the grid of 256 x 256 tiles, skipped"),
    "column beyond the grid": ((8, 2**40, 3, b"x"), "level 8: 1 tile outside the grid of 256 x 256 tiles, skipped"),
    "negative column": ((8, -(2**60), 3, b"x"), "level 8: 1 tile outside the grid of 256 x 256 tiles, skipped"),
    "text in a column": ((8, "west", 3, b"x"), "level 8: 1 tile of a row or column that is no integer, skipped"),
    "half a row": ((8, 122, 123.5, b"x"), "level 8: 1 tile of a row or column that is no integer, skipped"),
    "no row": ((8, 122, None, b"x"), "level 8: 1 tile of a row or column that is no integer, skipped"),
    "no data": ((8, 3, 4, None), "level 8: 1 empty tiles"),
    "empty data": ((8, 3, 4, b""), "level 8: 1 empty tiles"),
    "duplicate": ((8, 122, 123, b"other"), "level 8: 1 tile stored again at the same row and column, skipped"),
    "negative level": ((-1, 0, 0, b"x"), "tiles of level -1 are skipped, as levels are integers from 0 to 30"),
    "huge level": ((2**62, 0, 0, b"x"), "are skipped, as levels are integers from 0 to 30"),
    "level between two": ((7.5, 0, 0, b"x"), "tiles of level 7.5 are skipped"),
    "text for a level": (("eight", 0, 0, b"x"), "tiles of level 'eight' are skipped"),
    "no level": ((None, 0, 0, b"x"), "tiles without a level are skipped"),
}


@pytest.mark.parametrize(("row", "warning"), SKIPPED.values(), ids=SKIPPED)
def test_tiles_that_are_skipped_are_reported(tmp_path: Path, row: tuple[object, ...], warning: str) -> None:
    index = "CREATE INDEX tile_index ON tiles (zoom_level, tile_column, tile_row);"
    path = make_mbtiles(tmp_path / "x.mbtiles", WORLD, index=index)
    change(path, "INSERT INTO tiles VALUES (?, ?, ?, ?)", values=row)
    [text] = gptool.info(path).warnings
    assert warning in text
    result = export_tiles(path, tmp_path / "x.tpkx")
    assert read_tiles(result.path) == WORLD
    assert len(result.damaged) == ("empty" in warning)
    assert len(result.warnings) == 1


def test_each_skipped_tile_is_counted_once(tmp_path: Path) -> None:
    """Tiles that are outside the grid or have no row are not counted again as those that are stored again."""
    path = make_mbtiles(
        tmp_path / "x.mbtiles", WORLD, index="CREATE INDEX i ON tiles (zoom_level, tile_column, tile_row);"
    )
    change(
        path, "INSERT INTO tiles VALUES (8, 3, 256, x'00'), (8, 3, 256, x'01'), (8, 3, 'a', x'00'), (8, 3, 'a', x'01')"
    )
    texts = [text.removeprefix(f"{path}: level 8: ") for text in export_tiles(path, tmp_path / "x.tpkx").warnings]
    assert texts == [
        "2 tiles of a row or column that is no integer, skipped",
        "2 tiles outside the grid of 256 x 256 tiles, skipped",
    ]


def test_unknown_levels_are_reported_unless_levels_are_requested(tmp_path: Path) -> None:
    path = make_mbtiles(tmp_path / "x.mbtiles", WORLD)
    change(path, "INSERT INTO tiles VALUES (31, 0, 0, x'00'), (31, 0, 1, x'00'), (NULL, 0, 0, x'00')")
    expected = [
        f"{path}: tiles of level 31 are skipped, as levels are integers from 0 to 30",
        f"{path}: tiles without a level are skipped",
    ]
    assert gptool.info(path).warnings == list(export_tiles(path, tmp_path / "x.tpkx").warnings) == expected
    assert export_tiles(path, tmp_path / "y.tpkx", levels="0-2,8").warnings == ()


def test_data_that_are_text_are_read(tmp_path: Path) -> None:
    """SQLite stores what it is given: bytes of a tile that a program passed as text."""
    tiles: dict[Address, object] = {**WORLD, (8, 3, 4): "tile"}
    cache = open_cache(make_mbtiles(tmp_path / "x.mbtiles", tiles))
    assert read_with_gptool(cache) == {**WORLD, (8, 3, 4): b"tile"}


def test_box_excludes_what_is_outside(tmp_path: Path) -> None:
    index = "CREATE INDEX tile_index ON tiles (zoom_level, tile_column, tile_row);"
    path = make_mbtiles(tmp_path / "x.mbtiles", WORLD, index=index)
    change(path, "INSERT INTO tiles VALUES (8, 3, -1, x'00'), (8, 200, 5, x'00'), (8, 200, 5, x'01')")
    assert "1 of 27 sampled tiles are neither PNG nor JPEG" in str(open_cache(path).warnings)
    result = export_tiles(path, tmp_path / "x.tpkx", levels="8", export_extent=(1, 1, 100000, 100000))
    assert read_tiles(result.path) == {(8, 127, 128): WORLD[8, 127, 128]}
    assert len(result.warnings) == 1


# ---- no index ----


def test_missing_index_is_reported_and_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    path = make_mbtiles(tmp_path / "x.mbtiles", WORLD, index="")
    before = path.read_bytes()
    result = export_tiles(path, tmp_path / "x.tpkx", workers=3)
    assert read_tiles(result.path) == WORLD
    [text] = result.warnings
    assert "table tiles has no index of level, column and row: each process that reads it makes a temporary one" in text
    assert "CREATE UNIQUE INDEX tile_index ON tiles (zoom_level, tile_column, tile_row)" in text
    assert len(list((tmp_path / "temporary").iterdir())) == 1
    assert path.read_bytes() == before
    for i in range(MAX_LISTINGS + 2):
        assert read_with_gptool(open_cache(make_mbtiles(tmp_path / f"{i}.mbtiles", {(0, 0, 0): b"?"}, index=""))) != {}
    assert len(list((tmp_path / "temporary").iterdir())) == MAX_LISTINGS


def test_temporary_index_that_cannot_be_made_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(gptool.errors.CacheError, match=r"x\.mbtiles: needs a temporary file, which cannot be writt"):
        open_cache(make_mbtiles(tmp_path / "x.mbtiles", WORLD, index=""))


# ---- exports ----

RESULTS = {
    "x.tpkx": lambda path: check_package(path, levels={0, 1, 2, 8}),
    "x.tpk": lambda path: check_tpk(path, levels={0, 1, 2, 8}),
    "v2": lambda path: check_dataset(path, storage=COMPACT_V2, levels={0, 1, 2, 8}),
    "v1": lambda path: check_dataset(path, storage=COMPACT, levels={0, 1, 2, 8}),
}


@pytest.mark.parametrize("quality", [None, 50], ids=["copied", "recompressed"])
@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("make", [make_mbtiles, make_normalised_mbtiles])
def test_results_are_those_of_a_cache_folder(
    tmp_path: Path, make: Callable[[Path, Mapping[Address, bytes]], Path], name: str, quality: int | None
) -> None:
    storage = "compact" if name == "v1" else None
    options = {"compression_quality": quality, "storage_format_type": storage}
    source = make(tmp_path / "x.mbtiles", WORLD)
    result = export_tiles(source, tmp_path / name, **options)  # type: ignore[arg-type]
    RESULTS[name](result.path)
    (tmp_path / "of-cache").mkdir()
    expected = export_tiles(make_cache(tmp_path / "c", WORLD), tmp_path / "of-cache" / name, **options)  # type: ignore[arg-type]
    assert read_tiles(result.path) == read_tiles(expected.path)
    assert (read_tiles(result.path) == WORLD) == (quality is None)
    verification = gptool.verify(result.path, source=source)
    assert verification.findings == []
    assert is_web_mercator(open_cache(result.path).scheme)


def test_documents_state_arcgis_numbers(mbtiles: Path, tmp_path: Path) -> None:
    root = read_json(export_tiles(mbtiles, tmp_path / "x.tpkx").path, "root.json")
    assert root["spatialReference"]["wkid"], root["spatialReference"]["latestWkid"] == (102100, 3857)
    assert root["tileInfo"]["origin"] == {"x": -HALF_WORLD, "y": HALF_WORLD}
    assert root["tileInfo"]["lods"][2]["resolution"] == 156543.03392800014  # the tiles have 64 pixels
    assert root["tileImageInfo"]["format"] == "JPEG"


def test_interrupted_export_goes_on_unless_the_file_changes(mbtiles: Path, tmp_path: Path) -> None:
    def interrupt(_phase: object, done: int, _total: int) -> None:
        if done > 100 and _phase == "exporting":
            raise KeyboardInterrupt

    for is_changed in (False, True):
        with pytest.raises(KeyboardInterrupt):
            export_tiles(mbtiles, tmp_path / f"{is_changed}.tpkx", workers=1, progress=interrupt)
        if is_changed:
            change(mbtiles, "INSERT INTO metadata VALUES ('more', ?)", values=["x" * 10_000])
        result = export_tiles(mbtiles, tmp_path / f"{is_changed}.tpkx", workers=1)
        assert read_tiles(result.path) == WORLD
        texts = " ".join(message.description for message in result.messages)
        assert ("had been finished" in texts, "had to be exported again" in texts) == (not is_changed, is_changed)


def test_file_that_is_modified_while_it_is_read_is_an_error(mbtiles: Path) -> None:
    cache = open_cache(mbtiles)
    change(mbtiles, "INSERT INTO metadata VALUES ('more', ?)", values=["x" * 10_000])
    with pytest.raises(gptool.errors.CacheError, match=r"world\.mbtiles: file was modified or replaced while"):
        cache.bundles(cache.scheme.lods[0])
    with (
        pytest.raises(gptool.errors.CacheError, match="file was modified or replaced"),
        cache.open_bundle(BundleAddress(0, 0, 0)),
    ):
        pass


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # rasterio's own use of affine
@pytest.mark.parametrize("tile_format", ["PNG", "JPEG"])
def test_file_of_gdal_is_exported(tmp_path: Path, tile_format: str) -> None:
    """GDAL's driver writes the file, as QGIS does, and reads the package."""
    path, zoom = tmp_path / "gdal.mbtiles", 5
    resolution = 156543.03392804097 / 2**zoom
    pixels = np.random.default_rng(0).integers(0, 255, (3, 32, 48), np.uint8).repeat(16, 1).repeat(16, 2)
    transform = from_origin(-3 * 256 * resolution, 1 * 256 * resolution, resolution, resolution)
    profile = {"driver": "MBTILES", "width": 768, "height": 512, "count": 3, "dtype": "uint8", "crs": "EPSG:3857"}
    with rasterio.open(path, "w", transform=transform, TILE_FORMAT=tile_format, **profile) as image:
        image.write(pixels)
    with rasterio.open(path, "r+") as image:
        image.build_overviews([2, 4])
    cache = open_cache(path)
    assert isinstance(cache, MBTilesCache)
    assert cache.image.format == tile_format
    assert cache.scheme.tile_rows == 256
    tiles = read_with_gptool(cache)
    assert tiles == read_mbtiles(path)
    assert {level for level, _, _ in tiles} == {zoom - 2, zoom - 1, zoom}
    result = export_tiles(path, tmp_path / "x.tpkx")
    assert read_tiles(result.path) == tiles
    with rasterio.open(path) as before, rasterio.open(result.path) as after:
        window = rasterio.windows.from_bounds(*before.bounds, after.transform).round_offsets().round_lengths()
        assert np.array_equal(after.read([1, 2, 3], window=window), before.read([1, 2, 3]))


def test_reading_leaves_nothing_beside_the_file(tmp_path: Path) -> None:
    """SQLite makes files beside a database with a write-ahead log, unless it is told that none is needed."""
    folder = tmp_path / "of tiles"
    folder.mkdir()
    path = change(make_mbtiles(folder / "x.mbtiles", WORLD), "PRAGMA journal_mode = WAL")
    assert read_with_gptool(open_cache(path)) == WORLD
    assert [entry.name for entry in folder.iterdir()] == ["x.mbtiles"]


def test_write_ahead_log_is_read(tmp_path: Path) -> None:
    path = make_mbtiles(tmp_path / "x.mbtiles", WORLD)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("INSERT INTO tiles VALUES (8, 3, 252, x'ffd8ff')")
        assert Path(f"{path}-wal").stat().st_size > 0
        cache = open_cache(path)
        assert read_with_gptool(cache) == {**WORLD, (8, 3, 3): b"\xff\xd8\xff"}
        writer.execute("DELETE FROM tiles WHERE zoom_level = 0")
        with pytest.raises(gptool.errors.CacheError, match="modified or replaced"):
            read_with_gptool(cache)
        assert open_cache(path).files.signature("") != cache.files.signature  # type: ignore[comparison-overlap]


NAMES = ["a b.mbtiles", "50%.mbtiles", "#1.MBTiles", "ü&=+;.mbtiles", "'\".mbtiles"]


@pytest.mark.parametrize("name", [*NAMES, pytest.param("?.mbtiles", marks=pytest.mark.posix("question marks"))])
def test_any_characters_in_the_path(tmp_path: Path, name: str) -> None:
    if name == "'\".mbtiles":
        pytest.importorskip("posix")
    (tmp_path / "%20?#" if name.startswith("?") else tmp_path / "%20#").mkdir()
    folder = next(tmp_path.iterdir())
    path = make_mbtiles(folder / "plain", square(0, range(1), range(1))).rename(folder / name)
    assert read_with_gptool(open_cache(path)) == square(0, range(1), range(1))

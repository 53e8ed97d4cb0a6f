"""Damaged and hostile MBTiles: one sentence that names the file, and never a crash, a hang or a huge result."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import gptool
from gptool import export_tiles, open_cache
from gptool.cache import database as database_module
from gptool.errors import BundleError, CacheError, CacheNotFoundError, CacheUnavailableError
from helpers.caches import jpeg_tile, square, world
from helpers.mbtiles import FLAT, METADATA, NORMALISED, change, make_mbtiles, make_normalised_mbtiles
from helpers.program_readers import read_with_gptool

WORLD = world()
WEBP = b"RIFF\x1a\0\0\0WEBPVP8 "
PBF = b"\x1f\x8b\x08\0\0\0\0\0"
NO_TABLE = r"has no table or view tiles; expected an MBTiles file of images$"
BY_INDEX = "index of level, column and row, without which it is not read in reasonable time; expected"

ENDLESS = """
    CREATE TABLE metadata (name text, value text);
    CREATE VIEW tiles AS WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n)
    SELECT 3 AS zoom_level, i AS tile_column, i AS tile_row, zeroblob(1000000000) AS tile_data FROM n;
"""
STRANGE_KEY = FLAT.replace("tile_data blob)", "tile_data blob PRIMARY KEY) WITHOUT ROWID")
CIRCULAR = "CREATE TABLE metadata (name text, value text); CREATE VIEW tiles AS SELECT * FROM tiles;"
FUNCTION = NORMALISED.replace("images.tile_data AS tile_data", "load_extension('x') AS tile_data")


def of_schema(schema: str) -> Callable[[Path], object]:
    return lambda path: make_mbtiles(path, {}, schema=schema, index="")


INVALID: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty file": (Path.touch, r"is not an SQLite database; found an empty file, expected an MBTiles file"),
    "zip": (lambda path: path.write_bytes(b"PK\3\4more"), r"found a file that starts with 50 4b 03 04 6d 6f 72 65"),
    "magic only": (lambda path: path.write_bytes(b"SQLite format 3\0"), r"database is damaged: file is not a database"),
    "no tables": (of_schema("CREATE TABLE metadata (name, value);"), NO_TABLE),
    "index of that name": (
        of_schema("CREATE TABLE metadata (name, value); CREATE INDEX tiles ON metadata (name);"),
        NO_TABLE,
    ),
    "no column of data": (
        of_schema("CREATE TABLE metadata (name, value); CREATE TABLE tiles (zoom_level, tile_column, tile_row);"),
        r"table tiles has no column tile_data; expected an MBTiles file of images$",
    ),
    "no index and no row ids": (of_schema(STRANGE_KEY), rf"table tiles has no {BY_INDEX}"),
    "images without an index": (
        lambda path: change(make_normalised_mbtiles(path, WORLD), "DROP INDEX images_id"),
        rf"view tiles cannot be read by an {BY_INDEX}",
    ),
    "endless view": (of_schema(ENDLESS), rf"view tiles cannot be read by an {BY_INDEX}"),
    "circular view": (of_schema(CIRCULAR), r"cannot be read by SQLite: view tiles is circularly defined$"),
    "view of a missing table": (
        lambda path: change(make_normalised_mbtiles(path, WORLD), "PRAGMA writable_schema = ON",
                            "DELETE FROM sqlite_master WHERE name = 'map'"),
        r"no such table: main\.map$",
    ),
    "unsafe function": (of_schema(FUNCTION), r"cannot be read by SQLite: unsafe use of load_extension\(\)$"),
    "vector tiles": (
        lambda path: make_mbtiles(path, {(1, 0, 0): PBF}, metadata={**METADATA, "format": "pbf"}),
        r"compressed vector tiles are not supported; found 1 of 1 sampled tiles, expected PNG or JPEG tiles$",
    ),
    "vector tiles as JPEG": (
        lambda path: make_mbtiles(path, {(1, 0, 0): PBF}),
        r"compressed vector tiles are not supported; found 1 of 1",
    ),
    "vector tiles that are not compressed": (
        lambda path: make_mbtiles(path, {(1, 0, 0): b"\x1a\x05"}, metadata={**METADATA, "format": "pbf"}),
        r"vector tiles are not supported; found format pbf, expected PNG or JPEG tiles$",
    ),
    "WebP": (
        lambda path: make_mbtiles(path, {(1, 0, 0): WEBP, (1, 0, 1): jpeg_tile(1)}),
        r"WebP tiles are not supported; found 1 of 2 sampled tiles, expected PNG or JPEG tiles$",
    ),
    "tiles that are not square": (
        lambda path: make_mbtiles(path, {(1, 0, 0): jpeg_tile(1).replace(b"\0\x40\0\x40", b"\0\x40\0\x20")}),
        r"tiles are not square; found 32 x 64 pixels, expected 256 x 256 or 512 x 512$",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "message"), INVALID.values(), ids=INVALID)
def test_invalid_file_is_one_clear_sentence(tmp_path: Path, make: Callable[[Path], object], message: str) -> None:
    path = tmp_path / "x.mbtiles"
    make(path)
    with pytest.raises(CacheError, match=rf"^{re.escape(str(path))}: .*{message}") as caught:
        open_cache(path)
    assert "\n" not in str(caught.value)


def test_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(CacheNotFoundError, match=r"x\.mbtiles: cache not found; expected .* a \.tpk or a \.mbtiles$"):
        open_cache(tmp_path / "x.mbtiles")


@pytest.mark.parametrize("url", ["s3://tiles/x.mbtiles", "https://example.com/x.MBTILES", "az://tiles/a/x.mbtiles"])
def test_file_in_a_store_is_refused(url: str) -> None:
    with pytest.raises(
        CacheError, match=r"(?i)tiles: MBTiles cannot be read from a store; expected a copy of it on a local disk$"
    ):
        open_cache(url)


def test_folder_of_that_name_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "x.mbtiles").mkdir()
    with pytest.raises(CacheNotFoundError, match=r"x\.mbtiles: not a cache: it has no root\.json"):
        open_cache(tmp_path / "x.mbtiles")


# ---- tiles ----


def test_tile_that_is_too_large_is_an_error(tmp_path: Path) -> None:
    path = make_mbtiles(tmp_path / "x.mbtiles", WORLD)
    change(path, "INSERT INTO tiles VALUES (8, 3, 252, zeroblob(16777216))")
    message = (
        r"x\.mbtiles: tile at level 8, row 3, column 3 is too large; found 16777216 bytes, expected at most 16777215"
    )
    with pytest.raises(BundleError, match=message):
        export_tiles(path, tmp_path / "x.tpkx")


def test_small_file_that_would_make_a_huge_result_is_refused(tmp_path: Path) -> None:
    """All tiles of a bundle are one image of 15 MB."""
    path = make_normalised_mbtiles(tmp_path / "x.mbtiles", {(7, 0, 0): b"\xff\xd8\xff" + bytes(15_000_000)})
    change(
        path,
        "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 127) "
        "INSERT INTO map SELECT 7, n.i, m.i, tile_id FROM n, n AS m, map",
    )
    with pytest.raises(BundleError, match="tiles share bytes and their total size exceeds the limit; found 24"):
        export_tiles(path, tmp_path / "x.tpkx")


def test_many_entries_of_one_tile_are_an_error(tmp_path: Path) -> None:
    index = "CREATE INDEX tile_index ON tiles (zoom_level, tile_column, tile_row);"
    path = make_mbtiles(tmp_path / "x.mbtiles", {(3, 1, 1): jpeg_tile(1)}, index=index)
    many = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 70000)"
    change(path, f"{many} INSERT INTO tiles SELECT 3, 1, 6, x'00' FROM n")
    with pytest.raises(BundleError, match="bundle of level 3, row 0, column 0 has too many entries; expected one for"):
        export_tiles(path, tmp_path / "x.tpkx")


def test_statement_that_takes_too_many_steps_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "STEP_COUNT", 100)
    monkeypatch.setattr(database_module, "MIN_STEPS", 0)
    monkeypatch.setattr(database_module, "STEPS_PER_BYTE", 0)
    with pytest.raises(BundleError, match="database is damaged: it has more entries than its file can hold"):
        open_cache(make_mbtiles(tmp_path / "x.mbtiles", WORLD))


# ---- locks and logs ----


def test_locked_file_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "LOCK_SECONDS", 0.1)
    path = make_mbtiles(tmp_path / "x.mbtiles", WORLD)
    cache = open_cache(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        message = r"x\.mbtiles: is locked by another program; expected the program that writes it to finish"
        with pytest.raises(CacheUnavailableError, match=message):
            open_cache(path)
        with pytest.raises(CacheUnavailableError, match=message):
            read_with_gptool(cache)
    assert read_with_gptool(cache) == WORLD


def make_logged(path: Path) -> Path:
    """Create a file with changes in a write-ahead log, as a program leaves it that was killed."""
    with closing(sqlite3.connect(path.with_name("original"), isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.executescript(FLAT + "CREATE UNIQUE INDEX i ON tiles (zoom_level, tile_column, tile_row);")
        writer.execute("INSERT INTO tiles VALUES (0, 0, 0, ?)", (jpeg_tile(1),))
        shutil.copy(path.with_name("original"), path)
        shutil.copy(path.with_name("original-wal"), f"{path}-wal")
    return path


def test_log_of_a_killed_program_is_read(tmp_path: Path) -> None:
    path = make_logged(tmp_path / "x.mbtiles")
    assert read_with_gptool(open_cache(path)) == {(0, 0, 0): jpeg_tile(1)}


@pytest.mark.parametrize("length", [1, 31, 32, 100, 5000])
def test_damaged_log_is_no_crash(tmp_path: Path, length: int) -> None:
    path = make_logged(tmp_path / "x.mbtiles")
    os.truncate(f"{path}-wal", length)
    with pytest.raises(CacheError, match=r"x\.mbtiles: "):
        open_cache(path)


@pytest.mark.posix("permissions of a folder, and another user than root")
def test_log_in_a_read_only_folder_is_explained(tmp_path: Path) -> None:
    folder = tmp_path / "share"
    folder.mkdir()
    path = make_logged(folder / "x.mbtiles")
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.raises(
            CacheError, match=r"x\.mbtiles: cannot be opened: .*; expected a database that was closed by"
        ):
            open_cache(path)
    finally:
        folder.chmod(stat.S_IRWXU)


def test_journal_of_a_killed_program_is_explained(tmp_path: Path) -> None:
    """A transaction was not finished: what it has changed is in the file, and the old pages are in the journal."""
    path = make_mbtiles(tmp_path / "original", WORLD)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA cache_size = 1")
        writer.execute("BEGIN")
        writer.execute("UPDATE tiles SET tile_data = x'00'")
        shutil.copy(path, tmp_path / "x.mbtiles")
        shutil.copy(tmp_path / "original-journal", tmp_path / "x.mbtiles-journal")
    with pytest.raises(CacheError, match=r"x\.mbtiles: cannot be opened: .*without a -wal or -journal file beside it$"):
        open_cache(tmp_path / "x.mbtiles")


# ---- bytes that are changed ----

SMALL = square(3, range(8), range(8)) | square(9, range(250, 262), range(250, 262))


def read_all(path: Path, folder: Path) -> dict[object, bytes] | None:
    """Return the tiles of a file, also as one by one, and check that they are exported; None if it is refused."""
    try:
        gptool.info(path)
        cache = open_cache(path)
        tiles = read_with_gptool(cache)
        for address in list(tiles)[:20]:
            with cache.open_square(gptool.model.TileAddress(*address)) as found:
                data = found.source.read(0, found.source.size)
                assert found.sizes[0] == len(data)
        if tiles:
            export_tiles(path, folder / "x.tpkx", overwrite=True)
    except gptool.errors.GptoolError as error:
        assert str(path) in str(error) or "x.tpkx" in str(error), error
        assert "\n" not in str(error)
        return None
    return dict(tiles)


@pytest.mark.parametrize("make", [make_mbtiles, make_normalised_mbtiles], ids=["flat", "normalised"])
@pytest.mark.parametrize("kind", ["one byte", "many bytes", "page of others", "zeros", "shorter", "first page"])
def test_changed_bytes_are_errors_or_other_tiles(tmp_path: Path, kind: str, make: Callable[..., Path]) -> None:
    """40 files of each kind and schema: none may crash, hang, or be read as something else than tiles."""
    original = make(tmp_path / "x.mbtiles", SMALL).read_bytes()
    rng = np.random.default_rng(len(kind))
    refused = 0
    for _ in range(40):
        data = bytearray(original)
        if kind in ("one byte", "many bytes", "first page"):
            count = 1 if kind == "one byte" else 60
            places = rng.integers(100, 4096 if kind == "first page" else len(data), count)
            for place in places.tolist():
                data[place] = int(rng.integers(256))
        elif kind == "shorter":
            del data[int(rng.integers(100, len(data))) :]
        else:
            page, other = (4096 * int(number) for number in rng.integers(1, len(data) // 4096, 2))
            data[page : page + 4096] = original[other : other + 4096] if kind == "page of others" else bytes(4096)
        (tmp_path / "x.mbtiles").write_bytes(data)
        refused += read_all(tmp_path / "x.mbtiles", tmp_path) is None
    assert refused < 40 or kind != "one byte"

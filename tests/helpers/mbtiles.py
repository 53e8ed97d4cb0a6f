"""MBTiles files made by plain SQL, in the schemas of other programs, and a reader after the specification."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

from helpers.bundles import Address

METADATA = {"name": "world", "format": "jpg", "minzoom": "0", "maxzoom": "8", "bounds": "-180,-85.0511,180,85.0511"}
"""The metadata of `helpers.caches.world`."""

FLAT = """
    CREATE TABLE metadata (name text, value text);
    CREATE TABLE tiles (zoom_level integer, tile_column integer, tile_row integer, tile_data blob);
"""
INDEX = "CREATE UNIQUE INDEX tile_index ON tiles (zoom_level, tile_column, tile_row);"

NORMALISED = """
    CREATE TABLE map (zoom_level INTEGER, tile_column INTEGER, tile_row INTEGER, tile_id VARCHAR(256));
    CREATE TABLE images (tile_data blob, tile_id VARCHAR(256));
    CREATE TABLE metadata (name VARCHAR(25), value VARCHAR(300));
    CREATE VIEW tiles AS SELECT map.zoom_level AS zoom_level, map.tile_column AS tile_column,
        map.tile_row AS tile_row, images.tile_data AS tile_data
        FROM map JOIN images ON images.tile_id = map.tile_id;
    CREATE UNIQUE INDEX map_index ON map (zoom_level, tile_column, tile_row);
    CREATE UNIQUE INDEX images_id ON images (tile_id);
    CREATE UNIQUE INDEX name ON metadata (name);
"""
"""The tables of mb-util's compact files; those of others have the same form."""


def south_row(level: int, row: int) -> int:
    """Return the row counted from the south, or back."""
    return (1 << level) - 1 - row


def make_mbtiles(
    path: Path,
    tiles: Mapping[Address, object],
    *,
    metadata: Mapping[str, object] | None = METADATA,
    schema: str = FLAT,
    index: str = INDEX,
) -> Path:
    """Create an MBTiles file with a table of tiles."""
    rows = [
        (level, column, south_row(level, row) if isinstance(row, int) else row, tile)
        for (level, row, column), tile in tiles.items()
    ]
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(schema)
        if rows:
            database.executemany("INSERT INTO tiles VALUES (?, ?, ?, ?)", rows)
        if metadata is None:
            database.execute("DROP TABLE metadata")
        else:
            database.executemany("INSERT INTO metadata VALUES (?, ?)", metadata.items())
        database.executescript(index)
    return path


def make_normalised_mbtiles(
    path: Path, tiles: Mapping[Address, bytes], *, metadata: Mapping[str, object] = METADATA
) -> Path:
    """Create an MBTiles file in which equal tiles are stored once."""
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(NORMALISED)
        for (level, row, column), tile in tiles.items():
            name = hashlib.md5(tile).hexdigest()
            database.execute("INSERT OR IGNORE INTO images VALUES (?, ?)", (tile, name))
            database.execute("INSERT INTO map VALUES (?, ?, ?, ?)", (level, column, south_row(level, row), name))
        database.executemany("INSERT INTO metadata VALUES (?, ?)", metadata.items())
    return path


def change(path: Path, *statements: str, values: Iterable[object] = ()) -> Path:
    """Change a database by statements; the values are those of the last one."""
    with closing(sqlite3.connect(path)) as database, database:
        for statement in statements[:-1]:
            database.execute(statement)
        database.execute(statements[-1], tuple(values))
    return path


def read_mbtiles(path: Path) -> dict[Address, bytes]:
    """Return all tiles of an MBTiles file."""
    with closing(sqlite3.connect(path)) as database:
        found = database.execute("SELECT zoom_level, tile_column, tile_row, tile_data FROM tiles").fetchall()
    return {(level, south_row(level, row), column): bytes(tile) for level, column, row, tile in found}

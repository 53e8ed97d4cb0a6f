"""Readers of formats of web maps after their specifications; they share no code with gptool."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from helpers.bundles import Address


def query(path: Path, statement: str) -> list[tuple[object, ...]]:
    """Return the rows of a query of a database, which is not written to."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(statement).fetchall()


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a .mbtiles."""
    rows = query(path, "SELECT name, value FROM metadata")
    metadata = {str(name): str(value) for name, value in rows}
    assert len(metadata) == len(rows)
    return metadata


def read_mbtiles(path: Path) -> dict[Address, bytes]:
    """Return the tiles of a .mbtiles by zoom, row from the north, and column (MBTiles 1.3, Tiles)."""
    assert query(path, "PRAGMA integrity_check") == [("ok",)]
    assert query(path, "PRAGMA application_id") == [(0x4D504258,)]
    tiles: dict[Address, bytes] = {}
    for zoom, column, row, data in query(path, "SELECT zoom_level, tile_column, tile_row, tile_data FROM tiles"):
        assert isinstance(zoom, int)
        assert isinstance(column, int)
        assert isinstance(row, int)
        assert isinstance(data, bytes)
        address = zoom, 2**zoom - 1 - row, column
        assert address not in tiles
        tiles[address] = data
    return tiles


READERS = {".mbtiles": read_mbtiles}
"""By the suffix of the format."""


def read_web_tiles(path: Path) -> dict[Address, bytes]:
    """Return the tiles of a result by zoom, row from the north, and column."""
    return READERS[path.suffix](path)

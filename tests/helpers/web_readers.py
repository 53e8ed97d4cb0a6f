"""Readers of formats of web maps after their specifications; they share no code with gptool."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

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


def read_geopackage(path: Path) -> dict[Address, bytes]:
    """Return the tiles of a .gpkg by level, row and column (GeoPackage, clause 2.2), after a check of its tables."""
    assert query(path, "PRAGMA integrity_check") == [("ok",)]
    assert query(path, "PRAGMA foreign_key_check") == []
    assert query(path, "PRAGMA application_id") == [(0x47504B47,)]
    [[table, srs]] = query(path, "SELECT table_name, srs_id FROM gpkg_contents WHERE data_type = 'tiles'")
    assert {0, -1, 4326, srs} <= {row[0] for row in query(path, "SELECT srs_id FROM gpkg_spatial_ref_sys")}
    [bounds] = query(path, f"SELECT min_x, min_y, max_x, max_y FROM gpkg_tile_matrix_set WHERE srs_id = {srs}")
    west, south, east, north = (float(str(side)) for side in bounds)
    sizes: dict[object, tuple[int, int]] = {}
    for row in query(path, "SELECT * FROM gpkg_tile_matrix ORDER BY zoom_level"):
        zoom, columns, rows, width, height, x, y = (float(str(value)) for value in row[1:])
        assert columns * width * x == pytest.approx(east - west, rel=1e-12)
        assert rows * height * y == pytest.approx(north - south, rel=1e-12)
        sizes[int(zoom)] = int(columns), int(rows)
    tiles: dict[Address, bytes] = {}
    for zoom_level, column, tile_row, data in query(
        path, f"SELECT zoom_level, tile_column, tile_row, tile_data FROM {table}"
    ):
        assert isinstance(zoom_level, int)
        assert isinstance(column, int)
        assert isinstance(tile_row, int)
        assert isinstance(data, bytes)
        columns, rows = sizes[zoom_level]
        assert 0 <= column < columns
        assert 0 <= tile_row < rows
        tiles[zoom_level, tile_row, column] = data
    return tiles


READERS = {".mbtiles": read_mbtiles, ".gpkg": read_geopackage}
"""By the suffix of the format."""


def read_web_tiles(path: Path) -> dict[Address, bytes]:
    """Return the tiles of a result by zoom, row from the north, and column."""
    return READERS[path.suffix](path)

"""Readers of formats of web maps after their specifications; they share no code with gptool."""

from __future__ import annotations

import gzip
import sqlite3
import struct
from contextlib import closing
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

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


class Directory(NamedTuple):
    """The entries of a directory of a .pmtiles: ids, runs, lengths and offsets."""

    ids: list[int]
    runs: list[int]
    lengths: list[int]
    offsets: list[int]

    @classmethod
    def read(cls, data: bytes) -> Directory:
        """Return a directory (PMTiles, chapter 4.2)."""
        numbers, value, shift = list[int](), 0, 0
        for byte in gzip.decompress(data):
            value, shift = value | (byte & 0x7F) << shift, shift + 7
            if byte < 0x80:
                numbers.append(value)
                value = shift = 0
        count = numbers[0]
        assert len(numbers) == 1 + 4 * count
        deltas, runs, lengths, stated = (numbers[1 + i * count : 1 + (i + 1) * count] for i in range(4))
        offsets = list[int]()
        for i, number in enumerate(stated):
            offsets.append(number - 1 if number else offsets[i - 1] + lengths[i - 1])
        return cls(list(accumulate(deltas)), runs, lengths, offsets)


def tile_place(tile_id: int) -> Address:
    """Return zoom, row and column of a tile id, by steps along the curve from its end to its start."""
    zoom, rest = 0, tile_id
    while rest >= 4**zoom:
        rest, zoom = rest - 4**zoom, zoom + 1
    x = y = 0
    for bit in range(zoom):
        quarter, rest = rest % 4, rest // 4
        side = 1 << bit
        right, below = quarter // 2, (quarter // 2) ^ (quarter % 2)
        if not below:
            if right:
                x, y = side - 1 - x, side - 1 - y
            x, y = y, x
        x, y = x + side * right, y + side * below
    return zoom, y, x


def read_pmtiles(path: Path) -> dict[Address, bytes]:
    """Return the tiles of a .pmtiles by zoom, row and column, after a check of its header and directories."""
    data = path.read_bytes()
    assert data[:8] == b"PMTiles\3"
    root, root_size, meta, meta_size, leaf, leaf_size, start, size, tiles, entries, contents = struct.unpack_from(
        "<11Q", data, 8
    )
    assert (root, root + root_size <= 16384, start) == (127, True, 16384)
    assert {leaf, meta} == {start + size, start + size + leaf_size}
    assert meta + meta_size == len(data)
    assert list(data[96:99]) == [1, 2, 1]
    found, seen, last = dict[Address, bytes](), dict[bytes, int](), 0

    def read(directory: Directory) -> int:
        """Add the tiles of a directory and its leaves, and return their entries."""
        nonlocal last
        count = 0
        for tile_id, run, length, offset in zip(*directory, strict=True):
            assert length > 0
            if run == 0:
                count += read(Directory.read(data[leaf + offset : leaf + offset + length]))
                continue
            assert offset <= last, "clustered: contents follow each other in the order of the ids"
            assert offset + length <= size
            last, count = max(last, offset + length), count + 1
            tile = data[start + offset : start + offset + length]
            assert seen.setdefault(tile, offset) == offset, "each content is there once"
            for i in range(tile_id, tile_id + run):
                assert found.setdefault(tile_place(i), tile) is tile
        assert directory.ids == sorted(set(directory.ids))
        return count

    assert read(Directory.read(data[root : root + root_size])) == entries
    assert (len(found), len(seen), last) == (tiles, contents, size)
    zooms = [place[0] for place in found]
    assert list(data[100:102]) == [min(zooms), max(zooms)]
    return found


READERS = {".mbtiles": read_mbtiles, ".gpkg": read_geopackage, ".pmtiles": read_pmtiles}
"""By the suffix of the format."""


def read_web_tiles(path: Path) -> dict[Address, bytes]:
    """Return the tiles of a result by zoom, row from the north, and column."""
    return READERS[path.suffix](path)

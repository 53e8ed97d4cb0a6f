"""The .pmtiles: ids, directories and contents, and readers that others wrote."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from isal import isal_zlib
from pmtiles import reader
from pmtiles.tile import Compression, TileType, deserialize_directory, zxy_to_tileid

from gptool import export_tiles
from gptool.output import pmtiles
from gptool.output.pmtiles_directory import ENTRY, compress, encode_directory, tile_ids
from helpers.bundles import Address
from helpers.caches import square
from helpers.command_line import run
from helpers.javascript import run_client, tile_server
from helpers.waiting import TIMEOUT
from helpers.web_caches import make_web_cache, mixed_pyramid, pyramid
from helpers.web_readers import read_pmtiles

CONTENTS = {"JPEG": pyramid(), "PNG": pyramid(png=True), "MIXED": mixed_pyramid()}


def read_by_package(path: Path) -> dict[Address, bytes]:
    """Return the tiles as the package pmtiles reads them."""
    with path.open("rb") as file:
        source = reader.MmapSource(file)
        return {(z, y, x): data for (z, x, y), data in reader.all_tiles(source)}


@given(st.integers(0, 26).flatmap(lambda z: st.tuples(*[st.just(z)] + [st.integers(0, 2**z - 1)] * 2)))
def test_tile_ids_are_those_of_the_package(place: tuple[int, int, int]) -> None:
    zoom, column, row = place
    assert tile_ids(zoom, np.array([column]), np.array([row])).tolist() == [zxy_to_tileid(*place)]


@given(st.lists(st.tuples(*[st.integers(0, 2**31)] * 4), min_size=1, max_size=50))
def test_directories_are_read_by_the_package(values: list[tuple[int, int, int, int]]) -> None:
    entries = np.array(sorted(values), ENTRY)
    found = deserialize_directory(encode_directory(entries))
    assert [(e.tile_id, e.offset, e.length, e.run_length) for e in found] == [tuple(e) for e in entries.tolist()]


def test_compression_is_gzip_without_time() -> None:
    data = b"text" * 100
    assert gzip.decompress(compress(data)) == data
    assert compress(data)[:10] == bytes.fromhex("1f8b08000000000002ff")


@pytest.mark.parametrize("format_", CONTENTS)
def test_package_reads_all_tiles(tmp_path: Path, format_: str) -> None:
    tiles = CONTENTS[format_]
    path = export_tiles(make_web_cache(tmp_path / "cache", tiles, format=format_), tmp_path / "x.pmtiles").path
    assert read_by_package(path) == read_pmtiles(path) == tiles


@pytest.mark.parametrize("content", CONTENTS)
def test_header_and_metadata(tmp_path: Path, content: str) -> None:
    cache = make_web_cache(tmp_path / "cache", CONTENTS[content], format=content)
    result = export_tiles(cache, tmp_path / "World map.pmtiles")
    with result.path.open("rb") as file:
        archive = reader.Reader(reader.MmapSource(file))
        header, metadata = archive.header(), archive.metadata()
    assert header["tile_type"] is {"PNG": TileType.PNG}.get(content, TileType.JPEG)
    assert (header["internal_compression"], header["tile_compression"]) == (Compression.GZIP, Compression.NONE)
    assert (header["min_zoom"], header["max_zoom"], header["center_zoom"], header["clustered"]) == (0, 3, 0, True)
    assert [header[f"{side}_e7"] for side in ("min_lon", "min_lat", "max_lon", "max_lat", "center_lon")] == [
        *(-1_800_000_000, -850_511_288, 1_800_000_000, 850_511_288),
        0,
    ]
    assert (header["addressed_tiles_count"], header["tile_contents_count"]) == (33, 33)
    note = ", 22 tiles in JPEG and 11 tiles in PNG" if content == "MIXED" else ""
    assert metadata == {
        "name": "World map",
        "description": f"33 tiles of cache, levels 0-3{note}",
        "type": "baselayer",
        "version": "1",
    }
    assert len(result.messages) == (content == "MIXED")
    if content == "MIXED":
        assert "holds 22 tiles in JPEG and 11 tiles in PNG, and states JPEG alone" in str(result.messages)


def test_equal_tiles_are_stored_once(tmp_path: Path) -> None:
    """Runs of equal tiles are one entry, and other equal tiles refer to the first, also in other bundles and levels."""
    sea, land = b"\xff\xd8sea" * 100, b"\xff\xd8land" * 100
    tiles = {
        (8, row, column): land if (row, column) in ((3, 200), (130, 5), (7, 7)) else sea
        for row in range(256)
        for column in range(256)
    } | {(0, 0, 0): sea}
    result = export_tiles(make_web_cache(tmp_path / "cache", tiles, levels=9), tmp_path / "x.pmtiles")
    assert read_pmtiles(result.path) == tiles
    assert result.size < 16384 + len(sea) + len(land) + 500
    with result.path.open("rb") as file:
        header = reader.Reader(reader.MmapSource(file)).header()
    assert (header["addressed_tiles_count"], header["tile_contents_count"]) == (65537, 2)
    assert header["tile_entries_count"] == 8
    done = run("export-tiles", "cache", "y.pmtiles", cwd=tmp_path)
    assert done.stdout.splitlines()[-1].endswith("of tiles, equal ones stored once")


def test_equal_checksums_of_different_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contents are equal only if their bytes are."""
    places = [(row, column) for row in range(20) for column in range(20)]
    tiles: dict[Address, bytes] = {(6, row, column): b"\xff\xd8%03d" % (row * column % 60) for row, column in places}
    cache = make_web_cache(tmp_path / "cache", tiles, levels=7)
    expected = export_tiles(cache, tmp_path / "x.pmtiles").path.read_bytes()
    monkeypatch.setattr("gptool.output.pmtiles_contents.isal_zlib", FixedChecksum)
    result = export_tiles(cache, tmp_path / "x.pmtiles", overwrite=True)
    assert read_pmtiles(result.path) == tiles
    assert result.path.read_bytes() == expected


class FixedChecksum:
    crc32 = staticmethod(lambda data: isal_zlib.crc32(b""))


def read_root(path: Path) -> tuple[int, list[int]]:
    """Return the bytes of the root directory and the lengths of its leaf directories."""
    with path.open("rb") as file:
        source = reader.MmapSource(file)
        header = reader.Reader(source).header()
        root = deserialize_directory(source(header["root_offset"], header["root_length"]))
    assert {entry.run_length for entry in root} == {0}
    assert sum(entry.length for entry in root) == header["leaf_directory_length"]
    return header["root_length"], [entry.length for entry in root]


def test_leaf_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full bundle of different tiles: 4,096 in a leaf, or more if the root directory has no room for the leaves."""
    tiles = {(7, row, column): b"\xff\xd8%d,%d" % (row, column) for row in range(128) for column in range(128)}
    cache = make_web_cache(tmp_path / "cache", tiles, levels=8)
    path = export_tiles(cache, tmp_path / "x.pmtiles").path
    assert read_by_package(path) == read_pmtiles(path) == tiles
    size, leaves = read_root(path)
    assert len(leaves) == 4
    monkeypatch.setattr(pmtiles, "MAX_ROOT_BYTES", size - 1)
    path = export_tiles(cache, tmp_path / "smaller.pmtiles").path
    assert read_by_package(path) == read_pmtiles(path) == tiles
    assert len(read_root(path)[1]) < 4


def test_bundles_are_in_the_order_of_ids(tmp_path: Path) -> None:
    """Tiles of 16 bundles, which are not in the order of their rows."""
    tiles = square(9, range(5, 512, 128), range(7, 512, 128)) | square(9, range(260, 380, 30), range(100, 200, 30))
    path = export_tiles(make_web_cache(tmp_path / "cache", tiles, levels=10), tmp_path / "x.pmtiles", workers=2).path
    assert read_by_package(path) == read_pmtiles(path) == tiles


def test_javascript_client_reads_all_tiles(tmp_path: Path) -> None:
    tiles = CONTENTS["MIXED"] | {(8, 100, 100): b"\xff\xd8deep"}
    result = export_tiles(make_web_cache(tmp_path / "cache", tiles, levels=9, format="MIXED"), tmp_path / "x.pmtiles")
    names = {f"{zoom}/{column}/{row}": tile for (zoom, row, column), tile in tiles.items()}
    found = run_client("pmtiles_js.mjs", "pmtiles", result.path, *names, "8/1/1")
    assert found["digests"] == {name: hashlib.sha256(tile).hexdigest() for name, tile in names.items()} | {
        "8/1/1": None
    }
    assert (found["header"]["minZoom"], found["header"]["maxZoom"], found["header"]["tileType"]) == (0, 8, 3)
    assert found["metadata"]["name"] == "x"


def test_tileserver_serves_all_tiles(tmp_path: Path) -> None:
    tiles = CONTENTS["JPEG"]
    export_tiles(make_web_cache(tmp_path / "cache", tiles), tmp_path / "x.pmtiles")
    with tile_server(tmp_path, "x.pmtiles") as address:
        with urlopen(f"{address}/data/x.json", timeout=TIMEOUT) as response:
            described = json.load(response)
        assert described["maxzoom"] == 3
        for (zoom, row, column), tile in tiles.items():
            with urlopen(f"{address}/data/x/{zoom}/{column}/{row}.{described['format']}", timeout=TIMEOUT) as response:
                data = response.read()
                assert (gzip.decompress(data) if response.headers["Content-Encoding"] == "gzip" else data) == tile

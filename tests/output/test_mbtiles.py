"""The .mbtiles: its metadata, and readers that others wrote."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from urllib.request import urlopen

import pytest

from gptool import export_tiles
from helpers.bundles import Address
from helpers.caches import square
from helpers.javascript import run_client, tile_server
from helpers.packages import make_tpkx, root_text
from helpers.waiting import TIMEOUT
from helpers.web_caches import check_by_gdal, make_web_cache, mixed_pyramid, pyramid
from helpers.web_readers import query, read_metadata

CONTENTS = {"JPEG": pyramid(), "PNG": pyramid(png=True), "MIXED": mixed_pyramid()}


@pytest.mark.parametrize("format_", CONTENTS)
def test_gdal_reads_every_level(tmp_path: Path, format_: str) -> None:
    cache = make_web_cache(tmp_path / "cache", CONTENTS[format_], format=format_)
    result = export_tiles(cache, tmp_path / "x.mbtiles")
    check_by_gdal(result.path, CONTENTS[format_], driver="MBTiles")


def test_javascript_client_reads_all_tiles(tmp_path: Path) -> None:
    """@mapbox/mbtiles, the reader of tileserver-gl."""
    tiles = CONTENTS["MIXED"]
    result = export_tiles(make_web_cache(tmp_path / "cache", tiles, format="MIXED"), tmp_path / "x.mbtiles")
    names = {f"{zoom}/{column}/{row}": tile for (zoom, row, column), tile in tiles.items()}
    found = run_client("mbtiles_js.mjs", "@mapbox/mbtiles", result.path, *names)
    assert {name: digest for name, (digest, _) in found["digests"].items()} == {
        name: hashlib.sha256(tile).hexdigest() for name, tile in names.items()
    }
    assert {kind for _, kind in found["digests"].values()} == {"image/jpeg", "image/png"}
    assert (found["info"]["minzoom"], found["info"]["maxzoom"], found["info"]["format"]) == (0, 3, "jpg")


def test_tileserver_serves_all_tiles(tmp_path: Path) -> None:
    tiles = CONTENTS["MIXED"]
    export_tiles(make_web_cache(tmp_path / "cache", tiles, format="MIXED"), tmp_path / "x.mbtiles")
    with tile_server(tmp_path, "x.mbtiles") as address:
        with urlopen(f"{address}/data/x.json", timeout=TIMEOUT) as response:
            described = json.load(response)
        assert (described["bounds"], described["maxzoom"]) == ([-180, -85.0511288, 180, 85.0511288], 3)
        for (zoom, row, column), tile in tiles.items():
            with urlopen(f"{address}/data/x/{zoom}/{column}/{row}.jpg", timeout=TIMEOUT) as response:
                data = response.read()
                assert (gzip.decompress(data) if response.headers["Content-Encoding"] == "gzip" else data) == tile


@pytest.mark.parametrize(
    ("content", "stated", "description"),
    [
        ("JPEG", "jpg", "33 tiles of cache, levels 0-3"),
        ("PNG", "png", "33 tiles of cache, levels 0-3"),
        ("MIXED", "jpg", "33 tiles of cache, levels 0-3, 22 tiles in JPEG and 11 tiles in PNG"),
    ],
)
def test_metadata(tmp_path: Path, content: str, stated: str, description: str) -> None:
    cache = make_web_cache(tmp_path / "cache", CONTENTS[content], format=content)
    result = export_tiles(cache, tmp_path / "World map.mbtiles")
    assert read_metadata(result.path) == {
        "name": "World map",
        "format": stated,
        "bounds": "-180.0,-85.0511288,180.0,85.0511288",
        "center": "0.0,0.0,0",
        "minzoom": "0",
        "maxzoom": "3",
        "description": description,
        "type": "baselayer",
        "version": "1",
    }
    assert [message for message in result.messages if "states jpg alone" in message.description] == list(
        result.messages
    )
    assert len(result.messages) == (content == "MIXED")


def test_bounds_are_those_of_the_selected_tiles(tmp_path: Path) -> None:
    """Level 9 has tiles of 0.703125 degrees of longitude."""
    cache = make_web_cache(tmp_path / "cache", square(9, range(256, 258), range(256, 260)), levels=10)
    metadata = read_metadata(export_tiles(cache, tmp_path / "x.mbtiles").path)
    west, south, east, north = map(float, metadata["bounds"].split(","))
    assert (west, north) == pytest.approx((0, 0), abs=1e-6)
    assert (east, south) == pytest.approx((4 * 0.703125, -2 * 0.703125), abs=1e-3)
    longitude, latitude, zoom = map(float, metadata["center"].split(","))
    assert (longitude, latitude, zoom) == pytest.approx(((west + east) / 2, (south + north) / 2, 9), abs=1e-6)


@pytest.mark.parametrize(("copyright_", "stated"), [("(c) Agency", "(c) Agency"), ("", None), (7, None)])
def test_attribution_is_the_copyright_of_the_source(tmp_path: Path, copyright_: object, stated: str | None) -> None:
    tiles: dict[Address, bytes] = pyramid()
    cache = make_tpkx(tmp_path / "c.tpkx", tiles, root=root_text(tile=256, copyrightText=json.dumps(copyright_)))
    result = export_tiles(cache, tmp_path / "x.mbtiles")
    assert read_metadata(result.path).get("attribution") == stated


def test_form_of_the_database(tmp_path: Path) -> None:
    """Plain tables with the columns of the specification, an index, and a header that states no version."""
    path = export_tiles(make_web_cache(tmp_path / "cache", pyramid()), tmp_path / "x.mbtiles").path
    assert [row[1:3] for row in query(path, "PRAGMA table_info(tiles)")] == [
        ("zoom_level", "INTEGER"),
        ("tile_column", "INTEGER"),
        ("tile_row", "INTEGER"),
        ("tile_data", "BLOB"),
    ]
    assert [row[1:3] for row in query(path, "PRAGMA table_info(metadata)")] == [("name", "TEXT"), ("value", "TEXT")]
    plan = query(path, "EXPLAIN QUERY PLAN SELECT tile_data FROM tiles WHERE zoom_level=3 AND tile_column=1")
    assert "USING INDEX tile_index" in str(plan)
    header = path.read_bytes()[:100]
    assert (header[:16], header[68:72], header[96:]) == (b"SQLite format 3\0", b"MPBX", (3007000).to_bytes(4, "big"))

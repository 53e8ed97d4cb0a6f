"""An MBTiles file as a service: tiles, tilemap, WMTS, exports, and a file that is written while it is published."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import rasterio

from gptool.service.catalog import CHECK_SECONDS
from helpers.caches import jpeg_tile, square
from helpers.mbtiles import METADATA, change, make_mbtiles, make_normalised_mbtiles
from helpers.rest_client import RestClient
from helpers.service_process import ServiceProcess
from helpers.tile_readers import read_package
from helpers.waiting import wait_until

TILES = {
    (level, row, column): jpeg_tile(100 * row + column + level, size=256)
    for level in range(3)
    for row in range(2**level)
    for column in range(2**level)
} | square(8, range(120, 140), range(126, 130))
IMAGE, MAP = "services/World/ImageServer", "services/World/MapServer"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mbtiles")
    make_mbtiles(folder / "world.mbtiles", TILES, metadata={**METADATA, "maxzoom": "8"})
    make_normalised_mbtiles(folder / "live.mbtiles", {(0, 0, 0): jpeg_tile(1)})
    change(folder / "live.mbtiles", "PRAGMA journal_mode = WAL")
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[RestClient]:
    with ServiceProcess(folder, "World=world.mbtiles", "Live=live.mbtiles") as service:
        yield RestClient(service.address)


def test_description_has_a_format_that_clients_know(client: RestClient) -> None:
    value = client.json(IMAGE)
    assert value["storageInfo"] == {"storageFormat": "esriMapCacheStorageModeCompactV2", "packetSize": 128}
    assert (value["tileInfo"]["format"], value["minLOD"], value["maxLOD"]) == ("JPEG", 0, 8)
    assert value["tileInfo"]["lods"][0]["resolution"] == 156543.03392800014
    assert value["spatialReference"] == {"wkid": 102100, "latestWkid": 3857}


def test_every_tile_is_served(client: RestClient) -> None:
    for (level, row, column), tile in TILES.items():
        reply = client.get(f"{MAP}/tile/{level}/{row}/{column}")
        assert (reply.status, reply.body) == (200, tile)
    for address in ("3/0/0", "8/0/0", "1/2/0", "1/-1/0", "24/0/0"):
        assert client.get(f"{MAP}/tile/{address}", blankTile="false").status == 404
    etag = client.get(f"{MAP}/tile/0/0/0").headers["etag"]
    assert client.ask("GET", client.path(f"{MAP}/tile/0/0/0"), If_None_Match=etag).status == 304


@pytest.mark.parametrize("window", [(8, 112, 112, 32, 32), (8, 127, 127, 2, 2), (0, 0, 0, 8, 8), (3, 0, 0, 8, 8)])
def test_tilemap_states_the_tiles(client: RestClient, window: tuple[int, ...]) -> None:
    level, row, column, width, height = window
    value = client.json(f"{MAP}/tilemap/{level}/{row}/{column}/{width}/{height}")
    expected = [int((level, row + down, column + right) in TILES) for down in range(height) for right in range(width)]
    assert value["data"] == expected


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")
def test_gdal_reads_it_as_wmts(client: RestClient) -> None:
    url = f"WMTS:http://{client.address}{client.path(IMAGE)}/WMTS/1.0.0/WMTSCapabilities.xml,layer=World"
    with rasterio.open(url) as dataset:
        assert dataset.crs.to_epsg() == 3857
        pixels = dataset.read([1, 2, 3], out_shape=(3, 256, 256))
    assert np.unique(pixels).size > 10


def test_export_and_estimate(client: RestClient, tmp_path: Path) -> None:
    request = {"tilePackage": "true", "storageFormatType": "esriMapCacheStorageModeCompactV2", "levels": "0-8"}
    job, value = client.run(f"{IMAGE}/estimateExportTilesSize", **request)
    assert value["jobStatus"] == "esriJobSucceeded"
    assert client.result(job)["totalTilesToExport"] == len(TILES)
    job, value = client.run(f"{IMAGE}/exportTiles", **request)
    assert value["jobStatus"] == "esriJobSucceeded", value
    [file] = client.json(client.result(job))["files"]
    (tmp_path / "x.tpkx").write_bytes(client.get(file["url"]).body)
    assert read_package(tmp_path / "x.tpkx") == TILES


def test_tile_that_is_written_is_served_soon(client: RestClient, folder: Path) -> None:
    """A program writes through a log, while the service reads."""
    live = "services/Live/MapServer"
    assert client.get(f"{live}/tile/0/0/0").body == jpeg_tile(1)
    with closing(sqlite3.connect(folder / "live.mbtiles", isolation_level=None)) as writer:
        writer.execute("BEGIN")
        writer.execute("INSERT INTO images VALUES (?, 'new')", (jpeg_tile(2),))
        writer.execute("UPDATE map SET tile_id = 'new'")
        writer.execute("COMMIT")
        wait_until(
            lambda: client.get(f"{live}/tile/0/0/0").body == jpeg_tile(2),
            lambda: f"the old tile after {CHECK_SECONDS} s",
        )

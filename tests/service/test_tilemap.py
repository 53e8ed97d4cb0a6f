"""Which tiles exist, as the tilemap tells ArcGIS's clients, and the legend."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from helpers.caches import jpeg_tile, make_cache, square
from helpers.rest_client import RestClient
from helpers.service_process import ServiceProcess

TILES = square(8, range(120, 140), range(126, 130)) | {(0, 0, 0): jpeg_tile(1), (8, 255, 0): jpeg_tile(2)}
MAP = "services/World/MapServer/tilemap"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestClient]:
    folder = tmp_path_factory.mktemp("tilemap")
    make_cache(folder / "world", TILES)
    (folder / "empty").mkdir()
    with ServiceProcess(folder, f"World={folder / 'world'}") as service:
        yield RestClient(service.address)


@pytest.mark.parametrize(
    ("level", "row", "column", "width", "height"),
    [
        (8, 112, 112, 32, 32),
        (8, 127, 127, 2, 2),
        (8, 64, 64, 128, 128),
        (8, 250, 0, 3, 32),
        (0, 0, 0, 1, 1),
        (0, 0, 0, 32, 32),
        (3, 0, 0, 8, 8),
        (99, 7, 7, 2, 3),
    ],
)
def test_tilemap_states_the_tiles_of_a_window(
    client: RestClient, level: int, row: int, column: int, width: int, height: int
) -> None:
    value = client.json(f"{MAP}/{level}/{row}/{column}/{width}/{height}")
    assert (value["valid"], value["adjusted"]) == (True, False)
    assert value["location"] == {"left": column, "top": row, "width": width, "height": height}
    expected = [int((level, row + down, column + right) in TILES) for down in range(height) for right in range(width)]
    assert value["data"] == expected
    assert client.json(f"{MAP}/{level}/{row}/{column}")["data"] == expected[:1]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("8/0/0/129/1", "width: value is out of range; found '129', expected an integer from 1 to 128"),
        ("8/0/0/1/0", "height: value is out of range; found '0', expected an integer from 1 to 128"),
        ("8/-1/0/1/1", "row: value is out of range; found '-1', expected an integer from 0 to 1099511627776"),
        ("x/0/0/1/1", "level: value is out of range; found 'x', expected an integer from 0 to 1099511627776"),
        ("8/0/99999999999999999999999/1/1", "column: value is out of range; found '99999999999999999999999'"),
    ],
)
def test_invalid_windows_are_refused(client: RestClient, path: str, message: str) -> None:
    error = client.get(f"{MAP}/{path}", f="json").error()
    assert (error["code"], error["details"][0].startswith(message)) == (400, True), error


def test_description_offers_the_tilemap(client: RestClient) -> None:
    assert "Tilemap" in client.json("services/World/MapServer")["capabilities"].split(",")
    assert client.get(f"{MAP}/8/0/0/1/1").headers["content-type"].startswith("text/html")


def test_legend_has_one_layer_without_entries(client: RestClient) -> None:
    [layer] = client.json("services/World/ImageServer/legend")["layers"]
    assert (layer["layerName"], layer["legend"]) == ("World", [])

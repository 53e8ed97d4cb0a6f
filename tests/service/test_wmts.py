"""A cache as a Web Map Tile Service: GDAL reads it, and requests and errors have the form of the standard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from lxml import etree

from gptool.demo import make_cache as make_world
from helpers.caches import conf_text, jpeg_tile, make_cache
from helpers.rest_client import Reply, RestClient
from helpers.service_process import ServiceProcess

WMTS = "services/World/ImageServer/WMTS"
TILE = {"service": "WMTS", "request": "GetTile", "version": "1.0.0", "layer": "World", "style": "default",
        "tilematrixset": "default028mm", "tilematrix": "2", "tilerow": "1", "tilecol": "3"}  # fmt: skip
NAMES = {
    "w": "http://www.opengis.net/wmts/1.0",
    "ows": "http://www.opengis.net/ows/1.1",
    "xlink": "http://www.w3.org/1999/xlink",
}
PUBLIC_URL = "https://gis.example.com/tiles"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wmts")
    make_world(folder / "world", 4)
    degrees = conf_text().replace("<WKID>102100</WKID>", "<WKID>4326</WKID>").replace("3857", "4326")
    make_cache(folder / "degrees", {(0, 0, 0): jpeg_tile(1)}, conf=degrees)
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[RestClient]:
    names = [f"World={folder / 'world'}", f"Maps/Degrees={folder / 'degrees'}"]
    with ServiceProcess(folder, *names) as service:
        yield RestClient(service.address)


def document(reply: Reply) -> Any:
    assert reply.headers["content-type"] == "application/xml"
    return etree.fromstring(reply.body)


def texts(root: Any, path: str) -> list[str]:
    return [str(text) for text in root.xpath(path, namespaces=NAMES)]


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_gdal_reads_the_tiles(client: RestClient) -> None:
    url = f"WMTS:http://{client.address}{client.path(WMTS)}/1.0.0/WMTSCapabilities.xml,layer=World"
    with rasterio.open(url) as dataset:
        assert (dataset.crs.to_epsg(), dataset.width, dataset.height) == (3857, 2048, 2048)
        assert dataset.bounds == pytest.approx((-20037508.342787, -20037508.342787, 20037508.342787, 20037508.342787))
        part = dataset.read([1, 2, 3], window=((256, 512), (768, 1024)))
    stored = client.get("services/World/ImageServer/tile/3/1/3").body
    with rasterio.MemoryFile(stored).open() as tile:
        assert np.array_equal(part, tile.read())


@pytest.mark.parametrize(
    "capabilities", [f"{WMTS}/1.0.0/WMTSCapabilities.xml", f"{WMTS}?SERVICE=WMTS&Request=GetCapabilities"]
)
def test_capabilities(client: RestClient, capabilities: str) -> None:
    path, _, query = capabilities.partition("?")
    root = document(client.ask("GET", f"{client.path(path)}?{query}"))
    assert texts(root, "//w:Layer/ows:Identifier/text()") == ["World"]
    assert texts(root, "//w:Layer/w:Format/text()") == ["image/jpeg"]
    assert texts(root, "//ows:SupportedCRS/text()") == ["urn:ogc:def:crs:EPSG::3857"]
    assert texts(root, "//w:TileMatrix/ows:Identifier/text()") == ["0", "1", "2", "3"]
    assert texts(root, "//w:TileMatrix/w:MatrixWidth/text()") == ["1", "2", "4", "8"]
    assert texts(root, "//w:TileMatrix/w:TopLeftCorner/text()") == ["-20037508.342787 20037508.342787"] * 4
    scales = [float(text) for text in texts(root, "//w:ScaleDenominator/text()")]
    assert scales == pytest.approx([559082264.029 / 2**level for level in range(4)], rel=1e-6)  # OGC 17-083r4, annex D
    base = f"http://{client.address}/arcgis/rest/{WMTS}"
    assert {url.startswith(base) for url in texts(root, "//@xlink:href | //w:ResourceURL/@template")} == {True}
    order = [etree.QName(element).localname for element in root.find(".//w:Layer", NAMES)]
    expected = ["Title", "WGS84BoundingBox", "Identifier", "BoundingBox", "Style", "Format", "TileMatrixSetLink"]
    assert order == [*expected, "ResourceURL"], "the order of the schema"


def test_axes_have_the_order_of_the_authority(client: RestClient) -> None:
    root = document(client.get("services/Maps/Degrees/MapServer/WMTS", service="WMTS", request="GetCapabilities"))
    assert texts(root, "//w:Layer/ows:Identifier/text()") == ["Maps_Degrees"]
    assert texts(root, "//ows:SupportedCRS/text()") == ["urn:ogc:def:crs:EPSG::4326"]
    [corner, *_] = texts(root, "//w:TopLeftCorner/text()")
    assert corner == "20037508.342787 -20037508.342787", "latitude comes first"


@pytest.mark.parametrize(
    "changes",
    [{}, {"style": ""}, {"format": "image/jpeg"}, {"LAYER": "world", "layer": None}, {"f": "json"}],
    ids=["all", "no style", "format", "letter case", "other parameters"],
)
def test_tile_by_key_value_pairs(client: RestClient, changes: dict[str, str | None]) -> None:
    pairs = {name: value for name, value in (TILE | changes).items() if value is not None}
    reply = client.get(WMTS, **pairs)
    stored = client.get("services/World/ImageServer/tile/2/1/3")
    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, stored.body, "image/jpeg")
    upper = client.get(WMTS, **{name.upper(): value for name, value in pairs.items()})
    assert upper.body == stored.body
    etag = reply.headers["etag"]
    query = "&".join(f"{name}={value}" for name, value in pairs.items())
    assert client.ask("GET", f"{client.path(WMTS)}?{query}", If_None_Match=etag).status == 304


@pytest.mark.parametrize("suffix", ["", ".jpg"])
def test_tile_by_path(client: RestClient, suffix: str) -> None:
    reply = client.get(f"{WMTS}/tile/1.0.0/World/default/default028mm/2/1/3{suffix}")
    assert reply.body == client.get("services/World/ImageServer/tile/2/1/3").body


FAULTS: dict[str, tuple[dict[str, str | None], int, str, str]] = {
    "no service": ({"service": None}, 400, "MissingParameterValue", "service"),
    "another service": ({"service": "WMS"}, 400, "InvalidParameterValue", "service"),
    "another request": ({"request": "GetMap"}, 400, "InvalidParameterValue", "request"),
    "another version": ({"version": "2.0.0"}, 400, "InvalidParameterValue", "version"),
    "another layer": ({"layer": "<&>'\"\0"}, 400, "InvalidParameterValue", "layer"),
    "another style": ({"style": "night"}, 400, "InvalidParameterValue", "style"),
    "another matrix set": ({"tilematrixset": "GoogleMapsCompatible"}, 400, "InvalidParameterValue", "tilematrixset"),
    "another format": ({"format": "image/webp"}, 400, "InvalidParameterValue", "format"),
    "another level": ({"tilematrix": "9"}, 400, "InvalidParameterValue", "tilematrix"),
    "repeated level": ({"tilematrix": "2,3"}, 400, "InvalidParameterValue", "tilematrix"),
    "no row": ({"tilerow": None}, 400, "MissingParameterValue", "tilerow"),
    "row beyond the matrix": ({"tilerow": "4"}, 404, "TileOutOfRange", "TileRow,TileCol"),
    "negative row": ({"tilerow": "-1"}, 404, "TileOutOfRange", "TileRow,TileCol"),
    "endless column": ({"tilecol": "9" * 5000}, 404, "TileOutOfRange", "TileRow,TileCol"),
}


@pytest.mark.parametrize(("changes", "status", "code", "locator"), FAULTS.values(), ids=list(FAULTS))
def test_faults_are_exceptions(
    client: RestClient, changes: dict[str, str | None], status: int, code: str, locator: str
) -> None:
    reply = client.get(WMTS, **{name: value for name, value in (TILE | changes).items() if value is not None})
    [exception] = document(reply).xpath("/ows:ExceptionReport/ows:Exception", namespaces=NAMES)
    assert (reply.status, exception.get("exceptionCode"), exception.get("locator")) == (status, code, locator)


def test_cache_that_the_standard_cannot_express_is_refused(tmp_path: Path) -> None:
    elevation = conf_text().replace("<CacheTileFormat>JPEG<", "<CacheTileFormat>LERC<")
    make_cache(tmp_path / "elevation", {(0, 0, 0): b"CntZImage "}, conf=elevation)
    with ServiceProcess(tmp_path, f"World={tmp_path / 'elevation'}") as service:
        error = RestClient(service.address).get(f"{WMTS}/1.0.0/WMTSCapabilities.xml").error()
    assert error["details"] == ["cache cannot be a WMTS; found tiles of the format LERC, expected JPEG or PNG"]


def test_urls_start_with_the_public_url(folder: Path, tmp_path: Path) -> None:
    with ServiceProcess(tmp_path, f"World={folder / 'world'}", "--public-url", PUBLIC_URL) as service:
        client = RestClient(service.address, Host="gis.example.com")
        root = document(client.get(f"{WMTS}/1.0.0/WMTSCapabilities.xml"))
    urls = texts(root, "//@xlink:href | //w:ResourceURL/@template")
    assert {url.startswith(f"{PUBLIC_URL}/arcgis/rest/{WMTS}") for url in urls} == {True}

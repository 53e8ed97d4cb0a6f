"""Metadata of a package: what the cache states, verbatim."""

from __future__ import annotations

import html
import io
import json
import re
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import rasterio.crs
import rasterio.warp
from PIL import Image

from gptool import export_tiles
from gptool.crs.reference import units, wgs84_extent
from gptool.errors import ConfError
from gptool.model import Extent, NumberText, SpatialReference
from gptool.output.json_text import to_json_text
from helpers.caches import conf_text, jpeg_tile, lod_text, make_cache, png_tile, square
from helpers.checks import read_json


def test_numbers_of_the_scheme_are_copied_digit_by_digit(cache: Path, tmp_path: Path) -> None:
    path = export_tiles(cache, tmp_path / "x.tpkx", levels="1-2").path
    with zipfile.ZipFile(path) as package:
        text = package.read("root.json").decode()
    for level in range(9):  # all levels of the scheme, also those outside minLOD..maxLOD
        scale, resolution = lod_text(level)
        assert f'{{"level":{level},"resolution":{resolution},"scale":{scale}}}' in text
    assert '"origin":{"x":-20037508.342787001,"y":20037508.342787001}' in text
    assert '"version":1.0' in text
    assert f'"minScale":{lod_text(1)[0]},"maxScale":{lod_text(2)[0]}' in text


def test_root_json(cache: Path, tmp_path: Path) -> None:
    root = read_json(export_tiles(cache, tmp_path / "x.tpkx", levels="8", compression_quality=50).path, "root.json")
    assert (root["minLOD"], root["maxLOD"]) == (8, 8)
    assert root["spatialReference"] == {"wkid": 102100, "latestWkid": 3857}
    assert root["units"] == "esriMeters"
    assert root["tileInfo"]["rows"] == root["tileInfo"]["cols"] == 64
    assert root["tileImageInfo"] == {"format": "JPEG", "compressionQuality": 55, "bandCount": 3, "lercError": 0}
    assert root["fullExtent"] == root["initialExtent"]
    assert root["layers"][0]["name"] == "x"


@pytest.mark.parametrize(
    ("stated", "written"),
    [
        ("<WKID>102100</WKID>", (102100, 3857)),
        ("<WKID>3857</WKID>", (3857, 3857)),
        ("<LatestWKID>3857</LatestWKID>", (3857, 3857)),
        ("<WKID>4326</WKID><LatestWKID>-1</LatestWKID>", (4326, 4326)),
    ],
)
def test_references(tmp_path: Path, stated: str, written: tuple[int, int]) -> None:
    cache = make_cache(tmp_path / "cache", square(0, range(1), range(1)), conf=conf_text(reference=stated))
    root = read_json(export_tiles(cache, tmp_path / "x.tpkx").path, "root.json")
    assert tuple(root["spatialReference"].values()) == written


def test_the_item_tells_what_it_is(cache: Path, tmp_path: Path) -> None:
    item = read_json(export_tiles(cache, tmp_path / "x.tpkx").path, "iteminfo.json")
    assert item["type"] == "Compact Tile Package"
    assert re.fullmatch(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", item["guid"])
    assert item["summary"] == "165 tiles of world, levels 0-2, 8"
    assert item["extent"]["xmin"] == pytest.approx(-180)
    assert item["extent"]["ymax"] == pytest.approx(85.0511287798)


def test_another_content_has_another_guid(cache: Path, tmp_path: Path) -> None:
    guids = {
        read_json(export_tiles(cache, tmp_path / f"{i}" / "x.tpkx", **request).path, "iteminfo.json")["guid"]
        for i, request in enumerate([{}, {"levels": "1"}, {"compression_quality": 50}])
        if not (tmp_path / f"{i}").mkdir()
    }
    assert len(guids) == 3


def test_names_that_json_must_escape(cache: Path, tmp_path: Path) -> None:
    path = export_tiles(cache, tmp_path / 'Zürich "1" \\ Ω.tpkx', levels="0").path
    assert read_json(path, "root.json")["name"] == path.stem == 'Zürich "1" \\ Ω'


def test_a_reference_without_an_id_is_refused_before_any_work(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "cache", square(0, range(1), range(1)), conf=conf_text(reference="<WKT>LOCAL</WKT>"))
    done: list[int] = []
    with pytest.raises(ConfError, match="no well-known id"):
        export_tiles(cache, tmp_path / "x.tpkx", progress=lambda tiles, _: done.append(tiles))
    assert sum(done) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_a_reference_that_only_its_text_names(tmp_path: Path) -> None:
    wkt = html.escape(rasterio.crs.CRS.from_epsg(3857).to_wkt(version="WKT1_ESRI"))
    cache = make_cache(tmp_path / "cache", square(0, range(1), range(1)), conf=conf_text(reference=f"<WKT>{wkt}</WKT>"))
    root = read_json(export_tiles(cache, tmp_path / "x.tpkx").path, "root.json")
    assert root["spatialReference"] == {"wkid": 3857, "latestWkid": 3857}


def test_a_reference_that_proj_does_not_know(tmp_path: Path) -> None:
    cache = make_cache(
        tmp_path / "cache", square(0, range(1), range(1)), conf=conf_text(reference="<WKID>987654</WKID>")
    )
    result = export_tiles(cache, tmp_path / "x.tpkx")
    assert result.warnings == (
        "the spatial reference (WKID 987654) can't be brought to degrees: "
        "the package states the whole world as its extent there",
    )
    item = read_json(result.path, "iteminfo.json")
    assert item["spatialReference"] == {"wkid": 987654, "latestWkid": 987654}
    assert list(item["extent"].values())[:4] == [-180, -90, 180, 90]


@pytest.mark.parametrize(
    ("text", "written"),
    [("1.50", "1.50"), ("-2.5E-05", "-2.5E-05"), (".5", "0.5"), ("+5", "5.0"), ("1.", "1.0"), ("007", "7.0")],
)
def test_json_of_number_texts(text: str, written: str) -> None:
    assert to_json_text({"a": [NumberText(text), None, True]}) == f'{{"a":[{written},null,true]}}'
    json.loads(to_json_text(NumberText(text)))


@pytest.mark.parametrize(
    ("wkid", "box"),
    [
        pytest.param(102100, (0, 0, 20037508.34, 20037508.34), id="web Mercator by Esri's id"),
        pytest.param(4326, (-10, -20, 30, 40), id="degrees"),
        pytest.param(2056, (2600000, 1200000, 2700000, 1250000), id="Swiss LV95"),
        pytest.param(27700, (0, 0, 700000, 1300000), id="British grid, whose edges are curves"),
        pytest.param(3031, (-1e6, -1e6, 1e6, 1e6), id="around the pole"),
    ],
)
def test_extents_in_degrees_are_those_of_gdal(wkid: int, box: tuple[float, float, float, float]) -> None:
    crs = "EPSG:3857" if wkid == 102100 else f"EPSG:{wkid}"
    expected = rasterio.warp.transform_bounds(crs, "EPSG:4326", *box, densify_pts=21)
    assert wgs84_extent(SpatialReference(wkid, None, None), Extent(*box)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("wkid", [4326, 3857])
@pytest.mark.parametrize("xmax", [30056262.0, 40075016.0, 1e9])
def test_extents_beyond_the_world_are_cut_there(wkid: int, xmax: float) -> None:
    """Longitudes that start again must not make the box narrower."""
    found = wgs84_extent(SpatialReference(wkid, None, None), Extent(-20037508.0, -1e9, xmax, 1e9))
    assert found == pytest.approx((-180, -90, 180, 90))


def test_units() -> None:
    assert [units(SpatialReference(wkid, None, None)) for wkid in (3857, 4326, 2263)] == [
        "esriMeters",
        "esriDecimalDegrees",
        "esriFeet",
    ]


class TestThumbnail:
    """200 x 133 pixels of real tiles."""

    def image(self, cache: Path, output: Path, **request: str) -> Image.Image:
        with zipfile.ZipFile(export_tiles(cache, output, **request).path) as package:  # type: ignore[arg-type]
            image = Image.open(io.BytesIO(package.read("thumbnail.png")))
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (200, 133))
        return image

    def test_shows_the_tiles(self, tmp_path: Path) -> None:
        red, blue = (_plain(colour) for colour in ((255, 0, 0), (0, 0, 255)))
        tiles = {(3, row, column): red if column < 4 else blue for row in range(8) for column in range(8)}
        image = self.image(make_cache(tmp_path / "cache", tiles), tmp_path / "x.tpkx")
        assert np.allclose(image.getpixel((20, 60)), (255, 0, 0), atol=6)
        assert np.allclose(image.getpixel((180, 60)), (0, 0, 255), atol=6)

    def test_of_a_deep_level_only(self, cache: Path, tmp_path: Path) -> None:
        assert len(self.image(cache, tmp_path / "x.tpkx", levels="8").getcolors(30000) or []) > 1000

    def test_of_png_and_damaged_tiles(self, tmp_path: Path) -> None:
        tiles = {
            (1, 0, 0): png_tile(1),
            (1, 0, 1): jpeg_tile(1)[:-300],
            (1, 1, 0): bytes(9),
            (1, 1, 1): png_tile(2)[:99],
        }
        self.image(make_cache(tmp_path / "cache", tiles, conf=conf_text(format="MIXED")), tmp_path / "x.tpkx")

    def test_a_tile_that_decoders_stumble_over_stays_blank(self, tmp_path: Path) -> None:
        """An empty gAMA chunk makes Pillow raise struct.error."""
        chunk = b"\0\0\0\0gAMA" + struct.pack(">I", zlib.crc32(b"gAMA"))
        tile = png_tile(1)[:-12] + chunk + png_tile(1)[-12:]
        cache = make_cache(tmp_path / "cache", {(0, 0, 0): tile}, conf=conf_text(format="PNG"))
        self.image(cache, tmp_path / "x.tpkx")

    def test_a_tile_that_promises_too_much_stays_blank(self, tmp_path: Path) -> None:
        """10,000 x 10,000 pixels in a few bytes: not worth their memory."""
        chunk = b"IHDR" + struct.pack(">2I5B", 10_000, 10_000, 8, 2, 0, 0, 0)
        bomb = b"\x89PNG\r\n\x1a\n\0\0\0\r" + chunk + struct.pack(">I", zlib.crc32(chunk))
        bomb += b"\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82"
        cache = make_cache(tmp_path / "cache", {(0, 0, 0): bomb}, conf=conf_text(format="PNG"))
        assert len(self.image(cache, tmp_path / "x.tpkx").getcolors() or []) == 1


def _plain(colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(file, "JPEG", quality=95)
    return file.getvalue()

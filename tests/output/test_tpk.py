"""The .tpk: bundles equal to those of ArcGIS Server byte by byte, consistent metadata, and reading with tpkutils."""

from __future__ import annotations

import html
import io
import json
import os
import re
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio.crs
import rasterio.warp
import tpkutils
from PIL import Image

from gptool import export_tiles
from helpers.bundles import Address, bundle_v1_bytes, group_by_bundle
from helpers.caches import (
    conf_text,
    jpeg_tile,
    lod_text,
    make_cache,
    make_exploded_cache,
    make_v1_cache,
    png_tile,
    square,
    world,
)
from helpers.checks import check_tpk
from helpers.packages import make_tpk
from helpers.program_readers import check_tpkutils
from helpers.tile_readers import COMPACT, bundle_address, read_json, read_member, read_tpk

SERVICE = "servicedescriptions/mapserver/mapserver.json"
ITEM = "esriinfo/iteminfo.xml"


def item(path: Path) -> dict[str, str | None]:
    """Return the fields of iteminfo.xml."""
    return {element.tag: element.text for element in ElementTree.fromstring(read_member(path, ITEM))}


def service(path: Path) -> dict[str, Any]:
    """Return the description of the map service in mapserver.json."""
    contents: dict[str, Any] = read_json(path, SERVICE)["contents"]
    return contents


# ---- bundles ----


def expected_files(tiles: dict[Address, bytes]) -> dict[str, bytes]:
    """Return the expected bundle files of these tiles."""
    files = {}
    for path, content in group_by_bundle(Path(), tiles).items():
        _, *origin = bundle_address(path.as_posix())
        data, index = bundle_v1_bytes(content, origin=(origin[0], origin[1]))
        files[path.as_posix()], files[path.with_suffix(".bundlx").as_posix()] = data, index
    return files


@pytest.mark.parametrize("make", [make_cache, make_v1_cache, make_exploded_cache])
@pytest.mark.parametrize(
    "tiles",
    [
        pytest.param(world(), id="world"),
        pytest.param({(0, 0, 0): jpeg_tile(1)}, id="first tile of a bundle"),
        pytest.param({(7, 127, 127): jpeg_tile(1)}, id="last tile of a bundle"),
        pytest.param(square(8, range(127, 130), range(126, 129)), id="four bundles at a corner"),
        pytest.param(square(22, range(0x1FFFFF, 0x200001), range(0x2AC000, 0x2AC001)), id="far from row 0"),
        pytest.param(square(7, range(128), range(0, 128, 127)), id="full columns"),
    ],
)
def test_bundles_have_the_layout_of_arcgis(tmp_path: Path, make: Any, tiles: dict[Address, bytes]) -> None:
    """In a .tpk and in a dataset, from any source: header, zero words, index, and tiles in row-major order."""
    storage = {"storage": COMPACT} if make is make_v1_cache else {}
    source = make(tmp_path / "cache", tiles, conf=conf_text(range(23), **storage))
    expected = expected_files(tiles)
    package = export_tiles(source, tmp_path / "x.tpk").path
    with zipfile.ZipFile(package) as members:
        names = [name for name in members.namelist() if "_alllayers" in name]
        assert {name.removeprefix("v101/Layers/_alllayers/"): members.read(name) for name in names} == expected
    folder = export_tiles(source, tmp_path / "x", storage_format_type="compact").path / "_alllayers"
    assert {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    } == expected


# ---- tpkutils ----


@pytest.mark.parametrize("quality", [None, 50])
@pytest.mark.parametrize("make", [make_cache, make_v1_cache, make_exploded_cache])
def test_tpkutils_reads_every_tile(tmp_path: Path, make: Any, quality: int | None) -> None:
    storage = {"storage": COMPACT} if make is make_v1_cache else {}
    source = make(tmp_path / "cache", world(), conf=conf_text(tile=256, **storage))
    path = export_tiles(source, tmp_path / "Welt 1.tpk", compression_quality=quality).path
    tiles = read_tpk(path)
    assert tiles.keys() == world().keys()
    check_tpkutils(path, tiles)
    with tpkutils.TPK(str(path)) as package:
        assert (package.format, package.tile_size, package.zoom_levels) == ("JPEG", 256, list(range(9)))
        assert package.summary == "165 tiles of cache, levels 0-2, 8"
        assert package.bounds == pytest.approx([-180, -85.0511, 180, 85.0511], abs=1e-4)


def test_tpkutils_reads_mixed_tiles_of_a_package(tmp_path: Path) -> None:
    tiles = {(3, row, 5): jpeg_tile(row) if row % 2 else png_tile(row) for row in range(8)}
    conf = conf_text(tile=256, format="MIXED", storage=COMPACT)
    source = make_tpk(tmp_path / "cache.tpk", tiles, conf=conf, compression=zipfile.ZIP_DEFLATED)
    path = export_tiles(source, tmp_path / "x.tpk", levels="3").path
    assert read_tpk(path) == tiles
    check_tpkutils(path, tiles)


# ---- metadata ----


def test_item_and_service(cache: Path, tmp_path: Path) -> None:
    path = export_tiles(cache, tmp_path / "x.tpk", levels="1-8").path
    check_tpk(path, levels={1, 2, 8})
    info = item(path)
    assert info["summary"] == info["snippet"] == "164 tiles of world, levels 1-2, 8"
    assert info["spatialreference"] == "WGS_1984_Web_Mercator_Auxiliary_Sphere"
    assert re.fullmatch(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", info["guid"] or "")
    contents = service(path)
    assert contents["spatialReference"] == {"wkid": 102100, "latestWkid": 3857}
    assert (contents["units"], contents["layers"][0]["name"]) == ("esriMeters", "x")
    text = read_member(path, SERVICE).decode()
    assert f'"minScale":{lod_text(1)[0]},"maxScale":{lod_text(8)[0]}' in text
    conf = ElementTree.fromstring(read_member(path, "v101/Layers/conf.xml"))
    levels = [element.text for element in conf.findall("TileCacheInfo/LODInfos/LODInfo/LevelID")]
    assert levels == [str(level) for level in range(9)]  # also levels without tiles


@pytest.mark.parametrize(
    ("wkid", "unit", "x", "y"),
    [(3857, "esriMeters", -2e7, 2e7), (4326, "esriDecimalDegrees", -180, 90), (2056, "esriMeters", 24e5, 135e4)],
)
def test_extents_in_degrees_equal_those_of_gdal(tmp_path: Path, wkid: int, unit: str, x: float, y: float) -> None:
    lod = "<LODInfo><LevelID>0</LevelID><Scale>1000</Scale><Resolution>0.5</Resolution></LODInfo>"
    conf = conf_text(reference=f"<WKID>{wkid}</WKID>", x=x, y=y, lods=lod)
    path = export_tiles(
        make_cache(tmp_path / "cache", square(0, range(2), range(3)), conf=conf), tmp_path / "x.tpk"
    ).path
    check_tpk(path, levels={0})
    box = x, y - 64, x + 96, y
    assert service(path)["units"] == unit
    assert service(path)["fullExtent"] == dict(
        zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True), spatialReference={"wkid": wkid, "latestWkid": wkid}
    )
    expected = rasterio.warp.transform_bounds(f"EPSG:{wkid}", "EPSG:4326", *box, densify_pts=21)
    degrees = read_json(path, SERVICE)["resourceInfo"]["geoFullExtent"]
    assert list(degrees.values()) == pytest.approx(expected, abs=1e-6)


def test_spatial_reference_with_wkt_only(tmp_path: Path) -> None:
    wkt = rasterio.crs.CRS.from_proj4("+proj=tmerc +lon_0=7.7 +x_0=123 +datum=WGS84").to_wkt(version="WKT1_ESRI")
    conf = conf_text(reference=f"<WKT>{html.escape(wkt)}</WKT>", x="0", y="20037508")
    source = make_cache(tmp_path / "cache", square(6, range(30, 32), range(1)), conf=conf)
    result = export_tiles(source, tmp_path / "x.tpk")
    check_tpk(result.path, levels={6})
    assert result.warnings == ()
    assert service(result.path)["spatialReference"] == {"wkt": wkt}
    assert f'"{item(result.path)["spatialreference"]}"' in wkt


def test_spatial_reference_unknown_to_proj(tmp_path: Path) -> None:
    source = make_cache(
        tmp_path / "cache", square(0, range(1), range(1)), conf=conf_text(reference="<WKID>987654</WKID>")
    )
    result = export_tiles(source, tmp_path / "x.tpk")
    check_tpk(result.path, levels={0})
    assert [warning.split(":")[0] for warning in result.warnings] == [
        "the extent cannot be transformed from the spatial reference (WKID 987654) to degrees"
    ]
    degrees = read_json(result.path, SERVICE)["resourceInfo"]["geoFullExtent"]
    assert list(degrees.values()) == [-180, -90, 180, 90]
    assert item(result.path)["spatialreference"] is None


@pytest.mark.parametrize(
    ("format_", "content_type"),
    [("JPEG", "Map"), ("PNG8", "Map"), ("MIXED", "Map"), ("LERC", "Elevation"), ("LERC2D", "Elevation")],
)
def test_content_type_in_conf_properties(tmp_path: Path, format_: str, content_type: str) -> None:
    tiles = {(0, 0, 0): b"Lerc2 " + bytes(99)}
    source = make_cache(tmp_path / "cache", tiles, conf=conf_text(format=format_))
    path = export_tiles(source, tmp_path / "x.tpk").path
    properties = ElementTree.fromstring(read_member(path, "v101/Layers/conf.properties"))
    assert properties.findtext("PropertyArray/PropertySetProperty/Value") == content_type
    assert read_tpk(path) == tiles


@pytest.mark.parametrize("name", ['Zürich "1" & <Ω>', "a\x01b", "bad\udcff", "tab\there"])
@pytest.mark.posix("names that Windows does not allow")
def test_names_with_characters_to_escape(cache: Path, tmp_path: Path, name: str) -> None:
    path = export_tiles(cache, os.path.join(tmp_path, f"{name}.tpk"), levels="0").path  # noqa: PTH118 - not all are text
    shown = name.replace("\udcff", "?")
    assert service(path)["layers"][0]["name"] == shown
    assert item(path)["title"] == item(path)["name"] == shown.replace("\x01", "?")


def test_thumbnail_shows_the_tiles(tmp_path: Path) -> None:
    red = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 10, 10)).save(red, "JPEG")
    source = make_cache(tmp_path / "cache", dict.fromkeys(square(3, range(8), range(8)), red.getvalue()))
    path = export_tiles(source, tmp_path / "x.tpk").path
    with Image.open(io.BytesIO(read_member(path, "esriinfo/thumbnail/thumbnail.png"))) as image:
        assert (image.mode, image.size) == ("RGB", (200, 133))
        assert np.abs(np.asarray(image, int) - (200, 10, 10)).max() < 6


def test_guid_depends_on_the_content(cache: Path, tmp_path: Path) -> None:
    requests: list[dict[str, Any]] = [{}, {"levels": "1"}, {"compression_quality": 50}, {}]
    paths = [export_tiles(cache, tmp_path / f"{i}.tpk", **request).path for i, request in enumerate(requests)]
    guids = [item(path)["guid"] for path in paths]
    assert len(set(guids)) == 4  # the name is part of the content
    again = export_tiles(cache, paths[3], overwrite=True).path
    assert item(again)["guid"] == guids[3]


def test_service_description_is_valid_json(cache: Path, tmp_path: Path) -> None:
    """Numbers are copied as text, and must be numbers of JSON: no NaN or Infinity."""
    text = read_member(export_tiles(cache, tmp_path / "x.tpk").path, SERVICE)
    json.loads(text, parse_constant=pytest.fail)

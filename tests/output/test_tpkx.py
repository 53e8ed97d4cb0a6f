"""Metadata of a .tpkx: the properties of the cache, with verbatim numbers."""

from __future__ import annotations

import html
import re
import zipfile
from pathlib import Path

import pytest
import rasterio.crs
import rasterio.warp

from gptool import export_tiles
from gptool.errors import ConfError
from gptool.model import Phase
from helpers.caches import conf_text, lod_text, make_cache, square
from helpers.tile_readers import read_json


def test_numbers_of_the_scheme_keep_their_digits(cache: Path, tmp_path: Path) -> None:
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
    assert list(root["spatialReference"].items())[:2] == [("wkid", 102100), ("latestWkid", 3857)]
    assert root["units"] == "esriMeters"
    assert root["tileInfo"]["rows"] == root["tileInfo"]["cols"] == 64
    assert root["tileImageInfo"] == {"format": "JPEG", "compressionQuality": 55, "bandCount": 3, "lercError": 0}
    assert root["fullExtent"] == root["initialExtent"]
    assert root["layers"][0]["name"] == "x"


@pytest.mark.parametrize(
    ("stated", "written"),
    [
        ("<WKID>25832</WKID>", (25832, 25832)),
        ("<WKID>102008</WKID><LatestWKID>5070</LatestWKID>", (102008, 5070)),
        ("<WKID>4326</WKID><LatestWKID>-1</LatestWKID>", (4326, 4326)),
    ],
)
def test_well_known_ids(tmp_path: Path, stated: str, written: tuple[int, int]) -> None:
    cache = make_cache(tmp_path / "cache", square(0, range(1), range(1)), conf=conf_text(reference=stated))
    root = read_json(export_tiles(cache, tmp_path / "x.tpkx").path, "root.json")
    assert tuple(root["spatialReference"].values()) == written


def test_iteminfo(cache: Path, tmp_path: Path) -> None:
    item = read_json(export_tiles(cache, tmp_path / "x.tpkx").path, "iteminfo.json")
    assert item["type"] == "Compact Tile Package"
    assert re.fullmatch(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", item["guid"])
    assert item["summary"] == "165 tiles of world, levels 0-2, 8"
    assert item["extent"]["xmin"] == pytest.approx(-180)
    assert item["extent"]["ymax"] == pytest.approx(85.0511287798)


def test_guid_depends_on_the_content(cache: Path, tmp_path: Path) -> None:
    guids = {
        read_json(export_tiles(cache, tmp_path / f"{i}" / "x.tpkx", **request).path, "iteminfo.json")["guid"]
        for i, request in enumerate([{}, {"levels": "1"}, {"compression_quality": 50}])
        if not (tmp_path / f"{i}").mkdir()
    }
    assert len(guids) == 3


@pytest.mark.posix("names that Windows does not allow")
def test_names_with_characters_to_escape(cache: Path, tmp_path: Path) -> None:
    path = export_tiles(cache, tmp_path / 'Zürich "1" \\ Ω.tpkx', levels="0").path
    assert read_json(path, "root.json")["name"] == path.stem == 'Zürich "1" \\ Ω'


def test_missing_spatial_reference_is_rejected_before_any_work(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "cache", square(0, range(1), range(1)), conf=conf_text(reference=""))
    phases: list[Phase] = []
    with pytest.raises(ConfError, match="spatial reference is not stated"):
        export_tiles(
            cache,
            tmp_path / "x.tpkx",
            progress=lambda phase, *_: phases.append(phase),
        )
    assert Phase.EXPORTING not in phases
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_spatial_reference_whose_wkt_has_an_id_in_proj(tmp_path: Path) -> None:
    wkt = html.escape(rasterio.crs.CRS.from_epsg(32632).to_wkt(version="WKT1_ESRI"))
    cache = make_cache(tmp_path / "cache", square(0, range(1), range(1)), conf=conf_text(reference=f"<WKT>{wkt}</WKT>"))
    root = read_json(export_tiles(cache, tmp_path / "x.tpkx").path, "root.json")
    assert root["spatialReference"] == {"wkid": 32632, "latestWkid": 32632}


def test_spatial_reference_unknown_to_proj(tmp_path: Path) -> None:
    cache = make_cache(
        tmp_path / "cache", square(0, range(1), range(1)), conf=conf_text(reference="<WKID>987654</WKID>")
    )
    result = export_tiles(cache, tmp_path / "x.tpkx")
    assert result.warnings == (
        "the extent cannot be transformed from the spatial reference (WKID 987654) to degrees: "
        "the package states the whole world instead",
    )
    assert read_json(result.path, "root.json")["spatialReference"] == {"wkid": 987654, "latestWkid": 987654}
    item = read_json(result.path, "iteminfo.json")
    assert list(item["extent"].values())[:4] == [-180, -90, 180, 90]

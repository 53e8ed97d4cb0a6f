"""The id that a well-known text states for itself is used; those of its parts are not."""

from __future__ import annotations

import html
from pathlib import Path

import pytest
import rasterio.crs

from gptool import export_tiles, open_cache
from gptool.crs.reference import id_in_text, well_known_id
from gptool.model import SpatialReference
from helpers.caches import conf_text, make_cache, square
from helpers.tile_readers import read_json

GEOGRAPHIC = (
    'GEOGCS["GCS_Beijing_1954",DATUM["D_Beijing_1954",SPHEROID["Krasovsky_1940",6378245.0,298.3]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433],AUTHORITY["EPSG","4214"]]'
)
BEIJING = (
    f'PROJCS["Beijing_1954_3_Degree_GK_CM_114E",{GEOGRAPHIC},PROJECTION["Gauss_Kruger"],'
    'PARAMETER["False_Easting",500000.0],PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",114.0],'
    'PARAMETER["Scale_Factor",1.0],PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]{}]'
)  # fmt: skip

TEXTS = {
    "WKT 1": (BEIJING.format(',AUTHORITY["EPSG",2435]'), 2435),
    "WKT 1, quoted": (BEIJING.format(', AUTHORITY [ "EPSG" , "2435" ] '), 2435),
    "parentheses": ('PROJCS("x",AUTHORITY("ESRI",102008))', 102008),
    "WKT 2": (rasterio.crs.CRS.from_epsg(32633).to_wkt(version="WKT2_2019"), 32633),
    "lower case": ('projcs["x",authority["epsg","25832"]]', 25832),
    "id of a part alone": (BEIJING.format(""), None),
    "id within a quoted text": ('PROJCS["a,AUTHORITY[""EPSG"",1]"]', None),
    "brackets within a quoted text": ('PROJCS["[[[",AUTHORITY["EPSG","2435"]]', 2435),
    "another authority": ('PROJCS["x",AUTHORITY["SR-ORG","7"]]', None),
    "no brackets": ("somewhere", None),
    "brackets that do not match": ("]" * 9 + '[AUTHORITY["EPSG","2435"]', None),
    "empty": ("", None),
}


@pytest.mark.parametrize(("text", "expected"), TEXTS.values(), ids=TEXTS)
def test_id_in_text(text: str, expected: int | None) -> None:
    assert id_in_text(text) == expected


def test_stated_id_comes_first() -> None:
    assert well_known_id(SpatialReference(2436, None, TEXTS["WKT 1"][0])) == 2436


@pytest.mark.parametrize("name", ["WKT 1", "WKT 2"])
def test_package_states_the_id_of_the_text(tmp_path: Path, name: str) -> None:
    text, wkid = TEXTS[name]
    conf = conf_text(reference=f"<WKT>{html.escape(text)}</WKT>", x="-5123300", y="10002300")
    cache = make_cache(tmp_path / "cache", square(1, range(2), range(2)), conf=conf)
    root = read_json(export_tiles(cache, tmp_path / "x.tpkx").path, "root.json")
    assert root["spatialReference"] == {"wkid": wkid, "latestWkid": wkid}


AZIMUTHAL = (
    'PROJCS["Sphere_Azimuthal_Equidistant",GEOGCS["GCS_Sphere",DATUM["D_Sphere",SPHEROID["Sphere",6370997.0,0.0]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Azimuthal_Equidistant"],'
    'PARAMETER["False_Easting",0.0],PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",-90.0],'
    'PARAMETER["Latitude_Of_Origin",90.0],UNIT["Meter",1.0]]'
)


@pytest.mark.parametrize("dialect", ["WKT1_ESRI", "WKT2_2019"])
@pytest.mark.parametrize("output", ["x.tpkx", "x.tpk", "x"])
def test_reference_may_be_a_text_alone(tmp_path: Path, output: str, dialect: str) -> None:
    """As input, in every kind of result, as input again, and for areas in other spatial references."""
    text = AZIMUTHAL if dialect == "WKT1_ESRI" else rasterio.crs.CRS.from_wkt(AZIMUTHAL).to_wkt(version=dialect)
    conf = conf_text(reference=f"<WKT>{html.escape(text)}</WKT>", x="-13500000", y="13500000")
    cache = make_cache(tmp_path / "cache", square(1, range(2), range(2)), conf=conf)
    box = {"xmin": -135, "ymin": 20, "xmax": -45, "ymax": 80, "spatialReference": {"wkid": 4326}}
    first = export_tiles(cache, tmp_path / output, export_extent=box)
    assert 0 < first.tiles <= 4
    assert open_cache(first.path).scheme.reference.wkt == text
    second = export_tiles(first.path, tmp_path / "again.tpkx", export_extent=box)
    assert second.tiles == first.tiles
    assert read_json(second.path, "root.json")["spatialReference"] == {"wkt": text}
    own = {"xmin": 0, "ymin": 0, "xmax": 1e6, "ymax": 1e6, "spatialReference": {"wkt": text}}
    assert export_tiles(cache, tmp_path / "own.tpkx", export_extent=own).tiles >= 1

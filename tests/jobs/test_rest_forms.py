"""Every form in which clients of image services send their parameters, each run as a job and its result read back.

The names of the rows say who sends what: Esri's documentation, its ArcGIS API for Python (arcgis-py) and other clients.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from helpers.bundles import Address
from helpers.caches import conf_text, lod_text, make_cache, world
from helpers.job_checks import result_of, run_job, said
from helpers.tile_readers import read_tiles

TILES = world()
EDGE = 20037508.342787
V2, V1 = "esriMapCacheStorageModeCompactV2", "esriMapCacheStorageModeCompact"

WEB = {"wkid": 102100, "latestWkid": 3857}
NORTH_EAST = (1.0, 1.0, 5000000.0, 5000000.0)
"""Metres."""
NORTH_EAST_DEGREES = (0.00001, 0.00001, 44.9157, 40.9798)
"""About the same box, none of its sides near a tile's edge that the other does not reach."""

RING = [[0.00001, 0.00001], [0.00001, 40.9798], [44.9157, 40.9798], [44.9157, 0.00001], [0.00001, 0.00001]]
METRES = [[1, 1], [1, 5e6], [5e6, 5e6], [5e6, 1], [1, 1]]


def of_levels(*levels: int) -> set[Address]:
    return {address for address in TILES if address[0] in levels}


def in_box(box: tuple[float, float, float, float], *levels: int) -> set[Address]:
    """The tiles whose squares share area with a box in metres."""
    found = set()
    for level, row, column in of_levels(*(levels or (0, 1, 2, 8))):
        side = float(lod_text(level)[1]) * 64
        x, y = column * side - EDGE, EDGE - row * side
        if x < box[2] and x + side > box[0] and y > box[1] and y - side < box[3]:
            found.add((level, row, column))
    return found


ALL, SOME = of_levels(0, 1, 2, 8), in_box(NORTH_EAST)
ENVELOPE = dict(zip(("xmin", "ymin", "xmax", "ymax"), NORTH_EAST, strict=True))
DEGREES = dict(zip(("xmin", "ymin", "xmax", "ymax"), NORTH_EAST_DEGREES, strict=True))

LEVELS = {
    "doc: comma list": ("0,1,2", [0, 1, 2]),
    "doc: ranges": ("0-1,2-2", [0, 1, 2]),
    "Esri's VT doc: a blank after the comma": ("0-1, 2", [0, 1, 2]),
    "a single level": ("2", [2]),
    "blanks around a dash": (" 0 - 1 ", [0, 1]),
    "a range downwards": ("2-0", [0, 1, 2]),
    "the same level twice": ("1,1,0-1", [0, 1]),
    "a number, from Python": (2, [2]),
    "a list, from Python": ([0, 2], [0, 2]),
    "nothing: all that hold tiles": ("", [0, 1, 2, 8]),
    "absent: all that hold tiles": (None, [0, 1, 2, 8]),
}


@pytest.mark.parametrize("name", LEVELS)
def test_levels(cache: Path, tmp_path: Path, name: str) -> None:
    sent, levels = LEVELS[name]
    path = result_of(run_job(cache, tmp_path, {"levels": sent}))
    assert set(read_tiles(path)) == of_levels(*levels)


SCALES = [591657527.591555 / 2**level for level in range(9)]
RESOLUTIONS = [float(lod_text(level)[1]) for level in range(9)]
BY_VALUE = {
    "Esri's tests: scales downwards, 6 decimals": ("Scale", f"{SCALES[1]:.6f}-{SCALES[2]:.6f}", [1, 2]),
    "scales upwards": ("scale", f"{SCALES[2]:.6f}-{SCALES[1]:.6f}", [1, 2]),
    "scales in a list": ("SCALE", f"{SCALES[0]:.6f}, {SCALES[8]:.6f}", [0, 8]),
    "a scale as people write it": ("Scale", "2311162", [8]),
    "a range between the scales of levels": ("Scale", "1e6-3e8", [1, 2, 8]),
    "a scale with an exponent": ("Scale", f"{SCALES[8]:.9e}", [8]),
    "resolutions": ("Resolution", f"{RESOLUTIONS[0]:.6f}-{RESOLUTIONS[1]:.6f}", [0, 1]),
    "resolutions in Python's spelling": ("resolution", f"{RESOLUTIONS[2]!r},{RESOLUTIONS[8]!r}", [2, 8]),
    "level IDs, rest-js": ("levelId", "1-2", [1, 2]),
    "level IDs, nothing said": ("", "1-2", [1, 2]),
}


@pytest.mark.parametrize("name", BY_VALUE)
def test_levels_by_their_values(cache: Path, tmp_path: Path, name: str) -> None:
    export_by, sent, levels = BY_VALUE[name]
    path = result_of(run_job(cache, tmp_path, {"exportBy": export_by, "levels": sent}))
    assert set(read_tiles(path)) == of_levels(*levels)


EXTENTS: dict[str, tuple[Any, set[Address]]] = {
    "doc: comma list": (",".join(map(str, NORTH_EAST)), SOME),
    "doc: envelope without a reference": (json.dumps(ENVELOPE), SOME),
    "envelope, the cache's wkid": (json.dumps({**ENVELOPE, "spatialReference": {"wkid": 102100}}), SOME),
    "envelope, latestWkid": (json.dumps({**ENVELOPE, "spatialReference": {"latestWkid": 3857}}), SOME),
    "envelope, both ids": (json.dumps({**ENVELOPE, "spatialReference": WEB}), SOME),
    "envelope, degrees by wkid": (json.dumps({**DEGREES, "spatialReference": {"wkid": 4326}}), SOME),
    "envelope, degrees by wkt": (
        json.dumps(
            {
                **DEGREES,
                "spatialReference": {
                    "wkt": 'GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],'
                    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'
                },
            }
        ),
        SOME,
    ),
    "GPExtent: spatial_reference": (json.dumps({**DEGREES, "spatial_reference": {"wkid": 4326}}), SOME),
    "a dict, from Python": ({**ENVELOPE, "spatialReference": WEB}, SOME),
    "numbers, from Python": (NORTH_EAST, SOME),
    "arcgis-py's MapImageLayer: DEFAULT": ("DEFAULT", ALL),
    "DEFAULTEXTENT, in small letters": ("defaultextent", ALL),
    "empty": ("", ALL),
    "absent": (None, ALL),
}


@pytest.mark.parametrize("name", EXTENTS)
def test_extents(cache: Path, tmp_path: Path, name: str) -> None:
    sent, expected = EXTENTS[name]
    assert set(read_tiles(result_of(run_job(cache, tmp_path, {"exportExtent": sent})))) == expected


def feature_set(geometry: dict[str, Any], **more: Any) -> str:
    return json.dumps({"features": [{"geometry": geometry}], **more})


GEOJSON = {"type": "Polygon", "coordinates": [RING]}
AREAS: dict[str, tuple[Any, set[Address]]] = {
    "doc: the reference on the geometry": (
        feature_set({"rings": [RING], "spatialReference": {"wkid": 4326}}),
        SOME,
    ),
    "TilePackageKreator: geometryType": (
        feature_set({"rings": [RING], "spatialReference": {"wkid": 4326}}, geometryType="esriGeometryPolygon"),
        SOME,
    ),
    "a script: the reference on the set": (feature_set({"rings": [METRES]}, spatialReference=WEB), SOME),
    "no reference: the cache's": (feature_set({"rings": [METRES]}), SOME),
    "ImageryTileManager: a bare polygon": (json.dumps({"rings": [METRES], "spatialReference": WEB}), SOME),
    "a bare polygon without a reference": (json.dumps({"rings": [METRES]}), SOME),
    "a dict, from Python": ({"rings": [RING], "spatialReference": {"wkid": 4326}}, SOME),
    "one feature": (json.dumps({"geometry": {"rings": [METRES]}, "attributes": {}}), SOME),
    "heights and measures": (json.dumps({"hasZ": True, "rings": [[[*xy, 5, 6] for xy in METRES]]}), SOME),
    "a ring that is not closed": (json.dumps({"rings": [METRES[:-1]]}), SOME),
    "GeoJSON polygon": (json.dumps(GEOJSON), SOME),
    "GeoJSON multipolygon": (json.dumps({"type": "MultiPolygon", "coordinates": [[RING]]}), SOME),
    "GeoJSON feature": (json.dumps({"type": "Feature", "geometry": GEOJSON, "properties": {}}), SOME),
    "GeoJSON features": (
        json.dumps({"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": GEOJSON}]}),
        SOME,
    ),
    "GeoJSON collection": (json.dumps({"type": "GeometryCollection", "geometries": [GEOJSON]}), SOME),
    "empty": ("", ALL),
    "absent": (None, ALL),
}


@pytest.mark.parametrize("name", AREAS)
def test_areas_of_interest(cache: Path, tmp_path: Path, name: str) -> None:
    sent, expected = AREAS[name]
    job = run_job(cache, tmp_path, {"areaOfInterest": sent})
    assert set(read_tiles(result_of(job))) == expected
    assert said(job, "Warning") == []


def test_vector_tile_clients_call_it_polygon(cache: Path, tmp_path: Path) -> None:
    assert set(read_tiles(result_of(run_job(cache, tmp_path, {"polygon": json.dumps({"rings": [METRES]})})))) == SOME


def test_an_area_supersedes_the_extent_that_some_send_beside_it(cache: Path, tmp_path: Path) -> None:
    """TilePackageKreator sends DEFAULT, which says nothing; a box is told not to be used."""
    area = json.dumps({"rings": [METRES]})
    job = run_job(cache, tmp_path, {"areaOfInterest": area, "exportExtent": "DEFAULT"})
    assert set(read_tiles(result_of(job))) == SOME
    assert not any("supersedes" in text for text in said(job, "Informative"))
    job = run_job(cache, tmp_path, {"areaOfInterest": area, "exportExtent": "-2,-2,-1,-1"})
    assert set(read_tiles(result_of(job))) == SOME
    assert "areaOfInterest supersedes exportExtent, which is ignored" in said(job, "Informative")


KINDS: dict[str, tuple[dict[str, Any], str]] = {
    "doc: nothing means a dataset": ({}, ""),
    "tilePackage=false": ({"tilePackage": "false"}, ""),
    "MapImageLayer: False": ({"tilePackage": "False"}, ""),
    "tilePackage=true: .tpkx": ({"tilePackage": "true"}, ".tpkx"),
    "MapImageLayer: True": ({"tilePackage": "True"}, ".tpkx"),
    "True, from Python": ({"tilePackage": True}, ".tpkx"),
    "V2": ({"tilePackage": "true", "storageFormatType": V2}, ".tpkx"),
    "V1": ({"tilePackage": "true", "storageFormatType": V1}, ".tpk"),
    "VT clients: Compact": ({"tilePackage": "true", "storageFormatType": "Compact"}, ".tpk"),
    "short, small letters": ({"tilePackage": "true", "storageFormatType": "compactv2"}, ".tpkx"),
    "MapImageLayer: storageFormat": ({"tilePackage": "true", "storageFormat": V1}, ".tpk"),
    "a name counts more than its alias": (
        {"tilePackage": "true", "storageFormat": V1, "storageFormatType": V2},
        ".tpkx",
    ),
    "an alias counts more than nothing": (
        {"tilePackage": "true", "storageFormat": V1, "storageFormatType": ""},
        ".tpk",
    ),
    "names in other letters": ({"TILEPACKAGE": "TRUE", "storageformattype": "COMPACT"}, ".tpk"),
    "a task's names": ({"tile_package": "true", "storage_format_type": "compact"}, ".tpk"),
}


@pytest.mark.parametrize("name", KINDS)
def test_kinds_of_results(cache: Path, tmp_path: Path, name: str) -> None:
    sent, suffix = KINDS[name]
    path = result_of(run_job(cache, tmp_path, {"levels": "0", **sent}))
    assert path.name == cache.name + suffix
    assert set(read_tiles(path)) == of_levels(0)


@pytest.mark.parametrize("storage", ["Compact", "CompactV2", V1, V2])
def test_a_dataset_stores_its_tiles_as_asked(cache: Path, tmp_path: Path, storage: str) -> None:
    path = result_of(run_job(cache, tmp_path, {"levels": "0", "storageFormatType": storage}))
    assert f"<StorageFormat>{V2 if storage.endswith('V2') else V1}<" in (path / "conf.xml").read_text()


def test_a_package_without_a_format_is_said_to_be_a_tpkx(cache: Path, tmp_path: Path) -> None:
    job = run_job(cache, tmp_path, {"levels": "0", "tilePackage": "true"})
    assert "storageFormatType is not given: the tile package is a .tpkx" in said(job, "Informative")


def test_unknown_parameters_and_f_are_ignored(cache: Path, tmp_path: Path) -> None:
    sent = {"levels": "1", "f": "pjson", "token": "x", "createItem": "on", "nonsense": object(), "exportBy": None}
    assert set(read_tiles(result_of(run_job(cache, tmp_path, sent)))) == of_levels(1)


class TestQuality:
    """compressionQuality and optimizeTilesForSize. The cache declares 85, and its tiles have it."""

    @pytest.mark.parametrize("sent", ["50", 50, " 50 "])
    @pytest.mark.parametrize("optimize", ["true", "True", True])
    def test_both_recompress(self, cache: Path, tmp_path: Path, sent: Any, optimize: Any) -> None:
        job = run_job(cache, tmp_path, {"levels": "1", "optimizeTilesForSize": optimize, "compressionQuality": sent})
        tiles = read_tiles(result_of(job))
        assert all(len(tiles[address]) < len(TILES[address]) for address in of_levels(1))
        assert said(job, "Warning") == []

    @pytest.mark.parametrize("optimize", ["false", "", None, False])
    def test_a_quality_alone_has_no_effect(self, cache: Path, tmp_path: Path, optimize: Any) -> None:
        job = run_job(cache, tmp_path, {"levels": "1", "optimizeTilesForSize": optimize, "compressionQuality": "50"})
        assert read_tiles(result_of(job)) == {address: TILES[address] for address in of_levels(1)}
        assert said(job, "Warning") == [
            "compressionQuality 50 has no effect without optimizeTilesForSize=true: tiles are copied as they are"
        ]

    @pytest.mark.parametrize("sent", ["", None])
    def test_to_optimize_without_a_quality_loses_nothing(self, cache: Path, tmp_path: Path, sent: Any) -> None:
        """An example of Esri's for vector tiles sends it empty."""
        job = run_job(cache, tmp_path, {"levels": "1", "optimizeTilesForSize": "true", "compressionQuality": sent})
        assert read_tiles(result_of(job)) == {address: TILES[address] for address in of_levels(1)}
        assert any("every tile keeps its quality" in text for text in said(job, "Informative"))

    def test_above_the_declared_quality_it_is_capped(self, cache: Path, tmp_path: Path) -> None:
        job = run_job(cache, tmp_path, {"levels": "1", "optimizeTilesForSize": "true", "compressionQuality": "95"})
        assert read_tiles(result_of(job)) == {address: TILES[address] for address in of_levels(1)}
        [declared] = said(job, "Warning")
        assert declared.startswith("compressionQuality 95 is capped at 85, the quality that the cache declares")

    def test_above_the_tiles_own_quality_it_is_capped(self, tmp_path: Path) -> None:
        """Here the cache declares more than its tiles have."""
        cache = make_cache(tmp_path / "cache", world(), conf=conf_text(quality=95))
        job = run_job(cache, tmp_path, {"levels": "1", "optimizeTilesForSize": "true", "compressionQuality": "90"})
        assert read_tiles(result_of(job)) == {address: TILES[address] for address in of_levels(1)}
        [own] = said(job, "Warning")
        assert own.startswith("compressionQuality 90 is above the quality (85) of 4 tiles, kept as they are")

    def test_a_cache_that_declares_less_than_its_tiles_have(self, tmp_path: Path) -> None:
        cache = make_cache(tmp_path / "cache", world(), conf=conf_text(quality=60))
        sent = {"levels": "1", "optimizeTilesForSize": "true"}
        capped = read_tiles(result_of(run_job(cache, tmp_path, {**sent, "compressionQuality": "80"})))
        assert capped == read_tiles(result_of(run_job(cache, tmp_path, {**sent, "compressionQuality": "60"})))


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a level that does not exist": ({"levels": "9"}, "levels: level is not in the tiling scheme; found 9, expected"),
    "no levels": (
        {"levels": "all"},
        "levels: value is not a list of levels; found 'all', expected values and ranges such as",
    ),
    "an exponent is no range": (
        {"exportBy": "Resolution", "levels": "1e-05"},
        "levels: level is not in the tiling scheme; found 1e-05, expected a resolution",
    ),
    "a scale near none": (
        {"exportBy": "Scale", "levels": "500000000"},
        "found 500000000, expected a scale of the tiling scheme; the nearest levels are 2",
    ),
    "a scale by the wrong name": ({"levels": "591657527.591555"}, "found 591657527.591555, expected a level ID"),
    "exportBy": (
        {"exportBy": "zoom"},
        "exportBy: invalid choice; found 'zoom', expected LevelID, Resolution or Scale",
    ),
    "tilePackage": ({"tilePackage": "yes"}, "tilePackage: invalid choice; found 'yes', expected true or false"),
    "storageFormatType": ({"storageFormatType": "tpkx"}, "storageFormatType: invalid choice; found 'tpkx'"),
    "compressionQuality above": (
        {"compressionQuality": "101"},
        "compressionQuality: value is out of range; found 101, expected an integer from 0 to 100",
    ),
    "compressionQuality below": (
        {"compressionQuality": "-1", "optimizeTilesForSize": "true"},
        "compressionQuality: value is out of range; found -1, expected an integer from 0 to 100",
    ),
    "compressionQuality no number": (
        {"compressionQuality": "high"},
        "compressionQuality: value is not an integer; found",
    ),
    "a box of three": (
        {"exportExtent": "1,2,3"},
        "exportExtent: value is not an extent; found '1,2,3', expected xmin,ymin,xmax,ymax",
    ),
    "MapImageLayer: an extent taken apart": (
        {"exportExtent": ["xmin", "ymin", "xmax", "ymax", "spatialReference"]},
        "exportExtent: value is not an extent; found ['xmin', 'ymin'",
    ),
    "MapImageLayer: an area taken apart": (
        {"areaOfInterest": "features"},
        "areaOfInterest: value is not valid JSON (Expecting value: line 1 column 1 (char 0)); found 'features', "
        "expected a",
    ),
    "an envelope of words": (
        {"exportExtent": '{"xmin":"NaN","ymin":0,"xmax":1,"ymax":1}'},
        "exportExtent: value is not an extent",
    ),
    "an envelope without a side": (
        {"exportExtent": '{"xmin":0,"ymin":0,"xmax":1}'},
        "exportExtent: value is not an extent",
    ),
    "a box upside down": ({"exportExtent": "0,5,5,0"}, "exportExtent: extent has no area; found 0.0,5.0,5.0,0.0"),
    "an unknown reference": (
        {"exportExtent": json.dumps({**ENVELOPE, "spatialReference": {"wkid": 999999}})},
        "exportExtent: ",
    ),
    "a reference that is none": (
        {"exportExtent": json.dumps({**ENVELOPE, "spatialReference": {"wkid": "web"}})},
        "exportExtent: wkid: value is not an integer; found 'web'",
    ),
    "nothing in the box": (
        {"levels": "8", "exportExtent": "1e7,1e7,1.1e7,1.1e7"},
        "levels, exportExtent: selection contains no tiles; found levels 8, extent 10000000.0,10000000.0,11000000.0,"
        "11000000.0 in the spatial reference of the cache, expected tiles of world, which has levels 0-2, 8",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_parameters_fail_the_job_and_are_named(cache: Path, tmp_path: Path, name: str) -> None:
    sent, message = BAD[name]
    job = run_job(cache, tmp_path, sent)
    assert job.status == "esriJobFailed"
    first, last = said(job, "Error")
    assert message in first
    assert last == "Failed to execute (ExportTiles)."
    assert not any((tmp_path / "jobs").iterdir()) if (tmp_path / "jobs").exists() else True


def test_a_path_is_a_file_of_json(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "area.geojson").write_text("\ufeff" + json.dumps(GEOJSON), encoding="utf-8")
    assert set(read_tiles(result_of(run_job(cache, tmp_path, {"areaOfInterest": tmp_path / "area.geojson"})))) == SOME

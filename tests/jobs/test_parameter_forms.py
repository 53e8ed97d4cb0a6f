"""The forms in which clients of image services send parameters; each is run as a job, and its result is read.

The ids say who sends a form: Esri's documentation (doc), the ArcGIS API for Python (arcgis-py) or another client.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gptool._jpeg import quality
from helpers.bundles import Address
from helpers.caches import conf_text, lod_text, make_cache, world
from helpers.job_checks import result_of, run_job, texts_of
from helpers.lossless import check_optimised
from helpers.tile_readers import read_tiles

TILES = world()
EDGE = 20037508.342787
V2, V1 = "esriMapCacheStorageModeCompactV2", "esriMapCacheStorageModeCompact"

WEB = {"wkid": 102100, "latestWkid": 3857}
NORTH_EAST = (1.0, 1.0, 5000000.0, 5000000.0)
"""Metres."""
NORTH_EAST_DEGREES = (0.00001, 0.00001, 44.9157, 40.9798)
"""About the same extent, which selects the same tiles."""

RING = [[0.00001, 0.00001], [0.00001, 40.9798], [44.9157, 40.9798], [44.9157, 0.00001], [0.00001, 0.00001]]
METRES = [[1, 1], [1, 5e6], [5e6, 5e6], [5e6, 1], [1, 1]]


def of_levels(*levels: int) -> set[Address]:
    return {address for address in TILES if address[0] in levels}


def tiles_of(*levels: int) -> dict[Address, bytes]:
    return {address: TILES[address] for address in of_levels(*levels)}


def in_box(box: tuple[float, float, float, float], *levels: int) -> set[Address]:
    """The tiles that share area with an extent in metres."""
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
    "Esri's VT doc: blank after the comma": ("0-1, 2", [0, 1, 2]),
    "single level": ("2", [2]),
    "blanks around a hyphen": (" 0 - 1 ", [0, 1]),
    "descending range": ("2-0", [0, 1, 2]),
    "repeated level": ("1,1,0-1", [0, 1]),
    "number, from Python": (2, [2]),
    "list, from Python": ([0, 2], [0, 2]),
    "empty: all levels with tiles": ("", [0, 1, 2, 8]),
    "absent: all levels with tiles": (None, [0, 1, 2, 8]),
}


@pytest.mark.parametrize("name", LEVELS)
def test_levels(cache: Path, tmp_path: Path, name: str) -> None:
    sent, levels = LEVELS[name]
    path = result_of(run_job(cache, tmp_path, {"levels": sent}))
    assert set(read_tiles(path)) == of_levels(*levels)


SCALES = [591657527.591555 / 2**level for level in range(9)]
RESOLUTIONS = [float(lod_text(level)[1]) for level in range(9)]
BY_VALUE = {
    "Esri's tests: descending scales, 6 decimals": ("Scale", f"{SCALES[1]:.6f}-{SCALES[2]:.6f}", [1, 2]),
    "ascending scales": ("scale", f"{SCALES[2]:.6f}-{SCALES[1]:.6f}", [1, 2]),
    "list of scales": ("SCALE", f"{SCALES[0]:.6f}, {SCALES[8]:.6f}", [0, 8]),
    "rounded scale": ("Scale", "2311162", [8]),
    "range between the scales of levels": ("Scale", "1e6-3e8", [1, 2, 8]),
    "scale with an exponent": ("Scale", f"{SCALES[8]:.9e}", [8]),
    "resolutions": ("Resolution", f"{RESOLUTIONS[0]:.6f}-{RESOLUTIONS[1]:.6f}", [0, 1]),
    "resolutions as Python prints them": ("resolution", f"{RESOLUTIONS[2]!r},{RESOLUTIONS[8]!r}", [2, 8]),
    "level IDs, rest-js": ("levelId", "1-2", [1, 2]),
    "level IDs, by default": ("", "1-2", [1, 2]),
}


@pytest.mark.parametrize("name", BY_VALUE)
def test_levels_by_value(cache: Path, tmp_path: Path, name: str) -> None:
    export_by, sent, levels = BY_VALUE[name]
    path = result_of(run_job(cache, tmp_path, {"exportBy": export_by, "levels": sent}))
    assert set(read_tiles(path)) == of_levels(*levels)


@pytest.mark.parametrize("nearest", ["true", "True", True, 1])
def test_nearest_level(cache: Path, tmp_path: Path, nearest: Any) -> None:
    sent = {"exportBy": "Scale", "levels": "160000000,5e8-4.5e8", "nearestLevel": nearest}
    job = run_job(cache, tmp_path, sent)
    assert set(read_tiles(result_of(job))) == of_levels(0, 2)
    used = [text for text in texts_of(job, "Informative") if "the nearest level is used" in text]
    assert [text.partition(": the")[0] for text in used] == [
        "levels: no level has the scale 160000000",
        "levels: no level has the scale 5e8-4.5e8",
    ]


EXTENTS: dict[str, tuple[Any, set[Address]]] = {
    "doc: comma list": (",".join(map(str, NORTH_EAST)), SOME),
    "doc: envelope without a spatial reference": (json.dumps(ENVELOPE), SOME),
    "envelope, wkid of the cache": (json.dumps({**ENVELOPE, "spatialReference": {"wkid": 102100}}), SOME),
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
    "dict, from Python": ({**ENVELOPE, "spatialReference": WEB}, SOME),
    "numbers, from Python": (NORTH_EAST, SOME),
    "arcgis-py's MapImageLayer: DEFAULT": ("DEFAULT", ALL),
    "DEFAULTEXTENT in lower case": ("defaultextent", ALL),
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
    "doc: spatial reference of the geometry": (
        feature_set({"rings": [RING], "spatialReference": {"wkid": 4326}}),
        SOME,
    ),
    "TilePackageKreator: geometryType": (
        feature_set({"rings": [RING], "spatialReference": {"wkid": 4326}}, geometryType="esriGeometryPolygon"),
        SOME,
    ),
    "script: spatial reference of the feature set": (feature_set({"rings": [METRES]}, spatialReference=WEB), SOME),
    "no spatial reference: that of the cache": (feature_set({"rings": [METRES]}), SOME),
    "ImageryTileManager: polygon": (json.dumps({"rings": [METRES], "spatialReference": WEB}), SOME),
    "polygon without a spatial reference": (json.dumps({"rings": [METRES]}), SOME),
    "dict, from Python": ({"rings": [RING], "spatialReference": {"wkid": 4326}}, SOME),
    "feature": (json.dumps({"geometry": {"rings": [METRES]}, "attributes": {}}), SOME),
    "z and m values": (json.dumps({"hasZ": True, "rings": [[[*xy, 5, 6] for xy in METRES]]}), SOME),
    "open ring": (json.dumps({"rings": [METRES[:-1]]}), SOME),
    "GeoJSON polygon": (json.dumps(GEOJSON), SOME),
    "GeoJSON multipolygon": (json.dumps({"type": "MultiPolygon", "coordinates": [[RING]]}), SOME),
    "GeoJSON feature": (json.dumps({"type": "Feature", "geometry": GEOJSON, "properties": {}}), SOME),
    "GeoJSON feature collection": (
        json.dumps({"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": GEOJSON}]}),
        SOME,
    ),
    "GeoJSON geometry collection": (json.dumps({"type": "GeometryCollection", "geometries": [GEOJSON]}), SOME),
    "empty": ("", ALL),
    "absent": (None, ALL),
}


@pytest.mark.parametrize("name", AREAS)
def test_areas_of_interest(cache: Path, tmp_path: Path, name: str) -> None:
    sent, expected = AREAS[name]
    job = run_job(cache, tmp_path, {"areaOfInterest": sent})
    assert set(read_tiles(result_of(job))) == expected
    assert texts_of(job, "Warning") == []


def test_area_of_interest_has_the_alias_polygon(cache: Path, tmp_path: Path) -> None:
    assert set(read_tiles(result_of(run_job(cache, tmp_path, {"polygon": json.dumps({"rings": [METRES]})})))) == SOME


def test_area_of_interest_supersedes_the_extent(cache: Path, tmp_path: Path) -> None:
    """TilePackageKreator sends the extent DEFAULT as well, of which no message tells."""
    area = json.dumps({"rings": [METRES]})
    job = run_job(cache, tmp_path, {"areaOfInterest": area, "exportExtent": "DEFAULT"})
    assert set(read_tiles(result_of(job))) == SOME
    assert not any("supersedes" in text for text in texts_of(job, "Informative"))
    job = run_job(cache, tmp_path, {"areaOfInterest": area, "exportExtent": "-2,-2,-1,-1"})
    assert set(read_tiles(result_of(job))) == SOME
    assert "areaOfInterest supersedes exportExtent, which is ignored" in texts_of(job, "Informative")


KINDS: dict[str, tuple[dict[str, Any], str]] = {
    "doc: dataset by default": ({}, ""),
    "tilePackage=false": ({"tilePackage": "false"}, ""),
    "MapImageLayer: False": ({"tilePackage": "False"}, ""),
    "tilePackage=true: .tpkx": ({"tilePackage": "true"}, ".tpkx"),
    "MapImageLayer: True": ({"tilePackage": "True"}, ".tpkx"),
    "True, from Python": ({"tilePackage": True}, ".tpkx"),
    "V2": ({"tilePackage": "true", "storageFormatType": V2}, ".tpkx"),
    "V1": ({"tilePackage": "true", "storageFormatType": V1}, ".tpk"),
    "VT clients: Compact": ({"tilePackage": "true", "storageFormatType": "Compact"}, ".tpk"),
    "short name in lower case": ({"tilePackage": "true", "storageFormatType": "compactv2"}, ".tpkx"),
    "MapImageLayer: storageFormat": ({"tilePackage": "true", "storageFormat": V1}, ".tpk"),
    "name and alias": (
        {"tilePackage": "true", "storageFormat": V1, "storageFormatType": V2},
        ".tpkx",
    ),
    "empty name and alias": (
        {"tilePackage": "true", "storageFormat": V1, "storageFormatType": ""},
        ".tpk",
    ),
    "names in other letter cases": ({"TILEPACKAGE": "TRUE", "storageformattype": "COMPACT"}, ".tpk"),
    "names of the task": ({"tile_package": "true", "storage_format_type": "compact"}, ".tpk"),
}


@pytest.mark.parametrize("name", KINDS)
def test_kind_of_result(cache: Path, tmp_path: Path, name: str) -> None:
    sent, suffix = KINDS[name]
    path = result_of(run_job(cache, tmp_path, {"levels": "0", **sent}))
    assert path.name == cache.name + suffix
    assert set(read_tiles(path)) == of_levels(0)


@pytest.mark.parametrize("storage", ["Compact", "CompactV2", V1, V2])
def test_dataset_has_the_requested_storage_format(cache: Path, tmp_path: Path, storage: str) -> None:
    path = result_of(run_job(cache, tmp_path, {"levels": "0", "storageFormatType": storage}))
    assert f"<StorageFormat>{V2 if storage.endswith('V2') else V1}<" in (path / "conf.xml").read_text()


def test_message_tells_the_default_format_of_a_package(cache: Path, tmp_path: Path) -> None:
    job = run_job(cache, tmp_path, {"levels": "0", "tilePackage": "true"})
    assert "storageFormatType is not given: the tile package is a .tpkx" in texts_of(job, "Informative")


def test_unknown_parameters_and_f_are_ignored(cache: Path, tmp_path: Path) -> None:
    sent = {"levels": "1", "f": "pjson", "token": "x", "createItem": "on", "nonsense": object(), "exportBy": None}
    job = run_job(cache, tmp_path, sent)
    assert set(read_tiles(result_of(job))) == of_levels(1)
    assert texts_of(job, "Warning") == ["unknown parameter 'nonsense' is ignored"]
    job = run_job(cache, tmp_path, {"exportBy": "zoom", "lvels": "1"})
    assert texts_of(job, "Warning") == ["unknown parameter 'lvels' is ignored; the nearest known name is levels"]
    assert job.status == "esriJobFailed"


class TestQuality:
    """compressionQuality and optimizeTilesForSize. The cache declares quality 85, which its tiles have."""

    @pytest.mark.parametrize("sent", ["50", 50, " 50 "])
    @pytest.mark.parametrize("optimize", ["true", "True", True])
    def test_both_parameters_recompress(self, cache: Path, tmp_path: Path, sent: Any, optimize: Any) -> None:
        job = run_job(cache, tmp_path, {"levels": "1", "optimizeTilesForSize": optimize, "compressionQuality": sent})
        tiles = read_tiles(result_of(job))
        assert all(len(tiles[address]) < len(TILES[address]) for address in of_levels(1))
        assert texts_of(job, "Warning") == []

    @pytest.mark.parametrize(
        ("tables", "reached"), [("exact", 50), ("EXACT", 50), ("efficient", 55), ("", 55), (None, 55)]
    )
    def test_tables(self, cache: Path, tmp_path: Path, tables: Any, reached: int) -> None:
        sent = {"levels": "1", "optimizeTilesForSize": "true", "compressionQuality": "50", "tables": tables}
        job = run_job(cache, tmp_path, sent)
        assert {round(quality(tile) or 0) for tile in read_tiles(result_of(job)).values()} == {reached}
        assert texts_of(job, "Warning") == []

    def test_exact_tables_without_a_quality_give_a_warning(self, cache: Path, tmp_path: Path) -> None:
        job = run_job(cache, tmp_path, {"levels": "1", "tables": "exact"})
        assert read_tiles(result_of(job)) == tiles_of(1)
        assert texts_of(job, "Warning") == [
            "tables exact has no effect without a compressionQuality: no tile is recompressed"
        ]

    @pytest.mark.parametrize("optimize", ["false", "", None, False])
    def test_quality_alone_has_no_effect(self, cache: Path, tmp_path: Path, optimize: Any) -> None:
        job = run_job(cache, tmp_path, {"levels": "1", "optimizeTilesForSize": optimize, "compressionQuality": "50"})
        assert read_tiles(result_of(job)) == {address: TILES[address] for address in of_levels(1)}
        assert texts_of(job, "Warning") == [
            "compressionQuality 50 has no effect without optimizeTilesForSize=true: tiles are copied as they are"
        ]

    @pytest.mark.parametrize("sent", ["", None])
    def test_optimisation_without_a_quality_keeps_the_quality(self, cache: Path, tmp_path: Path, sent: Any) -> None:
        """An example by Esri for vector tiles sends an empty quality."""
        job = run_job(cache, tmp_path, {"levels": "1", "optimizeTilesForSize": "true", "compressionQuality": sent})
        check_optimised(tiles_of(1), read_tiles(result_of(job)))
        first, last = texts_of(job, "Informative")[1:-1]
        assert first.endswith("JPEG tiles are optimised without loss, every tile keeps its quality")
        assert last.startswith("optimised without loss: 4 tiles, from 8.3 kB to ")
        assert texts_of(job, "Warning") == []

    def test_request_above_the_declared_quality(self, cache: Path, tmp_path: Path) -> None:
        job = run_job(cache, tmp_path, {"levels": "1", "optimizeTilesForSize": "true", "compressionQuality": "95"})
        check_optimised(tiles_of(1), read_tiles(result_of(job)))
        assert texts_of(job, "Warning") == [
            "compressionQuality 95 is above 85, the quality that the cache declares: only tiles whose own quality is "
            "above 95 are recompressed",
            "compressionQuality 95 is above the quality (85) of 4 tiles, which keep it",
        ]

    def test_request_between_the_quality_of_the_tiles_and_a_higher_declared_quality(self, tmp_path: Path) -> None:
        cache = make_cache(tmp_path / "cache", world(), conf=conf_text(quality=95))
        job = run_job(cache, tmp_path, {"levels": "1", "optimizeTilesForSize": "true", "compressionQuality": "90"})
        check_optimised(tiles_of(1), read_tiles(result_of(job)))
        assert texts_of(job, "Warning") == ["compressionQuality 90 is above the quality (85) of 4 tiles, which keep it"]

    def test_request_between_a_lower_declared_quality_and_the_quality_of_the_tiles(self, tmp_path: Path) -> None:
        """The request is not replaced by the declared quality."""
        cache = make_cache(tmp_path / "cache", world(), conf=conf_text(quality=60))
        sent = {"levels": "1", "optimizeTilesForSize": "true", "compressionQuality": "70"}
        job = run_job(cache, tmp_path, sent)
        assert {round(quality(tile) or 0) for tile in read_tiles(result_of(job)).values()} == {70}
        [declared] = texts_of(job, "Warning")
        assert declared.startswith("compressionQuality 70 is above 60, the quality that the cache declares: only tiles")


def test_area_of_interest_from_a_file(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "area.geojson").write_text("\ufeff" + json.dumps(GEOJSON), encoding="utf-8")
    assert set(read_tiles(result_of(run_job(cache, tmp_path, {"areaOfInterest": tmp_path / "area.geojson"})))) == SOME

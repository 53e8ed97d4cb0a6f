"""The .gpkg: its tables in any tiling scheme, and GDAL as its reader."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from pyproj import CRS

from gptool import errors, export_tiles
from helpers.bundles import Address
from helpers.caches import conf_text, jpeg_tile, make_cache, png_tile, square
from helpers.lerc_tiles import lerc2_tile
from helpers.web_caches import MAX_DIFFERENCE, check_by_gdal, make_web_cache, mixed_pyramid, pyramid
from helpers.web_readers import query, read_geopackage

CONTENTS = {"JPEG": pyramid(), "PNG": pyramid(png=True), "MIXED": mixed_pyramid()}

UTM = CRS.from_epsg(32633).to_wkt("WKT1_ESRI")
CUSTOM = UTM.replace('"Central_Meridian",15.0', '"Central_Meridian",14.25').replace("UTM_Zone_33N", "Local")


def lods_text(resolutions: Sequence[float]) -> str:
    return "".join(
        f"<LODInfo><LevelID>{level}</LevelID><Scale>{resolution * 3779.52}</Scale>"
        f"<Resolution>{resolution!r}</Resolution></LODInfo>"
        for level, resolution in enumerate(resolutions)
    )


def local_conf(resolutions: Sequence[float], reference: str = "<WKID>32633</WKID>", **changes: object) -> str:
    return conf_text(tile=256, reference=reference, x="100000.5", y="6200000", lods=lods_text(resolutions), **changes)


def tile_matrices(path: Path) -> list[tuple[object, ...]]:
    return query(path, "SELECT * FROM gpkg_tile_matrix ORDER BY zoom_level")


@pytest.mark.parametrize("format_", CONTENTS)
def test_gdal_reads_every_level(tmp_path: Path, format_: str) -> None:
    cache = make_web_cache(tmp_path / "cache", CONTENTS[format_], format=format_)
    result = export_tiles(cache, tmp_path / "x.gpkg")
    check_by_gdal(result.path, CONTENTS[format_], driver="GPKG")
    assert not result.messages


def test_tables(tmp_path: Path) -> None:
    """Web Mercator's tile matrix set is the square of the world, whichever tiles are there."""
    tiles = square(5, range(8, 10), range(4, 6)) | square(6, range(16, 19), range(8, 9))
    result = export_tiles(make_web_cache(tmp_path / "cache", tiles, levels=7), tmp_path / "World map.gpkg")
    side = 40075016.685574
    assert tile_matrices(result.path) == [
        ("tiles", 5, 32, 32, 256, 256, pytest.approx(side / 2**13), pytest.approx(side / 2**13)),
        ("tiles", 6, 64, 64, 256, 256, pytest.approx(side / 2**14), pytest.approx(side / 2**14)),
    ]
    [contents] = query(result.path, "SELECT * FROM gpkg_contents")
    assert contents[:5] == (
        *("tiles", "tiles", "World map", "7 tiles of cache, levels 5-6"),
        "1970-01-01T00:00:00.000Z",
    )
    assert contents[-1] == 3857
    references = query(result.path, "SELECT srs_id, organization, organization_coordsys_id FROM gpkg_spatial_ref_sys")
    assert references == [(-1, "NONE", -1), (0, "NONE", 0), (3857, "EPSG", 3857), (4326, "EPSG", 4326)]
    for definition, code in query(result.path, "SELECT definition, srs_id FROM gpkg_spatial_ref_sys WHERE srs_id > 0"):
        assert CRS.from_wkt(str(definition)) == CRS.from_epsg(code)
    assert query(result.path, "PRAGMA user_version") == [(10300,)]
    assert query(result.path, "SELECT * FROM gpkg_extensions") == []


@pytest.mark.parametrize(
    ("resolutions", "has_other"),
    [
        ([40.0, 20.0, 10.0], False),
        ([50.0, 20.0, 10.0, 5.0], True),  # 1:2.5
        ([30.0, 20.0, 12.0], True),  # three of two and of five
        ([132.2919312505292, 52.91677250021167, 26.458386250105836], True),  # of ArcGIS, 1:500,000 to 1:100,000
    ],
)
def test_gdal_reads_local_schemes_at_every_level(tmp_path: Path, resolutions: list[float], has_other: bool) -> None:
    """Each tile at its place, in a scheme whose origin is not that of the spatial reference."""
    tiles = {
        (level, row, column): jpeg_tile(10 * level + row + 3 * column, size=256)
        for level in range(len(resolutions))
        for row in range(2, 3 + level)
        for column in range(1, 4)
    }
    cache = make_cache(tmp_path / "cache", tiles, conf=local_conf(resolutions))
    path = export_tiles(cache, tmp_path / "x.gpkg").path
    assert read_geopackage(path) == tiles
    assert bool(query(path, "SELECT * FROM gpkg_extensions")) == has_other
    for level, resolution in enumerate(resolutions):
        with rasterio.open(path, driver="GPKG", ZOOM_LEVEL=level) as dataset:
            assert dataset.crs.to_epsg() == 32633
            assert dataset.transform.a == pytest.approx(resolution)
            for (own, row, column), tile in tiles.items():
                if own == level:
                    x, y = 100000.5 + 256 * column * resolution, 6200000 - 256 * row * resolution
                    left, top = (
                        round((x - dataset.transform.c) / resolution),
                        round((dataset.transform.f - y) / resolution),
                    )
                    found = dataset.read((1, 2, 3), window=((top, top + 256), (left, left + 256)))
                    with Image.open(io.BytesIO(tile)) as image:
                        expected = np.moveaxis(np.asarray(image), -1, 0)
                    assert np.abs(found.astype(int) - expected).max() <= MAX_DIFFERENCE


@pytest.mark.parametrize(
    ("reference", "row"),
    [
        ("<WKID>4326</WKID>", (4326, "EPSG", 4326)),
        ("<WKID>32633</WKID>", (32633, "EPSG", 32633)),
        ("<WKID>102100</WKID>", (3857, "EPSG", 3857)),
        ("<WKID>102008</WKID>", (102008, "ESRI", 102008)),
        (f"<WKT>{CUSTOM}</WKT>", (100000, "NONE", 100000)),
        ("<WKT>nonsense[]</WKT>", (100000, "NONE", 100000)),
    ],
)
def test_spatial_references(tmp_path: Path, reference: str, row: tuple[object, ...]) -> None:
    cache = make_cache(tmp_path / "cache", {(0, 0, 0): jpeg_tile(1)}, conf=local_conf([10.0], reference))
    path = export_tiles(cache, tmp_path / "x.gpkg").path
    statement = "SELECT srs_id, organization, organization_coordsys_id FROM gpkg_spatial_ref_sys NATURAL JOIN "
    assert query(path, f"{statement} (SELECT srs_id FROM gpkg_contents)") == [row]
    if "nonsense" not in reference:
        with rasterio.open(path) as dataset:
            [definition] = query(path, f"SELECT definition FROM gpkg_spatial_ref_sys WHERE srs_id = {row[0]}")
            assert CRS.from_user_input(dataset.crs) == CRS.from_wkt(str(definition[0]))


def test_unknown_spatial_reference_is_warned_about(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "cache", {(0, 0, 0): jpeg_tile(1)}, conf=local_conf([10.0], ""))
    result = export_tiles(cache, tmp_path / "x.gpkg")
    assert query(result.path, "SELECT srs_id FROM gpkg_contents") == [(-1,)]
    assert "states an undefined one" in str(result.messages)


def test_tiles_that_are_no_squares(tmp_path: Path) -> None:
    conf = local_conf([20.0, 10.0]).replace("<TileRows>256", "<TileRows>128")
    tiles: dict[Address, bytes] = {(level, row, 2): png_tile(row) for level in range(2) for row in range(3)}
    path = export_tiles(make_cache(tmp_path / "cache", tiles, conf=conf), tmp_path / "x.gpkg").path
    assert read_geopackage(path) == tiles
    assert tile_matrices(path) == [("tiles", 0, 3, 3, 256, 128, 20, 20), ("tiles", 1, 6, 6, 256, 128, 10, 10)]


def test_levels_may_be_skipped(tmp_path: Path) -> None:
    tiles = {place: tile for place, tile in pyramid().items() if place[0] in (1, 3)}
    result = export_tiles(make_web_cache(tmp_path / "cache", tiles), tmp_path / "x.gpkg")
    assert read_geopackage(result.path) == tiles
    assert query(result.path, "SELECT * FROM gpkg_extensions") == []
    for level in (1, 3):
        with rasterio.open(result.path, ZOOM_LEVEL=level) as dataset:
            assert dataset.transform.a == pytest.approx(40075016.685574 / (256 << level))


@pytest.mark.parametrize(
    ("tiles", "conf", "message"),
    [
        ({(0, 0, 0): lerc2_tile(4)}, local_conf([10.0], format="LERC"), "holds PNG and JPEG tiles only; found LERC"),
        (
            {(0, 3, 3): jpeg_tile(1), (1, 9, 9): jpeg_tile(2), (2, 9, 9): jpeg_tile(3)},
            local_conf([10.0, 10 / 3.14159265, 1.61803399]),
            "needs levels whose tiles cover one extent exactly; found the resolutions 10.0, 3.18",
        ),
    ],
)
def test_tiles_that_it_does_not_hold_are_refused(
    tmp_path: Path, tiles: dict[Address, bytes], conf: str, message: str
) -> None:
    cache = make_cache(tmp_path / "cache", tiles, conf=conf)
    with pytest.raises(errors.ParameterError) as caught:
        export_tiles(cache, tmp_path / "x.gpkg")
    assert message in str(caught.value)


def test_tiles_in_another_format_are_warned_about(tmp_path: Path) -> None:
    tiles = {(0, 0, 0): jpeg_tile(1), (1, 0, 0): b"unknown"}
    result = export_tiles(make_web_cache(tmp_path / "cache", tiles, format="MIXED"), tmp_path / "x.gpkg")
    assert "the .gpkg holds 1 tile in another format than PNG and JPEG" in str(result.messages)

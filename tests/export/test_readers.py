"""Packages and datasets read by other programs: GDAL, with rasterio, and MapProxy."""

from __future__ import annotations

import html
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.crs
from PIL import Image
from rasterio.windows import Window

from gptool import export_tiles
from helpers.caches import TILE, conf_text, jpeg_tile, make_cache, make_exploded_cache, make_v1_cache, square, world
from helpers.packages import make_tpk, make_tpkx, root_text
from helpers.program_readers import digests, read_with_mapproxy
from helpers.tile_readers import COMPACT, read_dataset, read_package, read_tiles


def pixels(tile: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(tile)) as image:
        return np.moveaxis(np.asarray(image.convert("RGB")), 2, 0)


def check_pixels(found: np.ndarray, tile: bytes) -> None:
    """Check pixels up to the rounding of JPEG decoders, 1 or 2; different tiles differ by about 60."""
    assert np.abs(found.astype(int) - pixels(tile)).mean() < 3


def check_gdal(path: Path, level: int, origin: tuple[int, int] = (0, 0)) -> None:
    """Check that GDAL reads each tile of a level at its place; `origin` is the row and column of the first tile."""
    tiles = {address[1:]: tile for address, tile in read_tiles(path).items() if address[0] == level}
    with rasterio.open(path / "conf.xml" if path.is_dir() else path) as dataset:
        assert (dataset.driver, dataset.count) == ("ESRIC", 3)
        for (row, column), tile in tiles.items():
            window = Window((column - origin[1]) * TILE, (row - origin[0]) * TILE, TILE, TILE)
            check_pixels(dataset.read(window=window), tile)


@pytest.mark.parametrize("quality", [None, 50])
def test_gdal_reads_a_package(tmp_path: Path, quality: int | None) -> None:
    tiles = {
        address: tile for level in range(4) for address, tile in square(level, range(2**level), range(2**level)).items()
    }
    cache = make_cache(tmp_path / "cache", tiles)
    result = export_tiles(cache, tmp_path / "x.tpkx", compression_quality=quality)
    check_gdal(result.path, 3)
    with rasterio.open(result.path) as dataset:
        assert dataset.crs.to_epsg() == 3857
        assert dataset.shape == (8 * TILE, 8 * TILE)
        assert dataset.bounds == pytest.approx((-20037508.34, -20037508.34, 20037508.34, 20037508.34), abs=0.01)
        assert dataset.overviews(1)[:2] == [2, 4]  # the last one is a single tile: not every GDAL lists it


def test_gdal_reads_one_deep_level(cache: Path, tmp_path: Path) -> None:
    """Readers that derive the extent from the scheme failed with such packages."""
    result = export_tiles(cache, tmp_path / "x.tpkx", levels="8")
    check_gdal(result.path, 8, (122, 122))
    with rasterio.open(result.path) as dataset:
        assert dataset.shape == (12 * TILE, 12 * TILE)


def test_gdal_reads_a_package_of_an_extent(cache: Path, tmp_path: Path) -> None:
    """The package states the extent of its tiles, not that of the cache."""
    result = export_tiles(cache, tmp_path / "x.tpkx", levels="8", export_extent="1,1,300000,300000")
    rows = {row for _, row, _ in read_package(result.path)}
    check_gdal(result.path, 8, (min(rows), 128))


def test_gdal_reads_512_pixel_tiles(tmp_path: Path) -> None:
    tiles = {(1, row, column): jpeg_tile(row * 2 + column, size=512) for row in range(2) for column in range(2)}
    path = export_tiles(make_cache(tmp_path / "cache", tiles, conf=conf_text(tile=512)), tmp_path / "x.tpkx").path
    with rasterio.open(path) as dataset:
        check_pixels(dataset.read(window=Window(512, 0, 512, 512)), tiles[1, 0, 1])


def test_gdal_reads_a_dataset(tmp_path: Path) -> None:
    """The deepest of the nine levels is the raster, the others are overviews; the CRS is that of the WKT."""
    wkt = html.escape(rasterio.crs.CRS.from_epsg(3857).to_wkt(version="WKT1_ESRI"))
    conf = conf_text(reference=f"<WKT>{wkt}</WKT><WKID>102100</WKID><LatestWKID>3857</LatestWKID>")
    path = export_tiles(make_cache(tmp_path / "cache", world(), conf=conf), tmp_path / "x").path
    for level in (8, 2, 1):
        options = {} if level == 8 else {"overview_level": 7 - level}
        with rasterio.open(path / "conf.xml", **options) as dataset:
            assert (dataset.driver, dataset.count, dataset.crs.to_epsg()) == ("ESRIC", 3, 3857)
            assert dataset.shape == (2**level * TILE, 2**level * TILE)
            assert dataset.bounds == pytest.approx((-20037508.34, -20037508.34, 20037508.34, 20037508.34), abs=0.01)
            for (where, row, column), tile in read_dataset(path).items():
                if where == level:
                    check_pixels(dataset.read(window=Window(column * TILE, row * TILE, TILE, TILE)), tile)


@pytest.mark.parametrize("make", [make_v1_cache, make_exploded_cache, make_tpk, make_tpkx])
@pytest.mark.parametrize("quality", [None, 50])
def test_gdal_reads_exports_of_other_storages(tmp_path: Path, make: Callable[..., Path], quality: int | None) -> None:
    source = make(tmp_path / "source", square(3, range(8), range(8)), **scheme_arguments(make, range(4)))
    path = export_tiles(source, tmp_path / "x", compression_quality=quality).path
    check_gdal(path, 3)
    check_gdal(export_tiles(source, tmp_path / "x.tpkx", compression_quality=quality).path, 3)


def scheme_arguments(make: Callable[..., Path], levels: range) -> dict[str, str]:
    if make is make_tpkx:
        return {"root": root_text(levels)}
    storage = {} if make is make_exploded_cache else {"storage": COMPACT}
    return {"conf": conf_text(levels, **storage)}


@pytest.mark.parametrize("quality", [None, 50])
@pytest.mark.parametrize(("name", "storage"), [("x.tpkx", None), ("x.tpk", None), ("x", "compactV2"), ("x", "compact")])
def test_mapproxy_reads_every_output_kind(
    mapproxy: Path, cache: Path, tmp_path: Path, name: str, storage: str | None, quality: int | None
) -> None:
    result = export_tiles(cache, tmp_path / name, storage_format_type=storage, compression_quality=quality)
    tiles = read_tiles(result.path)
    assert tiles.keys() == world().keys()
    absent = [(8, 0, 0), (8, 121, 122), (2, 4, 0), (5, 0, 0)]
    found = read_with_mapproxy(mapproxy, result.path, tmp_path, [*tiles, *absent])
    assert found == digests(tiles) + [None] * len(absent)

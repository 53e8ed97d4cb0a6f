"""Packages read by programs we did not write: GDAL through rasterio, MapProxy."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from caches import TILE, conf_text, jpeg_tile, make_cache, square, world
from checks import read_package
from PIL import Image
from rasterio.windows import Window

from gptool import export_tiles

READER = Path(__file__).parent / "mapproxy" / "read_tiles.py"


def pixels(tile: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(tile)) as image:
        return np.moveaxis(np.asarray(image.convert("RGB")), 2, 0)


def check_same_picture(found: np.ndarray, tile: bytes) -> None:
    """Two JPEG decoders round apart by a level or two; another tile is apart by some sixty."""
    assert np.abs(found.astype(int) - pixels(tile)).mean() < 3


def check_gdal(path: Path, level: int, origin: tuple[int, int] = (0, 0)) -> None:
    """GDAL sees each tile of the deepest level where it belongs; `origin`: the row and column of its first tile."""
    tiles = {address[1:]: tile for address, tile in read_package(path).items() if address[0] == level}
    with rasterio.open(path) as dataset:
        assert (dataset.driver, dataset.count) == ("ESRIC", 3)
        for (row, column), tile in tiles.items():
            window = Window((column - origin[1]) * TILE, (row - origin[0]) * TILE, TILE, TILE)
            check_same_picture(dataset.read(window=window), tile)


@pytest.mark.parametrize("quality", [None, 50])
def test_gdal_reads_the_package(tmp_path: Path, quality: int | None) -> None:
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
    """One level, far from the origin: readers that derive the extent from the scheme crashed on such packages."""
    result = export_tiles(cache, tmp_path / "x.tpkx", levels="8")
    check_gdal(result.path, 8, (122, 122))
    with rasterio.open(result.path) as dataset:
        assert dataset.shape == (12 * TILE, 12 * TILE)


def test_gdal_reads_a_part(cache: Path, tmp_path: Path) -> None:
    """Levels that are left out, and a box: the package covers what it holds."""
    result = export_tiles(cache, tmp_path / "x.tpkx", levels="8", export_extent="1,1,300000,300000")
    rows = {row for _, row, _ in read_package(result.path)}
    check_gdal(result.path, 8, (min(rows), 128))


def test_gdal_reads_512_pixel_tiles(tmp_path: Path) -> None:
    tiles = {(1, row, column): jpeg_tile(row * 2 + column, size=512) for row in range(2) for column in range(2)}
    path = export_tiles(make_cache(tmp_path / "cache", tiles, conf=conf_text(tile=512)), tmp_path / "x.tpkx").path
    with rasterio.open(path) as dataset:
        check_same_picture(dataset.read(window=Window(512, 0, 512, 512)), tiles[1, 0, 1])


def read_with_mapproxy(
    python: Path, package: Path, folder: Path, addresses: list[tuple[int, int, int]]
) -> list[str | None]:
    """The SHA-256 of each tile as MapProxy's compact cache reads it, None where it finds none."""
    with zipfile.ZipFile(package) as unpacked:
        unpacked.extractall(folder, [name for name in unpacked.namelist() if name.startswith("tile/")])
    done = subprocess.run(
        [python, READER, folder / "tile"], input=json.dumps(addresses), capture_output=True, text=True, check=True
    )
    digests: list[str | None] = json.loads(done.stdout)
    return digests


@pytest.mark.parametrize("quality", [None, 50])
def test_mapproxy_reads_each_bundle(mapproxy: Path, cache: Path, tmp_path: Path, quality: int | None) -> None:
    result = export_tiles(cache, tmp_path / "x.tpkx", compression_quality=quality)
    tiles = read_package(result.path)
    assert tiles.keys() == world().keys()
    absent = [(8, 0, 0), (8, 121, 122), (2, 4, 0), (5, 0, 0)]
    found = read_with_mapproxy(mapproxy, result.path, tmp_path, [*tiles, *absent])
    assert found == [hashlib.sha256(tile).hexdigest() for tile in tiles.values()] + [None] * len(absent)

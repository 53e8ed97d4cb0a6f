"""A level of 100,000,000 tiles: estimated whole, and planned for areas of 100,000 vertices; time and peak memory.

There are indexes and no tiles: the files are as long as the indexes say, and sparse. With --benchmark-disable all of it
is smaller.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import shapely
from conftest import CONF, PLANS, Planned
from numpy.typing import NDArray
from processes import PEAK, needs_peak, run
from pytest_benchmark.fixture import BenchmarkFixture

from gptool.cache.compact import FIRST_TILE, HEADER, INDEX_BYTES, bundle_name
from gptool.model import PACKET_SIZE, BundleAddress

LEVEL, EDGE, RESOLUTION = 14, 20037508.342787, 9.55462853563415
TILE_BYTES = 20_000
WORD = 4
"""Bytes of the size in front of each tile."""


class Size(NamedTuple):
    """Rows, and columns, of a square of tiles: of the cache that others are held against, and of the large one."""

    few: int
    many: int
    vertices: int


FULL, ONCE = Size(1_000, 10_000, 100_000), Size(250, 1_500, 2_000)

MOST_GROWTH, FREE_MIB = 1.25, 30
"""Peak memory of many tiles, over that of few; the plan's bundles, some 0.3 kB each, are free."""

SAMPLE = 16
"""Bundles on an area's outline that are counted tile by tile, and as many anywhere."""

MEASURE = (
    PEAK
    + """
import json, sys, time
from gptool import estimate_export_tiles_size
from gptool.plan import make_plan
from gptool.request import read_request
cache, *area = sys.argv[1:]
start = time.perf_counter()
if area:
    plan = make_plan(cache, read_request({"areaOfInterest": Path(area[0])}))
    tiles, bundles = plan.tiles, {f"{at.row} {at.column}": tiles for at, tiles, _ in plan.levels[0].bundles}
else:
    tiles, bundles = estimate_export_tiles_size(cache).total_tiles_to_export, {}
seconds = time.perf_counter() - start
print(json.dumps({"tiles": tiles, "bundles": bundles, "seconds": seconds, "peak": peak_mib()}))
"""
)

pytestmark = needs_peak


# ---- input ----


def _write_bundle(path: Path, rows: int, columns: int) -> None:
    """Write header and index of tiles one behind the other, and leave them out."""
    tiles = rows * columns
    offsets = FIRST_TILE + WORD + (TILE_BYTES + WORD) * np.arange(tiles, dtype=np.uint64).reshape(rows, columns)
    index = np.zeros((PACKET_SIZE, PACKET_SIZE), "<u8")
    index[:rows, :columns] = offsets | np.uint64(TILE_BYTES << 40)
    size = FIRST_TILE + tiles * (TILE_BYTES + WORD)
    head = 3, 16384, TILE_BYTES, 5, 0, size, 40, 20 + INDEX_BYTES, 3, 16, 16384, 5, INDEX_BYTES
    path.write_bytes(struct.pack(HEADER.format, *head) + index.tobytes())
    os.truncate(path, size)


def _make_cache(folder: Path, side: int) -> Path:
    """Write one bundle of each shape, and link the others to it: a full one, and those at the edges."""
    made: dict[tuple[int, int], Path] = {}
    for row in range(0, side, PACKET_SIZE):
        for column in range(0, side, PACKET_SIZE):
            shape = min(PACKET_SIZE, side - row), min(PACKET_SIZE, side - column)
            path = folder / "_alllayers" / bundle_name(BundleAddress(LEVEL, row, column))
            if shape in made:
                os.link(made[shape], path)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_bundle(path, *shape)
            made[shape] = path
    conf = CONF.replace(">8<", f">{LEVEL}<").replace("611.49622628138", str(RESOLUTION))
    (folder / "conf.xml").write_text(conf.replace("2311162.217155", "36111.909643"), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def size(request: pytest.FixtureRequest) -> Size:
    return ONCE if request.config.getoption("benchmark_disable") else FULL


@pytest.fixture(scope="module")
def caches(size: Size, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """A cache of few tiles, and one of many; they go at the end, for what copies sparse files may fill them."""
    folder = tmp_path_factory.mktemp("sparse")
    yield {name: _make_cache(folder / name, getattr(size, name)) for name in ("few", "many")}
    shutil.rmtree(folder)


def _radii(name: str, turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances from the middle: a coast of seven capes, or as many spikes as there are vertices, which lie dense."""
    rng = np.random.default_rng(1)
    if name == "coast":
        return 0.75 + 0.2 * np.sin(7 * turns) + rng.uniform(-0.005, 0.005, len(turns))
    return rng.uniform(0.5, 0.99, len(turns))


def draw_star(name: str, size: Size) -> shapely.Polygon:
    """A star that nearly fills the large cache, in tiles from its corner, to the right and downwards."""
    turns = np.linspace(0, 2 * np.pi, size.vertices, endpoint=False)
    around = np.column_stack((np.cos(turns), np.sin(turns))) * _radii(name, turns)[:, np.newaxis]
    return shapely.Polygon((1 + around) * size.many / 2)


def draw_bundles(name: str, star: shapely.Polygon, side: int) -> list[shapely.Polygon]:
    """Boxes of bundles, in tiles: some on the outline, and some anywhere."""
    starts = np.arange(0, side, PACKET_SIZE)
    rows, columns = (places.ravel() for places in np.meshgrid(starts, starts, indexing="ij"))
    ends = (np.minimum(places + PACKET_SIZE, side) for places in (columns, rows))
    boxes = shapely.box(columns, rows, *ends)
    outline = star.exterior
    shapely.prepare(outline)
    rng = np.random.default_rng(len(name))
    on_outline = boxes[shapely.intersects(outline, boxes)]
    return [*rng.choice(on_outline, SAMPLE, replace=False), *rng.choice(boxes, SAMPLE, replace=False)]


def count_tiles(star: shapely.Polygon, bundle: shapely.Polygon) -> int:
    """Return how many tiles of a bundle meet a star, each tried: the squares shrunk by what does not count."""
    here = shapely.clip_by_rect(star, *bundle.bounds)
    assert shapely.is_valid(here)
    left, top, right, bottom = map(int, bundle.bounds)
    rows, columns = (places.ravel() for places in np.mgrid[top:bottom, left:right])
    squares = shapely.box(columns + 1e-6, rows + 1e-6, columns + 1 - 1e-6, rows + 1 - 1e-6)
    shapely.prepare(here)
    return int(np.count_nonzero(shapely.intersects(here, squares)))


# ---- benchmarks ----


def _note(request: pytest.FixtureRequest, name: str, found: dict[str, Any]) -> None:
    request.config.stash[PLANS].append(Planned(name, found["tiles"], found["peak"], found["seconds"]))


def bench_estimate(
    caches: dict[str, Path], size: Size, benchmark: BenchmarkFixture, request: pytest.FixtureRequest
) -> None:
    benchmark.group = "estimate without recompression, a process of its own, wall time"
    few, many = run(MEASURE, caches["few"]), benchmark.pedantic(run, args=(MEASURE, caches["many"]), rounds=1)
    for found in (few, many):
        _note(request, "estimate, everything", found)
    assert few["tiles"] == size.few**2
    assert many["tiles"] == size.many**2
    assert many["peak"] < MOST_GROWTH * few["peak"] + FREE_MIB


@pytest.mark.parametrize("name", ["coast", "spikes"])
def bench_area(
    caches: dict[str, Path],
    size: Size,
    tmp_path: Path,
    benchmark: BenchmarkFixture,
    request: pytest.FixtureRequest,
    name: str,
) -> None:
    star = draw_star(name, size)
    place = np.array((-EDGE, EDGE)) + star.exterior.coords * np.array((1, -1)) * 256 * RESOLUTION
    (tmp_path / "area.json").write_text(json.dumps({"rings": [place.tolist()]}), encoding="utf-8")
    benchmark.group = f"plan of an area of {size.vertices:,} vertices, a process of its own, wall time"
    found = benchmark.pedantic(run, args=(MEASURE, caches["many"], tmp_path / "area.json"), rounds=1)
    _note(request, f"plan, {name} of {size.vertices:,} vertices", found)
    assert found["tiles"] == sum(found["bundles"].values())
    assert star.area < found["tiles"] < size.many**2
    bundles = draw_bundles(name, star, size.many)
    counted = [count_tiles(star, bundle) for bundle in bundles]
    places = ((int(top), int(left)) for left, top, _, _ in (bundle.bounds for bundle in bundles))
    assert [found["bundles"].get(f"{row} {column}", 0) for row, column in places] == counted
    assert len({0, PACKET_SIZE**2, *counted}) > SAMPLE // 2  # not only bundles that are all in or all out

"""Estimates of a level of 100,000,000 tiles, and plans for areas of 100,000 vertices or spikes: time and peak memory.

The bundles have an index but no tiles: the files have the size that the index requires, and are sparse. With
--benchmark-disable everything is smaller.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import shapely
from inputs import SIDE, draw_comb, geojson, link_bundles, to_degrees
from numpy.typing import NDArray
from processes import PEAK, memory_line, needs_peak, run
from pytest_benchmark.fixture import BenchmarkFixture
from tables import Tables

from gptool.cache.compact import SIZE_FIELD_BYTES
from gptool.cache.compact_v2 import HEADER, INDEX_BYTES, TILES_OFFSET
from gptool.model import PACKET_SIZE
from helpers.caches import ORIGIN, conf_text, lod_text, write_documents

LEVEL = 14
EDGE, RESOLUTION = float(ORIGIN), float(lod_text(LEVEL, SIDE)[1])
TILE_BYTES = 20_000

FINE_LEVEL, FINE_SIDE = 16, 64
"""Level and side of the tiles, pixels, of a cache for areas in degrees."""

Points = NDArray[np.float64]


class Size(NamedTuple):
    """Sides of the squares of tiles of the small and the large cache, and vertices, or spikes, of the area."""

    few: int
    many: int
    vertices: int


FULL, ONCE = Size(1_000, 10_000, 100_000), Size(250, 1_500, 2_000)

MAX_SPIKES_MIB = 300e6 / 2**20

TITLE = "large plans, each in a separate process"

MAX_GROWTH, ALLOWED_MIB = 1.25, 30
"""Limit of the peak memory with many tiles: relative to few, plus the bundles of the plan, about 0.3 kB each."""

SAMPLE = 16
"""Bundles on the outline of an area that are counted tile by tile, and the same number of any bundles."""

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


def _write_bundle(path: Path, rows: range, columns: range) -> None:
    """Write header and index of consecutive tiles, but not the tiles."""
    tiles = len(rows) * len(columns)
    offsets = TILES_OFFSET + SIZE_FIELD_BYTES + (TILE_BYTES + SIZE_FIELD_BYTES) * np.arange(tiles, dtype=np.uint64)
    index = np.zeros((PACKET_SIZE, PACKET_SIZE), "<u8")
    index[np.ix_(rows, columns)] = (offsets | np.uint64(TILE_BYTES << 40)).reshape(len(rows), len(columns))
    size = TILES_OFFSET + tiles * (TILE_BYTES + SIZE_FIELD_BYTES)
    head = 3, 16384, TILE_BYTES, 5, 0, size, 40, 20 + INDEX_BYTES, 3, 16, 16384, 5, INDEX_BYTES
    path.write_bytes(struct.pack(HEADER.format, *head) + index.tobytes())
    os.truncate(path, size)


def _make_cache(folder: Path, side: int, level: int = LEVEL, tile: int = SIDE) -> Path:
    link_bundles(folder / "_alllayers", level, range(side), _write_bundle)
    return write_documents(folder, conf_text([level], tile=tile))


@pytest.fixture(scope="module")
def size(once: bool) -> Size:
    return ONCE if once else FULL


@pytest.fixture(scope="module")
def caches(size: Size, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """A small and a large cache. They are deleted at the end, since copies of sparse files may not be sparse."""
    folder = tmp_path_factory.mktemp("sparse")
    yield {name: _make_cache(folder / name, getattr(size, name)) for name in ("few", "many")}
    shutil.rmtree(folder)


def _radii(name: str, turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return distances from the centre: a coast of seven capes, or a spike at each vertex."""
    rng = np.random.default_rng(1)
    if name == "coast":
        return 0.75 + 0.2 * np.sin(7 * turns) + rng.uniform(-0.005, 0.005, len(turns))
    return rng.uniform(0.5, 0.99, len(turns))


def draw_star(name: str, size: Size) -> shapely.Polygon:
    """Return a star that nearly fills the large cache, in tiles from its corner, to the right and downwards."""
    turns = np.linspace(0, 2 * np.pi, size.vertices, endpoint=False)
    around = np.column_stack((np.cos(turns), np.sin(turns))) * _radii(name, turns)[:, np.newaxis]
    return shapely.Polygon((1 + around) * size.many / 2)


def draw_bundles(name: str, star: shapely.Polygon, side: int) -> list[shapely.Polygon]:
    """Return the boxes of some bundles on the outline and of some of all bundles, in tiles."""
    starts = np.arange(0, side, PACKET_SIZE)
    rows, columns = (places.ravel() for places in np.meshgrid(starts, starts, indexing="ij"))
    ends = (np.minimum(places + PACKET_SIZE, side) for places in (columns, rows))
    boxes = shapely.box(columns, rows, *ends)
    outline = star.exterior
    shapely.prepare(outline)
    rng = np.random.default_rng(len(name))
    on_outline = boxes[shapely.intersects(outline, boxes)]
    return [*rng.choice(on_outline, SAMPLE, replace=False), *rng.choice(boxes, SAMPLE, replace=False)]


def count_tiles(
    area: shapely.Polygon, bundle: shapely.Polygon, place: Callable[[Points], Points] = lambda points: points
) -> int:
    """Return how many tiles of a bundle meet an area, by intersecting each tile, shrunk by the tolerance.

    `place` converts places in tiles to the coordinates of the area, in which tiles are boxes too.
    """
    part = shapely.clip_by_rect(area, *shapely.transform(bundle, place).bounds)
    assert shapely.is_valid(part)
    left, top, right, bottom = map(int, bundle.bounds)
    rows, columns = (places.ravel() for places in np.mgrid[top:bottom, left:right])
    squares = shapely.transform(shapely.box(columns + 1e-6, rows + 1e-6, columns + 1 - 1e-6, rows + 1 - 1e-6), place)
    shapely.prepare(part)
    return int(np.count_nonzero(shapely.intersects(part, squares)))


# ---- benchmarks ----


def bench_estimate(caches: dict[str, Path], size: Size, tables: Tables, benchmark: BenchmarkFixture) -> None:
    benchmark.group = "estimate without recompression, in a separate process, wall time"
    few, many = run(MEASURE, caches["few"]), benchmark.pedantic(run, args=(MEASURE, caches["many"]), rounds=1)
    limit = MAX_GROWTH * few["peak"] + ALLOWED_MIB
    for found, maximum in ((few, None), (many, limit)):
        tables.add(TITLE, memory_line("estimate, everything", found, maximum))
    assert few["tiles"] == size.few**2
    assert many["tiles"] == size.many**2
    assert many["peak"] < limit


@pytest.mark.parametrize("name", ["coast", "spikes"])
def bench_area(
    caches: dict[str, Path],
    size: Size,
    tmp_path: Path,
    name: str,
    tables: Tables,
    benchmark: BenchmarkFixture,
) -> None:
    star = draw_star(name, size)
    place = np.array((-EDGE, EDGE)) + star.exterior.coords * np.array((1, -1)) * SIDE * RESOLUTION
    (tmp_path / "area.json").write_text(json.dumps({"rings": [place.tolist()]}), encoding="utf-8")
    benchmark.group = f"plan of an area of {size.vertices:,} vertices, in a separate process, wall time"
    found = benchmark.pedantic(run, args=(MEASURE, caches["many"], tmp_path / "area.json"), rounds=1)
    tables.add(TITLE, memory_line(f"plan, {name} of {size.vertices:,} vertices", found))
    assert found["tiles"] == sum(found["bundles"].values())
    assert star.area < found["tiles"] < size.many**2
    bundles = draw_bundles(name, star, size.many)
    counted = [count_tiles(star, bundle) for bundle in bundles]
    places = ((int(top), int(left)) for left, top, _, _ in (bundle.bounds for bundle in bundles))
    assert [found["bundles"].get(f"{row} {column}", 0) for row, column in places] == counted
    assert len({0, PACKET_SIZE**2, *counted}) > SAMPLE // 2  # most bundles are partially covered


def bench_spikes_in_degrees(size: Size, tmp_path: Path, tables: Tables, benchmark: BenchmarkFixture) -> None:
    """The edges of long spikes become curves on the map, so that millions of vertices are added."""
    cache, tile = _make_cache(tmp_path / "fine", size.many, FINE_LEVEL, FINE_SIDE), 2 * EDGE / 2**FINE_LEVEL
    comb = 1 + draw_comb(size.vertices, (size.many - 2) / (2 * size.vertices), size.many - 2)
    (tmp_path / "area.json").write_text(geojson(to_degrees(comb, tile)), encoding="utf-8")
    benchmark.group = f"plan of an area of {size.vertices:,} spikes in degrees, in a separate process, wall time"
    found = benchmark.pedantic(run, args=(MEASURE, cache, tmp_path / "area.json"), rounds=1)
    shutil.rmtree(cache)  # copies of sparse files may not be sparse
    tables.add(TITLE, memory_line(f"plan, {size.vertices:,} spikes in degrees", found, MAX_SPIKES_MIB))
    assert found["peak"] < MAX_SPIKES_MIB
    # Tiles are boxes in degrees too, in which edges are straight; the plan's deviate by up to 1/6,400 of a tile.
    for bundle in draw_bundles("spikes", shapely.Polygon(comb), size.many):
        left, top, _, _ = map(int, bundle.bounds)
        counted = count_tiles(shapely.Polygon(to_degrees(comb, tile)), bundle, lambda places: to_degrees(places, tile))
        assert abs(found["bundles"].get(f"{top} {left}", 0) - counted) <= PACKET_SIZE**2 / 1000

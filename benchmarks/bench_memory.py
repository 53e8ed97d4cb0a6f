"""Exports of 1,000,000 tiles beside those of 10,000, in processes of their own: time, and the same peak of memory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from caches import bundle_bytes, bundle_path, bundle_v1_bytes, complete, conf_text
from comparisons import Table, new_table
from numpy.typing import NDArray
from processes import PEAK, needs_peak, run
from pytest_benchmark.fixture import BenchmarkFixture

from gptool.jpeg_pixels import encode
from gptool.model import PACKET_SIZE, StorageFormat

LEVEL, TILE = 11, 64
MIDDLE = 8 * PACKET_SIZE
"""Where four bundles meet: the row, and the column, around which squares lie."""

FEW, LARGEST = 100, 200
"""Rows, and columns, of the small square; the MiB that no export may take."""

EXPORT = (
    PEAK
    + """
import json, sys, time
import gptool
cache, target, quality = sys.argv[1:]
start = time.perf_counter()
result = gptool.export_tiles(cache, target, compression_quality=int(quality) if quality else None, workers=2)
seconds = time.perf_counter() - start
print(json.dumps({"tiles": result.tiles, "seconds": seconds, "peak": peak_mib()}))
"""
)


class Case(NamedTuple):
    """What is exported: the side of the large square, and that with --benchmark-disable.

    `growth`: the most that its peak may be over that of the small square.
    """

    storage: StorageFormat
    quality: int | None
    side: int = 1000
    side_once: int = 300
    growth: float = 1.1


CASES = {
    "compact V2": Case(StorageFormat.COMPACT_V2, None),
    "compact V2, to q50": Case(StorageFormat.COMPACT_V2, 50),
    "compact V1": Case(StorageFormat.COMPACT, None, side=448),
    "exploded": Case(StorageFormat.EXPLODED, None, side=448, growth=1.25),  # listings of folders fill up first
}

# ---- input ----


def spans(side: int) -> list[tuple[int, range]]:
    """Return where the bundles start that a square meets, and its rows, or columns, within each."""
    first, last = MIDDLE - side // 2, MIDDLE + side // 2
    starts = range(first // PACKET_SIZE * PACKET_SIZE, last, PACKET_SIZE)
    return [(start, range(max(first - start, 0), min(last - start, PACKET_SIZE))) for start in starts]


def link_bundles(folder: Path, side: int, cut: list[bytes], storage: StorageFormat) -> None:
    """Write one bundle of each shape, and link the others to it: a reader does not ask a file where it is from."""
    made: dict[tuple[range, range], Path] = {}
    for (row, rows), (column, columns) in product(spans(side), repeat=2):
        path = bundle_path(folder, LEVEL, row, column)
        path.parent.mkdir(parents=True, exist_ok=True)
        if (rows, columns) not in made:
            tiles = {(i, j): cut[(7 * i + j) % len(cut)] for i, j in product(rows, columns)}
            write_bundle(path, tiles, storage)
            made[rows, columns] = path
        else:
            for file in made[rows, columns].parent.glob(f"{made[rows, columns].stem}.*"):
                os.link(file, path.with_suffix(file.suffix))


def write_bundle(path: Path, tiles: Mapping[tuple[int, int], bytes], storage: StorageFormat) -> None:
    if storage is StorageFormat.COMPACT_V2:
        path.write_bytes(bundle_bytes(tiles))
        return
    data, index = bundle_v1_bytes(tiles)
    path.write_bytes(data)
    path.with_suffix(".bundlx").write_bytes(index)


def link_files(folder: Path, side: int, cut: list[bytes]) -> None:
    """Link each place of an exploded cache to one of the tiles."""
    folder.mkdir(parents=True)
    for i, tile in enumerate(cut):
        (folder.parent / f"{i}.tile").write_bytes(tile)
    places = range(MIDDLE - side // 2, MIDDLE + side // 2)
    for row in places:
        here = folder / f"L{LEVEL:02d}" / f"R{row:08x}"
        here.mkdir(parents=True)
        for column in places:
            os.link(folder.parent / f"{(7 * row + column) % len(cut)}.tile", here / f"C{column:08x}.jpg")


def make_cache(folder: Path, side: int, cut: list[bytes], storage: StorageFormat) -> Path:
    if storage is StorageFormat.EXPLODED:
        link_files(folder / "_alllayers", side, cut)
    else:
        link_bundles(folder / "_alllayers", side, cut, storage)
    return complete(folder, conf_text([LEVEL], tile=TILE, quality=75, storage=storage.value))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where caches and results go: they are too large to be kept."""
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Table:
    title = "peak memory of an export on two threads, MiB"
    return new_table(request.config, title, "source", "tiles", "peak", "tiles", "peak", "s")


# ---- benchmark ----


@needs_peak
@pytest.mark.parametrize("name", CASES)
def bench_memory(
    relief: list[NDArray[np.uint8]], folder: Path, name: str, table: Table, benchmark: BenchmarkFixture
) -> None:
    storage, quality, side, side_once, growth = CASES[name]
    many = side_once if benchmark.disabled else side
    cut = [encode(np.ascontiguousarray(pixels[:TILE, :TILE]), 75) for pixels in relief]

    def export(side: int) -> tuple[float, float]:
        found = run(EXPORT, make_cache(folder / str(side), side, cut, storage), folder / "out.tpkx", quality or "")
        assert found["tiles"] == side**2
        (folder / "out.tpkx").unlink()
        return found["peak"], found["seconds"]

    benchmark.group = "export of many tiles, a process of its own, and making the cache, wall time"
    few_peak, _ = export(FEW)
    peak, seconds = benchmark.pedantic(export, args=(many,), rounds=1)
    table.add(name, f"{FEW**2:,}", f"{few_peak:.0f}", f"{many**2:,}", f"{peak:.0f}", f"{seconds:.1f}")
    assert max(few_peak, peak) < LARGEST
    assert peak < growth * few_peak

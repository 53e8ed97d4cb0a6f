"""Exports of 1,000,000 tiles beside those of 10,000, in processes of their own: time, and the same peak of memory."""

from __future__ import annotations

import os
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from inputs import OWN_QUALITY, QUALITY, Pixels, link_bundles
from processes import PEAK, memory_line, needs_peak, run
from pytest_benchmark.fixture import BenchmarkFixture
from tables import Tables

from gptool.jpeg.pixels import encode
from gptool.model import PACKET_SIZE, StorageFormat
from helpers.bundles import bundle_bytes, bundle_v1_bytes
from helpers.caches import conf_text, write_documents

LEVEL, TILE = 11, 64
MIDDLE = 8 * PACKET_SIZE
"""Where four bundles meet: the row, and the column, around which squares lie."""

FEW, LARGEST = 100, 200
"""Rows, and columns, of the small square; the MiB that no export may reach."""

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
    f"compact V2, to q{QUALITY}": Case(StorageFormat.COMPACT_V2, QUALITY),
    "compact V1": Case(StorageFormat.COMPACT, None, side=448),
    "exploded": Case(StorageFormat.EXPLODED, None, side=448, growth=1.25),  # listings of folders fill up first
}

# ---- input ----


def places_of(side: int) -> range:
    return range(MIDDLE - side // 2, MIDDLE + side // 2)


def write_bundle(path: Path, rows: range, columns: range, *, cut: list[bytes], storage: StorageFormat) -> None:
    tiles = {(row, column): cut[(7 * row + column) % len(cut)] for row, column in product(rows, columns)}
    if storage is StorageFormat.COMPACT_V2:
        path.write_bytes(bundle_bytes(tiles))
        return
    data, index = bundle_v1_bytes(tiles)
    path.write_bytes(data)
    path.with_suffix(".bundlx").write_bytes(index)


def link_files(folder: Path, places: range, cut: list[bytes]) -> None:
    """Link each place of an exploded cache to one of the tiles."""
    folder.mkdir(parents=True)
    for i, tile in enumerate(cut):
        (folder.parent / f"{i}.tile").write_bytes(tile)
    for row in places:
        here = folder / f"L{LEVEL:02d}" / f"R{row:08x}"
        here.mkdir(parents=True)
        for column in places:
            os.link(folder.parent / f"{(7 * row + column) % len(cut)}.tile", here / f"C{column:08x}.jpg")


def make_square(folder: Path, side: int, cut: list[bytes], storage: StorageFormat) -> Path:
    if storage is StorageFormat.EXPLODED:
        link_files(folder / "_alllayers", places_of(side), cut)
    else:
        link_bundles(folder / "_alllayers", LEVEL, places_of(side), partial(write_bundle, cut=cut, storage=storage))
    return write_documents(folder, conf_text([LEVEL], tile=TILE, quality=OWN_QUALITY, storage=storage.value))


# ---- benchmark ----


@needs_peak
@pytest.mark.parametrize("name", CASES)
def bench_memory(
    relief: list[Pixels], folder: Path, once: bool, name: str, tables: Tables, benchmark: BenchmarkFixture
) -> None:
    storage, quality, side, side_once, growth = CASES[name]
    cut = [encode(np.ascontiguousarray(pixels[:TILE, :TILE]), OWN_QUALITY) for pixels in relief]

    def export(side: int) -> dict[str, float]:
        target = folder / "out.tpkx"
        found = run(EXPORT, make_square(folder / str(side), side, cut, storage), target, quality or "")
        assert found["tiles"] == side**2
        target.unlink()
        return found

    benchmark.group = "export of many tiles, a process of its own, and making the cache, wall time"
    few, many = export(FEW), benchmark.pedantic(export, args=(side_once if once else side,), rounds=1)
    limit = min(LARGEST, growth * few["peak"])
    for found, most in ((few, LARGEST), (many, limit)):
        tables.add("export on two threads, a process of its own", memory_line(name, found, most))
    assert few["peak"] < LARGEST
    assert many["peak"] < limit

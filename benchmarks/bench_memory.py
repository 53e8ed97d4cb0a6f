"""Exports of 1,000,000 tiles compared with 10,000, in separate processes: time, and the same peak memory."""

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
"""The row and column at the centre of the squares: a corner of four bundles."""

FEW, MAX_PEAK = 100, 200
"""Side of the small square in tiles; limit of the peak memory of any export in MiB."""

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
    """An export: `side` is that of the large square, `side_once` that with --benchmark-disable.

    `growth` is the limit of its peak memory relative to that of the small square.
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
    "exploded": Case(StorageFormat.EXPLODED, None, side=448, growth=1.25),  # folder listings fill up first
}

# ---- input ----


def centred_range(side: int) -> range:
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
    """Create an exploded cache whose files are links to some tiles."""
    folder.mkdir(parents=True)
    for i, tile in enumerate(cut):
        (folder.parent / f"{i}.tile").write_bytes(tile)
    for row in places:
        row_folder = folder / f"L{LEVEL:02d}" / f"R{row:08x}"
        row_folder.mkdir(parents=True)
        for column in places:
            os.link(folder.parent / f"{(7 * row + column) % len(cut)}.tile", row_folder / f"C{column:08x}.jpg")


def make_square(folder: Path, side: int, cut: list[bytes], storage: StorageFormat) -> Path:
    if storage is StorageFormat.EXPLODED:
        link_files(folder / "_alllayers", centred_range(side), cut)
    else:
        link_bundles(folder / "_alllayers", LEVEL, centred_range(side), partial(write_bundle, cut=cut, storage=storage))
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

    benchmark.group = "export of many tiles in a separate process, including creation of the cache, wall time"
    few, many = export(FEW), benchmark.pedantic(export, args=(side_once if once else side,), rounds=1)
    limit = min(MAX_PEAK, growth * few["peak"])
    for found, maximum in ((few, MAX_PEAK), (many, limit)):
        tables.add("export on two threads, in a separate process", memory_line(name, found, maximum))
    assert few["peak"] < MAX_PEAK
    assert many["peak"] < limit

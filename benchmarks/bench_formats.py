"""Copies of one busy cache into every kind of file, each after one into a .tpkx, in separate processes."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from processes import PEAK, needs_peak, run
from pytest_benchmark.fixture import BenchmarkFixture
from tables import Tables

from gptool.model import PACKET_SIZE
from gptool.output.registry import FILE_KINDS
from helpers.bundles import bundle_bytes, bundle_path
from helpers.caches import conf_text, write_documents

LEVEL, CORNER = 12, 8 * PACKET_SIZE
SIDE, SIDE_ONCE = 448, 48
"""Rows and columns of tiles, also with --benchmark-disable."""

MIN_BYTES, MAX_BYTES = 8_000, 20_000
START = b"\xff\xd8\xff\xe0"
"""The start by which tiles are taken for JPEG; the rest is noise, since tiles that are copied are not decoded."""

ROUNDS, ROUNDS_ONCE = 5, 1
BASELINE = ".tpkx"
MAX_RATIO = 2
"""The time of a kind, as a multiple of that of the baseline."""

EXPORT = (
    PEAK
    + """
import json, sys, time
import gptool
cache, target = sys.argv[1:]
start = time.perf_counter()
result = gptool.export_tiles(cache, target, workers=2)
seconds = time.perf_counter() - start
print(json.dumps({"tiles": result.tiles, "size": result.size, "seconds": seconds, "peak": peak_mib()}))
"""
)


@pytest.fixture(scope="module")
def busy(once: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of one square of different tiles."""
    folder, rng = tmp_path_factory.mktemp("formats") / "busy", np.random.default_rng(1)
    end = CORNER + (SIDE_ONCE if once else SIDE)
    noise = rng.bytes(1 << 24)
    for row in range(CORNER, end, PACKET_SIZE):
        for column in range(CORNER, end, PACKET_SIZE):
            tiles = {}
            for place in np.ndindex(min(end - row, PACKET_SIZE), min(end - column, PACKET_SIZE)):
                first, size = int(rng.integers(len(noise) - MAX_BYTES)), int(rng.integers(MIN_BYTES, MAX_BYTES))
                tiles[place[0], place[1]] = START + noise[first : first + size]
            path = bundle_path(folder / "_alllayers", LEVEL, row, column)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bundle_bytes(tiles))
    yield write_documents(folder, conf_text([LEVEL], tile=256))
    for path in folder.rglob("*.bundle"):
        path.unlink()


@needs_peak
@pytest.mark.parametrize("suffix", [kind.suffix for kind in FILE_KINDS if kind.suffix != BASELINE])
def bench_formats(
    busy: Path, folder: Path, once: bool, suffix: str, tables: Tables, benchmark: BenchmarkFixture
) -> None:
    def export(name: str) -> dict[str, float]:
        target = folder / f"x{name}"
        found = run(EXPORT, busy, target)
        target.unlink()
        return found

    pairs = [(export(BASELINE), export(suffix)) for _ in range(ROUNDS_ONCE if once else ROUNDS)]
    benchmark.group = "copy into a kind of file, in a separate process, wall time"
    benchmark.pedantic(export, args=(suffix,), rounds=1)
    baseline, own = pairs[-1]
    seconds = [statistics.median(each["seconds"] for each in run) for run in zip(*pairs, strict=True)]
    tables.add(
        f"copy of {own['tiles']:,} tiles of {MIN_BYTES:,} to {MAX_BYTES:,} bytes on two threads, in a separate process",
        {
            "what": suffix,
            "s": f"{seconds[1]:.1f}",
            "s of the .tpkx": f"{seconds[0]:.1f}",
            "x time": f"{statistics.median(each['seconds'] / base['seconds'] for base, each in pairs):.2f}",
            "goal": f"<= {MAX_RATIO}",
            "peak, MiB": f"{max(each['peak'] for _, each in pairs):.0f}",
            "peak of the .tpkx": f"{max(each['peak'] for each, _ in pairs):.0f}",
            "bytes %": f"{100 * own['size'] / baseline['size']:.1f}",
        },
    )
    assert own["tiles"] == baseline["tiles"]

"""Each storage as a source: 200,000 tiles copied into a package, in a process of their own; time and peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import CONF, PEAKS, Peak
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from gptool.cache import TileBatch
from gptool.jpeg_pixels import encode
from gptool.model import PACKET_SIZE, BundleAddress, StorageFormat
from gptool.package.bundle import WRITERS

LEVEL = 8
SIDES = {"few": 71, "many": 448}
"""Rows, and columns, of a square of tiles: 5,041 and 200,704 of them."""

MOST_GROWTH = 1.25
"""Peak memory with many tiles, over that with few: batches and listings fill up, then it stays."""

EXPORT = """\
import re, sys
from pathlib import Path
import gptool
result = gptool.export_tiles(sys.argv[1], sys.argv[2], overwrite=True)
# Not getrusage: its peak is that of the process that started this one, when that was larger.
print(result.tiles, re.search(r"VmHWM:\\s+([0-9]+)", Path("/proc/self/status").read_text())[1])
"""


def _write_files(folder: Path, side: int, cut: list[bytes]) -> None:
    """Link each place to one of a few tiles: the disk has better to do."""
    folder.mkdir(parents=True)
    for i, tile in enumerate(cut):
        (folder.parent / f"{i}.tile").write_bytes(tile)
    for row in range(side):
        here = folder / f"L{LEVEL:02d}" / f"R{row:08x}"
        here.mkdir(parents=True)
        for column in range(side):
            os.link(folder.parent / f"{(7 * row + column) % len(cut)}.tile", here / f"C{column:08x}.jpg")


def _write_bundles(folder: Path, side: int, cut: list[bytes], storage: StorageFormat) -> None:
    folder.mkdir(parents=True)
    for row in range(0, side, PACKET_SIZE):
        for column in range(0, side, PACKET_SIZE):
            rows, columns = np.mgrid[row : min(row + PACKET_SIZE, side), column : min(column + PACKET_SIZE, side)]
            positions = (rows % PACKET_SIZE * PACKET_SIZE + columns % PACKET_SIZE).ravel()
            tiles: NDArray[np.int64] = ((7 * rows + columns) % len(cut)).ravel()
            sizes = np.array([len(cut[i]) for i in tiles], np.uint32)
            source = np.frombuffer(b"".join(cut[i] for i in tiles), np.uint8)
            with WRITERS[storage](folder, BundleAddress(LEVEL, row, column), checksums=False) as writer:
                writer.append(TileBatch.contiguous(positions, source, sizes))


@pytest.fixture(scope="module", params=list(StorageFormat), ids=lambda storage: storage.name.lower())
def caches(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, relief: list[NDArray[np.uint8]]
) -> dict[str, Path]:
    """A cache of few tiles, and one of many."""
    storage: StorageFormat = request.param
    cut = [encode(np.ascontiguousarray(pixels[:16, :16]), 75) for pixels in relief]
    made = {name: tmp_path_factory.mktemp(storage.name) / name for name in SIDES}
    for name, folder in made.items():
        if storage is StorageFormat.EXPLODED:
            _write_files(folder / "_alllayers", SIDES[name], cut)
        else:
            _write_bundles(folder / "_alllayers", SIDES[name], cut, storage)
        text = CONF.replace(">256<", ">16<").replace(StorageFormat.COMPACT_V2, storage)
        (folder / "conf.xml").write_text(text, encoding="utf-8")
    return made


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is asked of /proc")
def bench_memory(
    caches: dict[str, Path], tmp_path: Path, benchmark: BenchmarkFixture, request: pytest.FixtureRequest
) -> None:
    def export(name: str) -> int:
        command = [sys.executable, "-P", "-c", EXPORT, caches[name], tmp_path / "out.tpkx"]
        tiles, peak = map(int, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
        assert tiles == SIDES[name] ** 2
        return peak

    benchmark.group = "export of 200,704 tiles as they are, a process of its own, wall time"
    few, many = export("few"), benchmark.pedantic(export, args=("many",), rounds=3)
    seconds = None if benchmark.disabled else benchmark.stats.stats.median
    request.config.stash[PEAKS].append(Peak(request.node.callspec.id, few / 1024, many / 1024, seconds))
    assert many < MOST_GROWTH * few

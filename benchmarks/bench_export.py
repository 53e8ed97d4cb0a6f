"""Exporting a whole cache: with recompression, as it is, and what copying the folder takes."""

from __future__ import annotations

import os
import shutil
import struct
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import QUALITY

import gptool
from gptool.cache.compact import FIRST_TILE, HEADER
from gptool.jpeg_pixels import decode

TILES = 1024
YARDSTICK = "export_tiles, as they are"


def _export(cache: Path, folder: Path, quality: int | None, workers: int) -> Path:
    return gptool.export_tiles(cache, folder / "out.tpkx", compression_quality=quality, workers=workers).path


def _copytree(cache: Path, folder: Path, flush: bool) -> Path:
    target = shutil.copytree(cache, folder / "out")
    if flush:
        for path in [*target.rglob("*"), target, folder]:
            file = os.open(path, os.O_RDONLY)
            os.fsync(file)
            os.close(file)
    return target


METHODS: dict[str, Callable[[Path, Path], Path]] = {
    YARDSTICK: partial(_export, quality=None, workers=1),
    "export_tiles, q50, workers=1": partial(_export, quality=QUALITY, workers=1),
    "export_tiles, q50, workers=2": partial(_export, quality=QUALITY, workers=2),
    "shutil.copytree": partial(_copytree, flush=False),
    "shutil.copytree, flushed to disk": partial(_copytree, flush=True),
}


def _clear(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def _bundles(result: Path) -> list[bytes]:
    if result.is_dir():
        return [path.read_bytes() for path in sorted(result.rglob("*.bundle"))]
    with zipfile.ZipFile(result) as package:
        assert package.testzip() is None
        return [package.read(name) for name in package.namelist() if name.endswith(".bundle")]


def _check(cache: Path, recompressed: bool, result: Path) -> tuple[float, None]:
    """Decode every tile of the result; return its bytes in % of the cache's."""
    sizes, cells = [], 0
    for bundle in _bundles(result):
        index = np.frombuffer(bundle, "<u8", (FIRST_TILE - HEADER.size) // 8, HEADER.size)
        for entry in index[index > 0].tolist():
            offset, size = entry & (1 << 40) - 1, entry >> 40
            assert struct.unpack_from("<I", bundle, offset - 4) == (size,)
            assert decode(bundle[offset : offset + size]).shape == (256, 256, 3)
            cells += 1
        sizes.append(len(bundle))
    assert cells == TILES
    percent = 100 * sum(sizes) / sum(path.stat().st_size for path in cache.rglob("*.bundle"))
    assert percent < 95 if recompressed else percent == pytest.approx(100, abs=1)
    return percent, None


@pytest.mark.benchmark(timer=time.perf_counter)
@pytest.mark.parametrize("name", METHODS)
def bench_export(cache_folder: Path, tmp_path: Path, name: str, measure: Callable[..., None]) -> None:
    measure(
        partial(METHODS[name], cache_folder, tmp_path),
        partial(METHODS[YARDSTICK], cache_folder, tmp_path),
        yardstick_name=YARDSTICK,
        group="export of 1024 tiles at q75, wall time",
        name=name,
        tiles=TILES,
        clock=time.perf_counter,
        check=partial(_check, cache_folder, "q50" in name),
        reset=partial(_clear, tmp_path),
    )

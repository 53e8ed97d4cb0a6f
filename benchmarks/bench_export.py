"""Exports of whole caches with recompression, compared with the core alone on the same tiles in memory."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from inputs import CACHE, QUALITY, Pixels, encode_different, make_rectangle
from numpy.typing import NDArray

import gptool
from gptool import ExportResult, _jpeg
from gptool.model import PACKET_SIZE

THREADS = 2
BASELINE, GOAL = "core, two threads", "<= 1.11"
LEVEL = 8
CASES = "four bundles", "one bundle"
SHAPE, SHAPE_ONCE = (40, 128), (16, 16)
"""Rows and columns, also with --benchmark-disable. All tiles differ, since the core recompresses equal tiles once."""

Batch = tuple[NDArray[np.uint8], NDArray[np.uint64], NDArray[np.uint32]]


class Input(NamedTuple):
    """A cache, the batches of tiles of its bundles, and their total size after recompression by the core."""

    cache: Path
    batches: list[Batch]
    tiles: int
    recompressed: int

    @classmethod
    def read(cls, cache: Path) -> Input:
        batches = list(read_batches(cache))
        return cls(cache, batches, sum(len(sizes) for _, _, sizes in batches), recompress(batches))


def read_batches(folder: Path) -> Iterator[Batch]:
    cache = gptool.open_cache(folder)
    for address in (address for lod in cache.scheme.lods for address in cache.bundles(lod)):
        with cache.open_bundle(address) as bundle:
            for batch in bundle.batches(np.flatnonzero(bundle.sizes)):
                yield np.array(batch.source), np.array(batch.offsets), np.array(batch.sizes)


def recompress(batches: list[Batch]) -> int:
    """Recompress all batches and return the total size of the results."""

    def work(batch: Batch) -> int:
        _, sizes, _ = _jpeg.recompress_batch(*batch, QUALITY)
        return int(sizes.sum())

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(work, batches))


@pytest.fixture(scope="module")
def shape(once: bool) -> tuple[int, int]:
    return SHAPE_ONCE if once else SHAPE


@pytest.fixture(scope="module")
def cut(world: Pixels, shape: tuple[int, int]) -> list[bytes]:
    return encode_different(world, math.prod(shape))


@pytest.fixture(scope="module", params=[*CASES, *([pytest.param(CACHE, id="GPTOOL_BENCH_CACHE")] if CACHE else [])])
def given(
    request: pytest.FixtureRequest,
    cut: list[bytes],
    shape: tuple[int, int],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Input]:
    """A rectangle centred on the corner of four bundles, or within one bundle; or the cache of GPTOOL_BENCH_CACHE."""
    folder = tmp_path_factory.mktemp("export")
    if request.param in CASES:
        starts = [PACKET_SIZE - side // 2 if request.param == "four bundles" else 0 for side in shape]
        rows, columns = (range(start, start + side) for start, side in zip(starts, shape, strict=True))
        yield Input.read(make_rectangle(folder / "relief", LEVEL, rows, columns, cut))
    else:
        yield Input.read(Path(request.param))
    shutil.rmtree(folder)


def check(given: Input, result: ExportResult) -> dict[str, str]:
    """Compare the result with that of the core."""
    assert (result.tiles, result.bytes_written) == (given.tiles, given.recompressed)
    return {"bytes %": f"{100 * result.bytes_written / result.bytes_read:.1f}"}


def bench_export(given: Input, folder: Path, request: pytest.FixtureRequest, measure: Callable[..., None]) -> None:
    target = folder / "out.tpkx"
    measure(
        partial(gptool.export_tiles, given.cache, target, compression_quality=QUALITY, workers=THREADS),
        partial(recompress, given.batches),
        group=f"export of whole caches to q{QUALITY}, two threads, wall time",
        baseline_name=BASELINE,
        name=f".tpkx, {request.node.callspec.id}",
        tiles=given.tiles,
        goal=GOAL,
        check=partial(check, given),
        reset=partial(target.unlink, missing_ok=True),
    )

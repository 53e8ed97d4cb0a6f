"""Lossless optimisation, compared with `jpegtran -optimize` of libjpeg-turbo."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest

from gptool._jpeg import Outcome, recompress
from gptool.demo.relief import draw_shaded_relief
from helpers import jpeg_kinds, jpeg_readers
from helpers.jpeg_outcomes import RECOMPRESSED
from helpers.jpeg_tiles import encode_pillow, encode_turbo, pixels, tj

JPEGTRAN = shutil.which("jpegtran")
MAX_EXCESS = 1.002
"""Bytes in total, by those of jpegtran."""

RELIEF = draw_shaded_relief(256)[:256, :256]
FLAT = np.full((256, 256, 3), (170, 211, 223), np.uint8)
GENERATED = {
    f"{name}, {quality}, {subsampling}": (image, quality, subsampling)
    for name, image in {"relief": RELIEF, "flat": FLAT, "noise": pixels(256, 256)}.items()
    for quality in (40, 75, 90, 95)
    for subsampling in (tj.TJSAMP_420, tj.TJSAMP_444)
}


def check_coefficients(tile: bytes, output: bytes) -> None:
    """Compare tables and coefficients as libjpeg-turbo reads them."""
    before, after = jpeg_readers.read_qtables(tile), jpeg_readers.read_qtables(output)
    assert {slot: steps.tolist() for slot, steps in after.items()} == {
        slot: steps.tolist() for slot, steps in before.items() if slot in after
    }
    planes = zip(jpeg_readers.read_coefficients(tile), jpeg_readers.read_coefficients(output), strict=True)
    for old, new in planes:
        np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize("kind", RECOMPRESSED)
def test_coefficients_of_every_kind_stay(kind: str) -> None:
    tile = jpeg_kinds.tile(kind)
    output, outcome = recompress(tile, None)
    if outcome is not Outcome.OPTIMISED:
        assert (output, outcome) in [(tile, Outcome.KEPT_NOT_SMALLER), (tile, Outcome.KEPT_UNSUPPORTED)]
        return
    assert len(output) < len(tile)
    check_coefficients(tile, output)
    assert recompress(output, None) == (output, Outcome.KEPT_NOT_SMALLER)


def optimise_by_jpegtran(tile: bytes) -> bytes:
    command = [JPEGTRAN or "", "-optimize", "-copy", "none"]
    return subprocess.run(command, input=tile, capture_output=True, check=True).stdout


@pytest.mark.skipif(JPEGTRAN is None, reason="jpegtran (Debian: libjpeg-turbo-progs) is not installed")
def test_tiles_are_as_small_as_those_of_jpegtran() -> None:
    ours = others = 0
    for image, quality, subsampling in GENERATED.values():
        tile = encode_turbo(image, subsampling, quality=quality)
        output, outcome = recompress(tile, None)
        expected = optimise_by_jpegtran(tile)
        assert outcome is Outcome.OPTIMISED
        check_coefficients(expected, output)
        ours, others = ours + len(output), others + len(expected)
    assert ours <= MAX_EXCESS * others


@pytest.mark.parametrize("request_", [None, 100, 85])
def test_metadata_is_dropped(request_: int | None) -> None:
    tile = encode_pillow(pixels(), optimize=True, comment=b"made by a tiler", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0")
    output, outcome = recompress(tile + bytes(100), request_)
    assert outcome is Outcome.OPTIMISED
    assert b"made by" not in output
    assert b"Exif" not in output
    assert output.endswith(b"\xff\xd9")


@pytest.mark.parametrize("size", [16, 256])
def test_progressive_tile_becomes_the_smaller_of_both_forms(size: int) -> None:
    image = RELIEF[:size, :size]
    progressive = encode_pillow(image, progressive=True, comment=bytes(2000))
    baseline = recompress(encode_pillow(image, optimize=True, comment=bytes(2000)), None)[0]
    output, outcome = recompress(progressive, None)
    plain = encode_pillow(image, progressive=True)
    assert outcome is Outcome.OPTIMISED
    assert len(output) == min(len(baseline), len(plain))
    check_coefficients(progressive, output)


@pytest.mark.parametrize("request_", range(0, 101, 5))
def test_lower_request_never_yields_a_larger_tile(request_: int) -> None:
    for quality in (60, 75, 85, 95):
        tile = encode_turbo(RELIEF, quality=quality)
        assert len(recompress(tile, request_)[0]) <= len(recompress(tile, min(request_ + 5, 100))[0])

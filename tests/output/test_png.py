"""PNG whose bytes depend on the pixels alone: other decoders read it, and no compressor is asked."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from gptool.output.png import encode_png

RANDOM = np.random.default_rng(1)
SHAPE = 133, 200, 3
PIXELS = {
    "noise": RANDOM.integers(0, 256, SHAPE).astype(np.uint8),
    "black": np.zeros(SHAPE, np.uint8),
    "one colour": np.full(SHAPE, 201, np.uint8),
    "few colours": (RANDOM.integers(0, 3, (133, 200, 1)) * np.array([100, 50, 1])).astype(np.uint8),
    "gradient": np.add.outer(np.arange(133), np.arange(600)).reshape(SHAPE).astype(np.uint8),
    "one pixel": np.array([[[1, 2, 3]]], np.uint8),
    "long row": np.repeat(RANDOM.integers(0, 256, (1, 9, 3)).astype(np.uint8), 1000, axis=1),
}


def decode(png: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(png)) as image:
        assert image.mode == "RGB"
        image.load()
        return np.asarray(image)


@pytest.mark.parametrize("name", PIXELS)
def test_other_decoders_read_the_pixels(name: str) -> None:
    assert np.array_equal(decode(encode_png(PIXELS[name])), PIXELS[name])


@given(arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 90), st.just(3)), elements=st.integers(0, 255)))
def test_any_pixels_are_read(pixels: NDArray[np.uint8]) -> None:
    assert np.array_equal(decode(encode_png(pixels)), pixels)


def test_code_of_a_steep_distribution_is_limited_to_15_bits() -> None:
    counts = [1, 1]
    while sum(counts) < 40_000:
        counts.append(counts[-1] + counts[-2])
    values = RANDOM.permutation(np.repeat(np.arange(len(counts), dtype=np.uint8) * 11, counts))
    pixels = values[: len(values) // 300 * 300].reshape(-1, 100, 3)
    assert len(counts) > 20
    assert np.array_equal(decode(encode_png(pixels)), pixels)


def test_bytes_are_always_the_same() -> None:
    """The digest is that of the first version: another system, or library, must not change it."""
    digest = hashlib.sha256(encode_png(PIXELS["gradient"])).hexdigest()
    assert digest == "77202d63235b01589742c52b99a4998da28b68512ed993e6428683d7f3c52e80"


@pytest.mark.parametrize(("name", "limit"), [("gradient", 0.2), ("few colours", 4), ("black", 2.0), ("noise", 1.01)])
def test_size_is_about_that_of_a_usual_encoder(name: str, limit: float) -> None:
    file = io.BytesIO()
    Image.fromarray(PIXELS[name]).save(file, "PNG")
    assert len(encode_png(PIXELS[name])) < limit * len(file.getvalue()) + 500


def test_chunks_have_their_lengths_and_checksums() -> None:
    png, names, position = encode_png(PIXELS["noise"]), [], 8
    while position < len(png):
        length, name = struct.unpack_from(">I4s", png, position)
        data = png[position + 4 : position + 8 + length]
        assert struct.unpack_from(">I", png, position + 8 + length) == (zlib.crc32(data),)
        names.append(name)
        position += 12 + length
    assert names == [b"IHDR", b"IDAT", b"IEND"]

"""The structure of PNG and LERC tiles, against Pillow and GDAL."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gptool.png.structure import SIGNATURE, check_png, png_size
from gptool.verification.lerc import check_lerc
from helpers.caches import png_tile

RNG = np.random.default_rng(1)


def encode(mode: str, size: tuple[int, int] = (37, 23), **options: object) -> bytes:
    image = Image.fromarray(RNG.integers(0, 256, (size[1], size[0], 4), np.uint8), "RGBA").convert(mode)
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, colour: int, image: bytes, interlace: int = 0) -> bytes:
    header = struct.pack(">2I5B", width, height, depth, colour, 0, 0, interlace)
    palette = chunk(b"PLTE", bytes(6)) if colour == 3 else b""
    body = chunk(b"IHDR", header) + palette + chunk(b"IDAT", zlib.compress(image)) + chunk(b"IEND", b"")
    return SIGNATURE + body


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_valid_png_passes(mode: str) -> None:
    data = encode(mode) if mode != "I;16" else png(3, 2, 16, 0, bytes(2 * 7))
    assert check_png(data, None) is None
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert png_size(data) == image.size


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (8, 8), (9, 17)])
def test_interlaced_png_passes(size: tuple[int, int]) -> None:
    """Of 8 bits and one channel: each row of each pass has a byte for each pixel, after that of the filter."""
    width, height = size
    grid = np.array(
        [[1, 6, 4, 6, 2, 6, 4, 6], [7] * 8, [5, 6] * 4, [7] * 8, [3, 6, 4, 6] * 2, [7] * 8, [5, 6] * 4, [7] * 8]
    )
    passes = np.tile(grid, (3, 3))[:height, :width]
    length = sum(
        1 + int(np.count_nonzero(row == number)) for number in range(1, 8) for row in passes if (row == number).any()
    )
    data = png(width, height, 8, 0, bytes(length), interlace=1)
    with Image.open(io.BytesIO(data)) as image:
        image.load()
    assert check_png(data, size) is None
    assert check_png(png(width, height, 8, 0, bytes(length + 1), interlace=1), size) is not None


GOOD = png(4, 4, 8, 0, bytes(20))
HEADER, END = chunk(b"IHDR", struct.pack(">2I5B", 4, 4, 8, 0, 0, 0, 0)), chunk(b"IEND", b"")
BAD = {
    "no signature": b"x" + GOOD[1:],
    "truncated": GOOD[:-12],
    "truncated in a chunk": GOOD[:-14],
    "checksum": GOOD[:45] + bytes([GOOD[45] ^ 1]) + GOOD[46:],
    "too few rows": png(4, 4, 8, 0, bytes(15)),
    "too many rows": png(4, 4, 8, 0, bytes(21)),
    "filter": png(4, 4, 8, 0, b"\5" + bytes(19)),
    "depth": png(4, 4, 3, 0, bytes(20)),
    "colour type": png(4, 4, 8, 5, bytes(20)),
    "no palette": GOOD.replace(HEADER, chunk(b"IHDR", struct.pack(">2I5B", 4, 4, 8, 3, 0, 0, 0))),
    "size of 0": png(0, 4, 8, 0, b""),
    "no image": SIGNATURE + HEADER + END,
    "corrupt deflate": SIGNATURE + HEADER + chunk(b"IDAT", b"x\x9cgarbage") + END,
    "IHDR is not first": SIGNATURE + chunk(b"IDAT", b"") + GOOD[8:],
    "unknown critical chunk": GOOD[:-12] + chunk(b"ABCD", b"") + END,
    "bomb": png(30_000, 30_000, 16, 6, bytes(100)),
}


@pytest.mark.parametrize("data", BAD.values(), ids=list(BAD))
def test_invalid_png_is_found(data: bytes) -> None:
    assert check_png(data, None) is not None


def test_png_of_another_size_is_left_to_another_rule() -> None:
    assert check_png(GOOD, (5, 5)) is None


@given(st.data())
def test_mutated_png_that_passes_is_one_that_pillow_reads(data: st.DataObject) -> None:
    mutated = bytearray(png_tile(3))
    for _ in range(data.draw(st.integers(1, 3))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(mutated)))
    for candidate in (bytes(mutated), bytes(mutated[:cut])):
        if check_png(candidate, None) is None:
            with Image.open(io.BytesIO(candidate)) as image:
                image.load()


@given(st.binary(max_size=300))
def test_any_bytes_are_judged(data: bytes) -> None:
    for start in (b"", SIGNATURE, b"Lerc2 ", b"CntZImage "):
        check_png(start + data, None)
        check_lerc(start + data)


@pytest.fixture(scope="module", params=["V1=YES", ""], ids=["LERC 1", "LERC 2"])
def lerc(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A LERC blob of 64 x 64 values that GDAL's MRF driver wrote."""
    path = tmp_path_factory.mktemp("lerc") / "x.mrf"
    values = (100 * np.sin(np.mgrid[:64, :64].sum(axis=0) / 9)).astype(np.float32)
    options = {"COMPRESS": "LERC", "BLOCKSIZE": 64}
    if request.param:
        options["OPTIONS"] = request.param
    with rasterio.open(path, "w", "MRF", 64, 64, 1, dtype="float32", **options) as target:
        target.write(values, 1)
    return _blob(path)


def _blob(path: Path) -> bytes:
    data = path.with_suffix(".lrc").read_bytes()
    starts = [at for at in (data.find(b"Lerc2 "), data.find(b"CntZImage ")) if at >= 0]
    return data[min(starts) :]


def test_lerc_of_gdal_passes(lerc: bytes) -> None:
    assert check_lerc(lerc) == (None, (64, 64))
    assert check_lerc(lerc + lerc) == (None, (64, 64))


def test_truncated_lerc_is_found(lerc: bytes) -> None:
    whole = lerc[:-3]  # GDAL leaves bytes behind it
    for end in (10, 20, 40, len(lerc) // 2, len(whole) - 1):
        assert check_lerc(whole[:end])[0] is not None
    assert check_lerc(whole) == (None, (64, 64))
    assert check_lerc(whole + whole[:-1])[0] is not None


def lerc_2(values: bytes, *, version: int = 4) -> bytes:
    """Return a LERC 2 blob of 8 x 8 pixels with a checksum, added up byte by byte as the reference decoder does."""
    size = 14 + 28 + len(values)
    body = struct.pack("<7i", 8, 8, 1, 64, 8, size, 6) + values
    first = second = 0xFFFF
    for at in range(0, len(body), 2):
        first += int.from_bytes(body[at : at + 2].ljust(2, b"\0"))
        second += first
    first, second = ((total - 1) % 0xFFFF + 1 for total in (first, second))
    return b"Lerc2 " + struct.pack("<iI", version, second << 16 | first) + body


@given(st.binary(max_size=99))
def test_checksum_of_lerc_2(values: bytes) -> None:
    tile = lerc_2(values)
    assert check_lerc(tile) == (None, (8, 8))
    changed = tile[:-1] + bytes([tile[-1] ^ 1])
    assert check_lerc(changed)[0] is not None

"""PNG tiles that are optimised without loss: Pillow and GDAL find the same pixels."""

from __future__ import annotations

import io
import struct
import sys
import zlib

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from gptool._jpeg import Outcome
from gptool.errors import ParameterError
from gptool.png.optimisation import MAX_IMAGE_BYTES, optimise_png, require_oxipng
from gptool.png.structure import SIGNATURE, declared_bytes
from helpers.caches import loose_png_tile

SIZE = 64


def draw(mode: str) -> Image.Image:
    """Return an image that PNG's filters help with: a gradient and some rectangles."""
    y, x = np.mgrid[:SIZE, :SIZE]
    pixels = np.stack([3 * x, 2 * y, x + y, np.where(x > 40, 0, 200)], axis=2).astype(np.uint8)
    pixels[10:20, 10:30, :3] = (200, 10, 10)
    return Image.fromarray(pixels, "RGBA").convert(mode)


def encode(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1, **options)
    return file.getvalue()


def decode(tile: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(tile), formats=["PNG"]) as image:
        return np.asarray(image.convert("RGBA"))


def gdal_bands(tile: bytes) -> tuple[NDArray[np.uint8], list[str], object]:
    """Return the samples, the meanings of the bands, and the palette that GDAL reads."""
    with rasterio.MemoryFile(tile) as file, file.open() as image:
        is_indexed = image.colorinterp[0].name == "palette"
        return image.read(), [band.name for band in image.colorinterp], is_indexed and image.colormap(1)


def chunks(tile: bytes) -> dict[bytes, bytes]:
    found, at = {}, len(SIGNATURE)
    while at < len(tile):
        length, kind = struct.unpack_from(">I4s", tile, at)
        found[kind] = tile[at + 8 : at + 8 + length]
        at += 12 + length
    return found


def replace_chunk(tile: bytes, kind: bytes, data: bytes) -> bytes:
    """Return a PNG with other data in a chunk, whose checksum is right."""
    start = tile.index(kind) - 4
    end = start + 12 + int.from_bytes(tile[start : start + 4])
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return tile[:start] + chunk + tile[end:]


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_pixels_and_type_stay(mode: str) -> None:
    tile = encode(draw(mode))
    optimised, outcome, damage = optimise_png(tile)
    assert (outcome, damage) == (Outcome.OPTIMISED, None)
    assert len(optimised) < len(tile)
    assert chunks(optimised)[b"IHDR"] == chunks(tile)[b"IHDR"]
    assert chunks(optimised).get(b"PLTE") == chunks(tile).get(b"PLTE")
    assert (decode(optimised) == decode(tile)).all()
    for before, after in zip(gdal_bands(tile), gdal_bands(optimised), strict=True):
        assert np.array_equal(before, after)


def test_colours_of_transparent_pixels_stay() -> None:
    tile = encode(draw("RGBA"))
    is_transparent = decode(tile)[..., 3] == 0
    assert is_transparent.any()
    assert decode(tile)[is_transparent].any()
    assert (decode(optimise_png(tile).tile)[is_transparent] == decode(tile)[is_transparent]).all()


def test_interlaced_tiles_become_ordinary_ones() -> None:
    rng = np.random.default_rng(3)
    rows = b"".join(
        b"\0" + rng.integers(0, 4, length, np.uint8).tobytes() for length in (1, 1, 2, 2, 2, *[4] * 6, *[8] * 4)
    )
    header = struct.pack(">2I5B", 8, 8, 8, 0, 0, 0, 1)
    tile = replace_chunk(replace_chunk(encode(draw("L")), b"IHDR", header), b"IDAT", zlib.compress(rows, 0))
    optimised = optimise_png(tile)
    assert optimised.outcome is Outcome.OPTIMISED
    assert (decode(optimised.tile) == decode(tile)).all()
    assert chunks(optimised.tile)[b"IHDR"] == header[:-1] + b"\0"


def test_texts_are_dropped_and_colours_kept() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "a cartographer")
    info.add_itxt("Title", "a map")
    info.add(b"gAMA", struct.pack(">I", 45455))
    info.add(b"sRGB", b"\0")
    tile = encode(draw("RGB"), pnginfo=info, dpi=(96, 96), transparency=(200, 10, 10))
    before, after = chunks(tile), chunks(optimise_png(tile).tile)
    assert {b"tEXt", b"iTXt"} <= before.keys()
    assert after.keys() == before.keys() - {b"tEXt", b"iTXt"}
    for kind in (b"gAMA", b"sRGB", b"pHYs", b"tRNS"):
        assert after[kind] == before[kind]


def test_an_optimised_tile_is_kept() -> None:
    optimised = optimise_png(encode(draw("RGB"))).tile
    assert optimise_png(optimised) == (optimised, Outcome.KEPT_NOT_SMALLER, None)


TILE = encode(draw("RGB"))
DAMAGED = {
    "checksum": TILE[:60] + bytes([TILE[60] ^ 1]) + TILE[61:],
    "image data": replace_chunk(TILE, b"IDAT", zlib.compress(bytes(100))),
    "deflate": replace_chunk(TILE, b"IDAT", b"x\x9cgarbage"),
    "header": replace_chunk(TILE, b"IHDR", struct.pack(">2I5B", SIZE, SIZE, 8, 5, 0, 0, 0)),
    "signature only": SIGNATURE,
}
REASONS = "CRC mismatch", "of 100 bytes", "corrupt", "IHDR is invalid", "truncated"


@pytest.mark.parametrize(("tile", "reason"), list(zip(DAMAGED.values(), REASONS, strict=True)), ids=list(DAMAGED))
def test_damaged_tiles_are_kept(tile: bytes, reason: str) -> None:
    found = optimise_png(tile)
    assert (found.tile, found.outcome) == (tile, Outcome.DAMAGED)
    assert found.damage is not None
    assert reason in found.damage


def test_large_images_are_kept_without_being_decompressed() -> None:
    """The image data, of which a few bytes are there, would take 16 GiB."""
    header = struct.pack(">2I5B", 46_000, 46_000, 16, 6, 0, 0, 0)
    tile = replace_chunk(replace_chunk(TILE, b"IHDR", header), b"IDAT", zlib.compress(bytes(1000)))
    assert optimise_png(tile) == (tile, Outcome.KEPT_UNSUPPORTED, None)


@pytest.mark.parametrize(("rows", "is_small"), [(2048, True), (2049, False)])
def test_largest_image(rows: int, is_small: bool) -> None:
    size = declared_bytes(replace_chunk(TILE, b"IHDR", struct.pack(">2I5B", 2048, rows, 8, 6, 0, 0, 0)))
    assert size is not None
    assert (size <= MAX_IMAGE_BYTES) == is_small


@given(st.binary(max_size=200), st.integers(0, len(TILE)), st.integers(0, 40))
def test_any_bytes_have_an_outcome(data: bytes, at: int, skipped: int) -> None:
    tile = SIGNATURE + (TILE[:at] + data + TILE[at + skipped :])[len(SIGNATURE) :]
    found = optimise_png(tile)
    if found.outcome is Outcome.OPTIMISED:
        assert (decode(found.tile) == decode(tile)).all()
    else:
        assert found.tile == tile
        assert (found.damage is None) == (found.outcome is not Outcome.DAMAGED)


def test_small_tiles_that_are_equal_are_optimised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tile = loose_png_tile(77, 32)
    first = optimise_png(tile)
    monkeypatch.setitem(sys.modules, "oxipng", None)  # an import of it would fail now
    again = optimise_png(bytes(bytearray(tile)))
    assert first == again
    assert first.outcome is Outcome.OPTIMISED


@pytest.mark.parametrize("cause", ["module", "package"])
def test_missing_package_is_named(cause: str, monkeypatch: pytest.MonkeyPatch) -> None:
    require_oxipng()
    if cause == "module":
        monkeypatch.setitem(sys.modules, "oxipng", None)
    else:
        monkeypatch.setattr("gptool.png.optimisation.PACKAGE", "oxipng-of-somebody-else")
    expected = r"^optimizePng: oxipng.* is not installed; expected pip install 'gptool-export-tiles\[png\]'$"
    with pytest.raises(ParameterError, match=expected):
        require_oxipng()

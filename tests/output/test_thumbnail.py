"""Thumbnails of packages."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from gptool import export_tiles
from helpers.caches import conf_text, jpeg_tile, make_cache, png_tile


def thumbnail(cache: Path, output: Path, **request: str) -> Image.Image:
    """Export to a .tpkx and return its thumbnail."""
    with zipfile.ZipFile(export_tiles(cache, output, **request).path) as package:  # type: ignore[arg-type]
        image = Image.open(io.BytesIO(package.read("thumbnail.png")))
    assert (image.format, image.mode, image.size) == ("PNG", "RGB", (200, 133))
    return image


def test_thumbnail_shows_the_tiles(tmp_path: Path) -> None:
    red, blue = (_plain(colour) for colour in ((255, 0, 0), (0, 0, 255)))
    tiles = {(3, row, column): red if column < 4 else blue for row in range(8) for column in range(8)}
    image = thumbnail(make_cache(tmp_path / "cache", tiles), tmp_path / "x.tpkx")
    assert np.allclose(image.getpixel((20, 60)), (255, 0, 0), atol=6)
    assert np.allclose(image.getpixel((180, 60)), (0, 0, 255), atol=6)


def test_thumbnail_of_a_deep_level(cache: Path, tmp_path: Path) -> None:
    assert len(thumbnail(cache, tmp_path / "x.tpkx", levels="8").getcolors(30000) or []) > 1000


def test_thumbnail_of_png_and_damaged_tiles(tmp_path: Path) -> None:
    tiles = {
        (1, 0, 0): png_tile(1),
        (1, 0, 1): jpeg_tile(1)[:-300],
        (1, 1, 0): bytes(9),
        (1, 1, 1): png_tile(2)[:99],
    }
    thumbnail(make_cache(tmp_path / "cache", tiles, conf=conf_text(format="MIXED")), tmp_path / "x.tpkx")


def test_tile_that_makes_the_decoder_fail_stays_blank(tmp_path: Path) -> None:
    """An empty gAMA chunk makes Pillow raise struct.error."""
    chunk = b"\0\0\0\0gAMA" + struct.pack(">I", zlib.crc32(b"gAMA"))
    tile = png_tile(1)[:-12] + chunk + png_tile(1)[-12:]
    cache = make_cache(tmp_path / "cache", {(0, 0, 0): tile}, conf=conf_text(format="PNG"))
    thumbnail(cache, tmp_path / "x.tpkx")


def test_tile_that_declares_too_many_pixels_stays_blank(tmp_path: Path) -> None:
    """10,000 x 10,000 pixels, declared in a few bytes, are not decoded."""
    chunk = b"IHDR" + struct.pack(">2I5B", 10_000, 10_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n\0\0\0\r" + chunk + struct.pack(">I", zlib.crc32(chunk))
    bomb += b"\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82"
    cache = make_cache(tmp_path / "cache", {(0, 0, 0): bomb}, conf=conf_text(format="PNG"))
    assert len(thumbnail(cache, tmp_path / "x.tpkx").getcolors() or []) == 1


def _plain(colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(file, "JPEG", quality=95)
    return file.getvalue()

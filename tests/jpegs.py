"""Small JPEG tiles of every kind, made in code, and two ways of looking into a tile that share nothing with gptool."""

import ctypes
import io
import os
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import turbojpeg as tj
from numpy.typing import NDArray
from PIL import Image

APP0, APP2, APP14 = 0xE0, 0xE2, 0xEE
DHT, DQT, SOS = 0xC4, 0xDB, 0xDA
SOF3, SOF9 = 0xC3, 0xC9
SOFS = (0xC0, 0xC1, 0xC2, SOF3, SOF9, 0xCA)

ICC = bytes(range(256)) * 2
"""Not a profile; but nobody who copies one looks inside."""

QUALITY = 85
"""Of every kind."""


def pixels(height: int = 64, width: int = 64, seed: int = 0) -> NDArray[np.uint8]:
    """Return hills, and some grass on them: RGB, far enough from black and white that no decoder has to clip."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width][..., None] / 64
    hills = sum(np.sin(random.uniform(1, 9, 3) * x + random.uniform(1, 9, 3) * y + 6 * random.random()) for _ in "abc")
    return (128 + 25 * hills + random.normal(0, 12, (height, width, 3))).clip(0, 255).astype(np.uint8)


def turbo(image: NDArray[np.uint8], subsampling: int = tj.TJSAMP_420, quality: int = QUALITY, flags: int = 0) -> bytes:
    """Encode with PyTurboJPEG, which knows every subsampling."""
    return tj.TurboJPEG().encode(image, quality, tj.TJPF_RGB, subsampling, flags)


def pillow(image: NDArray[np.uint8], mode: str = "RGB", **options: Any) -> bytes:
    """Encode with Pillow, which knows everything else."""
    file = io.BytesIO()
    Image.fromarray(image).convert(mode).save(file, "JPEG", **{"quality": QUALITY, **options})
    return file.getvalue()


def arithmetic(image: NDArray[np.uint8]) -> bytes | None:
    """Encode with arithmetic instead of Huffman coding; None where libjpeg-turbo was built without."""
    os.environ["TJ_ARITHMETIC"] = "1"
    try:
        tile = turbo(image)
    except OSError:
        return None
    finally:
        del os.environ["TJ_ARITHMETIC"]
    return tile if SOF9 in dict(segments(tile)) else None


# ---- surgery ----


def segments(tile: bytes) -> list[tuple[int, bytes]]:
    """Return marker and payload of each segment; the last one's payload is all that follows the SOS marker."""
    found, at = [], 2
    while tile[at + 1] != SOS:
        end = at + 2 + int.from_bytes(tile[at + 2 : at + 4])
        found.append((tile[at + 1], tile[at + 4 : end]))
        at = end
    return [*found, (SOS, tile[at + 2 :])]


def segment(marker: int, payload: bytes) -> bytes:
    length = b"" if marker == SOS else (len(payload) + 2).to_bytes(2)
    return bytes([0xFF, marker]) + length + payload


def edited(tile: bytes, edit: Callable[[int, bytes], tuple[int, bytes] | None]) -> bytes:
    """Return the tile with each segment as `edit` gives it back, and without those it gives None for."""
    kept = [new for part in segments(tile) if (new := edit(*part)) is not None]
    return b"\xff\xd8" + b"".join(segment(*part) for part in kept)


def without(tile: bytes, marker: int) -> bytes:
    return edited(tile, lambda found, payload: None if found == marker else (found, payload))


def with_frame(tile: bytes, at: int, new: bytes, marker: int | None = None) -> bytes:
    """Write bytes over the frame header: 0 precision, 1 height, 3 width, 5 components; and maybe another SOF marker."""

    def edit(found: int, payload: bytes) -> tuple[int, bytes]:
        return (marker or found, payload[:at] + new + payload[at + len(new) :]) if found in SOFS else (found, payload)

    return edited(tile, edit)


def with_wide_tables(tile: bytes) -> bytes:
    """Write each quantiser in 16 bits, and the last of each table, which matters least, as 300."""

    def edit(found: int, payload: bytes) -> tuple[int, bytes]:
        if found == DQT:
            tables = [payload[at : at + 65] for at in range(0, len(payload), 65)]
            wide = [np.array([*table[1:-1], 300], ">u2").tobytes() for table in tables]
            payload = b"".join(bytes([0x10 | table[0]]) + steps for table, steps in zip(tables, wide, strict=True))
        return found, payload

    return edited(tile, edit)


# ---- looking inside ----


def tables(tile: bytes) -> dict[int, NDArray[np.int64]]:
    """Return the quantisation tables by slot, natural order, as Pillow reads them."""
    with Image.open(io.BytesIO(tile)) as image:
        return {slot: np.array(table) for slot, table in image.quantization.items()}


def slots(tile: bytes) -> list[int]:
    """Return the table slot of each component."""
    frame = next(payload for marker, payload in segments(tile) if marker in SOFS)
    return list(frame[8::3])


def levels(tile: bytes) -> list[NDArray[np.int64]]:
    """Return the quantised DCT coefficients of each component, (blocks down, blocks across, 64), natural order.

    TurboJPEG's transform shows them to a filter, a row of blocks at a time.
    """
    rows: dict[int, list[NDArray[np.int64]]] = {}

    def look(coefficients: Any, array: Any, plane: Any, component: int, _index: int, _transform: int) -> int:
        row = np.ctypeslib.as_array(coefficients, (array.h // 8, array.w // 8, 64)).astype(np.int64)
        if array.y < plane.h:  # rows that only fill up the last MCU come too
            rows.setdefault(component, []).append(row)
        return 0

    library = _turbojpeg()
    transform = tj.TransformStruct(op=tj.TJXOP_NONE, customFilter=tj.CUSTOMFILTER(look))
    handle, result, size = library.tjInitTransform(), ctypes.c_void_p(), ctypes.c_ulong()
    try:
        arguments = (ctypes.byref(result), ctypes.byref(size), ctypes.byref(transform))
        failed = library.tjTransform(handle, tile, ctypes.c_ulong(len(tile)), 1, *arguments, 0)
    finally:
        library.tjFree(result)
        library.tjDestroy(handle)
    assert not failed
    return [np.concatenate(rows[component]) for component in sorted(rows)]


@cache
def _turbojpeg() -> ctypes.CDLL:
    paths = [tj.find_library("turbojpeg"), *(path for paths in tj.DEFAULT_LIB_PATHS.values() for path in paths)]
    library = ctypes.CDLL(next(path for path in paths if path and (os.sep not in path or Path(path).exists())))
    library.tjInitTransform.restype = ctypes.c_void_p
    library.tjDestroy.argtypes = library.tjFree.argtypes = [ctypes.c_void_p]
    library.tjTransform.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    return library


# ---- every kind ----

KINDS: dict[str, Callable[[], bytes]] = {
    "4:2:0": lambda: turbo(pixels(), tj.TJSAMP_420),
    "4:2:2": lambda: turbo(pixels(), tj.TJSAMP_422),
    "4:4:4": lambda: turbo(pixels(), tj.TJSAMP_444),
    "4:4:0": lambda: turbo(pixels(), tj.TJSAMP_440),
    "4:1:1": lambda: turbo(pixels(), tj.TJSAMP_411),
    "grayscale": lambda: turbo(pixels(), tj.TJSAMP_GRAY),
    "grayscale, sampled 2 x 2": lambda: with_frame(turbo(pixels(), tj.TJSAMP_GRAY), 7, b"\x22"),
    "CMYK": lambda: pillow(pixels(), "CMYK"),
    "RGB": lambda: pillow(pixels(), keep_rgb=True),
    "progressive": lambda: pillow(pixels(), progressive=True),
    "restart markers": lambda: pillow(pixels(), restart_marker_blocks=2),
    "optimised": lambda: pillow(pixels(), optimize=True),
    "standard Huffman tables left out": lambda: without(turbo(pixels()), DHT),
    "1 x 1": lambda: turbo(pixels(1, 1)),
    "1 x 1, optimised": lambda: pillow(pixels(1, 1), "L", optimize=True),
    "17 x 33": lambda: turbo(pixels(33, 17)),
    "512 x 512": lambda: turbo(pixels(512, 512)),
    "ICC profile": lambda: pillow(pixels(), icc_profile=ICC),
    "EXIF": lambda: pillow(pixels(), exif=b"Exif\0\0II*\0\x08\0\0\0" + bytes(6)),
    "comment": lambda: pillow(pixels(), comment=b"grass"),
    "without JFIF marker": lambda: without(turbo(pixels()), APP0),
    "bytes after the end": lambda: turbo(pixels()) + b"after the end",
    "two images": lambda: turbo(pixels()) + turbo(pixels(seed=1)),
    "one table for all": lambda: pillow(pixels(), qtables=[[4 + i // 2 for i in range(64)]], quality=-1),
    "16-bit tables": lambda: with_wide_tables(turbo(pixels())),
    "without tables": lambda: without(turbo(pixels()), DQT),
    "12 bits": lambda: with_frame(turbo(pixels()), 0, b"\x0c"),
    "lossless": lambda: with_frame(turbo(pixels()), 0, b"", SOF3),
    "truncated": lambda: turbo(pixels())[:-200],
    "8192 x 8192 promised": lambda: with_frame(turbo(pixels()), 1, b"\x20\x00\x20\x00"),
    "65500 x 65500 promised": lambda: with_frame(turbo(pixels()), 1, b"\xff\xdc\xff\xdc"),
    "PNG": lambda: b"\x89PNG\r\n\x1a\n" + bytes(80) + b"IEND\xae\x42\x60\x82",
    "no image": lambda: b"no image",
    "nothing": lambda: b"",
}
if found := arithmetic(pixels()):
    KINDS["arithmetic"] = partial(bytes, found)


@cache
def tile(kind: str) -> bytes:
    """Return the tile of one kind."""
    return KINDS[kind]()

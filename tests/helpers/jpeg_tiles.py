"""JPEG tiles as encoders write them, and edits of their marker segments."""

import io
import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import turbojpeg as tj
from numpy.typing import NDArray
from PIL import Image

from gptool.jpeg.pixels import SHIPPED

TURBO = tj.TurboJPEG(next(map(str, SHIPPED.glob("*turbojpeg.*")), None))
"""libjpeg-turbo: the one that the wheel brings, or that of the system."""

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
APP0, APP1, APP2, APP14 = 0xE0, 0xE1, 0xE2, 0xEE
DHT, SOS, DQT, DNL, DRI, DHP = 0xC4, 0xDA, 0xDB, 0xDC, 0xDD, 0xDE
SOF3, SOF9, SOF10 = 0xC3, 0xC9, 0xCA
SOFS = (0xC0, 0xC1, 0xC2, SOF3, SOF9, SOF10)

QUALITY = 85
"""The quality of a tile by default."""


def pixels(height: int = 64, width: int = 64, seed: int = 0) -> NDArray[np.uint8]:
    """Return an RGB image of smooth hills and noise, far enough from black and white that no decoder has to clip."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width][..., None] / 64
    hills = sum(np.sin(random.uniform(1, 9, 3) * x + random.uniform(1, 9, 3) * y + 6 * random.random()) for _ in "abc")
    image: NDArray[np.float64] = 128 + 25 * hills + random.normal(0, 12, (height, width, 3))
    return image.clip(0, 255).astype(np.uint8)


def encode_turbo(
    image: NDArray[np.uint8], subsampling: int = tj.TJSAMP_420, quality: int = QUALITY, flags: int = 0
) -> bytes:
    """Encode with PyTurboJPEG, which supports every subsampling."""
    tile: bytes = TURBO.encode(image, quality, tj.TJPF_RGB, subsampling, flags)
    return tile


def encode_pillow(
    image: NDArray[np.uint8] | Image.Image, mode: str = "RGB", format: str = "JPEG", **options: Any
) -> bytes:
    """Encode with Pillow, which supports all other options."""
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image).convert(mode)
    image.save(file, format, **{"quality": QUALITY, **options})
    return file.getvalue()


def four_channels(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image of four channels, of which the last repeats the first."""
    return np.dstack([image, image[..., :1]])


def encode_cmyk(image: NDArray[np.uint8]) -> bytes:
    return encode_pillow(Image.merge("CMYK", Image.fromarray(four_channels(image)).split()))


def encode_ycck(image: NDArray[np.uint8]) -> bytes:
    """Encode CMYK with the first three channels as YCbCr."""
    tile: bytes = TURBO.encode(four_channels(image), QUALITY, tj.TJPF_CMYK, tj.TJSAMP_444)
    return tile


def encode_arithmetic(image: NDArray[np.uint8], subsampling: int = tj.TJSAMP_420, flags: int = 0) -> bytes | None:
    """Encode with arithmetic instead of Huffman coding; return None if libjpeg-turbo was built without it."""
    os.environ["TJ_ARITHMETIC"] = "1"
    try:
        tile = encode_turbo(image, subsampling, flags=flags)
    except OSError:
        return None
    finally:
        del os.environ["TJ_ARITHMETIC"]
    return tile if {SOF9, SOF10} & dict(read_segments(tile)).keys() else None


# ---- marker segments ----


def read_segments(tile: bytes) -> list[tuple[int, bytes]]:
    """Return marker and payload of each segment; the last payload is everything after the first SOS marker."""
    found, at = [], 2
    while tile[at + 1] != SOS:
        if tile[at + 1] == 0xFF:  # a fill byte
            at += 1
            continue
        end = at + 2 + int.from_bytes(tile[at + 2 : at + 4])
        found.append((tile[at + 1], tile[at + 4 : end]))
        at = end
    return [*found, (SOS, tile[at + 2 :])]


def segment(marker: int, payload: bytes) -> bytes:
    length = b"" if marker == SOS else (len(payload) + 2).to_bytes(2)
    return bytes([0xFF, marker]) + length + payload


def join_segments(parts: Iterable[tuple[int, bytes]], fill: bytes = b"") -> bytes:
    """Return a tile of these segments, each with fill bytes before its marker."""
    return SOI + b"".join(fill + segment(*part) for part in parts)


def edit_segments(tile: bytes, edit: Callable[[int, bytes], tuple[int, bytes] | None]) -> bytes:
    """Return the tile with each segment replaced by the result of `edit`, or removed if that is None."""
    return join_segments(new for part in read_segments(tile) if (new := edit(*part)) is not None)


def without_segments(tile: bytes, *markers: int) -> bytes:
    return edit_segments(tile, lambda found, payload: None if found in markers else (found, payload))


def with_payload(tile: bytes, marker: int, edit: Callable[[bytes], bytes]) -> bytes:
    return edit_segments(tile, lambda found, payload: (found, edit(payload) if found == marker else payload))


def with_leading_segments(tile: bytes, *parts: tuple[int, bytes]) -> bytes:
    """Insert segments where applications write theirs: after the JFIF segment, or first if there is none."""
    found = read_segments(tile)
    at = int(found[0][0] == APP0)
    return join_segments([*found[:at], *parts, *found[at:]])


def with_frame(tile: bytes, at: int, new: bytes, marker: int | None = None) -> bytes:
    """Overwrite the frame header (0 precision, 1 height, 3 width, 5 components) and optionally the SOF marker."""

    def edit(found: int, payload: bytes) -> tuple[int, bytes]:
        return (marker or found, payload[:at] + new + payload[at + len(new) :]) if found in SOFS else (found, payload)

    return edit_segments(tile, edit)


def with_wide_tables(tile: bytes, last: int) -> bytes:
    """Write quantisation steps in 16 bits, and the last step of each table, which matters least, as `last`."""

    def edit(payload: bytes) -> bytes:
        tables = [payload[at : at + 65] for at in range(0, len(payload), 65)]
        wide = [np.array([*table[1:-1], last], ">u2").tobytes() for table in tables]
        return b"".join(bytes([0x10 | table[0]]) + steps for table, steps in zip(tables, wide, strict=True))

    return with_payload(tile, DQT, edit)


def with_table_per_component(tile: bytes) -> bytes:
    """Give the third component its own table, whose last step is finer than in the second component's."""
    *_, table = [payload for marker, payload in read_segments(tile) if marker == DQT]
    tile = with_leading_segments(tile, (DQT, b"\2" + table[1:-1] + bytes([table[-1] - 1])))
    return with_frame(tile, 14, b"\2")


def with_merged_tables(tile: bytes) -> bytes:
    """Put all quantisation tables into one segment, and all Huffman tables into another."""
    parts = read_segments(without_segments(tile, DQT, DHT))
    merged = [(each, b"".join(data for marker, data in read_segments(tile) if marker == each)) for each in (DQT, DHT)]
    return join_segments([*parts[:-1], *merged, parts[-1]])


def with_icc_in_parts(tile: bytes, profile: bytes, parts: int) -> bytes:
    chunks = np.array_split(np.frombuffer(profile, np.uint8), parts)
    heads = [b"ICC_PROFILE\0" + bytes([number, parts]) for number in range(1, parts + 1)]
    return with_leading_segments(
        tile, *[(APP2, head + chunk.tobytes()) for head, chunk in zip(heads, chunks, strict=True)]
    )

"""JPEG tiles as encoders make them, and surgery on their segments."""

import io
import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import turbojpeg as tj
from numpy.typing import NDArray
from PIL import Image

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
APP0, APP1, APP2, APP14 = 0xE0, 0xE1, 0xE2, 0xEE
DHT, SOS, DQT, DNL, DRI, DHP = 0xC4, 0xDA, 0xDB, 0xDC, 0xDD, 0xDE
SOF3, SOF9, SOF10 = 0xC3, 0xC9, 0xCA
SOFS = (0xC0, 0xC1, 0xC2, SOF3, SOF9, SOF10)

QUALITY = 85
"""Of every tile that does not say another."""


def pixels(height: int = 64, width: int = 64, seed: int = 0) -> NDArray[np.uint8]:
    """Return hills, and some grass on them: RGB, far enough from black and white that no decoder has to clip."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width][..., None] / 64
    hills = sum(np.sin(random.uniform(1, 9, 3) * x + random.uniform(1, 9, 3) * y + 6 * random.random()) for _ in "abc")
    return (128 + 25 * hills + random.normal(0, 12, (height, width, 3))).clip(0, 255).astype(np.uint8)


def turbo(image: NDArray[np.uint8], subsampling: int = tj.TJSAMP_420, quality: int = QUALITY, flags: int = 0) -> bytes:
    """Encode with PyTurboJPEG, which knows every subsampling."""
    return tj.TurboJPEG().encode(image, quality, tj.TJPF_RGB, subsampling, flags)


def pillow(image: NDArray[np.uint8] | Image.Image, mode: str = "RGB", format: str = "JPEG", **options: Any) -> bytes:
    """Encode with Pillow, which knows everything else."""
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image).convert(mode)
    image.save(file, format, **{"quality": QUALITY, **options})
    return file.getvalue()


def inks(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image of four inks, the last like the first."""
    return np.dstack([image, image[..., :1]])


def cmyk(image: NDArray[np.uint8]) -> bytes:
    return pillow(Image.merge("CMYK", Image.fromarray(inks(image)).split()))


def ycck(image: NDArray[np.uint8]) -> bytes:
    """Encode three of the inks as YCbCr."""
    return tj.TurboJPEG().encode(inks(image), QUALITY, tj.TJPF_CMYK, tj.TJSAMP_444)


def arithmetic(image: NDArray[np.uint8], subsampling: int = tj.TJSAMP_420, flags: int = 0) -> bytes | None:
    """Encode with arithmetic instead of Huffman coding; None where libjpeg-turbo was built without."""
    os.environ["TJ_ARITHMETIC"] = "1"
    try:
        tile = turbo(image, subsampling, flags=flags)
    except OSError:
        return None
    finally:
        del os.environ["TJ_ARITHMETIC"]
    return tile if {SOF9, SOF10} & dict(segments(tile)).keys() else None


# ---- surgery ----


def segments(tile: bytes) -> list[tuple[int, bytes]]:
    """Return marker and payload of each segment; the last one's payload is all that follows the first SOS marker."""
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


def joined(parts: Iterable[tuple[int, bytes]], fill: bytes = b"") -> bytes:
    """Return the tile of these segments, each with fill bytes before its marker."""
    return SOI + b"".join(fill + segment(*part) for part in parts)


def edited(tile: bytes, edit: Callable[[int, bytes], tuple[int, bytes] | None]) -> bytes:
    """Return the tile with each segment as `edit` gives it back, and without those it gives None for."""
    return joined(new for part in segments(tile) if (new := edit(*part)) is not None)


def without(tile: bytes, *markers: int) -> bytes:
    return edited(tile, lambda found, payload: None if found in markers else (found, payload))


def with_payload(tile: bytes, marker: int, edit: Callable[[bytes], bytes]) -> bytes:
    return edited(tile, lambda found, payload: (found, edit(payload) if found == marker else payload))


def with_first(tile: bytes, *parts: tuple[int, bytes]) -> bytes:
    """Put segments where applications put theirs: behind the JFIF marker, or first where there is none."""
    found = segments(tile)
    at = int(found[0][0] == APP0)
    return joined([*found[:at], *parts, *found[at:]])


def with_frame(tile: bytes, at: int, new: bytes, marker: int | None = None) -> bytes:
    """Write bytes over the frame header: 0 precision, 1 height, 3 width, 5 components; and maybe another SOF marker."""

    def edit(found: int, payload: bytes) -> tuple[int, bytes]:
        return (marker or found, payload[:at] + new + payload[at + len(new) :]) if found in SOFS else (found, payload)

    return edited(tile, edit)


def with_wide_tables(tile: bytes, last: int) -> bytes:
    """Write each quantiser in 16 bits, and the last of each table, which matters least, as this."""

    def edit(payload: bytes) -> bytes:
        tables = [payload[at : at + 65] for at in range(0, len(payload), 65)]
        wide = [np.array([*table[1:-1], last], ">u2").tobytes() for table in tables]
        return b"".join(bytes([0x10 | table[0]]) + steps for table, steps in zip(tables, wide, strict=True))

    return with_payload(tile, DQT, edit)


def with_table_for_each(tile: bytes) -> bytes:
    """Give the third component a table of its own, finer than the second's in its last entry."""
    *_, table = [payload for marker, payload in segments(tile) if marker == DQT]
    tile = with_first(tile, (DQT, b"\2" + table[1:-1] + bytes([table[-1] - 1])))
    return with_frame(tile, 14, b"\2")


def with_tables_together(tile: bytes) -> bytes:
    """Put all quantisation tables in one segment, and all Huffman tables."""
    parts = segments(without(tile, DQT, DHT))
    merged = [(each, b"".join(data for marker, data in segments(tile) if marker == each)) for each in (DQT, DHT)]
    return joined([*parts[:-1], *merged, parts[-1]])


def with_icc_in_parts(tile: bytes, profile: bytes, parts: int) -> bytes:
    chunks = np.array_split(np.frombuffer(profile, np.uint8), parts)
    heads = [b"ICC_PROFILE\0" + bytes([number, parts]) for number in range(1, parts + 1)]
    return with_first(tile, *[(APP2, head + chunk.tobytes()) for head, chunk in zip(heads, chunks, strict=True)])

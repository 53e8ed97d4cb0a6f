"""Small tiles of every kind of JPEG: what caches hold, what else the format allows, and damaged tiles."""

import re
from collections.abc import Callable
from functools import cache, partial

import numpy as np
import turbojpeg as tj
from PIL import Image

from helpers import jpeg_tiles
from helpers.jpeg_huffman import FLAT_DHT, Coefficients, Frame, encode_lossless, encode_scan
from helpers.jpeg_readers import read_coefficients
from helpers.jpeg_tiles import (
    APP0,
    APP1,
    APP14,
    DHP,
    DHT,
    DNL,
    DQT,
    EOI,
    SOFS,
    SOS,
    encode_pillow,
    encode_turbo,
    join_segments,
    pixels,
    read_segments,
    segment,
    with_leading_segments,
    without_segments,
)

ICC = bytes(range(256)) * 2
"""Not a valid profile; software that copies a profile does not read it."""

ARITHMETIC = {"arithmetic": 0, "arithmetic, progressive": tj.TJFLAG_PROGRESSIVE}
"""Kinds that libjpeg-turbo can be built without, and TurboJPEG's flags for them."""

LARGE = {"512 x 512", "1024 x 1024"}
"""Kinds that are slow to test where every byte or symbol is processed in Python."""

IN_420 = ((2, 2), (1, 1), (1, 1))
"""Sampling factors of 4:2:0."""

# ---- tiles that no encoder writes ----


def make_planes(frame: Frame) -> list[Coefficients]:
    """Return the coefficients of a different image for each component."""
    sides = [frame.blocks(component) for component in range(len(frame.sampling))]
    tiles = [
        encode_turbo(pixels(8 * rows, 8 * columns, seed), tj.TJSAMP_GRAY) for seed, (rows, columns) in enumerate(sides)
    ]
    return [read_coefficients(tile)[0] for tile in tiles]


def make_header(frame: Frame) -> bytes:
    """Return everything before the scans, with the usual quantisation tables in slots 0 and 1."""
    usual = [part for part in read_segments(encode_turbo(pixels(8, 8))) if part[0] in (APP0, DQT)]
    sof = SOFS[int(frame.precision > 8)]
    return join_segments([*usual, (sof, frame.payload()), (DHT, FLAT_DHT)])


def sampled(*sampling: tuple[int, int], slots: tuple[int, ...] = (0, 1, 1), precision: int = 8) -> bytes:
    """Return a tile with any sampling factors."""
    frame = Frame(64, 64, sampling, slots, precision)
    return make_header(frame) + encode_scan(make_planes(frame), frame, *range(len(sampling))) + EOI


def in_scans(
    *sampling: tuple[int, int], slots: tuple[int, ...] = (0, 1, 1), inserted: tuple[int, bytes] = (0, b"")
) -> bytes:
    """Return a tile with one scan per component, and a segment inserted before the scan of that index."""
    frame = Frame(64, 64, sampling, slots)
    scans = [encode_scan(make_planes(frame), frame, component) for component in range(len(sampling))]
    scans.insert(*inserted)
    return make_header(frame) + b"".join(scans) + EOI


def with_coefficient(index: int, value: int, step: int) -> bytes:
    """Return a grayscale tile with this coefficient and quantisation step; 0, 1 and 63 are the same index in zigzag."""
    frame = Frame(64, 64, ((1, 1),), (0,))
    [plane] = make_planes(frame)
    plane[0, 0, index] = value
    tile = make_header(frame) + encode_scan([plane], frame, 0) + EOI
    at = 1 + index
    return jpeg_tiles.with_payload(tile, DQT, lambda table: table[:at] + bytes([step]) + table[at + 1 :])


def with_late_table() -> bytes:
    """Return a tile whose chrominance table is defined after the first scan."""
    [table] = [each for each in read_segments(encode_turbo(pixels(8, 8))) if each[0] == DQT and each[1][0] == 1]
    tile = in_scans(*IN_420, inserted=(1, segment(*table)))
    return jpeg_tiles.edit_segments(tile, lambda *part: None if part == table else part)


def hierarchical() -> bytes:
    """Return a hierarchical image of one frame."""
    found = read_segments(encode_turbo(pixels()))
    [frame] = [payload for marker, payload in found if marker in SOFS]
    return join_segments([(DHP, frame), *found])


def with_scans(tile: bytes, count: int) -> bytes:
    """Return a tile with only this many of its scans, or without the last -count scans."""
    starts = [found.start() for found in re.finditer(re.escape(bytes([0xFF, SOS])), tile)]
    return tile[: starts[count]] + EOI


def two_pictures() -> bytes:
    return encode_pillow(pixels(), format="MPO", save_all=True, append_images=[Image.fromarray(pixels(seed=1))])


def with_dnl() -> bytes:
    """Return a tile with its height after the scan, as scanners write that do not know it before."""
    tile = jpeg_tiles.with_frame(encode_turbo(pixels()), 1, b"\0\0")
    return tile.removesuffix(EOI) + segment(DNL, b"\0\x40") + EOI


def with_thumbnail(tile: bytes) -> bytes:
    """Return a tile with a thumbnail of 4 x 4 RGB pixels in the JFIF segment."""
    return jpeg_tiles.with_payload(tile, APP0, lambda jfif: jfif[:-2] + b"\4\4" + bytes(range(48)))


def tables_only() -> bytes:
    return join_segments(each for each in read_segments(encode_turbo(pixels())) if each[0] in (DQT, DHT)) + EOI


def with_redefined_table() -> bytes:
    return in_scans(*IN_420, inserted=(2, segment(DQT, b"\1" + b"\x09" * 64)))


# ---- every kind ----


@cache
def tile(kind: str) -> bytes:
    """Return the tile of one kind."""
    return KINDS[kind]()


KINDS: dict[str, Callable[[], bytes]] = {
    # sampling factors
    "4:2:0": lambda: encode_turbo(pixels(), tj.TJSAMP_420),
    "4:2:2": lambda: encode_turbo(pixels(), tj.TJSAMP_422),
    "4:4:4": lambda: encode_turbo(pixels(), tj.TJSAMP_444),
    "4:4:0": lambda: encode_turbo(pixels(), tj.TJSAMP_440),
    "4:1:1": lambda: encode_turbo(pixels(), tj.TJSAMP_411),
    "grayscale": lambda: encode_turbo(pixels(), tj.TJSAMP_GRAY),
    "grayscale, sampled 2 x 2": lambda: jpeg_tiles.with_frame(encode_turbo(pixels(), tj.TJSAMP_GRAY), 7, b"\x22"),
    "luminance sampled 3 x 1": lambda: sampled((3, 1), (1, 1), (1, 1)),
    "chrominance larger than luminance": lambda: sampled((1, 1), (2, 2), (2, 2)),
    "sampled 3 x 2, 2 x 1, 1 x 1": lambda: sampled((3, 2), (2, 1), (1, 1)),
    "more than ten blocks in an MCU": lambda: in_scans((4, 4), (1, 1), (1, 1)),
    # colours
    "CMYK": lambda: jpeg_tiles.encode_cmyk(pixels()),
    "CMYK without APP14": lambda: without_segments(tile("CMYK"), APP14),
    "YCCK": lambda: jpeg_tiles.encode_ycck(pixels()),
    "RGB": lambda: encode_pillow(pixels(), keep_rgb=True),
    "RGB by component IDs": lambda: without_segments(tile("RGB"), APP14),
    "YCbCr with APP14": lambda: with_leading_segments(encode_turbo(pixels()), (APP14, b"Adobe\0\x64\0\0\0\0\1")),
    "without JFIF segment": lambda: without_segments(encode_turbo(pixels()), APP0),
    "two components": lambda: sampled((1, 1), (1, 1), slots=(0, 0)),
    # sizes
    "1 x 1": lambda: encode_turbo(pixels(1, 1)),
    "1 x 1, optimised": lambda: encode_pillow(pixels(1, 1), "L", optimize=True),
    "17 x 33": lambda: encode_turbo(pixels(33, 17)),
    "512 x 512": lambda: encode_turbo(np.tile(pixels(128, 128), (4, 4, 1))),
    "1024 x 1024": lambda: encode_turbo(np.tile(pixels(128, 128), (8, 8, 1))),
    "0 x 0": lambda: jpeg_tiles.with_frame(encode_turbo(pixels()), 1, bytes(4)),
    "height after the scan (DNL)": with_dnl,
    "8192 x 8192 declared": lambda: jpeg_tiles.with_frame(encode_turbo(pixels()), 1, b"\x20\x00\x20\x00"),
    "65500 x 65500 declared": lambda: jpeg_tiles.with_frame(encode_turbo(pixels()), 1, b"\xff\xdc\xff\xdc"),
    # qualities
    "quality 50": lambda: encode_turbo(pixels(), quality=50),
    "quality 50, optimised": lambda: encode_pillow(pixels(), quality=50, optimize=True),
    "quality 60": lambda: encode_turbo(pixels(), quality=60),
    "quality 60, optimised": lambda: encode_pillow(pixels(), quality=60, optimize=True),
    # coding
    "optimised": lambda: encode_pillow(pixels(), optimize=True),
    "progressive": lambda: encode_pillow(pixels(), progressive=True),
    "restart markers": lambda: encode_pillow(pixels(), restart_marker_blocks=2),
    "one scan per component": lambda: in_scans(*IN_420),
    "progressive, last scan missing": lambda: with_scans(encode_pillow(pixels(), progressive=True), -1),
    "chrominance scans missing": lambda: with_scans(in_scans(*IN_420), 1),
    "12 bits": lambda: sampled(*IN_420, precision=12),
    "lossless": lambda: encode_lossless(pixels()[..., 0]),
    "hierarchical": hierarchical,
    "coefficients beyond baseline": lambda: with_coefficient(63, 1500, step=255),
    "coefficients beyond baseline, reduced by requantisation": lambda: with_coefficient(1, 1500, step=3),
    # tables
    "one table for all": lambda: encode_pillow(pixels(), qtables=[[4 + i // 2 for i in range(64)]], quality=-1),
    "one table per component": lambda: jpeg_tiles.with_table_per_component(encode_turbo(pixels())),
    "all tables in one DQT and one DHT": lambda: jpeg_tiles.with_merged_tables(encode_turbo(pixels())),
    "16-bit tables": lambda: jpeg_tiles.with_wide_tables(encode_turbo(pixels()), 300),
    "16-bit tables with 8-bit values": lambda: jpeg_tiles.with_wide_tables(encode_turbo(pixels()), 99),
    "quantisation step of 0": lambda: with_coefficient(63, 0, step=0),
    "table defined between the scans": with_late_table,
    "table redefined between the scans": with_redefined_table,
    "without Huffman tables": lambda: without_segments(encode_turbo(pixels()), DHT),
    "without quantisation tables": lambda: without_segments(encode_turbo(pixels()), DQT),
    "without any tables": lambda: without_segments(encode_turbo(pixels()), DQT, DHT),
    "tables only": tables_only,
    # what applications add
    "ICC profile": lambda: encode_pillow(pixels(), icc_profile=ICC),
    "ICC profile in three parts": lambda: jpeg_tiles.with_icc_in_parts(encode_turbo(pixels()), ICC, 3),
    "EXIF": lambda: encode_pillow(pixels(), exif=b"Exif\0\0II*\0\x08\0\0\0" + bytes(6) + encode_turbo(pixels(8, 8))),
    "XMP": lambda: with_leading_segments(encode_turbo(pixels()), (APP1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>")),
    "comment": lambda: encode_pillow(pixels(), comment=b"grass"),
    "JFIF with thumbnail": lambda: with_thumbnail(encode_turbo(pixels())),
    "JFXX thumbnail": lambda: with_leading_segments(
        encode_turbo(pixels()), (APP0, b"JFXX\0\x10" + encode_turbo(pixels(8, 8)))
    ),
    "multi-picture (MPF)": two_pictures,
    "fill bytes before markers": lambda: join_segments(read_segments(encode_turbo(pixels())), fill=b"\xff\xff"),
    "trailing bytes": lambda: encode_turbo(pixels()) + b"trailing bytes",
    "two images": lambda: encode_turbo(pixels()) + encode_turbo(pixels(seed=1)),
    # damage
    "truncated": lambda: encode_turbo(pixels())[:-200],
    "without EOI": lambda: encode_turbo(pixels()).removesuffix(EOI),
    "zeros after the first half": lambda: encode_turbo(pixels())[:900].ljust(1800, b"\0"),
    "missing restart marker": lambda: tile("restart markers").replace(b"\xff\xd1", b"", 1),
    # not JPEG
    "PNG": lambda: b"\x89PNG\r\n\x1a\n" + bytes(80) + b"IEND\xae\x42\x60\x82",
    "LERC": lambda: b"Lerc2 " + bytes(80),
    "GIF": lambda: encode_pillow(pixels(), format="GIF"),
    "WebP": lambda: b"RIFF\x5c\0\0\0WEBPVP8 " + bytes(80),
    "zero bytes": lambda: bytes(500),
    "text": lambda: b"no image",
    "empty": lambda: b"",
}
for name, flags in ARITHMETIC.items():
    if found := jpeg_tiles.encode_arithmetic(pixels(), flags=flags):
        KINDS[name] = partial(bytes, found)

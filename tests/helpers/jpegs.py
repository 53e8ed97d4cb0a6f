"""Small tiles of every kind: what caches hold, what the format allows beside that, and what damage makes."""

import re
from collections.abc import Callable
from functools import cache, partial

import numpy as np
from PIL import Image

from helpers import jpegs_made as made
from helpers.jpegs_coded import FLAT, Frame, Levels, lossless, scan
from helpers.jpegs_made import APP0, APP1, APP14, DHP, DHT, DNL, DQT, EOI, SOFS, SOS, pillow, pixels, segment, tj, turbo
from helpers.jpegs_seen import levels

ICC = bytes(range(256)) * 2
"""Not a profile; but nobody who copies one looks inside."""

ARITHMETIC = {"arithmetic": 0, "arithmetic, progressive": tj.TJFLAG_PROGRESSIVE}
"""Kinds that libjpeg-turbo can be built without, and TurboJPEG's flags for them."""

LARGE = {"512 x 512", "1024 x 1024"}
"""Kinds that take long where every byte or symbol is looked at in Python."""

IN_420 = ((2, 2), (1, 1), (1, 1))

# ---- tiles that no encoder makes ----


def planes(frame: Frame) -> list[Levels]:
    """Return levels for each component, of hills of its own."""
    sides = [frame.blocks(component) for component in range(len(frame.sampling))]
    tiles = [turbo(pixels(8 * rows, 8 * columns, seed), tj.TJSAMP_GRAY) for seed, (rows, columns) in enumerate(sides)]
    return [levels(tile)[0] for tile in tiles]


def head(frame: Frame) -> bytes:
    """Return what is before the scans, with the usual quantisation tables in slots 0 and 1."""
    usual = [part for part in made.segments(turbo(pixels(8, 8))) if part[0] in (APP0, DQT)]
    sof = SOFS[int(frame.precision > 8)]
    return made.joined([*usual, (sof, frame.payload()), (DHT, FLAT)])


def sampled(*sampling: tuple[int, int], slots: tuple[int, ...] = (0, 1, 1), precision: int = 8) -> bytes:
    frame = Frame(64, 64, sampling, slots, precision)
    return head(frame) + scan(planes(frame), frame, *range(len(sampling))) + EOI


def in_scans(
    *sampling: tuple[int, int], slots: tuple[int, ...] = (0, 1, 1), ahead: tuple[int, bytes] = (0, b"")
) -> bytes:
    """Give each component a scan of its own, and put a segment ahead of one."""
    frame = Frame(64, 64, sampling, slots)
    scans = [scan(planes(frame), frame, component) for component in range(len(sampling))]
    scans.insert(*ahead)
    return head(frame) + b"".join(scans) + EOI


def with_level(place: int, level: int, step: int) -> bytes:
    """Write one level of a grayscale tile, and its quantiser; at 0, 1 or 63, the same in natural and zigzag order."""
    frame = Frame(64, 64, ((1, 1),), (0,))
    [plane] = planes(frame)
    plane[0, 0, place] = level
    tile = head(frame) + scan([plane], frame, 0) + EOI
    at = 1 + place
    return made.with_payload(tile, DQT, lambda table: table[:at] + bytes([step]) + table[at + 1 :])


def with_late_table() -> bytes:
    """Hold the chrominance table back until the first scan that needs it."""
    [table] = [each for each in made.segments(turbo(pixels(8, 8))) if each[0] == DQT and each[1][0] == 1]
    tile = in_scans(*IN_420, ahead=(1, segment(*table)))
    return made.edited(tile, lambda *part: None if part == table else part)


def hierarchical() -> bytes:
    """Announce a hierarchy, of which the tile is the first and only frame."""
    found = made.segments(turbo(pixels()))
    [frame] = [payload for marker, payload in found if marker in SOFS]
    return made.joined([(DHP, frame), *found])


def with_scans(tile: bytes, count: int) -> bytes:
    """End a tile after this many of its scans, or without this many (-1, -2...)."""
    starts = [found.start() for found in re.finditer(re.escape(bytes([0xFF, SOS])), tile)]
    return tile[: starts[count]] + EOI


def two_pictures() -> bytes:
    return pillow(pixels(), format="MPO", save_all=True, append_images=[Image.fromarray(pixels(seed=1))])


def height_at_the_end() -> bytes:
    """Write the height behind the scan, as scanners may that don't know it before."""
    return made.with_frame(turbo(pixels()), 1, b"\0\0").removesuffix(EOI) + segment(DNL, b"\0\x40") + EOI


def with_thumbnail(tile: bytes) -> bytes:
    """Put a thumbnail of 4 x 4 RGB pixels into the JFIF marker."""
    return made.with_payload(tile, APP0, lambda jfif: jfif[:-2] + b"\4\4" + bytes(range(48)))


# ---- every kind ----

KINDS: dict[str, Callable[[], bytes]] = {
    # samplings
    "4:2:0": lambda: turbo(pixels(), tj.TJSAMP_420),
    "4:2:2": lambda: turbo(pixels(), tj.TJSAMP_422),
    "4:4:4": lambda: turbo(pixels(), tj.TJSAMP_444),
    "4:4:0": lambda: turbo(pixels(), tj.TJSAMP_440),
    "4:1:1": lambda: turbo(pixels(), tj.TJSAMP_411),
    "grayscale": lambda: turbo(pixels(), tj.TJSAMP_GRAY),
    "grayscale, sampled 2 x 2": lambda: made.with_frame(turbo(pixels(), tj.TJSAMP_GRAY), 7, b"\x22"),
    "luminance sampled 3 x 1": lambda: sampled((3, 1), (1, 1), (1, 1)),
    "chrominance larger than luminance": lambda: sampled((1, 1), (2, 2), (2, 2)),
    "sampled 3 x 2, 2 x 1, 1 x 1": lambda: sampled((3, 2), (2, 1), (1, 1)),
    "more than ten blocks in an MCU": lambda: in_scans((4, 4), (1, 1), (1, 1)),
    # colours
    "CMYK": lambda: made.cmyk(pixels()),
    "CMYK without APP14": lambda: made.without(tile("CMYK"), APP14),
    "YCCK": lambda: made.ycck(pixels()),
    "RGB": lambda: pillow(pixels(), keep_rgb=True),
    "RGB by its component IDs": lambda: made.without(tile("RGB"), APP14),
    "YCbCr with APP14": lambda: made.with_first(turbo(pixels()), (APP14, b"Adobe\0\x64\0\0\0\0\1")),
    "without JFIF marker": lambda: made.without(turbo(pixels()), APP0),
    "two components": lambda: sampled((1, 1), (1, 1), slots=(0, 0)),
    # sides
    "1 x 1": lambda: turbo(pixels(1, 1)),
    "1 x 1, optimised": lambda: pillow(pixels(1, 1), "L", optimize=True),
    "17 x 33": lambda: turbo(pixels(33, 17)),
    "512 x 512": lambda: turbo(np.tile(pixels(128, 128), (4, 4, 1))),
    "1024 x 1024": lambda: turbo(np.tile(pixels(128, 128), (8, 8, 1))),
    "0 x 0": lambda: made.with_frame(turbo(pixels()), 1, bytes(4)),
    "height behind the scan (DNL)": height_at_the_end,
    "8192 x 8192 promised": lambda: made.with_frame(turbo(pixels()), 1, b"\x20\x00\x20\x00"),
    "65500 x 65500 promised": lambda: made.with_frame(turbo(pixels()), 1, b"\xff\xdc\xff\xdc"),
    # qualities
    "quality 50": lambda: turbo(pixels(), quality=50),
    "quality 60": lambda: turbo(pixels(), quality=60),
    # coding
    "optimised": lambda: pillow(pixels(), optimize=True),
    "progressive": lambda: pillow(pixels(), progressive=True),
    "restart markers": lambda: pillow(pixels(), restart_marker_blocks=2),
    "a scan for each component": lambda: in_scans(*IN_420),
    "progressive, last scan missing": lambda: with_scans(pillow(pixels(), progressive=True), -1),
    "chrominance scans missing": lambda: with_scans(in_scans(*IN_420), 1),
    "12 bits": lambda: sampled(*IN_420, precision=12),
    "lossless": lambda: lossless(pixels()[..., 0]),
    "hierarchical": hierarchical,
    "levels beyond baseline": lambda: with_level(63, 1500, step=255),
    "levels beyond baseline that requantisation brings back": lambda: with_level(1, 1500, step=3),
    # tables
    "one table for all": lambda: pillow(pixels(), qtables=[[4 + i // 2 for i in range(64)]], quality=-1),
    "a table for each component": lambda: made.with_table_for_each(turbo(pixels())),
    "all tables in one DQT and one DHT": lambda: made.with_tables_together(turbo(pixels())),
    "16-bit tables": lambda: made.with_wide_tables(turbo(pixels()), 300),
    "16-bit tables that 8 bits could hold": lambda: made.with_wide_tables(turbo(pixels()), 99),
    "a quantiser of 0": lambda: with_level(63, 0, step=0),
    "a table that comes between the scans": with_late_table,
    "a table that changes between the scans": lambda: in_scans(*IN_420, ahead=(2, segment(DQT, b"\1" + b"\x09" * 64))),
    "standard Huffman tables left out": lambda: made.without(turbo(pixels()), DHT),
    "without quantisation tables": lambda: made.without(turbo(pixels()), DQT),
    "abbreviated": lambda: made.without(turbo(pixels()), DQT, DHT),
    "tables only": lambda: made.joined(each for each in made.segments(turbo(pixels())) if each[0] in (DQT, DHT)) + EOI,
    # what applications add
    "ICC profile": lambda: pillow(pixels(), icc_profile=ICC),
    "ICC profile in three parts": lambda: made.with_icc_in_parts(turbo(pixels()), ICC, 3),
    "EXIF": lambda: pillow(pixels(), exif=b"Exif\0\0II*\0\x08\0\0\0" + bytes(6) + turbo(pixels(8, 8))),
    "XMP": lambda: made.with_first(turbo(pixels()), (APP1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>")),
    "comment": lambda: pillow(pixels(), comment=b"grass"),
    "JFIF with thumbnail": lambda: with_thumbnail(turbo(pixels())),
    "JFXX thumbnail": lambda: made.with_first(turbo(pixels()), (APP0, b"JFXX\0\x10" + turbo(pixels(8, 8)))),
    "multi-picture (MPF)": two_pictures,
    "fill bytes before markers": lambda: made.joined(made.segments(turbo(pixels())), fill=b"\xff\xff"),
    "bytes after the end": lambda: turbo(pixels()) + b"after the end",
    "two images": lambda: turbo(pixels()) + turbo(pixels(seed=1)),
    # damage
    "truncated": lambda: turbo(pixels())[:-200],
    "without EOI": lambda: turbo(pixels()).removesuffix(EOI),
    "zeros from the middle on": lambda: turbo(pixels())[:900].ljust(1800, b"\0"),
    "a restart marker lost": lambda: tile("restart markers").replace(b"\xff\xd1", b"", 1),
    # no JPEG
    "PNG": lambda: b"\x89PNG\r\n\x1a\n" + bytes(80) + b"IEND\xae\x42\x60\x82",
    "LERC": lambda: b"Lerc2 " + bytes(80),
    "GIF": lambda: pillow(pixels(), format="GIF"),
    "WebP": lambda: b"RIFF\x5c\0\0\0WEBPVP8 " + bytes(80),
    "zero bytes": lambda: bytes(500),
    "no image": lambda: b"no image",
    "nothing": lambda: b"",
}
for name, flags in ARITHMETIC.items():
    if found := made.arithmetic(pixels(), flags=flags):
        KINDS[name] = partial(bytes, found)


@cache
def tile(kind: str) -> bytes:
    """Return the tile of one kind."""
    return KINDS[kind]()

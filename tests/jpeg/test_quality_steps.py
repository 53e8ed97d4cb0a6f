"""Requests that keep tiles though they lie below their quality: which those are, and who says so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from turbojpeg import TJSAMP_420, TJSAMP_GRAY

from gptool import estimate_export_tiles_size, export_tiles
from gptool._jpeg import Outcome, quality, recompress
from gptool.jpeg.quality_steps import lowest_unchanged_quality
from gptool.model import Message, Tables
from gptool.tool import estimate_export_tiles_size_job, export_tiles_job
from helpers import jpegs, jpegs_made, jpegs_seen
from helpers.caches import conf_text, jpeg_tile, make_cache

PAGE = Path(__file__).parents[2] / "docs" / "recompression.md"


def unchanged(tile: bytes, tables: Tables = "efficient") -> list[int]:
    """The requests that keep a tile though they lie below its quality."""
    return [request for request in range(101) if recompress(tile, request, tables=tables)[1] == Outcome.KEPT_UNCHANGED]


def with_tables(luminance: int, chrominance: int, add: int = 0) -> bytes:
    """A tile whose tables are those of two qualities; the last luminance quantiser is `add` coarser."""
    tables = [
        jpegs_seen.tables(jpegs.turbo(jpegs.pixels(8, 8), quality=q))[i] for i, q in ((0, luminance), (1, chrominance))
    ]
    tables[0][-1] += add
    return jpegs.pillow(jpegs.pixels(), qtables=[table.tolist() for table in tables], quality=-1)


def with_stray_bytes(tile: bytes) -> bytes:
    """A tile that libjpeg reads, though its segments do not follow each other."""
    start = tile.index(b"\xff\xdb")
    return tile[:start] + b"\0\0" + tile[start:]


def with_adobe_marker(tile: bytes) -> bytes:
    """A tile with Adobe's word that its colours are RGB; where there is a JFIF marker that does not count."""
    marker = jpegs.segment(jpegs.APP14, b"Adobe\0\x64" + bytes(5))
    at = tile.index(b"\xff\xdb")
    return tile[:at] + marker + tile[at:]


# ---- which requests ----


@pytest.mark.parametrize("subsampling", [TJSAMP_420, TJSAMP_GRAY], ids=["4:2:0", "grayscale"])
def test_the_lowest_request_that_keeps_is_so_for_every_quality(subsampling: int) -> None:
    steps = 0
    for own in range(20, 101):
        tile = jpegs.turbo(jpegs.pixels(32, 32), subsampling, own)
        kept = unchanged(tile)
        for request in kept:
            assert kept == list(range(lowest_unchanged_quality(tile, request, "efficient") or 0, own))
        steps += bool(kept)
        assert not unchanged(tile, "exact")
    assert steps == 68  # from 88 on every request changes something


LUMINANCE = jpegs_seen.tables(jpegs.turbo(jpegs.pixels(8, 8), quality=75))[0]
TABLES = {
    "coarser chrominance": with_tables(75, 60),
    "finer chrominance": with_tables(75, 76),
    "no IJG tables": with_tables(75, 75, 3),
    "so coarse that no multiple fits": with_tables(3, 3),
    "one request": with_tables(77, 81),
    "16 bits": jpegs_made.with_wide_tables(jpegs.turbo(jpegs.pixels(), quality=75), 300),
    "one table for all": jpegs.pillow(jpegs.pixels(), qtables=[LUMINANCE.tolist()], quality=-1),
    "CMYK": jpegs.pillow(jpegs.pixels(), "CMYK", quality=75),
    "RGB": jpegs.pillow(jpegs.pixels(), keep_rgb=True, quality=75),
    "progressive": jpegs.pillow(jpegs.pixels(), progressive=True, quality=75),
    "ICC profile, comment, own Huffman tables": jpegs.pillow(
        jpegs.pixels(), icc_profile=jpegs.ICC, comment=b"grass", optimize=True, quality=75
    ),
    "without JFIF marker": jpegs_made.without(jpegs.turbo(jpegs.pixels(), quality=75), jpegs_made.APP0),
    "Adobe's RGB": with_adobe_marker(jpegs_made.without(with_tables(75, 75), jpegs_made.APP0)),
    "JFIF and Adobe's RGB": with_adobe_marker(with_tables(75, 75)),
}


@pytest.mark.parametrize("name", TABLES)
def test_it_follows_the_tables_of_every_kind_of_tile(name: str) -> None:
    kept = unchanged(TABLES[name])
    assert kept
    lowest = max(kept[0], 1)
    assert [request for request in range(lowest, kept[-1] + 1) if request not in kept] == []
    assert {lowest_unchanged_quality(TABLES[name], request, "efficient") for request in kept} == {lowest}


def test_exact_tables_keep_a_tile_whose_quality_is_a_trifle_above_the_request() -> None:
    tile = with_tables(35, 35, 1)
    assert 35 < (quality(tile) or 0) < 35.3
    assert unchanged(tile, "exact") == [35]
    assert lowest_unchanged_quality(tile, 35, "exact") == 35


@pytest.mark.parametrize("end", [0, 2, 3, 5, 60, 200, 300])
def test_of_a_header_that_ends_early_it_is_not_known(end: int) -> None:
    assert lowest_unchanged_quality(jpegs.turbo(jpegs.pixels(), quality=75)[:end], 70, "efficient") is None


def test_of_segments_that_do_not_follow_each_other_it_is_not_known() -> None:
    tile = with_stray_bytes(jpegs.turbo(jpegs.pixels(), quality=75))
    assert recompress(tile, 70)[1] == Outcome.KEPT_UNCHANGED
    assert lowest_unchanged_quality(tile, 70, "efficient") is None


# ---- who says so ----


def said(tiles: list[bytes], folder: Path, request: int, tables: Tables = "efficient") -> list[Message]:
    """What an export has to say, and the estimate, which must say the same."""
    cache = make_cache(folder / "cache", {(8, 0, i): tile for i, tile in enumerate(tiles)}, conf=conf_text(quality=98))
    result = export_tiles(cache, folder / "x.tpkx", compression_quality=request, tables=tables)
    estimate = estimate_export_tiles_size(cache, compression_quality=request, tables=tables)
    assert estimate.messages == result.messages
    assert estimate.total_size == result.size
    return list(result.messages)


KEPT = "(requests 65 to 74 would not; 64 would)"
SAID: dict[str, tuple[int, list[bytes], list[Message]]] = {
    "no tile is changed": (
        70,
        [jpeg_tile(1, 75), jpeg_tile(2, 75)],
        [Message("Warning", f"compressionQuality 70 does not change 2 tiles of quality 75 {KEPT}")],
    ),
    "some are": (
        65,
        [jpeg_tile(1, 75), jpeg_tile(2, 85)],
        [Message("Informative", f"compressionQuality 65 does not change 1 tile of quality 75 {KEPT}")],
    ),
    "all are": (64, [jpeg_tile(1, 75), jpeg_tile(2, 85)], []),
    "others are below it": (
        70,
        [jpeg_tile(1, 75), jpeg_tile(2, 60)],
        [
            Message(
                "Warning",
                "compressionQuality 70 is above the quality (60) of 1 tile, kept as they are",
            ),
            Message("Warning", f"compressionQuality 70 does not change 1 tile of quality 75 {KEPT}"),
        ],
    ),
    "one quality, two steps": (
        70,
        [jpeg_tile(1, 75), with_tables(75, 76), jpeg_tile(2, 75)],
        [
            Message(
                "Warning",
                f"compressionQuality 70 does not change 2 tiles of quality 75 {KEPT}, 1 tile of quality 75 "
                "(requests 67 to 74 would not; 66 would)",
            )
        ],
    ),
    "many qualities": (
        70,
        [jpeg_tile(1, q) for q in (71, 72, 73, 74, 75, 76, 77, 77)],
        [
            Message(
                "Warning",
                "compressionQuality 70 does not change 2 tiles of quality 77 (requests 70 to 76 would not; 69 would), "
                "1 tile of quality 71 (requests 62 to 70 would not; 61 would), "
                "1 tile of quality 72 (requests 62 to 71 would not; 61 would), "
                "1 tile of quality 73 (requests 65 to 72 would not; 64 would), "
                "1 tile of quality 74 (requests 65 to 73 would not; 64 would), "
                "2 others",
            )
        ],
    ),
    "one request": (
        76,
        [TABLES["one request"]],
        [
            Message(
                "Warning",
                "compressionQuality 76 does not change 1 tile of quality 77 (request 76 would not; 75 would)",
            )
        ],
    ),
    "a quality that is the request's but for a trifle": (74, [with_tables(74, 74, -1)], []),
    "no request would": (
        2,
        [TABLES["so coarse that no multiple fits"]],
        [Message("Warning", "compressionQuality 2 does not change 1 tile of quality 3 (nor does any lower request)")],
    ),
    "nobody knows": (
        70,
        [with_stray_bytes(jpeg_tile(1, 75))],
        [Message("Warning", "compressionQuality 70 does not change 1 tile of quality 75")],
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_export_and_estimate_say_what_a_request_does_not_change(name: str, tmp_path: Path) -> None:
    request, tiles, expected = SAID[name]
    assert said(tiles, tmp_path, request) == expected


def test_with_exact_tables_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert said([jpeg_tile(1, 75), jpeg_tile(2, 85)], tmp_path, 74, "exact") == []


def test_of_a_large_level_the_estimate_speaks_of_its_sample(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "cache", {(8, 0, i): jpeg_tile(i % 9, 75, 16) for i in range(300)}, share=True)
    estimate = estimate_export_tiles_size(cache, compression_quality=70)
    assert [*estimate.messages] == [
        Message("Warning", f"compressionQuality 70 does not change 256 sampled tiles of quality 75 {KEPT}")
    ]


def test_jobs_say_it_too(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "cache", {(0, 0, 0): jpeg_tile(1, 75)})
    sent = {"optimizeTilesForSize": "true", "compressionQuality": "70", "tilePackage": "true"}
    for job in (
        export_tiles_job(sent, cache=cache, output_directory=tmp_path / "jobs"),
        estimate_export_tiles_size_job(sent, cache=cache),
    ):
        warnings = [message.description for message in job.messages if message.type == "Warning"]
        assert warnings == [f"compressionQuality 70 does not change 1 tile of quality 75 {KEPT}"]


# ---- the table in the documentation ----


def test_documented_quality_steps_hold() -> None:
    table = re.findall(r"^\| (\d+|quality of a tile) \| (.+?) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    (_, heading), *rows = table
    requests = [int(request) for request in heading.split(" | ")[1:]]
    shown = {int(own): cells.split(" | ") for own, cells in rows}
    assert shown.keys() == {75, 85, 90, 95}
    for own, (keeping, *cells) in shown.items():
        tile = jpegs.turbo(jpegs.pixels(256, 256), quality=own)
        kept = unchanged(tile)
        assert keeping == (f"{kept[0]} to {kept[-1]}" if kept else "none")
        assert cells == [becomes(tile, request) for request in requests]


def becomes(tile: bytes, request: int) -> str:
    result, outcome = recompress(tile, request)
    words = {Outcome.KEPT_QUALITY: "-", Outcome.KEPT_UNCHANGED: "kept"}
    return words.get(outcome) or f"{quality(result):.0f}"

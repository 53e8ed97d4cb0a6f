"""Requests below a tile's quality that leave it unchanged: which they are, and the messages about them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from turbojpeg import TJSAMP_420, TJSAMP_GRAY

from gptool import estimate_export_tiles_size, export_tiles
from gptool._jpeg import Outcome, judge, quality, recompress
from gptool.jpeg.quality_steps import QualityStep, find_step
from gptool.model import Message, Tables
from gptool.tool import estimate_export_tiles_size_job, export_tiles_job
from helpers import jpeg_kinds, jpeg_readers, jpeg_tiles
from helpers.caches import conf_text, jpeg_tile, make_cache

PAGE = Path(__file__).parents[2] / "docs" / "recompression.md"


def unchanged(tile: bytes, tables: Tables = "efficient") -> list[int]:
    """Return the requests below a tile's quality that change none of its quantisation steps."""
    return [request for request in range(101) if judge(tile, request, tables=tables) is Outcome.KEPT_UNCHANGED]


def lowest(tile: bytes, request: int, tables: Tables = "efficient") -> int | None:
    """Return the lowest request that changes no step, given one."""
    step = find_step(tile, 0, request, tables, None)
    assert step
    return step.lowest


def with_tables(luminance: int, chrominance: int, add: int = 0) -> bytes:
    """Return a tile with the tables of two qualities; the last luminance quantisation step is `add` coarser."""
    tables = [
        jpeg_readers.read_qtables(jpeg_tiles.encode_turbo(jpeg_tiles.pixels(8, 8), quality=q))[i]
        for i, q in ((0, luminance), (1, chrominance))
    ]
    tables[0][-1] += add
    return jpeg_tiles.encode_pillow(jpeg_tiles.pixels(), qtables=[table.tolist() for table in tables], quality=-1)


def with_extraneous_bytes(tile: bytes) -> bytes:
    """Return a tile with extraneous bytes between its segments, which libjpeg-turbo reads."""
    start = tile.index(b"\xff\xdb")
    return tile[:start] + b"\0\0" + tile[start:]


def with_adobe_marker(tile: bytes) -> bytes:
    """Return a tile with an Adobe marker that states RGB, which a JFIF marker overrides."""
    marker = jpeg_tiles.segment(jpeg_tiles.APP14, b"Adobe\0\x64" + bytes(5))
    at = tile.index(b"\xff\xdb")
    return tile[:at] + marker + tile[at:]


# ---- the step of a tile ----


@pytest.mark.parametrize("subsampling", [TJSAMP_420, TJSAMP_GRAY], ids=["4:2:0", "grayscale"])
def test_lowest_unchanged_quality_of_every_ijg_quality(subsampling: int) -> None:
    steps = 0
    for own in range(20, 101):
        tile = jpeg_tiles.encode_turbo(jpeg_tiles.pixels(32, 32), subsampling, own)
        kept = unchanged(tile)
        for request in kept:
            assert kept == list(range(lowest(tile, request) or 0, own))
        steps += bool(kept)
        assert not unchanged(tile, "exact")
    assert steps == 68  # from quality 88 every request changes a table


LUMINANCE = jpeg_readers.read_qtables(jpeg_tiles.encode_turbo(jpeg_tiles.pixels(8, 8), quality=75))[0]
TABLES = {
    "coarser chrominance": with_tables(75, 60),
    "finer chrominance": with_tables(75, 76),
    "tables of another encoder": with_tables(75, 75, 3),
    "steps too coarse for a multiple": with_tables(3, 3),
    "single request": with_tables(5, 5),
    "16-bit tables": jpeg_tiles.with_wide_tables(jpeg_tiles.encode_turbo(jpeg_tiles.pixels(), quality=75), 300),
    "one shared table": jpeg_tiles.encode_pillow(jpeg_tiles.pixels(), qtables=[LUMINANCE.tolist()], quality=-1),
    "CMYK": jpeg_tiles.encode_pillow(jpeg_tiles.pixels(), "CMYK", quality=75),
    "RGB": jpeg_tiles.encode_pillow(jpeg_tiles.pixels(), keep_rgb=True, quality=75),
    "progressive": jpeg_tiles.encode_pillow(jpeg_tiles.pixels(), progressive=True, quality=75),
    "ICC profile, comment, own Huffman tables": jpeg_tiles.encode_pillow(
        jpeg_tiles.pixels(), icc_profile=jpeg_kinds.ICC, comment=b"grass", optimize=True, quality=75
    ),
    "without JFIF marker": jpeg_tiles.without_segments(
        jpeg_tiles.encode_turbo(jpeg_tiles.pixels(), quality=75), jpeg_tiles.APP0
    ),
    "Adobe RGB": with_adobe_marker(jpeg_tiles.without_segments(with_tables(75, 75), jpeg_tiles.APP0)),
    "JFIF and Adobe RGB": with_adobe_marker(with_tables(75, 75)),
}


@pytest.mark.parametrize("name", TABLES)
def test_lowest_unchanged_quality_follows_the_tables(name: str) -> None:
    kept = unchanged(TABLES[name])
    assert kept
    first = max(kept[0], 1)
    assert [request for request in range(first, kept[-1] + 1) if request not in kept] == []
    assert {lowest(TABLES[name], request) for request in kept} == {first}


def test_exact_tables_keep_tile_of_slightly_higher_quality() -> None:
    tile = with_tables(35, 35, 1)
    assert 35 < (quality(tile) or 0) < 35.3
    assert unchanged(tile, "exact") == [35]
    assert lowest(tile, 35, "exact") == 35


@pytest.mark.parametrize("end", [0, 2, 3, 5, 60, 200, 300])
def test_truncated_header_has_no_step(end: int) -> None:
    tile = jpeg_tiles.encode_turbo(jpeg_tiles.pixels(), quality=75)[:end]
    assert find_step(tile, 75, 70, "efficient", None) is None


def test_lowest_request_of_an_unusual_header_is_unknown() -> None:
    tile = with_extraneous_bytes(jpeg_tiles.encode_turbo(jpeg_tiles.pixels(), quality=75))
    assert find_step(tile, 75, 70, "efficient", None) == QualityStep(75, None)


@pytest.mark.parametrize("request_", [64, 75, 80])
def test_tile_that_changes_or_is_not_above_the_request_has_no_step(request_: int) -> None:
    for tile in (jpeg_tile(1, 75), with_extraneous_bytes(jpeg_tile(1, 75))):
        assert find_step(tile, 75, request_, "efficient", None) is None


@pytest.mark.parametrize(("declared", "found"), [(None, True), (71, True), (70, False)])
def test_foreign_tables_have_no_step_from_the_declared_quality_on(declared: int | None, found: bool) -> None:
    tile = TABLES["tables of another encoder"]
    assert bool(find_step(tile, 75, 70, "efficient", declared)) == found


# ---- messages ----


def messages_of(tiles: list[bytes], folder: Path, request: int, tables: Tables = "efficient") -> list[Message]:
    """Return the messages of an export about qualities, after checking that the estimate has the same."""
    cache = make_cache(folder / "cache", {(8, 0, i): tile for i, tile in enumerate(tiles)}, conf=conf_text(quality=98))
    result = export_tiles(cache, folder / "x.tpkx", compression_quality=request, tables=tables)
    estimate = estimate_export_tiles_size(cache, compression_quality=request, tables=tables, output="x.tpkx")
    assert estimate.messages == result.messages
    assert estimate.total_size == result.size
    return [message for message in result.messages if not message.description.startswith("optimised without loss")]


KEPT = "(requests 65 to 74 would not; 64 would)"
MESSAGES: dict[str, tuple[int, list[bytes], list[Message]]] = {
    "no tile changed": (
        70,
        [jpeg_tile(1, 75), jpeg_tile(2, 75)],
        [Message("Warning", f"compression_quality 70 does not lower the quality of 2 tiles of quality 75 {KEPT}")],
    ),
    "some tiles changed": (
        65,
        [jpeg_tile(1, 75), jpeg_tile(2, 85)],
        [Message("Informative", f"compression_quality 65 does not lower the quality of 1 tile of quality 75 {KEPT}")],
    ),
    "all are": (64, [jpeg_tile(1, 75), jpeg_tile(2, 85)], []),
    "others are below it": (
        70,
        [jpeg_tile(1, 75), jpeg_tile(2, 60)],
        [
            Message(
                "Warning",
                "compression_quality 70 is above the quality (60) of 1 tile, which keeps it",
            ),
            Message("Warning", f"compression_quality 70 does not lower the quality of 1 tile of quality 75 {KEPT}"),
        ],
    ),
    "one quality, two steps": (
        70,
        [jpeg_tile(1, 75), with_tables(75, 76), jpeg_tile(2, 75)],
        [
            Message(
                "Warning",
                f"compression_quality 70 does not lower the quality of 2 tiles of quality 75 {KEPT}, "
                "1 tile of quality 75 (requests 67 to 74 would not; 66 would)",
            )
        ],
    ),
    "many qualities": (
        70,
        [jpeg_tile(1, q) for q in (71, 72, 73, 74, 75, 76, 77, 77)],
        [
            Message(
                "Warning",
                "compression_quality 70 does not lower the quality of "
                "2 tiles of quality 77 (requests 70 to 76 would not; 69 would), "
                "1 tile of quality 71 (requests 62 to 70 would not; 61 would), "
                "1 tile of quality 72 (requests 62 to 71 would not; 61 would), "
                "1 tile of quality 73 (requests 65 to 72 would not; 64 would), "
                "1 tile of quality 74 (requests 65 to 73 would not; 64 would), "
                "2 others",
            )
        ],
    ),
    "single request": (
        4,
        [TABLES["single request"]],
        [
            Message(
                "Warning",
                "compression_quality 4 does not lower the quality of 1 tile of quality 5 "
                "(request 4 would not; 3 would)",
            )
        ],
    ),
    "quality that rounds to the request": (
        74,
        [with_tables(74, 74, -1)],
        [
            Message(
                "Informative",
                "1 tile has quantisation tables that are not IJG's: its quality is an estimate; requests of 98 or "
                "more, the quality that the cache declares, keep it",
            )
        ],
    ),
    "no request changes it": (
        2,
        [TABLES["steps too coarse for a multiple"]],
        [
            Message(
                "Warning",
                "compression_quality 2 does not lower the quality of 1 tile of quality 3 (nor does any lower request)",
            )
        ],
    ),
    "unknown step": (
        70,
        [with_extraneous_bytes(jpeg_tile(1, 75))],
        [Message("Warning", "compression_quality 70 does not lower the quality of 1 tile of quality 75")],
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_export_and_estimate_tell_unchanged_tiles(name: str, tmp_path: Path) -> None:
    request, tiles, expected = MESSAGES[name]
    assert messages_of(tiles, tmp_path, request) == expected


def test_exact_tables_give_no_message(tmp_path: Path) -> None:
    assert messages_of([jpeg_tile(1, 75), jpeg_tile(2, 85)], tmp_path, 74, "exact") == []


def test_estimate_of_large_level_counts_sampled_tiles(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "cache", {(8, 0, i): jpeg_tile(i % 9, 75, 16) for i in range(300)}, share=True)
    estimate = estimate_export_tiles_size(cache, compression_quality=70, output="x.tpkx")
    count = estimate.sampled_tiles
    assert 200 < count < 256  # some tiles have two sampling points
    assert estimate.messages[0] == Message(
        "Warning", f"compression_quality 70 does not lower the quality of {count} sampled tiles of quality 75 {KEPT}"
    )


def test_jobs_tell_unchanged_tiles(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "cache", {(0, 0, 0): jpeg_tile(1, 75)})
    sent = {"optimizeTilesForSize": "true", "compressionQuality": "70", "tilePackage": "true"}
    for job in (
        export_tiles_job(sent, cache=cache, output_directory=tmp_path / "jobs"),
        estimate_export_tiles_size_job(sent, cache=cache),
    ):
        warnings = [message.description for message in job.messages if message.type == "Warning"]
        assert warnings == [f"compressionQuality 70 does not lower the quality of 1 tile of quality 75 {KEPT}"]


# ---- the table in the documentation ----


def test_documented_quality_steps_hold() -> None:
    table = re.findall(r"^\| (\d+|quality of a tile) \| (.+?) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    (_, heading), *rows = table
    requests = [int(request) for request in heading.split(" | ")[1:]]
    shown = {int(own): cells.split(" | ") for own, cells in rows}
    assert shown.keys() == {75, 85, 90, 95}
    for own, (keeping, *cells) in shown.items():
        tile = jpeg_tiles.encode_turbo(jpeg_tiles.pixels(256, 256), quality=own)
        kept = unchanged(tile)
        assert keeping == (f"{kept[0]} to {kept[-1]}" if kept else "none")
        assert cells == [documented_result(tile, request) for request in requests]


def documented_result(tile: bytes, request: int) -> str:
    result, outcome = recompress(tile, request)
    if outcome is Outcome.RECOMPRESSED:
        return f"{quality(result):.0f}"
    return {Outcome.KEPT_QUALITY: "-", Outcome.KEPT_UNCHANGED: "kept"}[judge(tile, request)]

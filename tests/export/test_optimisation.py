"""Tiles that are optimised without loss, alone or beside a quality."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gptool import ExportResult, estimate_export_tiles_size, export_tiles, export_tiles_job, open_cache
from gptool._jpeg import Outcome, quality, recompress
from gptool.errors import ParameterError
from gptool.model import Message, Tables
from helpers.caches import conf_text, foreign_tile, jpeg_tile, make_cache, png_tile, square, world
from helpers.job_checks import report_of
from helpers.jpeg_tiles import encode_pillow
from helpers.lossless import check_optimised, is_same_image
from helpers.tile_readers import read_tiles


def with_metadata(seed: int) -> bytes:
    """Return a tile with a comment, EXIF and bytes after its end."""
    image = Image.open(io.BytesIO(jpeg_tile(seed, 100)))
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "a field of rape in May"
    image.save(file, "JPEG", quality=85, exif=exif, comment=b"drawn by hand", optimize=True)
    return file.getvalue() + b"a thumbnail of an older version"


def own_quality(tile: bytes) -> int:
    return round(quality(tile) or 0)


# ---- without a quality ----


@pytest.mark.parametrize("storage", ["compact", "compactV2"])
def test_tiles_lose_bytes_but_no_coefficient(cache: Path, tmp_path: Path, storage: str) -> None:
    result = export_tiles(cache, tmp_path / "x", optimize_tiles_for_size=True, storage_format_type=storage)
    check_optimised(world(), read_tiles(result.path))
    assert (result.tiles_recompressed, result.tiles_optimised, result.tiles_kept) == (0, len(world()), 0)
    assert result.total.qualities == {85: len(world())}
    assert open_cache(result.path).image.compression_quality == 85


def test_metadata_are_dropped(tmp_path: Path) -> None:
    tiles = {(0, 0, 0): with_metadata(1)}
    result = export_tiles(make_cache(tmp_path / "cache", tiles), tmp_path / "x", optimize_tiles_for_size=True)
    [tile] = read_tiles(result.path).values()
    assert is_same_image(tile, with_metadata(1))
    for text in (b"rape", b"drawn", b"thumbnail"):
        assert text in with_metadata(1)
        assert text not in tile


def test_only_jpeg_tiles_change(tmp_path: Path) -> None:
    tiles = {(2, 0, 0): jpeg_tile(1), (2, 0, 1): png_tile(1), (2, 0, 2): jpeg_tile(2)[:-300], (2, 0, 3): b"nothing"}
    cache = make_cache(tmp_path / "cache", tiles, conf=conf_text(format="MIXED"))
    result = export_tiles(cache, tmp_path / "x", optimize_tiles_for_size=True)
    found = read_tiles(result.path)
    assert {address for address, tile in found.items() if tile != tiles[address]} == {(2, 0, 0)}
    assert result.total.outcomes == {Outcome.OPTIMISED: 1, Outcome.KEPT_NOT_JPEG: 1, Outcome.DAMAGED: 2}
    assert result.total.kept == {Outcome.KEPT_NOT_JPEG: 1, Outcome.DAMAGED: 2}
    assert [tile[:3] for tile in result.damaged] == [(2, 0, 2), (2, 0, 3)]


def test_message_states_what_was_saved(cache: Path, tmp_path: Path) -> None:
    result = export_tiles(cache, tmp_path / "x.tpkx", levels="1", optimize_tiles_for_size=True)
    read, written = result.bytes_read, result.bytes_written
    assert result.messages == (
        Message(
            "Informative",
            f"optimised without loss: 4 tiles, from {read / 1000:.1f} kB to {written / 1000:.1f} kB "
            f"({100 - 100 * written / read:.1f} % less); a compression_quality makes tiles smaller still",
        ),
    )


def test_second_run_changes_nothing_and_says_so(cache: Path, tmp_path: Path) -> None:
    first = export_tiles(cache, tmp_path / "x.tpkx", optimize_tiles_for_size=True)
    second = export_tiles(first.path, tmp_path / "y.tpkx", optimize_tiles_for_size=True)
    assert read_tiles(second.path) == read_tiles(first.path)
    assert second.total.kept == {Outcome.KEPT_NOT_SMALLER: len(world())}
    assert second.messages == (
        Message(
            "Informative",
            "optimize_tiles_for_size makes no tile smaller without loss; a compression_quality makes tiles smaller",
        ),
    )


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        ({"optimize_tiles_for_size": True}, "optimize_tiles_for_size"),
        ({"compression_quality": 50}, "compression_quality 50"),
    ],
)
def test_request_without_effect_is_a_warning(tmp_path: Path, request_: dict[str, Any], name: str) -> None:
    tiles = {(1, 0, 0): png_tile(1), (1, 0, 1): png_tile(2), (1, 1, 1): b"no image"}
    cache = make_cache(tmp_path / "cache", tiles, conf=conf_text(format="PNG", quality=0))
    result = export_tiles(cache, tmp_path / "x.tpkx", **request_)
    assert read_tiles(result.path) == tiles
    warning = Message("Warning", f"{name} has no effect: no tile is a valid JPEG")
    assert result.messages[0] == warning
    assert estimate_export_tiles_size(cache, **request_).messages == (warning,)
    assert warning not in export_tiles(cache, tmp_path / "y.tpkx").messages


@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
def test_estimate_is_that_of_the_optimised_result(tmp_path: Path, format_: str) -> None:
    """The format of a tile is determined by its first bytes, whatever the cache declares."""
    cache = make_cache(tmp_path / "cache", square(8, range(10), range(10)), conf=conf_text(format=format_))
    estimate = estimate_export_tiles_size(cache, optimize_tiles_for_size=True, output="x.tpkx")
    result = export_tiles(cache, tmp_path / "x.tpkx", optimize_tiles_for_size=True)
    assert estimate.interval == (result.size, result.size)
    assert estimate.messages == result.messages
    assert result.bytes_written < result.bytes_read


def test_size_of_an_optimised_result_lies_in_the_interval_of_its_estimate(tmp_path: Path) -> None:
    tiles = {
        (8, row, column): jpeg_tile(97 * row + column, (60, 85, 98)[row % 3])
        for row in range(40)
        for column in range(40)
    }
    cache = make_cache(tmp_path / "cache", tiles)
    estimate = estimate_export_tiles_size(cache, optimize_tiles_for_size=True)
    result = export_tiles(cache, tmp_path / "x.tpkx", optimize_tiles_for_size=True)
    low, high = estimate.interval
    assert low < high
    assert low <= result.size <= high
    assert any("optimised without loss: " in message.description for message in estimate.messages)


# ---- beside a quality ----


@pytest.mark.parametrize("optimize", [None, True, "true"])
def test_quality_implies_optimisation(cache: Path, tmp_path: Path, optimize: Any) -> None:
    """The tiles of quality 85 keep it."""
    result = export_tiles(cache, tmp_path / "x", optimize_tiles_for_size=optimize, compression_quality=85)
    check_optimised(world(), read_tiles(result.path))


@pytest.mark.parametrize("request_", [{}, {"optimize_tiles_for_size": False}, {"compression_quality": " "}], ids=str)
def test_tiles_are_copied_by_default(cache: Path, tmp_path: Path, request_: dict[str, Any]) -> None:
    result = export_tiles(cache, tmp_path / "x", **request_)
    assert read_tiles(result.path) == world()
    assert result.total.kept == {Outcome.NOT_REQUESTED: len(world())}
    assert estimate_export_tiles_size(cache, tile_package=False, **request_).total_size == result.size


@pytest.mark.parametrize("optimize", [False, "False"])
def test_quality_contradicts_an_explicit_false(cache: Path, tmp_path: Path, optimize: Any) -> None:
    request: dict[str, Any] = {"optimize_tiles_for_size": optimize, "compression_quality": 50}
    message = (
        "optimize_tiles_for_size: is false although compression_quality is given; found compression_quality 50, "
        "expected optimize_tiles_for_size to be true or omitted, or no compression_quality"
    )
    with pytest.raises(ParameterError, match=message):
        export_tiles(cache, tmp_path / "x.tpkx", **request)
    with pytest.raises(ParameterError, match=message):
        estimate_export_tiles_size(cache, **request)


def test_invalid_boolean(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="optimize_tiles_for_size: invalid choice; found 'maybe'"):
        export_tiles(cache, tmp_path / "x.tpkx", optimize_tiles_for_size="maybe")  # type: ignore[arg-type]


def test_request_above_the_declared_quality_is_capped_by_each_tile(tmp_path: Path) -> None:
    """As in Esri's sample cache, which declares 75; its tiles have 90 and 100."""
    tiles = {(1, 0, 0): jpeg_tile(1, 90), (1, 0, 1): jpeg_tile(2, 100), (1, 1, 0): jpeg_tile(3, 70)}
    cache = make_cache(tmp_path / "cache", tiles, conf=conf_text(quality=75))
    result = export_tiles(cache, tmp_path / "x.tpkx", compression_quality=80)
    found = read_tiles(result.path)
    assert [own_quality(found[address]) for address in tiles] == [80, 80, 70]
    assert is_same_image(found[1, 1, 0], tiles[1, 1, 0])
    assert open_cache(result.path).image.compression_quality == 80
    assert result.warnings == (
        "compression_quality 80 is above 75, the quality that the cache declares: only tiles whose own quality is "
        "above 80 are recompressed",
        "compression_quality 80 is above the quality (70) of 1 tile, which keeps it",
    )


def test_reports_count_optimised_tiles(tmp_path: Path) -> None:
    optimised, _ = recompress(jpeg_tile(3, 40), None)
    tiles = {(1, 0, 0): jpeg_tile(1), (1, 0, 1): jpeg_tile(2, 40), (2, 1, 0): optimised, (2, 0, 0): jpeg_tile(4, 45)}
    cache = make_cache(tmp_path / "cache", tiles)
    sent = {"optimizeTilesForSize": "true", "compressionQuality": "50"}
    job = export_tiles_job(sent, cache=cache, output_directory=tmp_path)
    report = report_of(job)
    found = read_tiles(tmp_path / job.job_id / "cache")
    saved = [(1, 0, 1), (2, 0, 0)]
    read, written = (sum(len(place[address]) for address in saved) for place in (tiles, found))
    assert report["optimised"] == {"bytesRead": read, "bytesWritten": written}
    assert [report[name] for name in ("tilesRecompressed", "tilesOptimised", "tilesKept")] == [1, 2, 1]
    assert report["outcomes"] == [
        {"code": "RECOMPRESSED", "text": "recompressed", "tiles": 1},
        {"code": "OPTIMISED", "text": "optimised without loss", "tiles": 2},
        {"code": "KEPT_QUALITY", "text": "request not below the tile's quality", "tiles": 1},
    ]
    assert {level["level"]: level["tilesOptimised"] for level in report["levels"] if level["written"]["tiles"]} == {
        1: 1,
        2: 1,
    }
    assert {name: report["request"][name] for name in ("optimizeTilesForSize", "compressionQuality")} == {
        "optimizeTilesForSize": True,
        "compressionQuality": 50,
    }
    assert report["request"]["declaredCompressionQuality"] == 85
    texts = [message.description for message in job.messages]
    assert "compressionQuality 50 is above the quality (40 to 45) of 3 tiles, which keep it" in texts
    [text] = [text for text in texts if text.startswith("optimised without loss: 2 tiles, from ")]
    assert text.endswith(f"({100 - 100 * written / read:.1f} % less)")
    json.dumps(report)


KINDS: list[bytes] = [
    *(jpeg_tile(seed, own) for seed in range(3) for own in (30, 60, 75, 85, 95, 100)),
    *(foreign_tile(seed, scale) for seed in range(2) for scale in (0.2, 1, 2)),
    with_metadata(5),
    encode_pillow(np.asarray(Image.open(io.BytesIO(jpeg_tile(6, 100)))), progressive=True, quality=80),
    png_tile(7),
    recompress(jpeg_tile(8, 75), None)[0],
]


@pytest.mark.parametrize("declared", [0, 75])
@pytest.mark.parametrize("tables", ["efficient", "exact"])
def test_lower_request_never_yields_a_larger_package(tmp_path: Path, tables: Tables, declared: int) -> None:
    """The highest request of all is none, which optimises all tiles without loss; that is below copies."""
    tiles = {(3, i // 8, i % 8): tile for i, tile in enumerate(KINDS)}
    cache = make_cache(tmp_path / "cache", tiles, conf=conf_text(format="MIXED", quality=declared))

    def export(quality: int | None, **request: Any) -> ExportResult:
        path = tmp_path / f"{quality}{request}.tpkx"
        return export_tiles(cache, path, compression_quality=quality, tables=tables, **request)

    results = [export(quality) for quality in range(0, 101, 4)]
    results += [export(None, optimize_tiles_for_size=True), export(None)]
    sizes = [result.size for result in results]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) > 15
    assert read_tiles(results[-3].path) == read_tiles(results[-2].path)
    assert results[-2].size < results[-1].size

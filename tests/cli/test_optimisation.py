"""The option for lossless optimisation: the table, JSON, messages, and the estimate."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from helpers.caches import conf_text, jpeg_tile, loose_png_tile, make_cache, png_tile, world
from helpers.command_line import errors_and_notes, run, run_on_terminal
from helpers.lossless import check_optimised
from helpers.tile_readers import read_package

ROW = re.compile(r"^ *(\d+|All) .* % +(\S+) +(\d+) +(\d+) +(\d+) +(.+?)\s*$", re.MULTILINE)
"""A row of the summary table: level, quality, tiles recompressed, optimised and damaged, and tiles kept."""


def test_table_and_note_state_what_was_optimised(cache: Path, tmp_path: Path) -> None:
    done = run("export-tiles", cache, "x.tpkx", "--levels", "0-1", "--optimize-tiles-for-size", cwd=tmp_path)
    assert done.returncode == 0
    assert ROW.findall(done.stdout) == [
        ("0", "85", "0", "1", "0", "-"),
        ("1", "85", "0", "4", "0", "-"),
        ("All", "85", "0", "5", "0", "-"),
    ]
    [note] = errors_and_notes(done)
    assert note.startswith("Note: optimised without loss: 5 tiles, from 10.4 kB to ")
    tiles = {address: tile for address, tile in world().items() if address[0] < 2}
    check_optimised(tiles, read_package(tmp_path / "x.tpkx"))


@pytest.mark.parametrize("columns", [80, 132])
def test_table_on_a_terminal(cache: Path, tmp_path: Path, columns: int) -> None:
    arguments = ["export-tiles", str(cache), "x.tpkx", "--levels", "0", "--optimize-tiles-for-size"]
    shown = run_on_terminal(*arguments, cwd=tmp_path, stream="stdout", columns=columns)
    text = re.sub("\x1b\\[[0-9;]*m", "", shown)
    assert ROW.findall(text)[0][:5] == ("0", "85", "0", "1", "0")
    assert "\u2026" not in text


def test_json_counts_optimised_tiles(cache: Path, tmp_path: Path) -> None:
    done = run("export-tiles", cache, "x.tpkx", "--optimize-tiles-for-size", "--json", cwd=tmp_path)
    job = json.loads(done.stdout)
    assert (job["tilesRecompressed"], job["tilesOptimised"], job["tilesKept"]) == (0, 165, 0)
    assert job["optimised"] == {"bytesRead": job["bytesRead"], "bytesWritten": job["bytesWritten"]}
    assert job["outcomes"] == [{"code": "OPTIMISED", "text": "optimised without loss", "tiles": 165}]
    assert any("optimised without loss: 165 tiles" in message["description"] for message in job["messages"])
    assert "optimizeTilesForSize" in job["inputs"]


@pytest.mark.parametrize("options", [["--optimize-tiles-for-size"], []], ids=["given", "implied"])
def test_option_is_implied_by_a_quality(cache: Path, tmp_path: Path, options: list[str]) -> None:
    done = run("export-tiles", cache, "x.tpkx", "--levels=1", "--compression-quality=90", *options, cwd=tmp_path)
    assert "Note: optimised without loss: 4 tiles" in done.stderr


def test_estimate_has_the_option(cache: Path, tmp_path: Path) -> None:
    option = "--optimize-tiles-for-size"
    estimate = json.loads(run("estimate", cache, option, "--output", "x.tpkx", "--json", cwd=tmp_path).stdout)
    assert estimate["resultName"] == "x"
    size = json.loads(run("export-tiles", cache, "x.tpkx", option, "--json", cwd=tmp_path).stdout)["size"]
    assert estimate["totalSizeInterval"] == [size, size]
    copied = json.loads(run("estimate", cache, "--json", cwd=tmp_path).stdout)
    assert (copied["resultName"], estimate["totalSize"]) == ("world", size)
    assert size < copied["totalSize"]


def test_cache_without_jpeg_tiles_gives_a_warning(tmp_path: Path) -> None:
    make_cache(tmp_path / "cache", {(0, 0, 0): png_tile(1)})
    done = run("export-tiles", "cache", "x.tpkx", "--optimize-tiles-for-size", cwd=tmp_path)
    assert errors_and_notes(done) == ["Warning: --optimize-tiles-for-size has no effect: no tile is a valid JPEG"]
    assert done.returncode == 0


def test_option_takes_no_value(tmp_path: Path) -> None:
    make_cache(tmp_path / "cache", {(0, 0, 0): jpeg_tile(1)})
    assert run("export-tiles", "cache", "x.tpkx", "--optimize-tiles-for-size=false", cwd=tmp_path).returncode == 2


def test_png_tiles(tmp_path: Path) -> None:
    tiles = {(1, row, column): loose_png_tile(row + 2 * column) for row in range(2) for column in range(2)}
    cache = make_cache(tmp_path / "png", tiles, conf=conf_text([1], format="PNG32"))
    estimate = run("estimate", cache, "--output", "x.tpkx", "--optimize-png", "--json", cwd=tmp_path)
    done = run("export-tiles", cache, "x.tpkx", "--optimize-png", "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert json.loads(estimate.stdout)["totalSize"] == (tmp_path / "x.tpkx").stat().st_size == found["size"]
    written = sum(map(len, read_package(tmp_path / "x.tpkx").values()))
    read = sum(map(len, tiles.values()))
    assert written < read
    assert found["optimisedPng"] == {"tiles": 4, "bytesRead": read, "bytesWritten": written}
    assert found["outcomes"] == [{"code": "OPTIMISED", "text": "optimised without loss", "tiles": 4}]
    assert any(
        message["description"].startswith("PNG optimised without loss: 4 tiles") for message in found["messages"]
    )

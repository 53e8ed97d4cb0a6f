"""Exports to .tpkx: tiles, reports, reproducible bytes, and no partial output after an error."""

from __future__ import annotations

import io
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import shapely
from PIL import Image

import gptool
from gptool import export_tiles, open_cache
from gptool._jpeg import Outcome, quality
from gptool.export.unit import Unit, run_unit
from gptool.jpeg.damage import TileDamage
from gptool.jpeg.recompression import Recompression
from gptool.model import Phase
from gptool.output.bundle import CompactV2Writer, bundle_regions
from gptool.request import Area, Selection
from helpers.caches import conf_text, jpeg_tile, make_cache, png_tile, square, world
from helpers.checks import check_nothing_left, check_package
from helpers.lossless import check_optimised
from helpers.tile_readers import read_json, read_package


def test_tiles_are_copied_unchanged_without_a_quality(cache: Path, tmp_path: Path) -> None:
    result = export_tiles(cache, tmp_path / "x.tpkx")
    check_package(result.path, levels={0, 1, 2, 8})
    assert read_package(result.path) == world()
    assert result.tiles == result.tiles_kept == len(world())
    assert result.bytes_read == result.bytes_written == sum(map(len, world().values()))
    assert result.size == result.path.stat().st_size
    check_nothing_left(tmp_path, "x.tpkx")


@pytest.mark.parametrize("tables", ["efficient", "exact"])
def test_recompressed_tiles_are_smaller_and_decode(cache: Path, tmp_path: Path, tables: str) -> None:
    result = export_tiles(cache, tmp_path / "x.tpkx", compression_quality=50, tables=tables)  # type: ignore[arg-type]
    check_package(result.path, levels={0, 1, 2, 8})
    tiles = read_package(result.path)
    assert tiles.keys() == world().keys()
    for address, tile in tiles.items():
        assert len(tile) < len(world()[address])
        with Image.open(io.BytesIO(tile)) as image:
            image.load()
    assert result.tiles_recompressed == len(tiles)
    assert result.bytes_written == sum(map(len, tiles.values()))
    stated = read_json(result.path, "root.json")["tileImageInfo"]["compressionQuality"]
    assert stated == result.total.effective_quality == round(quality(tiles[0, 0, 0]) or 0)
    assert stated == (55 if tables == "efficient" else 50)


def test_levels_and_extent_select_whole_tiles(cache: Path, tmp_path: Path) -> None:
    result = export_tiles(cache, tmp_path / "x.tpkx", levels="1-8", export_extent="1,1,2000000,2000000")
    expected = {(1, 0, 1), (2, 1, 2)} | {a for a in world() if a[0] == 8 and a[1] < 128 <= a[2]}
    assert read_package(result.path).keys() == expected
    assert {level: report.tiles for level, report in result.levels.items()} == {1: 1, 2: 1, 8: 36}
    assert result.warnings == tuple(f"level {level} holds no selected tiles" for level in range(3, 8))


def test_output_is_reproducible(cache: Path, tmp_path: Path) -> None:
    """The bytes depend neither on the time, the folder and the location of the cache, nor on the number of threads."""
    copied = shutil.copytree(cache, tmp_path / "moved" / "world")
    for folder, source, workers in (("a", cache, 1), ("b", copied, 4)):
        (tmp_path / folder).mkdir()
        export_tiles(source, tmp_path / folder / "x.tpkx", compression_quality=40, workers=workers)
    assert (tmp_path / "a" / "x.tpkx").read_bytes() == (tmp_path / "b" / "x.tpkx").read_bytes()


def test_damaged_tiles_are_copied_and_listed(tmp_path: Path) -> None:
    tiles = square(8, range(126, 130), range(126, 130))
    tiles[8, 127, 128] = jpeg_tile(5)[:-200]
    tiles[8, 129, 126] = b"not an image"
    result = export_tiles(make_cache(tmp_path / "cache", tiles), tmp_path / "x.tpkx", compression_quality=50)
    package = read_package(result.path)
    assert package.keys() == tiles.keys()
    assert [package[tile[:3]] == tiles[tile[:3]] for tile in result.damaged] == [True, True]
    assert [(level, row, column) for level, row, column, _ in result.damaged] == [(8, 127, 128), (8, 129, 126)]
    assert [tile.code for tile in result.damaged] == [TileDamage.JPEG_TRUNCATED, TileDamage.UNKNOWN_FORMAT]
    for tile, stated in zip(result.damaged, result.to_json()["damagedTiles"], strict=True):
        again = pickle.loads(pickle.dumps(tile))
        assert (again, again.code) == (tile, tile.code)
        assert stated == {**tile._asdict(), "code": tile.code.name}
    assert [tile.reason for tile in result.damaged] == [
        "damaged JPEG: Premature end of JPEG file",
        "unrecognised image format, starts with 6e 6f 74 20 61 6e 20 69",
    ]
    assert result.total.outcomes == {Outcome.RECOMPRESSED: 14, Outcome.DAMAGED: 2}
    assert [address for address, tile in package.items() if tile == tiles[address]] == [t[:3] for t in result.damaged]
    assert (result.tiles_recompressed, result.tiles_kept) == (14, 2)


def test_png_tiles_of_a_mixed_cache_are_kept(tmp_path: Path) -> None:
    tiles = {
        (2, row, column): jpeg_tile(row, 75) if (row + column) % 2 else png_tile(column)
        for row in range(4)
        for column in range(4)
    }
    cache = make_cache(tmp_path / "cache", tiles, conf=conf_text(format="MIXED", quality=90))
    result = export_tiles(cache, tmp_path / "x.tpkx", compression_quality=50)
    package = read_package(result.path)
    assert all((package[address] == tile) == tile.startswith(b"\x89PNG") for address, tile in tiles.items())
    assert result.total.kept == {Outcome.KEPT_NOT_JPEG: 8}
    info = read_json(result.path, "root.json")["tileImageInfo"]
    assert (info["format"], info["compressionQuality"]) == ("MIXED", 50)


def test_quality_not_below_that_of_the_tiles_keeps_them(cache: Path, tmp_path: Path) -> None:
    result = export_tiles(cache, tmp_path / "x.tpkx", compression_quality=85)
    check_optimised(world(), read_package(result.path))
    assert (result.tiles_recompressed, result.tiles_optimised, result.tiles_kept) == (0, len(world()), 0)
    assert result.total.effective_quality == 85


def test_rows_outside_the_web_grid_and_non_consecutive_levels(tmp_path: Path) -> None:
    tiles = square(3, range(6, 11), range(2)) | square(7, range(300, 302), range(1))
    result = export_tiles(make_cache(tmp_path / "cache", tiles, conf=conf_text([3, 5, 7])), tmp_path / "x.tpkx")
    check_package(result.path, levels={3, 7})
    assert read_package(result.path) == tiles


def test_unit_of_work_can_be_pickled_and_is_reproducible(cache: Path, tmp_path: Path) -> None:
    opened = open_cache(cache)
    lod = opened.scheme.lods[8]
    area = Area.from_polygon(shapely.MultiPolygon([shapely.box(-1e6, -1e6, 2e5, 2e5)]))
    selection = Selection(opened.scheme, (lod,), area=area)
    results = []
    for name in ("a", "b"):
        address = opened.bundles(lod)[0]
        (tmp_path / name).mkdir()
        regions = bundle_regions(tmp_path / name, CompactV2Writer, address)
        unit = Unit(opened, selection, lod, address, Recompression(50), CompactV2Writer, regions)
        results.append(pickle.loads(pickle.dumps(run_unit(pickle.loads(pickle.dumps(unit))))))
    assert results[0].report == results[1].report
    assert 0 < results[0].report.tiles < 36
    [a, b] = sorted(tmp_path.rglob("*.bundle"))
    assert a.read_bytes() == b.read_bytes()


def test_progress_increases_to_the_number_of_tiles(cache: Path, tmp_path: Path) -> None:
    seen: list[tuple[Phase, int, int]] = []
    export_tiles(cache, tmp_path / "x.tpkx", progress=lambda *progress: seen.append(progress))
    assert list(dict.fromkeys(phase for phase, _, _ in seen)) == [Phase.COUNTING, Phase.EXPORTING]
    for phase, total in ((Phase.COUNTING, 0), (Phase.EXPORTING, len(world()))):
        done = [tiles for seen_phase, tiles, of in seen if seen_phase is phase and of == total]
        assert len(done) == sum(seen_phase is phase for seen_phase, _, _ in seen)
        assert done == sorted(done)
        assert done[-1] == len(world())


def test_output_name_of_maximum_length(cache: Path, tmp_path: Path) -> None:
    name = "n" * 250 + ".tpkx"
    assert export_tiles(cache, tmp_path / name).path.name == name


@pytest.mark.posix("names that are no text")
def test_output_name_with_undecodable_bytes(cache: Path, tmp_path: Path) -> None:
    path = export_tiles(cache, os.fsdecode(bytes(tmp_path) + b"/bad\xff.tpkx"), levels="0").path
    assert read_json(path, "root.json")["name"] == "bad?"


def test_numpy_numbers_are_accepted(cache: Path, tmp_path: Path) -> None:
    result = export_tiles(cache, tmp_path / "x.tpkx", levels=np.arange(2), compression_quality=np.int64(50))  # type: ignore[arg-type]
    assert result.tiles_recompressed == 5


def test_public_names() -> None:
    assert set(gptool.__all__) <= set(dir(gptool))
    assert {"open_cache", "export_tiles", "estimate_export_tiles_size", "errors"} <= set(gptool.__all__)

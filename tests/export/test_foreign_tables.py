"""Exports of tiles whose quantisation tables are not IJG's, as those of other encoders."""

from __future__ import annotations

from pathlib import Path

import pytest

from gptool import export_tiles
from gptool._jpeg import quality
from gptool.model import Message
from helpers.bundles import Address
from helpers.caches import conf_text, foreign_tile, jpeg_tile, make_cache
from helpers.lossless import is_same_image
from helpers.tile_readers import read_tiles


def foreign_cache(folder: Path, quality: int) -> Path:
    """Create a cache of two tiles with foreign tables, and a tile that has the declared quality."""
    tiles: dict[Address, bytes] = {(1, 0, 0): foreign_tile(1), (1, 0, 1): foreign_tile(2), (2, 0, 0): jpeg_tile(3, 75)}
    return make_cache(folder / "cache", tiles, conf=conf_text(quality=quality))


TEXT = "2 tiles have quantisation tables that are not IJG's: their quality is an estimate"


def test_reports_count_foreign_tables(tmp_path: Path) -> None:
    result = export_tiles(foreign_cache(tmp_path, 75), tmp_path / "x.tpkx")
    assert {level: report.tiles_with_foreign_tables for level, report in result.levels.items()} == {1: 2, 2: 0}
    assert result.to_json()["tilesWithForeignTables"] == 2
    assert result.messages == ()


@pytest.mark.parametrize(("request_", "keeps"), [(50, False), (74, False), (75, True), (90, True), (None, True)])
def test_foreign_tables_keep_their_quality_from_the_declared_quality_on(
    tmp_path: Path, request_: int | None, keeps: bool
) -> None:
    cache = foreign_cache(tmp_path, 75)
    result = export_tiles(cache, tmp_path / "x.tpkx", optimize_tiles_for_size=True, compression_quality=request_)
    tiles = read_tiles(result.path)
    assert [is_same_image(tiles[1, 0, seed - 1], foreign_tile(seed)) for seed in (1, 2)] == [keeps, keeps]
    notice = Message("Informative", f"{TEXT}; requests of 75 or more, the quality that the cache declares, keep it")
    assert result.messages.count(notice) == (request_ is not None)
    # Their estimated quality is below 90 too, but it is not the reason for which they are kept.
    assert (quality(foreign_tile(1)) or 0) < 90
    assert {level: report.capped for level, report in result.levels.items()} == {
        1: {},
        2: {75: 1} if request_ == 90 else {},
    }


def test_notice_about_foreign_tables_of_a_cache_that_declares_no_quality(tmp_path: Path) -> None:
    result = export_tiles(foreign_cache(tmp_path, 0), tmp_path / "x.tpkx", compression_quality=50)
    assert Message("Informative", TEXT) in result.messages

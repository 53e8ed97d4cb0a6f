"""Figures of a cache: exact counts and sizes, formats and qualities of a sample, and what is declared besides."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean

import pytest

import gptool
from gptool.plan.info import SAMPLED_TILES
from helpers.caches import jpeg_tile, make_cache, png_tile

TILES = {
    (0, 0, 0): jpeg_tile(1, quality=60),
    (3, 0, 0): jpeg_tile(2, quality=60),
    (3, 1, 2): jpeg_tile(3, quality=90),
    (3, 5, 7): png_tile(4),
}


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    make_cache(tmp_path / "mixed", TILES)
    return tmp_path / "mixed"


def sizes(level: int) -> list[int]:
    return [len(tile) for (found, _, _), tile in TILES.items() if found == level]


def test_sizes_are_those_of_all_tiles(mixed: Path) -> None:
    found = {level.lod.level: level for level in gptool.info(mixed).levels if level.tiles}
    assert found.keys() == {0, 3}
    for level, info in found.items():
        assert (info.tiles, info.bytes) == (len(sizes(level)), sum(sizes(level)))
        assert (info.smallest, info.largest) == (min(sizes(level)), max(sizes(level)))
        assert info.average == pytest.approx(mean(sizes(level)))


def test_formats_and_qualities_are_found_in_the_tiles(mixed: Path) -> None:
    level = gptool.info(mixed).levels[3]
    assert (level.sampled, level.formats, level.qualities) == (3, {"JPEG": 2, "PNG": 1}, {60: 1, 90: 1})


def test_extent_of_a_level_is_that_of_its_tiles(mixed: Path) -> None:
    info = gptool.info(mixed)
    scheme, extent = info.plan.cache.scheme, info.levels[3].extent
    side = info.levels[3].lod.resolution.value * scheme.tile_columns
    assert extent is not None
    assert (extent.xmin, extent.ymax) == (scheme.origin_x.value, scheme.origin_y.value)
    assert (extent.xmax - extent.xmin, extent.ymax - extent.ymin) == pytest.approx((8 * side, 6 * side))


def test_levels_without_tiles_have_no_figures(mixed: Path) -> None:
    level = gptool.info(mixed).levels[1].to_json()
    assert (level["tiles"], level["smallestTile"], level["averageTile"], level["extent"]) == (0, 0, 0, None)
    assert (level["formats"], level["qualities"]) == ({}, {})


@pytest.mark.parametrize("bundles", [1, 2, 4])
def test_sample_is_bounded_and_spread_over_bundles(tmp_path: Path, bundles: int) -> None:
    """The first tile of each bundle is a PNG."""
    tiles = {
        (8, 128 * (bundle // 2) + i // 10, 128 * (bundle % 2) + i % 10): jpeg_tile(1) if i else png_tile(0)
        for bundle in range(bundles)
        for i in range(100)
    }
    make_cache(tmp_path / "many", tiles)
    level = gptool.info(tmp_path / "many").levels[8]
    assert level.sampled == min(len(tiles), SAMPLED_TILES)
    assert level.formats == {"PNG": bundles, "JPEG": level.sampled - bundles}


def test_package_states_its_weight(mixed: Path, tmp_path: Path) -> None:
    result = gptool.export_tiles(mixed, tmp_path / "x.tpkx")
    info = gptool.info(result.path)
    assert (info.package_size, gptool.info(mixed).package_size) == (result.size, None)
    assert "; the rest are indexes of bundles and metadata" in repr(info)
    assert json.loads(json.dumps(info.to_json()))["packageBytes"] == result.path.stat().st_size


def test_notebooks_show_a_table(mixed: Path) -> None:
    html = gptool.info(mixed)._repr_html_()
    assert html.count("<tr>") == 3
    assert "JPEG 67 %, PNG 33 %" in html
    assert "60 (60-90)" in html


def test_cache_without_tiles_is_explained(tmp_path: Path) -> None:
    make_cache(tmp_path / "empty", {})
    [warning] = gptool.info(tmp_path / "empty").warnings
    assert warning == f"{tmp_path / 'empty'} has no tiles at any level of its tiling scheme"


def test_damaged_bundle_is_an_error(mixed: Path) -> None:
    [bundle, *_] = sorted(mixed.rglob("*.bundle"))
    bundle.write_bytes(bundle.read_bytes()[:100])
    with pytest.raises(gptool.errors.CacheError, match="bundle"):
        gptool.info(mixed)

"""Plans against a brute-force count, and the full extent of a result."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptool.errors import ParameterError
from gptool.plan import make_plan
from helpers.bundles import Address
from helpers.caches import conf_text, lod_text, make_cache, square
from helpers.plans import make_request

WORLD = 20037508.342787


def box_of(level: int, row: int, column: int) -> tuple[float, float, float, float]:
    """Return the extent of a tile, computed from the numbers in the tiling scheme."""
    side = float(lod_text(level)[1]) * 64
    xmin, ymax = -WORLD + column * side, WORLD - row * side
    return xmin, ymax - side, xmin + side, ymax


def brute_force(tiles: dict[Address, bytes], levels: set[int], box: tuple[float, ...]) -> set[Address]:
    """Return the tiles that share area with the box; boxes whose edges only touch have separate tests."""
    selected = set()
    for address in tiles:
        xmin, ymin, xmax, ymax = box_of(*address)
        if address[0] in levels and xmin < box[2] and xmax > box[0] and ymin < box[3] and ymax > box[1]:
            selected.add(address)
    return selected


SPARSE = {address: tile for address, tile in square(8, range(120, 136), range(120, 136)).items() if sum(address) % 3}
TILES = square(1, range(2), range(2)) | square(3, range(8), range(8)) | SPARSE


@settings(max_examples=60)
@given(data=st.data())
def test_plan_equals_brute_force_count(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.getbasetemp() / "sparse"
    if not folder.exists():
        make_cache(folder, TILES)
    levels = data.draw(st.sets(st.sampled_from([1, 3, 8]), min_size=1))
    # Corners lie between the edges of level 8's tiles, so that rounding does not matter.
    side = box_of(8, 0, 0)[2] + WORLD
    corner = st.tuples(st.integers(0, 255), st.floats(0.01, 0.99)).map(lambda pair: sum(pair) * side - WORLD)
    xs = data.draw(st.tuples(corner, corner).map(sorted).filter(lambda pair: pair[0] < pair[1]))
    ys = data.draw(st.tuples(corner, corner).map(sorted).filter(lambda pair: pair[0] < pair[1]))
    box = (xs[0], ys[0], xs[1], ys[1])
    expected = brute_force(TILES, levels, box)
    try:
        plan = make_plan(folder, make_request(levels=levels, export_extent=box))
    except ParameterError as error:
        assert "selection contains no tiles" in str(error)
        assert not expected
        return
    for level in plan.levels:
        tiles = {address for address in expected if address[0] == level.lod.level}
        assert (level.tiles, level.bytes) == (len(tiles), sum(len(TILES[address]) for address in tiles))
        if tiles:
            rows, columns = {row for _, row, _ in tiles}, {column for _, _, column in tiles}
            assert level.window == (min(rows), max(rows), min(columns), max(columns))


def test_extent_along_tile_edges_selects_no_neighbours(cache: Path) -> None:
    plan = make_plan(cache, make_request(levels="8", export_extent=box_of(8, 128, 128)))
    assert [(level.tiles, level.window) for level in plan.levels] == [(1, (128, 128, 128, 128))]


@pytest.mark.parametrize("box", ["0,0,10,10", "-5,-5,5,5"])
def test_small_extent_selects_tiles_of_every_level(cache: Path, box: str) -> None:
    assert [level.lod.level for level in make_plan(cache, make_request(export_extent=box)).filled_levels] == [
        0,
        1,
        2,
        8,
    ]


def test_empty_selection_is_rejected(cache: Path) -> None:
    with pytest.raises(ParameterError, match="selection contains no tiles"):
        make_plan(cache, make_request(levels="5-6"))
    with pytest.raises(ParameterError, match="selection contains no tiles"):
        make_plan(cache, make_request(levels="8", export_extent=(0, 1e7, 1, 1e7 + 1)))


class TestFullExtent:
    """The full extent of the result is that of its tiles, not of the tiling scheme, and has an area."""

    def test_single_level(self, cache: Path) -> None:
        extent = make_plan(cache, make_request(levels="8")).extent()
        assert extent == pytest.approx((*box_of(8, 133, 122)[:2], *box_of(8, 122, 133)[2:]), abs=1e-3)

    def test_coarse_tiles_around_deep_ones_do_not_enlarge_it(self, tmp_path: Path) -> None:
        tiles = square(8, range(16, 20), range(16, 20)) | square(1, range(1), range(1)) | square(0, range(1), range(1))
        make_cache(tmp_path, tiles)
        deep = (*box_of(8, 19, 16)[:2], *box_of(8, 16, 19)[2:])
        assert make_plan(tmp_path, make_request()).extent() == pytest.approx(deep, abs=1e-3)

    def test_coarse_tiles_elsewhere_enlarge_it(self, cache: Path) -> None:
        assert make_plan(cache, make_request()).extent() == pytest.approx((-WORLD, -WORLD, WORLD, WORLD), abs=1)

    def test_it_is_clipped_to_conf_cdi(self, tmp_path: Path) -> None:
        make_cache(tmp_path, square(1, range(2), range(2)), cdi=(-100, -100, 1e9, 50))
        assert make_plan(tmp_path, make_request()).extent() == pytest.approx((-100, -100, WORLD, 50), abs=1)

    def test_declared_extent_without_tiles_is_ignored(self, tmp_path: Path) -> None:
        make_cache(tmp_path, square(1, range(2), range(2)), cdi=(1e9, 1e9, 2e9, 2e9))
        assert make_plan(tmp_path, make_request()).extent() == pytest.approx((-WORLD, -WORLD, WORLD, WORLD), abs=1)

    def test_rows_below_the_world(self, tmp_path: Path) -> None:
        make_cache(tmp_path, square(0, range(2), range(1)), conf=conf_text([0]))
        assert make_plan(tmp_path, make_request()).extent() == pytest.approx((-WORLD, -3 * WORLD, WORLD, WORLD), abs=1)

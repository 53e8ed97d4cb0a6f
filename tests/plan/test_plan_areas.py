"""Plans of polygons and extents against each tile tested by shapely, in schemes of any origin and tile shape."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from gptool import export_tiles
from gptool.cache import open_cache
from gptool.errors import ParameterError
from gptool.plan import Plan, make_plan
from helpers.bundles import Address
from helpers.caches import conf_text, make_cache, square, world, write_documents
from helpers.plans import make_request, planned_tiles
from helpers.tile_readers import read_tiles

TILE = b"\xff\xd8\xff" + b"tile" * 5 + b"\xff\xd9"
EIGHTHS = 8
"""Corners lie on eighths of the deepest level's tiles: exact in binary, and far larger than the edge tolerance."""


@dataclass(frozen=True)
class Scheme:
    """A tiling scheme of levels 0 to 3, each of half the resolution; all numbers are exact in binary."""

    origin_x: float
    origin_y: float
    resolution: float
    rows: int
    columns: int

    def conf(self) -> str:
        lods = "".join(
            f"<LODInfo><LevelID>{level}</LevelID><Scale>{4e6 / 2**level}</Scale>"
            f"<Resolution>{self.resolution / 2**level!r}</Resolution></LODInfo>"
            for level in range(4)
        )
        conf = conf_text(x=self.origin_x, y=self.origin_y, lods=lods)
        return conf.replace("<TileCols>64<", f"<TileCols>{self.columns}<").replace(
            "<TileRows>64<", f"<TileRows>{self.rows}<"
        )

    def tile_box(self, level: int, row: Any, column: Any) -> Any:
        width, height = (side * self.resolution / 2**level for side in (self.columns, self.rows))
        x, y = self.origin_x + column * width, self.origin_y - row * height
        return shapely.box(x, y - height, x + width, y)

    def to_coordinates(self, x: float, y: float) -> tuple[float, float]:
        """Return the coordinates of a point in eighths of the deepest level's tiles, right and down from the origin."""
        unit = self.resolution / 8 / EIGHTHS
        return self.origin_x + x * unit * self.columns, self.origin_y - y * unit * self.rows


schemes = st.builds(
    Scheme,
    origin_x=st.sampled_from([0.0, -1024.0, 333.5]),
    origin_y=st.sampled_from([0.0, 2048.0, -77.25]),
    resolution=st.sampled_from([1.0, 0.25, 64.0]),
    rows=st.sampled_from([64, 128]),
    columns=st.sampled_from([64, 256]),
)
INTERIORS_INTERSECT = "T********"
"""DE-9IM pattern of geometries that share area."""

GRID_SIZE = 24
"""Rows and columns of the deepest level."""

position = st.integers(-2 * EIGHTHS, (GRID_SIZE + 2) * EIGHTHS)


def convex(corners: list[tuple[int, int]]) -> shapely.Geometry:
    return shapely.convex_hull(shapely.multipoints(corners))


pieces = st.lists(st.tuples(position, position), min_size=3, max_size=6, unique=True).map(convex) | st.tuples(
    position, position, st.integers(1, 99), st.integers(1, 99)
).map(lambda box: shapely.box(box[0], box[1], box[0] + box[2], box[1] + box[3]))
"""Convex polygons and boxes whose corners lie on eighths: none is computed, so none is rounded."""


@st.composite
def polygons(draw: st.DrawFn) -> shapely.Geometry:
    """Draw a polygon of several parts that share no area, with holes."""
    shells: list[shapely.Geometry] = []
    for piece in draw(st.lists(pieces, min_size=1, max_size=3)):
        if piece.area > 0 and not any(shell.relate_pattern(piece, INTERIORS_INTERSECT) for shell in shells):
            shells.append(piece)
    holes = draw(st.lists(pieces, max_size=4))
    parts = []
    for shell in shells:
        own_holes: list[shapely.Geometry] = []
        for hole in holes:
            if (
                hole.area > 0
                and shell.contains_properly(hole)
                and not any(other.intersects(hole) for other in own_holes)
            ):
                own_holes.append(hole)
        parts.append(shapely.Polygon(shell.exterior, [hole.exterior for hole in own_holes]))
    return shapely.MultiPolygon(parts)


def to_esri(polygon: shapely.Geometry) -> dict[str, Any]:
    rings = []
    for part in shapely.get_parts(shapely.orient_polygons(polygon, exterior_cw=True)):
        rings += [list(map(list, ring.coords)) for ring in (part.exterior, *part.interiors)]
    return {"rings": rings}


def tiles_per_level(plan: Plan) -> dict[int, int]:
    return {level.lod.level: level.tiles for level in plan.levels if level.tiles}


def sparse_tiles() -> dict[Address, bytes]:
    """Return tiles of four levels, of which a third is missing in the deeper two."""
    rng = np.random.default_rng(4)
    return {
        (level, row, column): TILE
        for level in range(4)
        for row in range(GRID_SIZE // 2 ** (3 - level))
        for column in range(GRID_SIZE // 2 ** (3 - level))
        if level < 2 or rng.random() < 0.7
    }


TILES = sparse_tiles()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    scheme=schemes,
    shape=polygons().filter(lambda shape: not shape.is_empty),
    levels=st.sets(st.integers(0, 3), min_size=1),
    as_extent=st.booleans(),
)
def test_planned_tiles_share_area_with_the_selection(
    tmp_path_factory: pytest.TempPathFactory, scheme: Scheme, shape: shapely.Geometry, levels: set[int], as_extent: bool
) -> None:
    folder = tmp_path_factory.getbasetemp() / "grid"
    if not folder.exists():
        make_cache(folder, TILES)
    write_documents(folder, scheme.conf())
    shape = shapely.transform(shape, lambda xy: np.array([scheme.to_coordinates(*point) for point in xy.tolist()]))
    shape = shapely.box(*shape.bounds) if as_extent else shape
    area = {"export_extent": shape.bounds} if as_extent else {"area_of_interest": to_esri(shape)}
    addresses = np.array([address for address in TILES if address[0] in levels])
    boxes = np.array([scheme.tile_box(*address) for address in addresses.tolist()])
    expected = set(map(tuple, addresses[shapely.relate_pattern(boxes, shape, INTERIORS_INTERSECT)].tolist()))
    try:
        plan = make_plan(folder, make_request(levels=levels, **area))
    except ParameterError as error:
        assert "selection contains no tiles" in str(error)
        assert expected == set()
        return
    assert planned_tiles(plan) == expected
    assert tiles_per_level(plan) == Counter(level for level, _, _ in expected)
    assert plan.bytes == len(TILE) * plan.tiles == len(TILE) * len(expected)


@pytest.mark.parametrize("kind", ["x.tpkx", "x.tpk", "x"])
def test_export_has_exactly_the_tiles_of_the_area(cache: Path, tmp_path: Path, kind: str) -> None:
    area = {"rings": [[[0, 0], [0, 600_000], [600_000, 0], [0, 0]], [[9e6, 9e6], [9e6, 9.1e6], [9.1e6, 9e6]]]}
    result = export_tiles(cache, tmp_path / kind, area_of_interest=json.dumps(area))
    side = 2 * 20037508.342787 / 2**8
    triangle = shapely.Polygon(area["rings"][0])
    deep = {
        (8, row, column)
        for level, row, column in world()
        if level == 8
        and shapely.box(
            column * side - 20037508.342787,
            20037508.342787 - (row + 1) * side,
            (column + 1) * side - 20037508.342787,
            20037508.342787 - row * side,
        ).buffer(-1).intersects(triangle)
    }  # fmt: skip
    assert len(deep) == 15 - 5
    assert set(read_tiles(result.path)) == deep | {(0, 0, 0), (1, 0, 1), (2, 1, 2)}


@pytest.mark.parametrize("side", [0.5, 5.0, 1e5])
def test_small_area_selects_tiles_of_every_level(cache: Path, side: float) -> None:
    """Also around a corner of tiles, where it overlaps each of them by less than the edge tolerance."""
    corner = [[-side, -side], [-side, side], [side, side], [side, -side], [-side, -side]]
    assert tiles_per_level(make_plan(cache, make_request(area_of_interest={"rings": [corner]}))) == {
        0: 1,
        1: 4,
        2: 4,
        8: 4,
    }
    tiny = [[[x * 1e-3 + side, y * 1e-3 + side] for x, y in corner]]
    assert tiles_per_level(make_plan(cache, make_request(area_of_interest={"rings": tiny}))) == {0: 1, 1: 1, 2: 1, 8: 1}


def test_small_part_does_not_reduce_the_tolerance_of_large_ones(cache: Path) -> None:
    """A large part that overlaps a tile by a rounding error does not select it, whatever other parts there are."""
    opened = open_cache(cache)
    width, _ = opened.scheme.tile_size(opened.scheme.lods[8])
    x, y = opened.scheme.origin_x.value + 125 * width, opened.scheme.origin_y.value - 130 * width
    rounding = 1e-4
    ring = [[x - rounding, y], [x - rounding, y + width], [x + width, y + width], [x + width, y]]
    small = [
        [x + 4.5 * width, y + width / 2],
        [x + 4.5 * width, y + width / 2 + 1e-5],
        [x + 4.5 * width + 1e-5, y + width / 2],
    ]
    plan = make_plan(opened, make_request(levels="8", area_of_interest={"rings": [ring, small]}))
    assert planned_tiles(plan) == {(8, 129, 125), (8, 129, 129)}


def test_area_along_tile_edges_selects_no_neighbours(cache: Path) -> None:
    opened = open_cache(cache)
    lod = opened.scheme.lods[8]
    width, _ = opened.scheme.tile_size(lod)
    x, y = opened.scheme.origin_x.value + 125 * width, opened.scheme.origin_y.value - 130 * width
    ring = [[x, y], [x, y + width], [x + 2 * width, y + width], [x + 2 * width, y], [x, y]]
    assert tiles_per_level(make_plan(opened, make_request(levels="8", area_of_interest={"rings": [ring]}))) == {8: 2}


def test_bundles_outside_the_area_are_not_opened(tmp_path: Path) -> None:
    """A corrupt bundle is not an error if it is not selected."""
    tiles = square(8, range(100, 101), range(100, 101)) | square(8, range(200, 201), range(200, 201))
    folder = make_cache(tmp_path / "cache", tiles)
    broken = folder / "_alllayers" / "L08" / "R0080C0080.bundle"
    broken.write_bytes(b"broken")
    (folder / "_alllayers" / "L08" / "R0000C0080.bundle").write_bytes(b"broken")
    corner = 20037508.342787
    area = {"rings": [[[-corner, corner], [0, 0], [-corner, 0], [-corner, corner]]]}
    assert tiles_per_level(make_plan(folder, make_request(levels="8", area_of_interest=area))) == {8: 1}

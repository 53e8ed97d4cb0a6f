"""Areas of many parts: each part selects tiles by its own edges, with a tolerance that depends on its width."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import shapely

from gptool import _area, open_cache
from gptool.model import EDGE_TOLERANCE, BundleAddress, TilingScheme
from gptool.request.selection import Area
from helpers.caches import conf_text, jpeg_tile, make_cache

WORLD = 20037508.342787
LEVEL = 8


@pytest.fixture(scope="module")
def scheme(tmp_path_factory: pytest.TempPathFactory) -> TilingScheme:
    cache = make_cache(tmp_path_factory.mktemp("cache"), {(0, 0, 0): jpeg_tile(1)}, conf=conf_text(range(LEVEL + 1)))
    return open_cache(cache).scheme


def scattered(seed: int, widths: list[float]) -> shapely.MultiPolygon:
    """Polygons that do not touch, one in each cell of a grid and of the given widths, some with holes."""
    rng, side = np.random.default_rng(seed), 2 * WORLD / len(widths)
    parts = []
    for i, width in enumerate(widths):
        turns = np.sort(rng.uniform(0, 2 * np.pi, 9))
        circle = np.column_stack((np.cos(turns), np.sin(turns)))
        centre = np.array((-WORLD + (i + 0.5) * side, rng.uniform(-0.9, 0.9) * WORLD))
        holes = [centre + circle[::-1] * width / 4] if i % 3 == 0 else []
        parts.append(shapely.Polygon(centre + circle * width / 2, holes))
    return shapely.MultiPolygon(parts)


def covered_by_parts(scheme: TilingScheme, polygon: shapely.MultiPolygon, bundle: BundleAddress) -> np.ndarray:
    """The tiles of each part, from its edges one by one and with its own tolerance."""
    width, height = scheme.tile_size(scheme.lods[LEVEL])
    widths = [min(xmax - xmin, ymax - ymin) for xmin, ymin, xmax, ymax in shapely.bounds(polygon.geoms)]
    found = np.zeros(128 * 128, bool)
    for part, part_width in zip(polygon.geoms, widths, strict=True):
        lines = [shapely.get_coordinates(ring) for ring in (part.exterior, *part.interiors)]
        edges = np.array([[*start, *end] for line in lines for start, end in pairwise(line)])
        # Parts that are narrow compared with a tile share the tolerance of the narrowest.
        scale = 4 * max(width, height)
        is_narrow = part_width / scale < EDGE_TOLERANCE
        tolerance = min(widths) / scale if is_narrow else EDGE_TOLERANCE
        found |= _area.covered(
            edges, scheme.origin_x.value, scheme.origin_y.value, width, height, bundle.row, bundle.column, tolerance
        )
    return found


@pytest.mark.parametrize(
    "widths",
    [[1e6], [1e6] * 12, [1e6, 3e5, 2e6, 1e3], [1e-2] * 7, [1e6, 1e-2, 2e6, 1e-3, 1e6], [1e-2, 1e6]],
    ids=["one", "many", "different", "narrow", "narrow and wide", "narrow first"],
)
def test_tiles_are_those_of_the_parts(scheme: TilingScheme, widths: list[float]) -> None:
    polygon, lod = scattered(len(widths), widths), scheme.lods[LEVEL]
    area, selected = Area.from_polygon(polygon), 0
    assert area.part_sizes.sum() == len(area.points)
    for row in (0, 128):
        for column in (0, 128):
            bundle = BundleAddress(LEVEL, row, column)
            found = area.covered_tiles(scheme, lod, bundle)
            np.testing.assert_array_equal(found, covered_by_parts(scheme, polygon, bundle))
            selected += int(found.sum())
    assert selected >= len(widths), "each part selects at least one tile"

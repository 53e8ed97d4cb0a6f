"""Areas with many edges: they are compared with neighbouring bundles in one go."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import shapely

from gptool import open_cache
from gptool.model import BundleAddress, TilingScheme
from gptool.request import selection
from gptool.request.selection import Area, Selection
from helpers.caches import conf_text, jpeg_tile, make_cache

WORLD = 20037508.342787


@pytest.fixture(scope="module")
def scheme(tmp_path_factory: pytest.TempPathFactory) -> TilingScheme:
    cache = make_cache(tmp_path_factory.mktemp("cache"), {(0, 0, 0): jpeg_tile(1)}, conf=conf_text(range(13)))
    return open_cache(cache).scheme


def spikes(count: int) -> shapely.MultiPolygon:
    """A polygon whose upper side has so many spikes, of random heights, and a hole."""
    rng = np.random.default_rng(count)
    x = np.linspace(-WORLD, WORLD, 2 * count)
    y = np.where(np.arange(2 * count) % 2, rng.uniform(-0.2, 0.9, 2 * count), -0.5) * WORLD
    ring = [*zip(x.tolist(), y.tolist(), strict=True), (WORLD, -0.9 * WORLD), (-WORLD, -0.9 * WORLD)]
    hole = shapely.box(-0.3 * WORLD, -0.8 * WORLD, 0.4 * WORLD, -0.6 * WORLD)
    return shapely.MultiPolygon([shapely.make_valid(shapely.Polygon(ring)) - hole])


@pytest.mark.parametrize("level", [3, 9, 12])
def test_tiles_are_those_of_all_edges(scheme: TilingScheme, monkeypatch: pytest.MonkeyPatch, level: int) -> None:
    area = Area.from_polygon(spikes(400))
    side = max(2**level // 128, 1)
    addresses = [BundleAddress(level, 128 * row, 128 * column) for row in range(side) for column in (0, side // 2)]
    lod = scheme.lods[level]
    expected = [area.covered_tiles(scheme, lod, address) for address in addresses]
    monkeypatch.setattr(selection, "MIN_SHARED_EDGES", 0)
    copy = pickle.loads(pickle.dumps(area))
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda address: copy.covered_tiles(scheme, lod, address), addresses))
    assert any(mask.any() and not mask.all() for mask in expected)
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one, other)


def test_edges_are_compared_once_with_neighbouring_bundles(
    scheme: TilingScheme, monkeypatch: pytest.MonkeyPatch
) -> None:
    area, made = Area.from_polygon(spikes(2000)), list[int]()
    compare = selection._area.covered

    def count(*arguments: Any) -> np.ndarray:
        made.append(arguments[5])
        return compare(*arguments)

    monkeypatch.setattr(selection._area, "covered", count)
    one = Selection(scheme, scheme.lods, None, area)
    for row in (1024, 1152):
        for column in range(0, 4096, 128):
            one.selected(scheme.lods[12], BundleAddress(12, row, column))
    assert made == [1024, 1152]

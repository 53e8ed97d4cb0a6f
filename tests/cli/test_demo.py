"""Tests of the demo: a world is drawn, written as a cache and exported."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from gptool import open_cache
from gptool.cli.main import main
from gptool.demo import make_cache
from gptool.demo.relief import draw_shaded_relief, halve
from gptool.errors import OutputExistsError
from helpers.checks import check_bundle_head, check_nothing_left, check_package
from helpers.tile_readers import read_cache, read_package


def test_demo_draws_a_cache_and_exports_it(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["demo", str(tmp_path / "demo")])
    assert done.exit_code == 0, done.output
    check_nothing_left(tmp_path / "demo", "world", "world.tpkx")
    check_package(tmp_path / "demo" / "world.tpkx", levels={0, 1, 2, 3, 4})
    source, package = read_cache(tmp_path / "demo" / "world"), read_package(tmp_path / "demo" / "world.tpkx")
    assert source.keys() == package.keys()
    assert len(package) == 341
    assert sum(map(len, package.values())) < 0.6 * sum(map(len, source.values()))
    again = CliRunner().invoke(main, ["demo", str(tmp_path / "demo")])
    assert (again.exit_code, "output already exists" in again.output) == (1, True)
    assert CliRunner().invoke(main, ["demo", str(tmp_path / "demo"), "--overwrite"]).exit_code == 0


def test_cache_of_fewer_levels(tmp_path: Path) -> None:
    make_cache(tmp_path / "small", levels=2)
    tiles = read_cache(tmp_path / "small")
    assert tiles.keys() == {(0, 0, 0), (1, 0, 0), (1, 0, 1), (1, 1, 0), (1, 1, 1)}
    for bundle in (tmp_path / "small" / "_alllayers").glob("*/*.bundle"):
        check_bundle_head(bundle.read_bytes())
    with Image.open(io.BytesIO(tiles[1, 0, 1])) as image:
        assert (image.format, image.size, image.mode) == ("JPEG", (256, 256), "RGB")
    assert open_cache(tmp_path / "small").declared_extent is not None
    with pytest.raises(OutputExistsError, match="output already exists"):
        make_cache(tmp_path / "small", levels=2)


def test_world_is_reproducible_and_has_land_and_sea() -> None:
    world = draw_shaded_relief(512)
    assert np.array_equal(world, draw_shaded_relief(512))
    assert not np.array_equal(world, draw_shaded_relief(512, seed=8))
    red, blue = world[..., 0].astype(int), world[..., 2].astype(int)
    assert 0.2 < np.mean(blue > red + 20) < 0.8
    # The left and right edges differ no more than neighbouring columns do.
    steps = np.abs(np.diff(world.astype(int), axis=1)).mean()
    assert np.abs(world[:, 0].astype(int) - world[:, -1]).mean() < 1.5 * steps


@pytest.mark.parametrize("size", [0, 100, 257])
def test_size_that_is_no_power_of_two_is_rejected(size: int) -> None:
    with pytest.raises(ValueError, match=f"size is not a power of two; found {size}"):
        draw_shaded_relief(size)


def test_halve_rounds_means_half_up() -> None:
    image = np.array([[[0], [1], [255], [255]], [[1], [0], [255], [254]]], np.uint8)
    assert halve(image).tolist() == [[[1], [255]]]

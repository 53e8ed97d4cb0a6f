"""Sample compressions: the recommended quality, the sizes, the choice of tiles, and caches that are not as expected."""

from __future__ import annotations

import io
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gptool
from gptool import _jpeg
from gptool.errors import CacheError, ParameterError
from gptool.model import Tables, TileAddress
from gptool.samples import run
from gptool.samples.figures import THRESHOLD
from gptool.samples.report import Samples
from gptool.samples.ssimulacra2 import Original
from helpers.caches import conf_text, foreign_tile, jpeg_tile, make_cache, png_tile, square, world

SIDE = 64


def pixels(tile: bytes) -> np.ndarray:
    """Return the pixels of a tile as another decoder than that of the samples reads it."""
    with Image.open(io.BytesIO(tile)) as image:
        return np.asarray(image.convert("RGB"))


def lowest_by_brute_force(tiles: list[bytes], tables: Tables, declared: int | None) -> int:
    """Return the lowest quality at which each tile reaches the threshold, of all qualities."""
    worst = np.full(101, 100.0)
    for tile in tiles:
        original = Original(pixels(tile))
        results = [_jpeg.recompress(tile, q, tables=tables, declared_quality=declared)[0] for q in range(101)]
        scores = {result: original.score(pixels(result)) for result in {*results}}
        worst = np.minimum(worst, [scores[result] for result in results])
    return int(np.flatnonzero(worst >= THRESHOLD)[0])


CACHES = {
    "one quality": {(8, 120 + i // 4, 120 + i % 4): jpeg_tile(i, 85, SIDE) for i in range(8)},
    "several qualities": {(8, 120, 120 + i): jpeg_tile(i, (60, 75, 90, 100)[i % 4], SIDE) for i in range(8)},
    "foreign tables": {(8, 120, 120 + i): foreign_tile(i) for i in range(6)},
}


@pytest.mark.parametrize("tables", ["efficient", "exact"])
@pytest.mark.parametrize("name", CACHES)
def test_recommended_quality_is_that_of_a_search_over_all(tmp_path: Path, name: str, tables: Tables) -> None:
    cache = make_cache(tmp_path / "cache", CACHES[name])
    samples = gptool.sample_compressions(cache, tables=tables, count=200)
    assert samples.scored_tiles == len(CACHES[name]), "all tiles are scored"
    assert samples.recommended.quality == lowest_by_brute_force(list(CACHES[name].values()), tables, 85)
    assert samples.recommended.worst_score >= THRESHOLD == samples.threshold


@pytest.mark.parametrize(
    ("name", "levels", "declared"),
    [("esri-sample-cache-v2-jpeg", "0-1", 75), ("relief-v2-jpeg", "0-1", 85), ("mixed-v2", "0-2", 75)],
)
def test_recommended_quality_of_real_caches_is_that_of_a_search_over_all(
    samples: Path, name: str, levels: str, declared: int
) -> None:
    found = gptool.sample_compressions(samples / name, levels=levels, qualities=[60], count=200)
    assert len(found.tiles) == found.scored_tiles >= 5, "all tiles are known"
    assert found.recommended.quality == lowest_by_brute_force(
        [tile.data for tile in found.tiles], "efficient", declared
    )


@pytest.fixture(scope="module")
def sampled(cache: Path) -> Samples:
    return gptool.sample_compressions(cache, qualities="70, 20,45", count=24)


def test_sizes_are_those_of_estimates(cache: Path, sampled: Samples) -> None:
    assert [figures.quality for figures in sampled.qualities] == [20, 45, 70]
    assert len({figures.total_size for figures in sampled.all_figures}) == len(sampled.all_figures)
    for figures in sampled.all_figures:
        estimate = gptool.estimate_export_tiles_size(cache, compression_quality=figures.quality)
        assert (figures.total_size, figures.interval) == (estimate.total_size, estimate.interval)
    assert sampled.copied_size == gptool.estimate_export_tiles_size(cache).total_size


def test_sizes_and_scores_of_tiles_are_those_of_their_results(sampled: Samples) -> None:
    for tile in sampled.tiles:
        original = Original(pixels(tile.data))
        for result in tile.results:
            expected, _ = _jpeg.recompress(tile.data, result.quality, declared_quality=85)
            assert (result.data, result.size) == (expected, len(expected))
            assert result.score == pytest.approx(original.score(pixels(result.data)), abs=1e-6)
            difference = (pixels(result.data) - pixels(tile.data).astype(float)) @ (0.299, 0.587, 0.114)
            assert result.psnr == pytest.approx(10 * np.log10(255**2 / np.mean(difference**2)), abs=1e-4)


def test_results_of_a_step_are_the_same_and_those_of_the_next_are_not(tmp_path: Path) -> None:
    tile = jpeg_tile(1, 75, SIDE)
    steps = gptool.sample_compressions(make_cache(tmp_path / "cache", {(8, 3, 3): tile}), qualities=[50]).steps
    results = [_jpeg.recompress(tile, quality, declared_quality=85)[0] for quality in range(101)]
    assert [quality for low, high in steps for quality in range(low, high + 1)] == list(range(101))
    assert all(len({*results[low : high + 1]}) == 1 for low, high in steps)
    assert all(results[high] != results[low] for (_, high), (low, _) in pairwise(steps))
    assert steps[-1][0] < 70, "requests slightly below the quality of the tile keep it"


def test_tiles_represent_their_levels_and_the_worst_scores(sampled: Samples) -> None:
    tiles = world()
    for level in (0, 1, 2, 8):
        sizes = sorted(len(tile) for address, tile in tiles.items() if address[0] == level)
        shown = {role: tile for tile in sampled.tiles if tile.address.level == level for role in tile.roles}
        assert len(shown["busiest"].data) == sizes[-1]
        if len(sizes) > 2:
            assert len(shown["flattest"].data) == sizes[0]
            assert len(shown["median"].data) == sizes[len(sizes) // 2]
    best = sampled.recommended.quality
    scores = {tile.address: next(r.score for r in tile.results if r.quality == best) for tile in sampled.tiles}
    worst = [tile.address for tile in sampled.tiles if "worst" in tile.roles]
    assert len(worst) == 24 // 5
    assert min(scores.values()) == sampled.recommended.worst_score == min(scores[address] for address in worst)
    assert len({tile.address for tile in sampled.tiles}) == len(sampled.tiles) <= 24
    assert all(tile.data == tiles[tile.address] for tile in sampled.tiles)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_few_tiles_are_the_worst_and_those_of_some_levels(cache: Path, count: int) -> None:
    samples = gptool.sample_compressions(cache, qualities=[50], count=count)
    assert 1 <= len(samples.tiles) <= count
    assert any("worst" in tile.roles for tile in samples.tiles)


def test_same_request_has_the_same_samples(cache: Path, sampled: Samples) -> None:
    assert gptool.sample_compressions(cache, qualities=[20, 45, 70], count=24) == sampled


def test_cache_of_one_tile(tmp_path: Path) -> None:
    samples = gptool.sample_compressions(make_cache(tmp_path / "cache", {(3, 2, 1): jpeg_tile(1, 90)}))
    [tile] = samples.tiles
    assert (tile.address, tile.roles, tile.own_quality) == (TileAddress(3, 2, 1), ("busiest", "worst"), 90)
    assert (tile.width, tile.height, samples.scored_tiles) == (SIDE, SIDE, 1)


def test_damaged_tiles_and_others_are_not_compared(tmp_path: Path) -> None:
    tiles = {(8, 100, 100 + i): jpeg_tile(i) for i in range(6)}
    tiles |= {(8, 101, 100): b"\xff\xd8 no more" * 9000, (8, 101, 101): b"\xff\xd8", (8, 101, 102): png_tile(1)}
    tiles |= {(8, 102, 100): jpeg_tile(50)[:-400]}
    samples = gptool.sample_compressions(make_cache(tmp_path / "cache", tiles, conf=conf_text(format="MIXED")))
    assert {tile.address.row for tile in samples.tiles} == {100}
    assert samples.scored_tiles == 6
    [note] = [message.description for message in samples.messages if "not compared" in message.description]
    assert note.startswith("4 tiles")


def test_error_of_a_cache_without_jpeg_says_what_it_holds(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "cache", {(0, 0, 0): png_tile(1)}, conf=conf_text(format="PNG"))
    with pytest.raises(CacheError, match=r"holds no valid JPEG tile.*found tiles in the format PNG, expected JPEG"):
        gptool.sample_compressions(cache)


def test_tiles_that_no_quality_changes_enough_are_recommended_to_be_kept(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    file = io.BytesIO()
    Image.fromarray(random.integers(0, 256, (SIDE, SIDE, 3), np.uint8)).save(file, "JPEG", quality=20)
    cache = make_cache(tmp_path / "cache", {(0, 0, 0): file.getvalue()}, conf=conf_text(quality=20))
    samples = gptool.sample_compressions(cache, qualities=[5])
    assert samples.recommended.mean_psnr is None
    [note] = [message.description for message in samples.messages if "without loss" in message.description]
    assert "optimize_tiles_for_size" in note


def test_images_have_a_limit(cache: Path, sampled: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [len(t.data) + sum({r.data: r.size for r in t.results}.values()) for t in sampled.tiles]
    monkeypatch.setattr(run, "MAX_IMAGE_BYTES", sum(images) // 2)
    fewer = gptool.sample_compressions(cache, qualities=[20, 45, 70], count=24)
    assert 0 < len(fewer.tiles) < len(sampled.tiles)
    assert f"{len(sampled.tiles) - len(fewer.tiles)} tiles left out" in fewer.messages[-1].description
    assert fewer.recommended == sampled.recommended


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"qualities": ""}, "qualities: value is not an integer; found ''"),
        ({"qualities": "50,101"}, "qualities: value is out of range"),
        ({"qualities": "a"}, "qualities: value is not an integer; found 'a'"),
        ({"qualities": []}, "qualities: invalid list of qualities; found .*expected 1 to 12 qualities"),
        ({"qualities": range(13)}, "qualities: invalid list of qualities"),
        ({"qualities": 50}, "qualities: invalid list of qualities; found 50"),
        ({"count": 0}, "count: value is out of range"),
        ({"count": 201}, "count: value is out of range"),
        ({"levels": "99"}, "levels: level is not in the tiling scheme"),
        ({"export_extent": "1e7,1e7,1.1e7,1.1e7", "levels": "8"}, "tile"),
        ({"tables": "best"}, "tables: invalid choice"),
        ({"max_export_tiles_count": 3}, "exceed"),
    ],
    ids=str,
)
def test_invalid_arguments(cache: Path, arguments: dict[str, object], text: str) -> None:
    with pytest.raises(ParameterError, match=text):
        gptool.sample_compressions(cache, **arguments)  # type: ignore[arg-type]


def test_tables_have_no_notice_of_a_missing_quality(cache: Path) -> None:
    assert gptool.sample_compressions(cache, levels="0", qualities=[50], tables="exact").messages == ()


def test_samples_are_shown_and_are_json(sampled: Samples) -> None:
    assert repr(sampled).startswith(f"<Samples: quality {sampled.recommended.quality} is recommended: worst score ")
    assert "<table>" in sampled._repr_html_()
    value = json.loads(json.dumps(sampled.to_json()))
    assert [(q["quality"], q["totalSize"]) for q in value["qualities"]] == [
        (figures.quality, figures.total_size) for figures in sampled.qualities
    ]
    assert value["qualities"][0].keys() >= {"meanScore", "worstScore", "totalSizeInterval"}
    assert [{**tile["results"][0]}["size"] for tile in value["tiles"]] == [t.results[0].size for t in sampled.tiles]
    assert value["recommended"]["quality"] == sampled.recommended.quality


def test_large_level_is_represented_by_a_random_sample_and_three_tiles(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "cache", square(8, range(100, 110), range(100, 110)))
    assert gptool.sample_compressions(cache, qualities=[50], count=5).scored_tiles == 48 + 3

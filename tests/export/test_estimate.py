"""Estimates, compared with the results of the exports."""

from __future__ import annotations

from pathlib import Path

import pytest

from gptool import estimate_export_tiles_size, export_tiles
from gptool.errors import ParameterError
from helpers.caches import conf_text, jpeg_tile, make_cache, png_tile, square

REQUESTS: list[dict[str, str]] = [{}, {"levels": "8"}, {"levels": "0-2"}, {"export_extent": "0,0,2000000,2000000"}]


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
def test_estimate_is_exact_without_recompression(cache: Path, tmp_path: Path, request_: dict[str, str]) -> None:
    estimate = estimate_export_tiles_size(cache, **request_)  # type: ignore[arg-type]
    result = export_tiles(cache, tmp_path / "world.tpkx", **request_)  # type: ignore[arg-type]
    assert (estimate.total_tiles_to_export, estimate.total_size) == (result.tiles, result.size)
    assert [(e.level, e.tiles, e.bytes_written) for e in estimate.levels] == [
        (level, report.tiles, report.bytes_written) for level, report in result.levels.items()
    ]


def test_estimate_is_exact_if_all_tiles_are_recompressed(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "world", square(8, range(120, 136), range(120, 136)))
    estimate = estimate_export_tiles_size(cache, compression_quality=50)
    result = export_tiles(cache, tmp_path / "world.tpkx", compression_quality=50)
    assert [level.sampled for level in estimate.levels] == [256]
    assert estimate.interval == (result.size, result.size) == (estimate.total_size, estimate.total_size)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of 2,000 tiles, JPEG of three qualities and PNG, in a pattern."""
    qualities = (85, 60, 98)
    tiles = {}
    for row in range(100, 150):
        for column in range(100, 140):
            kind, seed = (row + column) % 4, 97 * row + column
            tiles[8, row, column] = png_tile(seed) if kind == 3 else jpeg_tile(seed, qualities[kind])
    return make_cache(tmp_path_factory.mktemp("mixed") / "mixed", tiles, conf=conf_text(format="MIXED"))


class TestInterval:
    """Only a sample of the tiles of a large level is recompressed."""

    def test_interval_contains_the_size_in_nine_of_ten_cases(self, mixed: Path, tmp_path: Path) -> None:
        side, inside = 20037508.342787 / 128, 0
        for i, quality in enumerate(range(5, 95, 9)):
            xmin, ymax = (100 + i) * side - 20037508.342787, 20037508.342787 - (100 + 2 * i) * side
            area = {
                "rings": [[[xmin, ymax], [xmin + 32 * side, ymax - 5 * side], [xmin, ymax - 32 * side], [xmin, ymax]]]
            }
            estimate = estimate_export_tiles_size(
                mixed, area_of_interest=area, compression_quality=quality, output=f"{i}.tpkx"
            )
            result = export_tiles(mixed, tmp_path / f"{i}.tpkx", area_of_interest=area, compression_quality=quality)
            low, high = estimate.interval
            assert low <= estimate.total_size <= high
            assert high - low < 0.035 * estimate.total_size
            assert estimate.total_tiles_to_export == result.tiles > 256
            inside += low <= result.size <= high
        assert inside >= 9

    def test_json_states_the_interval_and_the_sample(self, mixed: Path) -> None:
        estimate = estimate_export_tiles_size(mixed, compression_quality=40)
        value = estimate.to_json()
        assert value["totalSizeInterval"] == list(estimate.interval)
        assert value["confidence"] == 0.95
        assert value["sampledTiles"] == value["levels"][0]["sampled"] > 200  # large tiles have several sampling points
        assert (value["totalSize"], value["totalTilesToExport"]) == (estimate.total_size, 2000)

    def test_estimate_is_reproducible(self, mixed: Path) -> None:
        first, second = (estimate_export_tiles_size(mixed, compression_quality=40) for _ in range(2))
        assert first == second


FORBIDDEN = pytest.mark.posix("names that Windows does not allow")


@pytest.mark.parametrize(
    "name",
    [
        "x",
        "n" * 200,
        "&" * 245,
        pytest.param('a name with\nä, "quotes" & <brackets>', marks=FORBIDDEN),
        pytest.param("\x01" * 245, marks=FORBIDDEN),
    ],
)
@pytest.mark.parametrize("suffix", [".tpkx", ".tpk"])
def test_estimate_is_exact_for_the_name_of_the_output(cache: Path, tmp_path: Path, name: str, suffix: str) -> None:
    estimate = estimate_export_tiles_size(cache, levels="0", output=name + suffix)
    assert (estimate.result, estimate.name) == (f"a {suffix}", name)
    assert export_tiles(cache, tmp_path / (name + suffix), levels="0").size == estimate.total_size


@pytest.mark.parametrize("quality", [None, 4, 50, 100])
@pytest.mark.parametrize("output", ["x.tpkx", "x.tpk", "x"])
def test_estimate_knows_the_quality_that_the_result_states(tmp_path: Path, output: str, quality: int | None) -> None:
    """It has one to three digits: 85 is declared, the tile has 100."""
    cache = make_cache(tmp_path / "cache", {(0, 0, 0): jpeg_tile(1, 100)})
    estimate = estimate_export_tiles_size(cache, output=output, compression_quality=quality)
    assert export_tiles(cache, tmp_path / output, compression_quality=quality).size == estimate.total_size


def test_output_of_an_estimate_contradicts_tile_package(cache: Path) -> None:
    with pytest.raises(ParameterError, match=r"tile_package: cannot be combined with output, .*; found tile_package="):
        estimate_export_tiles_size(cache, output="x.tpkx", tile_package=True)


def test_estimate_writes_nothing_and_rejects_invalid_requests(cache: Path) -> None:
    before = sorted(cache.parent.rglob("*"))
    estimate_export_tiles_size(cache, compression_quality=50)
    assert sorted(cache.parent.rglob("*")) == before
    with pytest.raises(ParameterError, match="level is not in the tiling scheme"):
        estimate_export_tiles_size(cache, levels="99")
    with pytest.raises(ParameterError, match="value is out of range"):
        estimate_export_tiles_size(cache, compression_quality=101)


def test_result_is_a_dataset_if_no_tpkx_can_hold_the_cache(tmp_path: Path) -> None:
    tiles = square(0, range(1), range(1))
    cache = make_cache(tmp_path / "world", tiles, conf=conf_text(reference=""))
    estimate = estimate_export_tiles_size(cache)
    result = export_tiles(cache, tmp_path / "x")
    assert (estimate.result, estimate.total_size) == ("a cache raster dataset", result.size)
    assert result.size == sum(path.stat().st_size for path in (tmp_path / "x").rglob("*") if path.is_file())

"""An estimate is held against the package it speaks of."""

from __future__ import annotations

from pathlib import Path

import pytest
from caches import conf_text, make_cache, square

from gptool import estimate_export_tiles_size, export_tiles
from gptool.errors import ParameterError

REQUESTS: list[dict[str, str]] = [{}, {"levels": "8"}, {"levels": "0-2"}, {"export_extent": "0,0,2000000,2000000"}]


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
def test_without_recompression_it_is_exact_to_the_byte(cache: Path, tmp_path: Path, request_: dict[str, str]) -> None:
    estimate = estimate_export_tiles_size(cache, **request_)  # type: ignore[arg-type]
    result = export_tiles(cache, tmp_path / "world.tpkx", **request_)  # type: ignore[arg-type]
    assert (estimate.total_tiles_to_export, estimate.total_size) == (result.tiles, result.size)
    assert [(e.level, e.tiles, e.bytes_written) for e in estimate.levels] == [
        (level, report.tiles, report.bytes_written) for level, report in result.levels.items()
    ]


def test_with_recompression_it_follows_from_a_sample(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "world", square(8, range(120, 136), range(120, 136)))
    estimate = estimate_export_tiles_size(cache, compression_quality=50)
    result = export_tiles(cache, tmp_path / "world.tpkx", compression_quality=50)
    assert estimate.total_tiles_to_export == result.tiles == 256
    assert [level.sampled for level in estimate.levels] == [256]
    assert estimate.levels[0].bytes_written == pytest.approx(result.bytes_written, rel=0.05)
    assert estimate.levels[0].bytes_written < 0.8 * estimate.levels[0].bytes_read


def test_it_writes_nothing_and_refuses_like_the_export(cache: Path) -> None:
    before = sorted(cache.parent.rglob("*"))
    estimate_export_tiles_size(cache, compression_quality=50)
    assert sorted(cache.parent.rglob("*")) == before
    with pytest.raises(ParameterError, match="no such level"):
        estimate_export_tiles_size(cache, levels="99")
    with pytest.raises(ParameterError, match="out of range"):
        estimate_export_tiles_size(cache, compression_quality=101)


def test_a_cache_that_no_tpkx_can_hold_is_weighed_as_a_dataset(tmp_path: Path) -> None:
    tiles = square(0, range(1), range(1))
    cache = make_cache(tmp_path / "world", tiles, conf=conf_text(reference="<WKT>LOCAL</WKT>"))
    estimate = estimate_export_tiles_size(cache)
    result = export_tiles(cache, tmp_path / "x")
    assert (estimate.result, estimate.total_size) == ("a cache raster dataset", result.size)
    assert result.size == sum(path.stat().st_size for path in (tmp_path / "x").rglob("*") if path.is_file())

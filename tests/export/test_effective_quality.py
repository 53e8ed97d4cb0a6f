"""The qualities that reports state, compared with the quantisation tables of the tiles as Pillow reads them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gptool import export_tiles, export_tiles_job
from gptool.cli.export_tiles import show_result
from gptool.model import Tables
from helpers import jpeg_readers, jpeg_tiles
from helpers.bundles import Address
from helpers.caches import conf_text, jpeg_tile, make_cache, png_tile
from helpers.tile_readers import read_tiles

GPTOOL = [sys.executable, "-c", "from gptool.cli import main; main()", "export-tiles"]
BASE = jpeg_readers.read_qtables(jpeg_tiles.encode_turbo(jpeg_tiles.pixels(8, 8), quality=50))[0]
"""The luminance table of quality 50; the tables of other qualities are multiples of it, but for the DC step."""

LEVELS: dict[int, list[bytes]] = {
    0: [jpeg_tile(1)],
    1: [jpeg_tile(1, 75), jpeg_tile(2, 75), jpeg_tile(3, 60), png_tile(4)],
    2: [png_tile(seed) for seed in range(5)],
    3: [jpeg_tile(seed, quality) for seed, quality in enumerate((85, 75, 75, 60, 40, 40))],
}
TILES: dict[Address, bytes] = {
    (level, i // 8, i % 8): tile for level, tiles in LEVELS.items() for i, tile in enumerate(tiles)
}


def quality_of(tile: bytes) -> int:
    """Return the quality from the mean scale of the AC steps of a tile's luminance table."""
    scale = 100 * jpeg_readers.read_qtables(tile)[0][1:].sum() / BASE[1:].sum()
    return round((200 - scale) / 2 if scale <= 100 else 5000 / scale)


def qualities(tiles: dict[Address, bytes], level: int | None = None) -> dict[str, int]:
    """Return the number of JPEG tiles of a level, or of all levels, by quality."""
    jpeg = [tile for address, tile in tiles.items() if level in (None, address[0]) and tile.startswith(b"\xff\xd8")]
    return {str(quality): count for quality, count in sorted(Counter(map(quality_of, jpeg)).items())}


def most_frequent(counts: dict[str, int]) -> int | None:
    return max(map(int, counts), key=lambda quality: (counts[str(quality)], quality), default=None)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with levels of one quality, of several, and of PNG tiles only."""
    return make_cache(tmp_path_factory.mktemp("mixed") / "mixed", TILES, conf=conf_text(format="MIXED", quality=90))


def check_figures(figures: dict[str, Any], expected: dict[str, int]) -> None:
    assert figures["qualities"] == expected
    assert figures["effectiveQuality"] == most_frequent(expected)


@pytest.mark.parametrize("tables", ["efficient", "exact"])
@pytest.mark.parametrize("request_", [None, 88, 80, 70, 50, 41])
def test_stated_qualities_are_those_of_the_tables(
    mixed: Path, tmp_path: Path, request_: int | None, tables: Tables
) -> None:
    result = export_tiles(mixed, tmp_path / "x.tpkx", compression_quality=request_, tables=tables)
    tiles, figures = read_tiles(result.path), result.to_json()
    check_figures(figures, qualities(tiles))
    assert [level["level"] for level in figures["levels"]] == [*LEVELS]
    for level in figures["levels"]:
        check_figures(level, qualities(tiles, level["level"]))


def test_level_without_jpeg_has_no_quality(mixed: Path, tmp_path: Path) -> None:
    report = export_tiles(mixed, tmp_path / "x.tpkx", compression_quality=50).levels[2]
    assert (report.effective_quality, report.to_json()["qualities"]) == (None, {})


def test_report_and_json_state_the_same_qualities(mixed: Path, tmp_path: Path) -> None:
    sent = {"tilePackage": "true", "optimizeTilesForSize": "true", "compressionQuality": "50"}
    job = export_tiles_job(sent, cache=mixed, output_directory=tmp_path)
    folder = Path(job.result("out_service_url")["value"])
    report = json.loads((folder / "report.json").read_text())
    done = subprocess.run(
        [*GPTOOL, mixed, "x.tpkx", "--compression-quality=50", "--json"], cwd=tmp_path, capture_output=True, check=True
    )
    tiles = read_tiles(folder / "mixed.tpkx")
    for figures in (report, json.loads(done.stdout)):
        check_figures(figures, qualities(tiles))
        for level in figures["levels"]:
            check_figures(level, qualities(tiles, level["level"]))


QUALITY = re.compile(r"^ *([0-9]+|All) .* % +(\S+(?: \(\S+\))?) ", re.MULTILINE)
"""Level and quality in a row of the summary table; the quality follows the ratio of the bytes."""


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (140, {"0": "70", "1": "70 (60-70)", "2": "-", "3": "70 (40-70)", "All": "70 (40-70)"}),
        (80, {"0": "70", "1": "60-70", "2": "-", "3": "40-70", "All": "40-70"}),
    ],
)
def test_summary_table_shows_the_range_of_qualities(
    mixed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    columns: int,
    expected: dict[str, str],
) -> None:
    """A wide table shows the most frequent quality too, which the package states."""
    for module in ("console", "export_tiles"):
        monkeypatch.setattr(f"gptool.cli.{module}.output_width", lambda: columns)
    show_result(export_tiles(mixed, tmp_path / "x.tpkx", compression_quality=70, tables="exact"))
    assert dict(QUALITY.findall(capsys.readouterr().out)) == expected

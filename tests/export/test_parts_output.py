"""The folder of an export in parts: contradictions, limits, and other results in its place."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gptool import estimate_export_tiles_size, export_tiles
from gptool.errors import OutputExistsError, ParameterError, TooManyTilesError
from gptool.model import Phase
from gptool.output import kind
from gptool.plan import Plan
from helpers.bundles import Address
from helpers.caches import conf_text, make_cache, png_tile
from helpers.checks import check_nothing_left
from helpers.part_exports import SIZE, TILES, Interrupted, contents, pyramid, raise_after, texts
from helpers.tile_readers import read_package


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cache(tmp_path_factory.mktemp("pyramid") / "world", pyramid(), conf=conf_text(range(5)))


# ---- requests ----


@pytest.mark.parametrize(
    ("output", "arguments", "message"),
    [
        (
            "x.tpkx",
            TILES,
            "x.tpkx: output has the suffix of a file, but the export is divided into parts; found .tpkx",
        ),
        ("x.tpk", {"max_part_size": "1GB"}, "x.tpk: output has the suffix of a file, but"),
        ("x", {**TILES, "target_size": "1MB"}, "target_size: contradicts max_part_tiles; found target_size 1000000"),
        (
            "x",
            {"max_part_size": 9, "target_size": 9},
            "target_size: contradicts max_part_size; found target_size 9 and",
        ),
        ("x", {"max_part_tiles": 0}, "max_part_tiles: value is out of range; found 0, expected an integer from 1 to"),
        ("x", {"max_part_size": "1 lb"}, "max_part_size: value is not a size; found '1 lb'"),
    ],
)
def test_contradictions(cache: Path, tmp_path: Path, output: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        export_tiles(cache, tmp_path / output, **arguments)
    assert message in str(caught.value)
    check_nothing_left(tmp_path)


def test_estimate_of_a_dataset_in_parts(cache: Path) -> None:
    message = "max_part_tiles: parts are tile packages; found tile_package=false, expected tile_package=true"
    with pytest.raises(ParameterError, match=message):
        estimate_export_tiles_size(cache, tile_package=False, max_part_tiles=60)


@pytest.mark.parametrize("quality", [None, 40])
def test_limit_below_any_part(cache: Path, tmp_path: Path, quality: int | None) -> None:
    text = r"max_part_size: limit is smaller than the indexes and metadata of a part; .* at least 1\d\d kB"
    with pytest.raises(ParameterError, match=text):
        export_tiles(cache, tmp_path / "x", max_part_size="150 kB", compression_quality=quality)
    check_nothing_left(tmp_path)


@pytest.mark.parametrize("quality", [None, 40])
def test_tile_that_does_not_fit(cache: Path, tmp_path: Path, quality: int | None) -> None:
    """The second tile is as large as two others, and cannot be recompressed."""
    tiles = {(2, 0, column): png_tile(column) for column in range(3)} | {(2, 0, 1): png_tile(5, 400)}
    made = make_cache(tmp_path / "large", tiles, conf=conf_text(range(5), format="MIXED"))
    alone = export_tiles(made, tmp_path / "x-L02-R00000-C00001.tpkx", export_extent=(-9e6, 11e6, -8e6, 12e6)).size
    with pytest.raises(ParameterError) as caught:
        export_tiles(made, tmp_path / "new" / "x", max_part_size=alone - 1, compression_quality=quality)
    assert str(caught.value) == (
        f"max_part_size: the tile of level 2, row 0, column 1 does not fit into a part; found {alone - 1:,} bytes, "
        f"expected at least {alone:,} bytes, the size of a part with this tile alone"
    )
    check_nothing_left(tmp_path, "large", "x-L02-R00000-C00001.tpkx")
    assert len(export_tiles(made, tmp_path / "x", max_part_size=alone, compression_quality=quality).parts) > 1


def test_too_many_parts(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gptool.plan.division.MAX_PARTS", 5)
    for limit in (10, 70):  # far too many, and more than the tiles alone need
        with pytest.raises(ParameterError, match=r"max_part_tiles: makes too many parts; found .* expected at most 5"):
            export_tiles(cache, tmp_path / "x", max_part_tiles=limit)
    check_nothing_left(tmp_path)


def test_limit_is_that_of_each_part(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(TooManyTilesError) as caught:
        export_tiles(cache, tmp_path / "x.tpkx", max_export_tiles_count=90)
    assert caught.value.advice[-1] == "All tiles fit into 5 tile packages with max_part_tiles=90."
    result = export_tiles(cache, tmp_path / "x", max_export_tiles_count=90, max_part_tiles=90)
    assert len(result.parts) == 5
    more = export_tiles(cache, tmp_path / "y", max_export_tiles_count=90, max_part_tiles=1000)
    assert [part.tiles for part in more.parts] == [part.tiles for part in result.parts]
    assert "The result is divided into 5 parts (.tpkx)" in texts(more)
    with pytest.raises(TooManyTilesError):
        export_tiles(cache, tmp_path / "z", max_export_tiles_count=0, **TILES)


def test_all_in_one_part(cache: Path, tmp_path: Path) -> None:
    result = export_tiles(cache, tmp_path / "x", max_part_tiles=1000)
    [part] = result.parts
    assert (part.name, part.is_overview, part.levels) == ("x-L00-R00000-C00000.tpkx", False, (0, 1, 2, 3, 4))
    assert read_package(tmp_path / "x" / part.name) == pyramid()


def test_overview_has_the_coarse_levels(cache: Path, tmp_path: Path) -> None:
    result = export_tiles(cache, tmp_path / "x.y", max_part_tiles=90)
    overview, *others = result.parts
    assert (overview.name, overview.is_overview, overview.levels) == ("x.y-overview.tpkx", True, (0,))
    assert {part.levels for part in others} == {(1, 2, 3, 4)}
    assert {part.is_overview for part in others} == {False}
    assert others[0].name == "x.y-L01-R00000-C00000.tpkx"


def test_overviews_that_are_divided_too(cache: Path, tmp_path: Path) -> None:
    result = export_tiles(cache, tmp_path / "x", max_part_tiles=4)
    assert max(part.tiles for part in result.parts) <= 4
    assert [part.levels for part in result.parts if part.is_overview] == [(0,)]
    assert {len(part.levels) for part in result.parts} == {1}
    tiles: dict[Address, bytes] = {}
    for part in result.parts:
        tiles |= read_package(tmp_path / "x" / part.name)
    assert tiles == pyramid()


# ---- parts that turn out too large ----


def test_part_that_turns_out_too_large_is_divided_further(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 650_000
    planned = estimate_export_tiles_size(cache, max_part_size=limit, compression_quality=40).parts
    monkeypatch.setattr("gptool.export.parts.SAFETY", 0.6)
    monkeypatch.setattr("gptool.export.parts.Parts._size", lambda *_: 0)
    largest = 0

    def progress(_phase: Phase, _done: int, _total: int) -> None:
        nonlocal largest
        sizes = [path.stat().st_size for path in (tmp_path / "x").glob("*.tpkx")]
        largest = max(largest, *sizes, 0)

    result = export_tiles(cache, tmp_path / "x", progress=progress, **{**SIZE, "max_part_size": limit})
    whole = export_tiles(cache, tmp_path / "x.tpkx", compression_quality=40)
    assert planned is not None
    assert len(result.parts) >= planned
    assert 0 < largest <= limit
    tiles: dict[Address, bytes] = {}
    for part in result.parts:
        tiles |= read_package(tmp_path / "x" / part.name)
    assert tiles == read_package(whole.path)
    assert len(tiles) == result.tiles == sum(part.tiles for part in result.parts)
    check_nothing_left(tmp_path, "x", "x.tpkx")


# ---- other results in its place ----


def test_existing_output(cache: Path, tmp_path: Path) -> None:
    output = tmp_path / "x"
    export_tiles(cache, output, max_part_tiles=100)
    before = contents(output)
    with pytest.raises(OutputExistsError, match="output already exists"):
        export_tiles(cache, output, **TILES)
    with pytest.raises(Interrupted):
        export_tiles(cache, output, progress=raise_after(200, Interrupted), overwrite=True, **TILES)
    assert contents(output) == before
    with pytest.raises(OutputExistsError, match="output already exists"):
        export_tiles(cache, output)
    assert contents(output) == before
    with pytest.raises(Interrupted):
        export_tiles(cache, output, progress=raise_after(200, Interrupted), overwrite=True, **TILES)
    export_tiles(cache, output, overwrite=True, **TILES)
    after = contents(output)
    assert after == contents(export_tiles(cache, tmp_path / "whole" / "x", **TILES).path)
    (output / "notes.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"cannot replace a folder that holds other files; found notes.txt"):
        export_tiles(cache, output, overwrite=True, **TILES)
    assert contents(output) == {**after, "notes.txt": b"mine"}
    check_nothing_left(tmp_path, "x", "whole")


def test_dataset_and_parts_replace_each_other(cache: Path, tmp_path: Path) -> None:
    output = tmp_path / "x"
    for arguments in ({}, TILES, {}):
        export_tiles(cache, output, overwrite=True, **arguments)
        whole = export_tiles(cache, tmp_path / "whole" / "x", overwrite=True, **arguments)
        assert contents(output) == contents(whole.path)
    check_nothing_left(tmp_path, "x", "whole")


def test_progress_covers_all_parts(cache: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def progress(phase: Phase, done: int, total: int) -> None:
        if phase is Phase.EXPORTING:
            seen.append((done, total))

    export_tiles(cache, tmp_path / "x", progress=progress, **TILES)
    assert {total for _, total in seen} == {341}
    assert seen == sorted(seen)
    assert max(seen)[0] >= 341 - 60


@pytest.mark.parametrize("options", [{"max_part_size": "650 kB"}, TILES], ids=["size", "tiles"])
def test_estimate_reports_each_part_and_draws_its_thumbnail_once(
    cache: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    """The thumbnail is a part of the exact size, and takes most of the time."""
    seen, drawn, draw = list[tuple[int, int]](), list[Plan](), kind.draw_thumbnail

    def progress(phase: Phase, done: int, total: int) -> None:
        if phase is Phase.ESTIMATING:
            seen.append((done, total))

    def count(plan: Plan) -> bytes:
        drawn.append(plan)
        return draw(plan)

    monkeypatch.setattr(kind, "draw_thumbnail", count)
    estimate = estimate_export_tiles_size(cache, progress=progress, **options)
    assert estimate.parts
    assert estimate.parts > 3
    assert {total for _, total in seen} == {341}
    assert len({done for done, _ in seen}) >= estimate.parts
    assert seen[-1] == (341, 341)
    of_parts = Counter(str(plan.selection) for plan in drawn if plan.tiles < 341)
    assert set(of_parts.values()) == {1}
    assert len(of_parts) >= estimate.parts

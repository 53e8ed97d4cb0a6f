"""The folder of an export in parts: contradictions, limits, interruptions, kills, other results in its place."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gptool import estimate_export_tiles_size, export_tiles, system
from gptool.errors import CacheError, OutputExistsError, ParameterError, TooManyTilesError
from gptool.export import parts_run
from gptool.export.file_digest import sha256_of
from gptool.export.journal_file import JOURNAL, JournalFile, read_lines
from gptool.export.leftovers import list_leftovers, remove_leftover
from gptool.model import Phase
from helpers.bundles import Address, bundle_path
from helpers.caches import conf_text, jpeg_tile, make_cache, png_tile, square
from helpers.checks import check_nothing_left
from helpers.killed_export import KilledExports
from helpers.tile_readers import read_package

TILES = {"max_part_tiles": 60}
SIZE = {"max_part_size": "650 kB", "compression_quality": 40}
KILLS = 6

Progress = Callable[[Phase, int, int], None]


def pyramid() -> dict[Address, bytes]:
    """Return all tiles of levels 0 to 4."""
    tiles: dict[Address, bytes] = {}
    for level in range(5):
        tiles |= square(level, range(2**level), range(2**level))
    return tiles


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cache(tmp_path_factory.mktemp("pyramid") / "world", pyramid(), conf=conf_text(range(5)))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def packages(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.tpkx"))


class Interrupted(KeyboardInterrupt):
    """Ctrl-C."""


def raise_after(tiles: int, error: type[BaseException]) -> Progress:
    def progress(phase: Phase, done: int, _total: int) -> None:
        if phase is Phase.EXPORTING and done >= tiles:
            raise error

    return progress


def texts(result: Any) -> str:
    return "\n".join(message.description for message in result.messages)


# ---- requests ----


@pytest.mark.parametrize(
    ("output", "arguments", "message"),
    [
        (
            "x.tpkx",
            TILES,
            "x.tpkx: output has the suffix of a tile package, but the export is divided into parts; found .tpkx",
        ),
        ("x.tpk", {"max_part_size": "1GB"}, "x.tpk: output has the suffix of a tile package, but"),
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
    text = r"max_part_size: limit is smaller than the indexes and metadata of a part; .* more than 1\d\d kB"
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


# ---- interruptions ----


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KilledExports]:
    with KilledExports(tmp_path_factory.mktemp("killed")) as exports:
        yield exports


@pytest.mark.posix("processes that are killed")
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("options", [TILES, SIZE], ids=["copied", "recompressed"])
def test_result_after_kills_is_that_of_an_uninterrupted_export(
    cache: Path, tmp_path: Path, killed: KilledExports, options: dict[str, Any], overwrite: bool
) -> None:
    (tmp_path / "whole").mkdir()
    whole = killed.export(cache, tmp_path / "whole" / "x", workers=2, **options)
    assert whole.is_done
    rng, output = random.Random(str(options)), tmp_path / "killed" / "x"
    if overwrite:
        export_tiles(cache, output, max_part_tiles=200)
    else:
        output.parent.mkdir()
    for _ in range(KILLS):
        at = rng.randint(1, whole.calls)
        if killed.export(cache, output, at=at, workers=2, overwrite=overwrite, **options).is_done:
            break
        manifest = output / "manifest.json"
        if manifest.exists():  # the old result, or the new one
            listed = {part["name"] for part in json.loads(manifest.read_text())["parts"]}
            assert listed == set(packages(output))
    else:
        assert killed.export(cache, output, workers=2, overwrite=overwrite, **options).is_done
    assert contents(output) == contents(tmp_path / "whole" / "x")
    check_nothing_left(tmp_path / "killed", "x")


@pytest.mark.parametrize("options", [TILES, SIZE], ids=["copied", "recompressed"])
def test_interruption_keeps_finished_parts(cache: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    output = tmp_path / "x"
    with pytest.raises(Interrupted) as caught:
        export_tiles(cache, output, workers=1, progress=raise_after(200, Interrupted), **options)
    assert caught.value.__notes__ == [
        "Finished parts are kept: the same export goes on with them, or anew with resume=False."
    ]
    kept = {name: (output / name).stat() for name in packages(output)}
    assert kept
    assert not (output / "manifest.json").exists()
    result = export_tiles(cache, output, **options)
    assert f"Resumed an interrupted run of this export: {len(kept)} parts" in texts(result)
    assert result.resumed.tiles >= sum(len(read_package(output / name)) for name in kept)
    for name, state in kept.items():
        assert (output / name).stat().st_ino == state.st_ino
    whole = export_tiles(cache, tmp_path / "whole" / "x", **options)
    assert contents(output) == contents(whole.path)
    assert {level: report.to_json() for level, report in result.levels.items()} == {
        level: report.to_json() for level, report in whole.levels.items()
    }
    assert result.size == whole.size
    check_nothing_left(tmp_path, "x", "whole")


@pytest.mark.parametrize("call", [1, 2])
def test_interruption_between_a_part_and_its_record(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    """While the digest of a part is computed that is in its place already."""
    calls, output = itertools.count(1), tmp_path / "out" / "parts"

    def hash_or_interrupt(path: Path, progress: Any) -> str:
        if next(calls) == call:
            raise Interrupted
        return sha256_of(path, progress)

    monkeypatch.setattr(parts_run, "sha256_of", hash_or_interrupt)
    with pytest.raises(Interrupted):
        export_tiles(cache, output, **TILES)
    kept = [path.name for path in output.iterdir()] if output.exists() else []
    assert len(kept) == call - 1
    assert bool(list(tmp_path.glob("out/.gptool-*"))) == bool(kept)
    export_tiles(cache, output, **TILES)
    export_tiles(cache, tmp_path / "whole/parts", **TILES)
    assert contents(output) == contents(tmp_path / "whole/parts")
    check_nothing_left(tmp_path / "out", "parts")


def test_interruption_after_the_manifest_says_that_the_result_is_complete(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace_and_interrupt(source: Path, target: Path) -> None:
        replace(source, target)
        if target.name == "manifest.json":
            raise Interrupted

    replace = system.replace
    monkeypatch.setattr(system, "replace", replace_and_interrupt)
    with pytest.raises(Interrupted) as caught:
        export_tiles(cache, tmp_path / "parts", **TILES)
    assert caught.value.__notes__ == ["The result is complete."]
    monkeypatch.undo()
    export_tiles(cache, tmp_path / "whole/parts", **TILES)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole/parts")
    check_nothing_left(tmp_path, "parts", "whole")


def interrupt(cache: Path, output: Path, **options: Any) -> list[str]:
    """Interrupt an export in parts, and return the parts that it has finished."""
    with pytest.raises(Interrupted):
        export_tiles(cache, output, workers=1, progress=raise_after(200, Interrupted), **options)
    found = packages(output)
    assert found
    return found


def test_damaged_and_missing_parts_are_exported_again(cache: Path, tmp_path: Path) -> None:
    output = tmp_path / "x"
    first, second, *_ = interrupt(cache, output, **TILES)
    data = bytearray((output / first).read_bytes())
    data[len(data) // 2] ^= 1
    (output / first).write_bytes(data)
    (output / second).unlink()
    result = export_tiles(cache, output, **TILES)
    assert contents(output) == contents(export_tiles(cache, tmp_path / "whole" / "x", **TILES).path)
    assert "Resumed" in texts(result)


def test_changed_cache_is_not_mixed_in(cache: Path, tmp_path: Path) -> None:
    copy, output = tmp_path / "world", tmp_path / "x"
    shutil.copytree(cache, copy)
    interrupt(copy, output, **TILES)
    bundle = bundle_path(copy / "_alllayers", 4, 0, 0)
    data = bundle.read_bytes()
    tile = jpeg_tile(1000 * 15 + 15)
    assert data.count(tile) == 1
    bundle.write_bytes(data.replace(tile, tile[:-2][::-1] + tile[-2:]))
    export_tiles(copy, output, **TILES)
    assert contents(output) == contents(export_tiles(copy, tmp_path / "whole" / "x", **TILES).path)


def test_other_request_needs_a_restart(cache: Path, tmp_path: Path) -> None:
    output = tmp_path / "x"
    found = interrupt(cache, output, **TILES)
    (output / "notes.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match="x: output holds parts of an interrupted export with another request"):
        export_tiles(cache, output, max_part_tiles=100)
    assert packages(output) == found
    with pytest.raises(OutputExistsError, match="output already exists"):  # the parts are removed, other files are not
        export_tiles(cache, output, max_part_tiles=100, resume=False)
    assert list(output.iterdir()) == [output / "notes.txt"]
    shutil.rmtree(output)
    interrupt(cache, output, **TILES)
    export_tiles(cache, output, max_part_tiles=100, resume=False)
    assert contents(output) == contents(export_tiles(cache, tmp_path / "whole" / "x", max_part_tiles=100).path)
    check_nothing_left(tmp_path, "x", "whole")


@pytest.mark.parametrize("replaces", [{"overwrite": True}, {"resume": False}], ids=["overwrite", "restart"])
def test_dataset_in_place_of_interrupted_parts(cache: Path, tmp_path: Path, replaces: dict[str, bool]) -> None:
    output = tmp_path / "x"
    found = interrupt(cache, output, **TILES)
    with pytest.raises(OutputExistsError, match="x: output holds parts of an interrupted export with another request"):
        export_tiles(cache, output)
    assert "Resumed" in texts(export_tiles(cache, output, **TILES))
    shutil.rmtree(output)
    assert interrupt(cache, output, **TILES) == found
    result = export_tiles(cache, output, **replaces)  # type: ignore[arg-type]
    assert ("Parts that an interrupted run had finished were discarded" in texts(result)) == ("overwrite" in replaces)
    assert contents(output) == contents(export_tiles(cache, tmp_path / "whole" / "x").path)
    check_nothing_left(tmp_path, "x", "whole")


def test_complete_parts_stay_when_the_process_died_before_it_removed_the_journal(cache: Path, tmp_path: Path) -> None:
    output, kept = tmp_path / "x", tmp_path / "kept"
    interrupt(cache, output, **TILES)
    [staging] = tmp_path.glob(".gptool-*.part")
    shutil.copytree(staging, kept)
    export_tiles(cache, output, **TILES)
    journal = JournalFile(kept / JOURNAL, (kept / JOURNAL).stat().st_size)
    journal.append({"end": hashlib.sha256((output / "manifest.json").read_bytes()).hexdigest()})
    journal.close()
    before = contents(output)
    for arguments in ({"resume": False}, {"resume": False, **TILES}, {"max_part_tiles": 100}, {}):
        shutil.copytree(kept, staging)
        with pytest.raises(OutputExistsError, match="output already exists"):
            export_tiles(cache, output, **arguments)
        assert contents(output) == before
        check_nothing_left(tmp_path, "x", "kept")
    shutil.copytree(kept, staging)
    [leftover] = list_leftovers(tmp_path)
    assert remove_leftover(leftover, before=math.inf)
    assert contents(output) == before
    shutil.copytree(kept, staging)
    assert "nothing was left to do" in texts(export_tiles(cache, output, **TILES))
    assert contents(output) == before
    check_nothing_left(tmp_path, "x", "kept")


def test_interrupted_parts_are_listed_and_removed_with_their_journal(cache: Path, tmp_path: Path) -> None:
    output = tmp_path / "x"
    found = interrupt(cache, output, **TILES)
    size = sum((output / name).stat().st_size for name in found)
    bundles = sum(len({level for level, _, _ in read_package(output / name)}) for name in found)
    [leftover] = list_leftovers(tmp_path)
    [staging] = tmp_path.glob(".gptool-*.part")
    assert (leftover.path, leftover.output, leftover.bundles) == (staging, "x", bundles)
    assert leftover.size == size + (staging / JOURNAL).stat().st_size
    assert not remove_leftover(leftover, before=leftover.modified)
    assert packages(output) == found
    assert remove_leftover(leftover, before=math.inf)
    check_nothing_left(tmp_path)


def test_failure_leaves_nothing(cache: Path, tmp_path: Path) -> None:
    copy = tmp_path / "world"
    shutil.copytree(cache, copy)

    def damage(phase: Phase, done: int, _total: int) -> None:
        if phase is Phase.EXPORTING and done > 150:
            bundle = bundle_path(copy / "_alllayers", 4, 0, 0)
            bundle.write_bytes(bundle.read_bytes()[:100_000])

    with pytest.raises(CacheError):
        export_tiles(copy, tmp_path / "new" / "x", workers=1, progress=damage, **TILES)
    check_nothing_left(tmp_path, "world")


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


def test_journal_names_the_parts(cache: Path, tmp_path: Path) -> None:
    found = interrupt(cache, tmp_path / "x", **TILES)
    [staging] = tmp_path.glob(".gptool-*.part")
    header, *lines = (line.value for line in read_lines(staging / "journal.jsonl"))
    assert header["output"] == "x"
    assert sorted(line["part"]["entry"]["name"] for line in lines) == found

"""Exports in parts that are interrupted or killed, and what the next run makes of that."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gptool import export_tiles, system
from gptool.errors import CacheError, OutputExistsError
from gptool.export import parts_run
from gptool.export.file_digest import sha256_of
from gptool.export.journal_file import JOURNAL, JournalFile, read_lines
from gptool.export.leftovers import list_leftovers, remove_leftover
from gptool.model import Phase
from helpers.bundles import bundle_path
from helpers.caches import conf_text, jpeg_tile, make_cache
from helpers.checks import check_nothing_left
from helpers.killed_export import KilledExports
from helpers.part_exports import SIZE, TILES, Interrupted, contents, packages, pyramid, raise_after, texts
from helpers.tile_readers import read_package

KILLS = 6


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cache(tmp_path_factory.mktemp("pyramid") / "world", pyramid(), conf=conf_text(range(5)))


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


def test_journal_names_the_parts(cache: Path, tmp_path: Path) -> None:
    found = interrupt(cache, tmp_path / "x", **TILES)
    [staging] = tmp_path.glob(".gptool-*.part")
    header, *lines = (line.value for line in read_lines(staging / "journal.jsonl"))
    assert header["output"] == "x"
    assert sorted(line["part"]["entry"]["name"] for line in lines) == found

"""Exports that are killed or interrupted, and gone on with: the result is that of an export that was not."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from gptool import export_tiles
from gptool.errors import OutputError, OutputExistsError
from gptool.export.journal_file import JournalFile, read_lines
from gptool.model import Phase
from helpers.caches import conf_text, jpeg_tile, loose_png_tile, make_cache, make_exploded_cache, make_v1_cache
from helpers.checks import check_nothing_left
from helpers.gate import Gate
from helpers.killed_export import Killed, KilledExports

LEVEL, SIDE = 10, 6
"""A level whose tiles are in so many bundles a side."""

BUNDLES, TILES = SIDE * SIDE + 4, 4
"""The bundles of the cache, with four coarse ones, and the tiles in each of the others."""

WORKERS = 2
KILLS, MANY_TILES = int(os.environ.get("GPTOOL_KILLS", "2")), int(os.environ.get("GPTOOL_KILL_TILES", "20"))
"""How often each export is killed at random, and the tiles in each bundle of the cache whose exports are killed by the
clock. With 100 and 1000, it takes half an hour."""

RESULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "tpkx copied": ("x.tpkx", {}),
    "tpkx recompressed": ("x.tpkx", {"compression_quality": 40}),
    "tpkx whose metadata are written again": ("x.tpkx", {"compression_quality": 9}),
    "tpk copied": ("x.tpk", {}),
    "tpk recompressed": ("x.tpk", {"compression_quality": 40}),
    "V2 copied": ("x", {}),
    "V2 recompressed": ("x", {"compression_quality": 40}),
    "mbtiles copied": ("x.mbtiles", {}),
    "mbtiles recompressed": ("x.mbtiles", {"compression_quality": 40}),
    "pmtiles copied": ("x.pmtiles", {}),
    "pmtiles recompressed": ("x.pmtiles", {"compression_quality": 40}),
    "gpkg copied": ("x.gpkg", {}),
    "gpkg recompressed": ("x.gpkg", {"compression_quality": 40}),
    "V1 recompressed": ("x", {"compression_quality": 40, "storage_format_type": "compact"}),
    "tpkx for a target size": ("x.tpkx", {"target_size": None, "misjudge": True}),
    "V2 for a target size": ("x", {"target_size": None, "misjudge": True}),
}


TIMED = {name: RESULTS[name] for name in (RESULTS if KILLS > 2 else ("tpkx recompressed", "V2 copied"))}
"""Those that are killed by the clock."""


def many_tiles() -> dict[tuple[int, int, int], bytes]:
    """Return the tiles of 40 bundles."""
    tiles = {(level, 0, 0): jpeg_tile(level) for level in range(4)}
    return tiles | {
        (LEVEL, 128 * row + i, 128 * column + 7): jpeg_tile(row + 3 * column + 5 * i)
        for row in range(SIDE)
        for column in range(SIDE)
        for i in range(TILES)
    }


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of 40 bundles."""
    folder = tmp_path_factory.mktemp("bundles") / "many"
    return make_cache(folder, many_tiles(), conf=conf_text(range(LEVEL + 1), tile=256))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of 40 bundles of equal numbers of tiles."""
    tiles = {
        (LEVEL, 128 * (bundle // 8) + i // 128, 128 * (bundle % 8) + i % 128): jpeg_tile((31 * bundle + i) % 600)
        for bundle in range(BUNDLES)
        for i in range(MANY_TILES)
    }
    conf = conf_text(range(LEVEL + 1), tile=256)
    return make_cache(tmp_path_factory.mktemp("bundles") / "many", tiles, conf=conf)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KilledExports]:
    with KilledExports(tmp_path_factory.mktemp("killed")) as exports:
        yield exports


def contents(path: Path) -> dict[str, bytes]:
    """Return the bytes of all files of a result, by relative path."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}


def staging(folder: Path) -> Path:
    [path] = folder.glob(".gptool-*.part")
    return path


def finished(folder: Path) -> int:
    """Return the number of units in the journal."""
    return sum("unit" in line.value for line in read_lines(staging(folder) / "journal.jsonl"))


def with_target(cache: Path, output: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Return options with a target size that is wanted: the search for it has several passes."""
    if "target_size" not in options:
        return options
    return {**options, "target_size": export_tiles(cache, output, compression_quality=45).size}


@pytest.mark.posix("processes that are killed")
class TestKills:
    """Exports that are killed again and again; when one comes to its end, another one begins."""

    @pytest.mark.parametrize(("name", "options"), RESULTS.values(), ids=RESULTS)
    def test_at_random_calls(
        self, bundles: Path, tmp_path: Path, killed: KilledExports, name: str, options: dict[str, Any]
    ) -> None:
        options = with_target(bundles, tmp_path / "size" / name, options)
        whole = killed.export(bundles, tmp_path / "whole" / name, workers=WORKERS, **options)
        rng = random.Random(name + str(options))
        self.kill(bundles, tmp_path, killed, name, options, whole, lambda: {"at": rng.randint(1, whole.calls)})

    @pytest.mark.parametrize(("name", "options"), TIMED.values(), ids=TIMED)
    def test_at_random_times(
        self, many: Path, tmp_path: Path, killed: KilledExports, name: str, options: dict[str, Any]
    ) -> None:
        options = with_target(many, tmp_path / "size" / name, options)
        started = time.monotonic()
        whole = killed.export(many, tmp_path / "whole" / name, workers=WORKERS, **options)
        rng, seconds = random.Random(name + str(options)), time.monotonic() - started
        self.kill(many, tmp_path, killed, name, options, whole, lambda: {"after": rng.uniform(0, 1.05 * seconds)})

    def kill(
        self,
        cache: Path,
        folder: Path,
        killed: KilledExports,
        name: str,
        options: dict[str, Any],
        whole: Killed,
        moment: Callable[[], dict[str, Any]],
    ) -> None:
        """Kill an export at so many moments, and check its result and how many units were repeated."""
        assert whole.is_done
        expected, target = contents(folder / "whole" / name), folder / "killed" / name
        target.parent.mkdir()
        kills = exports = units = most = 0
        while kills < KILLS:
            run = killed.export(cache, target, **moment(), workers=WORKERS, **options)
            kills, units, most = kills + (not run.is_done), units + run.units, max(most, run.units)
            # A run that is killed between the removal of the journal and its end has nothing left to do.
            is_done = run.is_done or (target.exists() and not list(target.parent.glob(".gptool-*/journal.jsonl")))
            if not is_done and kills == KILLS:
                run = killed.export(cache, target, workers=WORKERS, **options)
                units, is_done = units + run.units, run.is_done
            if is_done:
                exports += 1
                assert contents(target) == expected
                if run.is_done:
                    check_nothing_left(target.parent, name)
                shutil.rmtree(target.parent)
                target.parent.mkdir()
        repeated = units - exports * whole.units
        print(f"{name} {options}: {kills} kills, {exports} exports, {repeated} of {units} units repeated")
        assert repeated <= kills * 2 * WORKERS


# ---- what an interrupted run has left ----


class Interrupted(KeyboardInterrupt):
    """Ctrl-C."""


def interrupt(cache: Path, output: Path, *, after: int = 20, **options: Any) -> KeyboardInterrupt:
    """Export with one thread, and interrupt it when so many tiles are exported; return the interruption."""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gptool.export.scheduler.MAX_UNFINISHED_UNITS", 1)
        patch.setattr("gptool.export.cluster.MAX_TASK_UNITS", 1)
        patch.setattr("gptool.export.cluster.TASKS_PER_SLOT", 1)
        with pytest.raises(Interrupted) as caught:
            export_tiles(cache, output, workers=1, progress=interrupt_after(after), **options)
    return caught.value


def interrupt_after(tiles: int) -> Callable[[Phase, int, int], None]:
    def progress(phase: Phase, done: int, _total: int) -> None:
        if phase is Phase.EXPORTING and done >= tiles:
            raise Interrupted

    return progress


def texts(result: Any) -> str:
    return "\n".join(message.description for message in result.messages)


RESUMED = "Resumed an interrupted run of this export: {} bundles with {} tiles had been finished"
DISCARDED = "Bundles that an interrupted run had finished were discarded"
KINDS = {name: RESULTS[name] for name in ("tpkx copied", "tpkx recompressed", "tpk recompressed", "V1 recompressed")}


def repeated_text(count: int) -> str:
    bundles = f"{count} bundle{'s' * (count > 1)}"
    return f"{bundles} of an interrupted run had to be exported again: the cache or the staged files had changed"


_whole: dict[str, tuple[Any, dict[str, bytes]]] = {}
"""Results of exports that were not interrupted, by their arguments and the state of their cache."""


def whole_export(cache: Path, name: str, options: dict[str, Any], folder: Path) -> tuple[Any, dict[str, bytes]]:
    key = repr((cache, sorted((path, path.stat().st_mtime_ns) for path in cache.rglob("*")), name, options))
    if key not in _whole:
        result = export_tiles(cache, folder / name, **options, overwrite=True)
        _whole[key] = result, contents(result.path)
    return _whole[key]


def check_resumed(
    bundles: Path, tmp_path: Path, name: str, options: dict[str, Any], *, taken_over: range | int, **more: Any
) -> Any:
    """Go on with an export, check that the result is that of a new one and what was taken over; return the result."""
    result = export_tiles(bundles, tmp_path / "out" / name, **options, **more)
    whole, expected = whole_export(bundles, name, options, tmp_path / "whole")
    assert contents(result.path) == expected
    assert {level: report.to_json() for level, report in result.levels.items()} == {
        level: report.to_json() for level, report in whole.levels.items()
    }
    assert (result.damaged, result.size) == (whole.damaged, whole.size)
    assert result.resumed.bundles in (range(taken_over, taken_over + 1) if isinstance(taken_over, int) else taken_over)
    check_nothing_left(tmp_path / "out", name)
    return result


@pytest.mark.parametrize(("name", "options"), KINDS.values(), ids=KINDS)
class TestLeftovers:
    def test_interrupt_keeps_what_is_finished(
        self, bundles: Path, tmp_path: Path, name: str, options: dict[str, Any]
    ) -> None:
        error = interrupt(bundles, tmp_path / "out" / name, **options)
        assert error.__notes__ == [
            "Finished bundles are kept beside the output: the same export goes on with them, or anew with resume=False."
        ]
        found = finished(tmp_path / "out")
        assert 5 <= found < BUNDLES
        result = check_resumed(bundles, tmp_path, name, options, taken_over=found)
        assert RESUMED.format(found, result.resumed.tiles) in texts(result)
        assert result.to_json()["resumed"] == {"bundles": found, "tiles": result.resumed.tiles}

    def test_result_does_not_depend_on_where_units_run(
        self, bundles: Path, tmp_path: Path, name: str, options: dict[str, Any]
    ) -> None:
        """The first run writes into the package itself, the second has separate files; and the other way round."""
        with ThreadPoolExecutor(2) as pool:
            interrupt(bundles, tmp_path / "out" / name, **options)
            found = finished(tmp_path / "out")
            check_resumed(bundles, tmp_path, name, options, taken_over=found, executor=pool)
            shutil.rmtree(tmp_path / "out")
            interrupt(bundles, tmp_path / "out" / name, executor=pool, **options)
            found = finished(tmp_path / "out")
            assert 5 <= found < BUNDLES
            check_resumed(bundles, tmp_path, name, options, taken_over=found)

    def test_torn_journal(self, bundles: Path, tmp_path: Path, name: str, options: dict[str, Any]) -> None:
        """A last line that is incomplete does not count, nor do lines behind one that is damaged."""
        interrupt(bundles, tmp_path / "out" / name, **options)
        kept, lines = shutil.copytree(tmp_path / "out", tmp_path / "kept"), finished(tmp_path / "out")
        data = (staging(kept) / "journal.jsonl").read_bytes()
        third = data.split(b"\n")[3]
        for damaged, found in (
            (data[:-1], lines - 1),
            (data[:-40], lines - 1),
            (data + b'{"crc32":"00000000","value":{}}\n', lines),
            (data.replace(third, third.replace(b'"size"', b'"siZe"').replace(b"stamp", b"sTamp")), 2),
            (data[: data.index(b"\n") + 1], 0),
            (data[:-300] + bytes(300), lines - 1 - data[:-1][-300:].count(b"\n")),
            (b"", 0),
            (b"\n" + data, 0),
        ):
            shutil.rmtree(tmp_path / "out")
            shutil.copytree(kept, tmp_path / "out")
            (staging(tmp_path / "out") / "journal.jsonl").write_bytes(damaged)
            check_resumed(bundles, tmp_path, name, options, taken_over=found)

    def test_damaged_bytes_are_not_taken_over(
        self, bundles: Path, tmp_path: Path, name: str, options: dict[str, Any]
    ) -> None:
        """Whatever a power loss has left: a bundle whose bytes are not those of the journal is exported again."""
        interrupt(bundles, tmp_path / "out" / name, **options)
        found, rng = finished(tmp_path / "out"), random.Random(1)
        files = [
            path for path in staging(tmp_path / "out").rglob("*") if path.is_file() and path.stat().st_size > 20000
        ]
        for path in files:
            with path.open("r+b") as file:
                size = path.stat().st_size
                file.seek(rng.randrange(size // 16, size // 10) if path.name == name else 12345)
                byte = file.read(1)
                file.seek(-1, os.SEEK_CUR)
                file.write(bytes([byte[0] ^ 0x10]))
        result = check_resumed(bundles, tmp_path, name, options, taken_over=range(found))
        assert repeated_text(found - result.resumed.bundles) in texts(result)

    def test_lost_bytes_are_not_taken_over(
        self, bundles: Path, tmp_path: Path, name: str, options: dict[str, Any]
    ) -> None:
        interrupt(bundles, tmp_path / "out" / name, **options)
        for path in staging(tmp_path / "out").rglob("*"):
            if path.is_file() and path.name not in ("lock", "journal.jsonl"):
                with path.open("r+b") as file:
                    file.truncate(path.stat().st_size // 16)
        check_resumed(bundles, tmp_path, name, options, taken_over=range(finished(tmp_path / "out")))

    def test_other_request_discards_them(
        self, bundles: Path, tmp_path: Path, name: str, options: dict[str, Any]
    ) -> None:
        interrupt(bundles, tmp_path / "out" / name, **options)
        other = {**options, "compression_quality": 30}
        result = check_resumed(bundles, tmp_path, name, other, taken_over=0)
        assert DISCARDED in texts(result)

    def test_request_can_discard_them(self, bundles: Path, tmp_path: Path, name: str, options: dict[str, Any]) -> None:
        interrupt(bundles, tmp_path / "out" / name, **options)
        result = check_resumed(bundles, tmp_path, name, options, taken_over=0, resume=False)
        assert DISCARDED not in texts(result)

    @pytest.mark.posix("limits of processes")
    def test_full_disk_keeps_them(self, bundles: Path, tmp_path: Path, name: str, options: dict[str, Any]) -> None:
        resource = pytest.importorskip("resource")
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        written = []

        def fill(phase: Phase, done: int, _total: int) -> None:
            written.append(done)
            if phase is Phase.EXPORTING and done >= 20:
                resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, limits[1]))

        try:
            with pytest.raises(OutputError, match="cannot be written: File too large") as caught:
                export_tiles(bundles, tmp_path / "out" / name, workers=1, progress=fill, **options)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert "Finished bundles are kept beside the output" in caught.value.__notes__[0]
        check_resumed(bundles, tmp_path, name, options, taken_over=finished(tmp_path / "out"))


# ---- sources that change ----


def make_changed(make: Callable[..., Path], folder: Path, tiles: dict[tuple[int, int, int], bytes]) -> None:
    """Make a cache again with other tiles; files that stay the same keep their times."""
    before = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    times = {name: (path.read_bytes(), path.stat().st_mtime_ns) for name, path in before.items()}
    shutil.rmtree(folder)
    make(folder, tiles, conf=conf_text(range(LEVEL + 1)))
    for name, (data, modified) in times.items():
        if (folder / name).read_bytes() == data:
            os.utime(folder / name, ns=(modified, modified))


@pytest.mark.parametrize("quality", [None, 40])
@pytest.mark.parametrize("make", [make_cache, make_v1_cache, make_exploded_cache])
def test_changed_bundles_are_exported_again(tmp_path: Path, make: Callable[..., Path], quality: int | None) -> None:
    """A changed bundle has the same tiles with the same sizes, and was finished before the change.

    If tiles are recompressed, its new size is unknown: what is behind it in the package is not taken over either.
    """
    tiles = many_tiles()
    cache = make(tmp_path / "cache", tiles, conf=conf_text(range(LEVEL + 1)))
    interrupt(cache, tmp_path / "out" / "x.tpkx", compression_quality=quality, after=40)
    found = finished(tmp_path / "out")
    address = (LEVEL, 0, 7)
    tile = bytearray(tiles[address])
    tile[-100] ^= 1
    make_changed(make, cache, tiles | {address: bytes(tile)})
    expected = range(4, found) if quality else found - 1
    result = check_resumed(cache, tmp_path, "x.tpkx", {"compression_quality": quality}, taken_over=expected)
    assert repeated_text(found - result.resumed.bundles) in texts(result)


@pytest.mark.posix("processes that are killed")
def test_changed_bundles_are_searched_again(tmp_path: Path, killed: KilledExports) -> None:
    """What results of a target size were rejected for does not count when a bundle has changed since."""
    tiles = many_tiles()
    cache = make_cache(tmp_path / "cache", tiles, conf=conf_text(range(LEVEL + 1)))
    options = with_target(cache, tmp_path / "size.tpkx", RESULTS["tpkx for a target size"][1])
    calls = killed.export(cache, tmp_path / "x.tpkx", workers=WORKERS, **options).calls
    run = killed.export(cache, tmp_path / "out" / "x.tpkx", at=calls - 150, workers=WORKERS, **options)
    assert (run.is_done, run.units > 2 * BUNDLES) == (False, True)
    address = (LEVEL, 0, 7)
    make_changed(make_cache, cache, tiles | {address: jpeg_tile(700, 30).ljust(len(tiles[address]), b"\0")})
    for name in ("out", "whole"):
        last = killed.export(cache, tmp_path / name / "x.tpkx", workers=WORKERS, **options)
        assert (last.is_done, last.units >= 2 * BUNDLES) == (True, True)
    assert contents(tmp_path / "out" / "x.tpkx") == contents(tmp_path / "whole" / "x.tpkx")
    check_nothing_left(tmp_path / "out", "x.tpkx")


def test_changed_plan_discards_all(tmp_path: Path) -> None:
    tiles = many_tiles()
    cache = make_cache(tmp_path / "cache", tiles, conf=conf_text(range(LEVEL + 1)))
    interrupt(cache, tmp_path / "out" / "x.tpkx")
    make_changed(make_cache, cache, tiles | {(LEVEL, 0, 8): jpeg_tile(1)})
    assert DISCARDED in texts(check_resumed(cache, tmp_path, "x.tpkx", {}, taken_over=0))


def test_changed_metadata_discard_all(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "cache", many_tiles(), conf=conf_text(range(LEVEL + 1)))
    interrupt(cache, tmp_path / "out" / "x.tpkx")
    (cache / "conf.xml").write_text(conf_text(range(LEVEL + 1), quality=84), encoding="utf-8")
    assert DISCARDED in texts(check_resumed(cache, tmp_path, "x.tpkx", {}, taken_over=0))


def test_other_area_with_the_same_count_discards_all(bundles: Path, tmp_path: Path) -> None:
    """Both areas select as many tiles and bundles, but other tiles of them."""
    width = 2 * 20037508.342787 / 2**LEVEL

    def box(rows: tuple[int, int]) -> dict[str, Any]:
        top, bottom = (20037508.342787 - width * row for row in rows)
        ring = [[-2e7, top], [2e7, top], [2e7, bottom], [-2e7, bottom], [-2e7, top]]
        return {"rings": [ring], "spatialReference": {"wkid": 102100}}

    first, second = (
        {"area_of_interest": box(rows), "levels": str(LEVEL)} for rows in ((0.1, 2.9 + 128 * 3), (1.1, 3.9 + 128 * 3))
    )
    interrupt(bundles, tmp_path / "out" / "x", after=2, **first)
    check_resumed(bundles, tmp_path, "x", second, taken_over=0)


def test_records_keep_all_figures(tmp_path: Path) -> None:
    """Damaged tiles, PNG tiles, tiles above and below the request: the report is that of one run."""
    tiles = many_tiles()
    for i, address in enumerate(sorted(tiles)):
        tiles[address] = [
            *(tiles[address], jpeg_tile(i, 30), jpeg_tile(i, 42), loose_png_tile(i), tiles[address][:200]),
            b"nothing that is known",
        ][i % 6]
    cache = make_cache(tmp_path / "cache", tiles, conf=conf_text(range(LEVEL + 1), format="MIXED", quality=0))
    options = {"compression_quality": 41}
    if find_spec("oxipng"):
        options["optimize_png"] = True
    interrupt(cache, tmp_path / "out" / "x.tpkx", after=80, **options)
    found = finished(tmp_path / "out")
    assert found > 20
    result = check_resumed(cache, tmp_path, "x.tpkx", options, taken_over=found)
    assert len(result.damaged) > 30
    messages = export_tiles(cache, tmp_path / "whole.tpkx", **options).messages
    assert result.messages == (*(m for m in result.messages if m.description.startswith("Resumed")), *messages)


# ---- two runs, and the end of a run ----


def test_second_run_at_once_is_refused(bundles: Path, tmp_path: Path, gate: Gate) -> None:
    options = {"compression_quality": 40, "workers": 1}
    with ThreadPoolExecutor(1) as pool:
        with gate.closed(after=5):
            first = pool.submit(export_tiles, bundles, tmp_path / "x.tpkx", **options)
            gate.wait()
            with pytest.raises(OutputError, match=r"\.part: is in use by another run; expected one run for an output"):
                export_tiles(bundles, tmp_path / "x.tpkx", overwrite=True)
        assert first.result().resumed.bundles == 0
    check_nothing_left(tmp_path, "x.tpkx")


@pytest.mark.posix("processes that are killed")
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["x.tpkx", "x"])
def test_kill_between_rename_and_removal_counts_as_finished(
    bundles: Path, tmp_path: Path, killed: KilledExports, name: str, overwrite: bool
) -> None:
    """Killed at each of the last calls: once the result is there, the same export finds it, and another does not."""
    options: dict[str, Any] = {"compression_quality": 40, "workers": 1, "overwrite": overwrite, "levels": "0-3"}
    (tmp_path / "out").mkdir()
    target, expected, found_in_place = tmp_path / "out" / name, None, 0

    def prepare() -> None:
        shutil.rmtree(tmp_path / "out")
        (tmp_path / "out").mkdir()
        if overwrite:
            export_tiles(bundles, target, levels="0")

    prepare()
    calls = killed.export(bundles, target, **options).calls
    expected = contents(target)
    for at in range(calls - 9, calls + 1):
        prepare()
        assert not killed.export(bundles, target, at=at, **options).is_done
        is_there = target.exists() and contents(target) == expected
        if is_there and not any((tmp_path / "out").glob(".gptool-*/journal.jsonl")):
            break  # only the lock and the empty folder are left
        if is_there and not overwrite:
            kept = shutil.copytree(tmp_path / "out", tmp_path / "kept", dirs_exist_ok=True)
            with pytest.raises(OutputExistsError, match="output already exists"):
                export_tiles(bundles, kept / name, **{**options, "compression_quality": 41})
            check_nothing_left(kept, name)
        result = export_tiles(bundles, target, **options)
        assert contents(target) == expected
        check_nothing_left(tmp_path / "out", name)
        assert result.resumed.bundles == 4
        assert ("had put the result in its place: nothing was left to do" in texts(result)) == is_there
        found_in_place += is_there
    assert found_in_place >= 2


@pytest.mark.posix("processes that are killed")
def test_old_dataset_is_restored(bundles: Path, tmp_path: Path, killed: KilledExports) -> None:
    """A kill between the two renames of an overwrite leaves no dataset; the next run puts the old one back first."""
    (tmp_path / "out").mkdir()
    target, missing = tmp_path / "out" / "x", 0
    export_tiles(bundles, target, levels="0")
    old = contents(target)
    options: dict[str, Any] = {"workers": 1, "overwrite": True, "levels": "0-3"}
    whole = killed.export(bundles, target, **options)
    for at in range(whole.calls - 32, whole.calls - 4):
        export_tiles(bundles, target, levels="0", overwrite=True)
        assert not killed.export(bundles, target, at=at, **options).is_done
        if not target.exists():
            missing += 1
            with pytest.raises(OutputExistsError):
                export_tiles(bundles, target)
            assert contents(target) == old
    assert missing


def test_journal_that_cannot_be_written_gets_no_more_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line may be written in part when the disk is full: lines behind it would not count."""
    journal, write = JournalFile(tmp_path / "journal", 0), os.write
    journal.append({"n": 1})
    with monkeypatch.context() as patch:
        sizes = iter([10])

        def write_some(file: int, data: memoryview) -> int:
            for size in sizes:
                return write(file, data[:size])
            raise OSError(28, "No space left on device")

        patch.setattr(os, "write", write_some)
        with pytest.raises(OSError, match="No space"):
            journal.append({"n": 2})
    with pytest.raises(OSError, match="the journal cannot be written"):
        journal.append({"n": 3})
    journal.close()
    assert [line.value for line in read_lines(tmp_path / "journal")] == [{"n": 1}]


def test_journal_is_lines_of_json_with_checksums(bundles: Path, tmp_path: Path) -> None:
    interrupt(bundles, tmp_path / "x.tpkx")
    header, *lines = (staging(tmp_path) / "journal.jsonl").read_bytes().splitlines()
    for line in (header, *lines):
        text = line.partition(b'"value":')[2][:-1]
        assert json.loads(line)["crc32"] == f"{zlib.crc32(text):08x}"
    assert json.loads(header)["value"].keys() == {"format", "output", "fingerprint"}
    assert max(map(len, lines)) < 400
    assert len(lines) == finished(tmp_path)

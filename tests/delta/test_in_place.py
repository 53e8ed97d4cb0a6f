"""Deltas that are applied in place: killed at any moment, on full disks, by two runs, and with new metadata."""

from __future__ import annotations

import os
import random
import shutil
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import pytest

import gptool
from gptool.delta import in_place
from gptool.delta.updates import move_new
from gptool.errors import CacheError, OutputError, ParameterError
from gptool.model import Phase
from gptool.output.staging_folder import StagingFolder, staging_path
from helpers.bundles import Address
from helpers.caches import conf_text, jpeg_tile, make_cache, make_exploded_cache, png_tile, square
from helpers.checks import check_nothing_left
from helpers.deltas import FOLDERS, STORAGES, Tiles, bundle_of, digests
from helpers.killed_apply import apply_in_place
from helpers.packages import make_tpkx
from helpers.tile_readers import read_tiles, read_v1_bundle

KILLS = int(os.environ.get("GPTOOL_DELTA_KILLS", "4"))
"""How often each storage format is killed."""

CDI = (-1e7, -1.5e7, 1.25e7, 2e7)
OTHER_CDI = (-2e7, -2e7, 2e7, 2e7)

OLD = square(2, range(4), range(4)) | square(8, range(126, 130), range(126, 130)) | square(9, range(3), range(3))
NEW = {
    **{place: tile for place, tile in OLD.items() if place[0] != 9 and place[1:] != (127, 127) and place[2] != 129},
    **{(8, row, 126): jpeg_tile(100 + row) for row in range(126, 130)},
    **{(8, 400, column): jpeg_tile(column) for column in range(300, 303)},
    (1, 0, 1): jpeg_tile(200),
    (2, 0, 0): jpeg_tile(201),
    (9, 300, 300): jpeg_tile(202),
}
CONF = conf_text(range(10))


def make_state(storage: str, folder: Path, tiles: Tiles, cdi: tuple[float, float, float, float]) -> Path:
    """Make a cache folder with ten levels."""
    path = STORAGES[storage](folder, tiles, cdi)
    text = (path / "conf.xml").read_text()
    start, end = "<LODInfos", "</LODInfos>"
    lods = CONF[CONF.index(start) : CONF.index(end)]
    (path / "conf.xml").write_text(text[: text.index(start)] + lods + text[text.index(end) :])
    return path


@pytest.fixture(scope="module")
def delta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The delta of OLD and NEW, whose extents differ."""
    folder = tmp_path_factory.mktemp("delta")
    states = make_state("V2", folder / "old", OLD, CDI), make_state("V2", folder / "new", NEW, OTHER_CDI)
    return gptool.diff(*states, folder / "delta.tpkx").path


def group(tiles: Tiles) -> dict[Address, dict[Address, str]]:
    """Return tiles by their bundles, in a form that failures can show."""
    found: dict[Address, dict[Address, str]] = defaultdict(dict)
    for place, digest in digests(tiles).items():
        found[bundle_of(place)][place] = digest
    return found


def read_complete(path: Path) -> Tiles:
    """Return the tiles of a cache, without those of V1 bundles whose index is missing, which readers skip."""
    if not list((path / "_alllayers").glob("L*/*.bundlx")):
        return read_tiles(path)
    tiles: Tiles = {}
    for index in (path / "_alllayers").glob("L*/*.bundlx"):
        bundle = index.with_suffix(".bundle")
        tiles |= read_v1_bundle(bundle.as_posix(), bundle.read_bytes(), index.read_bytes())
    return tiles


def check_between(path: Path, *, by_tile: bool) -> None:
    """Check that each bundle, or tile, is in the old or in the new state."""
    found, old, new = group(read_complete(path)), group(OLD), group(NEW)
    for address in found | old | new:
        tiles, states = found.get(address, {}), (old.get(address, {}), new.get(address, {}))
        if not by_tile:
            assert tiles in states, address
        for place in tiles.keys() | states[0].keys() | states[1].keys():
            assert tiles.get(place) in [state.get(place) for state in states], place


def check_complete(path: Path) -> None:
    assert digests(read_tiles(path)) == digests(NEW)
    assert gptool.open_cache(path).declared_extent == OTHER_CDI
    check_nothing_left(path, "_alllayers", "conf.xml", "conf.cdi")
    assert not [finding for finding in gptool.verify(path).findings if finding.severity == "error"]


@pytest.mark.posix("processes that are killed")
@pytest.mark.parametrize("storage", FOLDERS)
def test_kill_at_any_moment_leaves_each_bundle_in_one_of_both_states(tmp_path: Path, storage: str, delta: Path) -> None:
    """A killed run is followed by another one, which is killed, too, until one comes to its end."""
    whole = make_state(storage, tmp_path / "whole", OLD, CDI)
    calls = apply_in_place(whole, delta)
    assert calls is not None
    check_complete(whole)
    rng, kills, round_ = random.Random(storage), 0, 0
    while kills < KILLS:
        base = make_state(storage, tmp_path / f"{round_}", OLD, CDI)
        while apply_in_place(base, delta, at=rng.randint(1, calls)) is None:
            kills += 1
            check_between(base, by_tile=storage == "exploded")
            if kills % 3 == 0:
                break
        apply_in_place(base, delta)
        check_complete(base)
        round_ += 1


@pytest.mark.parametrize("storage", FOLDERS)
def test_failure_after_each_file_is_gone_on_with(
    tmp_path: Path, storage: str, delta: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all places where a run may end, those after each new file that is in its place."""
    moves = 0
    for fails_at in range(1, 30):
        base = make_state(storage, tmp_path / f"{fails_at}", OLD, CDI)
        moves = 0

        def move(staged: Path, target: Path, fails_at: int = fails_at) -> None:
            nonlocal moves
            moves += 1
            if moves > fails_at:
                raise OSError(28, "No space left on device")
            move_new(staged, target)

        for name in ("gptool.delta.updates.move_new", "gptool.delta.metadata.move_new"):
            monkeypatch.setattr(name, move)
        try:
            gptool.apply(base, delta, in_place=True, workers=1)
        except OutputError as error:
            assert "cannot be written: No space left on device" in str(error)
            assert error.__notes__ == [
                "Each tile is in its old or its new state; the same command completes the new state."
            ]
        else:
            break
        check_between(base, by_tile=storage == "exploded")
        monkeypatch.undo()
        gptool.apply(base, delta, in_place=True, workers=1)
        check_complete(base)
    assert moves > 5


@pytest.mark.parametrize("storage", FOLDERS)
class TestRepeated:
    def test_second_run_changes_nothing(self, tmp_path: Path, storage: str, delta: Path) -> None:
        base = make_state(storage, tmp_path / "base", OLD, CDI)
        first = gptool.apply(base, delta, in_place=True)
        assert first.bundles == 9
        states = {path: path.stat().st_mtime_ns for path in base.rglob("*") if path.is_file()}
        second = gptool.apply(base, delta, in_place=True)
        assert second.bundles == 0
        assert second.messages[0].description == "The base was in the new state already; no bundle changed"
        assert {path: path.stat().st_mtime_ns for path in base.rglob("*") if path.is_file()} == states
        check_complete(base)

    def test_wrong_base_stays_as_it_is(self, tmp_path: Path, storage: str, delta: Path) -> None:
        tiles = OLD | {(8, 126, 126): jpeg_tile(77)}  # one that the delta replaces
        base = make_state(storage, tmp_path / "base", tiles, CDI)
        with pytest.raises(CacheError, match="level 8 is not that of the base of the delta; found tiles with the hash"):
            gptool.apply(base, delta, in_place=True)
        assert digests(read_tiles(base)) == digests(tiles)
        check_nothing_left(base, "_alllayers", "conf.xml", "conf.cdi")

    def test_deltas_one_after_the_other_and_back(self, tmp_path: Path, storage: str, delta: Path) -> None:
        base = make_state(storage, tmp_path / "base", OLD, CDI)
        states = (make_state("V2", tmp_path / name, tiles, CDI) for name, tiles in (("a", NEW), ("b", OLD)))
        back = gptool.diff(*states, tmp_path / "back.tpkx").path
        for _ in range(3):
            gptool.apply(base, delta, in_place=True)
            assert digests(read_tiles(base)) == digests(NEW)
            gptool.apply(base, back, in_place=True)
            assert digests(read_tiles(base)) == digests(OLD)


class TestFailures:
    def test_full_disk_is_found_before_any_change(
        self, tmp_path: Path, delta: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        base = make_state("V2", tmp_path / "base", OLD, CDI)
        monkeypatch.setattr(in_place.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
        with pytest.raises(
            OutputError, match=r"disk has not enough space for the new state; found 1\.0 kB free, expected"
        ):
            gptool.apply(base, delta, in_place=True)
        assert digests(read_tiles(base)) == digests(OLD)
        check_nothing_left(base, "_alllayers", "conf.xml", "conf.cdi")

    @pytest.mark.posix("a limit of the size of files")
    def test_bundle_that_cannot_be_written_stays(self, tmp_path: Path, delta: Path) -> None:
        import resource

        base = make_state("V1", tmp_path / "base", OLD, CDI)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (70_000, limits[1]))
        try:
            with pytest.raises(OutputError, match="cannot be written: File too large"):
                gptool.apply(base, delta, in_place=True)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        check_between(base, by_tile=False)
        gptool.apply(base, delta, in_place=True)
        check_complete(base)

    def test_second_run_at_the_same_time_is_refused(self, tmp_path: Path, delta: Path) -> None:
        base = make_state("V2", tmp_path / "base", OLD, CDI)
        folder = StagingFolder.open(base / "_alllayers")
        with pytest.raises(OutputError, match="is in use by another run"):
            gptool.apply(base, delta, in_place=True)
        folder.remove()
        assert digests(read_tiles(base)) == digests(OLD)
        gptool.apply(base, delta, in_place=True)
        check_complete(base)

    @pytest.mark.parametrize("storage", FOLDERS)
    def test_interrupt_during_the_check_leaves_nothing(self, tmp_path: Path, storage: str, delta: Path) -> None:
        base = make_state(storage, tmp_path / "base", OLD, CDI)

        def interrupt(phase: Phase, _done: int, _total: int) -> None:
            if phase is Phase.COMPARING:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt) as caught:
            gptool.apply(base, delta, in_place=True, progress=interrupt)
        assert not hasattr(caught.value, "__notes__")
        assert digests(read_tiles(base)) == digests(OLD)
        check_nothing_left(base, "_alllayers", "conf.xml", "conf.cdi")

    def test_mark_of_another_delta_allows_nothing(self, tmp_path: Path, delta: Path) -> None:
        """An exploded bundle that another delta has begun is not the base of this one, and its mark stays."""
        base = make_state("exploded", tmp_path / "base", OLD, CDI)
        left = staging_path(base / "_alllayers")
        left.mkdir(mode=0o700)
        (left / "delta").write_text("0" * 64)
        (base / "_alllayers" / "L08" / "R0000007e" / "C0000007e.jpg").write_bytes(jpeg_tile(5))
        with pytest.raises(CacheError, match="level 8 is not that of the base"):
            gptool.apply(base, delta, in_place=True)
        assert (left / "delta").read_text() == "0" * 64

    def test_package_is_refused(self, tmp_path: Path, delta: Path) -> None:
        base = make_tpkx(tmp_path / "old.tpkx", OLD)
        with pytest.raises(
            ParameterError, match=r"old\.tpkx: cannot be changed in place; found a tile package, expected"
        ):
            gptool.apply(base, delta, in_place=True)

    def test_unpacked_package_is_refused(self, tmp_path: Path, delta: Path) -> None:
        shutil.unpack_archive(make_tpkx(tmp_path / "old.tpkx", OLD), tmp_path / "old", "zip")
        with pytest.raises(ParameterError, match=r"cannot be changed in place; found a cache without conf\.xml"):
            gptool.apply(tmp_path / "old", delta, in_place=True)


class TestMetadata:
    def test_levels_are_added(self, tmp_path: Path) -> None:
        before = {(0, 0, 0): jpeg_tile(1), (1, 0, 0): jpeg_tile(3)}
        old = make_exploded_cache(tmp_path / "old", before, conf=conf_text(range(2)))
        tiles = {(0, 0, 0): jpeg_tile(1), (1, 0, 0): jpeg_tile(4), (3, 5, 6): jpeg_tile(2)}
        new = make_cache(tmp_path / "new", tiles, conf=conf_text(range(4), quality=60))
        path = gptool.diff(old, new, tmp_path / "delta.tpkx").path
        gptool.apply(old, path, in_place=True)
        cache = gptool.open_cache(old)
        assert [lod.level for lod in cache.scheme.lods] == [0, 1, 2, 3]
        assert cache.storage == "esriMapCacheStorageModeExploded"
        assert digests(read_tiles(old)) == digests(tiles)
        assert gptool.info(old).plan.tiles == 3
        assert cache.image.compression_quality == 60

    def test_unchanged_documents_stay_byte_for_byte(self, tmp_path: Path) -> None:
        old = make_cache(tmp_path / "old", OLD, conf=CONF, cdi=CDI)
        before = [(old / name).read_bytes() for name in ("conf.xml", "conf.cdi")]
        new = make_cache(tmp_path / "new", NEW, conf=CONF, cdi=CDI)
        gptool.apply(old, gptool.diff(old, new, tmp_path / "delta.tpkx").path, in_place=True)
        assert [(old / name).read_bytes() for name in ("conf.xml", "conf.cdi")] == before

    def test_names_in_capitals_are_kept(self, tmp_path: Path, delta: Path) -> None:
        base = make_state("V2", tmp_path / "base", OLD, CDI)
        (base / "conf.cdi").rename(base / "CONF.CDI")
        gptool.apply(base, delta, in_place=True)
        check_nothing_left(base, "_alllayers", "conf.xml", "CONF.CDI")
        assert gptool.open_cache(base).declared_extent == OTHER_CDI

    @pytest.mark.posix("permissions")
    def test_permissions_of_bundles_are_kept(self, tmp_path: Path, delta: Path) -> None:
        base = make_state("V2", tmp_path / "base", OLD, CDI)
        bundle = base / "_alllayers" / "L02" / "R0000C0000.bundle"
        bundle.chmod(0o640)
        gptool.apply(base, delta, in_place=True)
        assert bundle.stat().st_mode & 0o777 == 0o640


class TestNames:
    def test_new_tiles_of_exploded_caches_have_the_suffix_of_their_format(self, tmp_path: Path) -> None:
        conf = conf_text(format="MIXED")
        tiles = {(0, 0, 0): png_tile(1), (1, 0, 0): jpeg_tile(1)}
        base = make_exploded_cache(tmp_path / "base", {(1, 0, 0): png_tile(2)}, conf=conf)
        path = gptool.diff(base, make_cache(tmp_path / "new", tiles, conf=conf), tmp_path / "delta.tpkx").path
        gptool.apply(base, path, in_place=True)
        files = sorted(path.name for path in (base / "_alllayers").rglob("C*"))
        assert files == ["C00000000.png", "C00000000.png"]  # a changed tile keeps its name
        assert digests(read_tiles(base)) == digests(tiles)

    def test_names_of_bundles_in_capitals_are_kept(self, tmp_path: Path) -> None:
        base = make_cache(tmp_path / "base", {(8, 130, 300): jpeg_tile(1)})
        new = make_cache(tmp_path / "new", {(8, 130, 300): jpeg_tile(2)})
        path = gptool.diff(base, new, tmp_path / "delta.tpkx").path
        level = (base / "_alllayers" / "L08").rename(base / "_alllayers" / "l08")
        (level / "R0080C0100.bundle").rename(level / "R00000080C00000100.BUNDLE")
        gptool.apply(base, path, in_place=True)
        assert [path.name for path in level.iterdir()] == ["R00000080C00000100.BUNDLE"]
        assert not (base / "_alllayers" / "L08").exists()
        assert gptool.open_cache(base).files.list_names("_alllayers") == ["l08"]

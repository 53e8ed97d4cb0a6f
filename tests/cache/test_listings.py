"""What is remembered of folders: nothing is listed once for each of its bundles, nothing stays when it changed."""

from __future__ import annotations

import pickle
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gptool import errors, export_tiles, open_cache
from gptool.cache import listings
from gptool.cache.files import FolderFiles
from gptool.cache.listings import Listings
from gptool.plan.plan import count_tiles
from helpers.caches import (
    Address,
    conf_text,
    jpeg_tile,
    make_cache,
    make_exploded_cache,
    make_tpk,
    make_v1_cache,
    square,
)
from helpers.checks import asked
from helpers.readers import read_all


def test_what_is_found_is_kept_until_it_changes() -> None:
    memory, finds = Listings(), Counter[int]()

    def find(stamp: int) -> tuple[int, int]:
        finds[stamp] += 1
        return stamp, 1

    for stamp in (1, 1, 2, 2, 1):
        assert memory.get("a", stamp, lambda stamp=stamp: find(stamp)) == stamp  # type: ignore[misc]
    assert finds == {1: 2, 2: 1}


def test_what_was_not_used_for_longest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listings, "MOST_BYTES", 10)
    memory, found = Listings(), list[str]()
    for key, size in [("a", 4), ("b", 4), ("a", 4), ("c", 4), ("a", 4), ("b", 4), ("whale", 11), ("a", 4)]:
        memory.get(key, 0, lambda key=key, size=size: (found.append(key), size))  # type: ignore[misc]
    assert found == ["a", "b", "c", "b", "whale", "a"]
    assert pickle.loads(pickle.dumps(memory)).get("a", 0, lambda: ("anew", 1)) == "anew"


SPREAD: dict[Address, bytes] = {(8, row, column): jpeg_tile(1) for row in (0, 128, 200) for column in (3, 130, 255)}


def shout(folder: Path) -> Path:
    """Rename all bundles to capitals."""
    for path in sorted(folder.rglob("R*")):
        if path.is_file():
            path.rename(path.with_name(path.name.upper()))
    return folder


@pytest.mark.parametrize(
    "make",
    [make_exploded_cache, make_cache, lambda *a: shout(make_cache(*a)), lambda *a: shout(make_v1_cache(*a))],
    ids=["exploded", "V2", "V2 in capitals", "V1 in capitals"],
)
def test_each_folder_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[..., Path]) -> None:
    cache = open_cache(make(tmp_path / "cache", SPREAD))
    listed, names = Counter[str](), FolderFiles.names

    def count(self: FolderFiles, folder: str) -> Sequence[str]:
        listed[folder] += 1
        return names(self, folder)

    monkeypatch.setattr(FolderFiles, "names", count)
    assert read_all(cache) == SPREAD
    # V1 looks for two kinds of files.
    assert max(count for folder, count in listed.items() if "L08" in folder) <= 2


def test_a_small_box_lists_the_rows_it_meets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = open_cache(make_exploded_cache(tmp_path / "cache", SPREAD))
    listed, names = set[str](), FolderFiles.names
    monkeypatch.setattr(FolderFiles, "names", lambda self, folder: (listed.add(folder), names(self, folder))[1])
    plan = count_tiles(cache, asked(levels="8", export_extent="-20037508,19000000,-19000000,20037508"))
    assert (plan.tiles, {folder[-9:] for folder in listed if "/R" in folder}) == (1, {"R00000000"})


def test_a_package_of_files_is_listed_by_its_own_path(tmp_path: Path) -> None:
    text = conf_text(storage="esriMapCacheStorageModeExploded")
    package = make_tpk(tmp_path / "x.tpk", {}, conf=text)
    with zipfile.ZipFile(package, "a") as more:
        more.writestr("v101/TPK Root Name/_alllayers/L01/R00000001/C00000001.jpg", jpeg_tile(3))
    assert read_all(open_cache(package)) == {(1, 1, 1): jpeg_tile(3)}


@pytest.mark.parametrize("make", [make_cache, make_v1_cache, make_exploded_cache])
def test_level_folders_in_small_letters(tmp_path: Path, make: Callable[..., Path]) -> None:
    folder = make(tmp_path / "cache", square(1, range(2), range(2)))
    (folder / "_alllayers" / "L01").rename(folder / "_alllayers" / "l01")
    assert read_all(open_cache(folder)) == square(1, range(2), range(2))
    assert export_tiles(folder, tmp_path / "x.tpkx").warnings == ()


@pytest.mark.parametrize("link", ["L08", "L00/R00000001"])
def test_a_folder_that_is_a_link_to_nothing(tmp_path: Path, link: str) -> None:
    """A disk that is not mounted is no reason to leave its tiles out."""
    folder = make_exploded_cache(tmp_path / "cache", square(0, range(1), range(1)))
    (folder / "_alllayers" / link).symlink_to("/not/mounted")
    with pytest.raises(errors.CacheError, match="can't be listed: No such file or directory"):
        export_tiles(folder, tmp_path / "x.tpkx")

"""Tests of cached listings: folders are not listed for each bundle, and changes are noticed."""

from __future__ import annotations

import gc
import pickle
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gptool import errors, export_tiles, open_cache
from gptool.cache import listing_cache
from gptool.cache.folder_store import FolderStore
from gptool.cache.listing_cache import ListingCache
from gptool.plan import count_tiles
from helpers.bundles import Address
from helpers.caches import conf_text, jpeg_tile, make_cache, make_exploded_cache, make_v1_cache, square
from helpers.packages import make_tpk
from helpers.plans import make_request
from helpers.program_readers import read_with_gptool


def test_listing_is_kept_until_the_stamp_changes() -> None:
    cache, calls = ListingCache(), Counter[int]()

    def make_listing(stamp: int) -> tuple[int, int]:
        calls[stamp] += 1
        return stamp, 1

    for stamp in (1, 1, 2, 2, 1):
        assert cache.get("a", stamp, lambda stamp=stamp: make_listing(stamp)) == stamp  # type: ignore[misc]
    assert calls == {1: 2, 2: 1}


def test_least_recently_used_listing_is_discarded_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing_cache, "MAX_BYTES", 10)
    monkeypatch.setattr(listing_cache, "MIN_LISTINGS", 1)
    monkeypatch.setattr(listing_cache, "_MEMORY", listing_cache._Memory())
    cache, made = ListingCache(), list[str]()
    for key, size in [("a", 4), ("b", 4), ("a", 4), ("c", 4), ("a", 4), ("b", 4), ("large", 11), ("a", 4)]:
        cache.get(key, 0, lambda key=key, size=size: (made.append(key), size))  # type: ignore[misc]
    assert made == ["a", "b", "c", "b", "large", "a"]
    assert pickle.loads(pickle.dumps(cache)).get("a", 0, lambda: ("anew", 1)) == "anew"


def test_caches_share_their_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing_cache, "MAX_BYTES", 10)
    monkeypatch.setattr(listing_cache, "MIN_LISTINGS", 0)
    memory = listing_cache._Memory()
    monkeypatch.setattr(listing_cache, "_MEMORY", memory)
    one, two, made = ListingCache(), ListingCache(), list[str]()
    for cache, name in [(one, "one"), (two, "two"), (one, "one"), (two, "two")]:
        cache.get("folder", 0, lambda name=name: (made.append(name), 6))  # type: ignore[misc]
    assert made == ["one", "two", "one", "two"]
    monkeypatch.setattr(listing_cache, "MAX_BYTES", 12)
    one.get("folder", 0, lambda: (None, 6))
    del two
    gc.collect()
    one.get("another", 0, lambda: (None, 6))
    assert memory._bytes == 12
    assert one.get("folder", 0, lambda: ("anew", 6)) is None


SPREAD_TILES: dict[Address, bytes] = {
    (8, row, column): jpeg_tile(1) for row in (0, 128, 200) for column in (3, 130, 255)
}


def rename_to_capitals(folder: Path) -> Path:
    """Rename all bundles to capital letters."""
    for path in sorted(folder.rglob("R*")):
        if path.is_file():
            path.rename(path.with_name(path.name.upper()))
    return folder


@pytest.mark.parametrize("max_bytes", [listing_cache.MAX_BYTES, 0])
@pytest.mark.parametrize(
    "make",
    [
        make_exploded_cache,
        make_cache,
        lambda *a: rename_to_capitals(make_cache(*a)),
        lambda *a: rename_to_capitals(make_v1_cache(*a)),
    ],
    ids=["exploded", "V2", "V2 in capitals", "V1 in capitals"],
)
def test_each_folder_is_listed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[..., Path], max_bytes: int
) -> None:
    """Also if the listings that a bundle needs take more memory than all may."""
    monkeypatch.setattr(listing_cache, "MAX_BYTES", max_bytes)
    cache = open_cache(make(tmp_path / "cache", SPREAD_TILES))
    listed, names = Counter[str](), FolderStore.list_names

    def count(self: FolderStore, folder: str) -> Sequence[str]:
        listed[folder] += 1
        return names(self, folder)

    monkeypatch.setattr(FolderStore, "list_names", count)
    assert read_with_gptool(cache) == SPREAD_TILES
    # V1 lists each folder once for each suffix.
    assert max(count for folder, count in listed.items() if "L08" in folder) <= 2


def test_small_extent_lists_only_the_rows_it_intersects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = open_cache(make_exploded_cache(tmp_path / "cache", SPREAD_TILES))
    listed, names = set[str](), FolderStore.list_names
    monkeypatch.setattr(FolderStore, "list_names", lambda self, folder: (listed.add(folder), names(self, folder))[1])
    plan = count_tiles(cache, make_request(levels="8", export_extent="-20037508,19000000,-19000000,20037508"))
    assert (plan.tiles, {folder[-9:] for folder in listed if "/R" in folder}) == (1, {"R00000000"})


def test_exploded_tiles_in_a_package_are_read(tmp_path: Path) -> None:
    text = conf_text(storage="esriMapCacheStorageModeExploded")
    package = make_tpk(tmp_path / "x.tpk", {}, conf=text)
    with zipfile.ZipFile(package, "a") as more:
        more.writestr("v101/TPK Root Name/_alllayers/L01/R00000001/C00000001.jpg", jpeg_tile(3))
    assert read_with_gptool(open_cache(package)) == {(1, 1, 1): jpeg_tile(3)}


@pytest.mark.parametrize("make", [make_cache, make_v1_cache, make_exploded_cache])
def test_level_folders_in_lower_case_are_read(tmp_path: Path, make: Callable[..., Path]) -> None:
    folder = make(tmp_path / "cache", square(1, range(2), range(2)))
    (folder / "_alllayers" / "L01").rename(folder / "_alllayers" / "l01")
    assert read_with_gptool(open_cache(folder)) == square(1, range(2), range(2))
    assert export_tiles(folder, tmp_path / "x.tpkx").warnings == ()


@pytest.mark.parametrize("link", ["L08", "L00/R00000001"])
@pytest.mark.posix("symbolic links, which Windows lets only administrators make")
def test_broken_link_in_place_of_a_folder_is_rejected(tmp_path: Path, link: str) -> None:
    """Tiles must not be skipped silently if a disk is not mounted."""
    folder = make_exploded_cache(tmp_path / "cache", square(0, range(1), range(1)))
    (folder / "_alllayers" / link).symlink_to("/not/mounted")
    with pytest.raises(errors.CacheError, match="folder cannot be listed: No such file or directory"):
        export_tiles(folder, tmp_path / "x.tpkx")

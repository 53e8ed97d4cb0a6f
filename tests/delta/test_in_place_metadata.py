"""conf.xml and conf.cdi of caches that deltas are applied to in place: only what differs is changed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

import gptool
from helpers.caches import conf_text, jpeg_tile, lod_text, make_cache, png_tile, world
from helpers.checks import check_nothing_left
from helpers.packages import make_tpkx, root_text

TILES = world()
NEW_TILES = TILES | {(8, 130, 130): jpeg_tile(5)}
CDI = (-1e7, -1.5e7, 1.25e7, 2e7)

BARE_CONF = (
    conf_text()
    .replace("<BandCount>3</BandCount>", "")
    .replace("<LERCError>0</LERCError>", "<!-- ours -->")
    .replace(
        "</CacheInfo>",
        "<CacheControlInfo><ClientCachingAllowed>true</ClientCachingAllowed></CacheControlInfo></CacheInfo>",
    )
)
"""A conf.xml that states no number of bands, and has elements that packages have not."""


def elements(conf: Path) -> Counter[tuple[str, str]]:
    """Return the names and texts of the elements of a document, and its comments."""
    found = etree.parse(conf).iter()
    names = ((each, etree.QName(each).localname if isinstance(each.tag, str) else "comment") for each in found)
    return Counter((name, (each.text or "").strip()) for each, name in names)


def level_elements(level: int) -> list[tuple[str, str]]:
    scale, resolution = lod_text(level)
    return [("LODInfo", ""), ("LevelID", str(level)), ("Scale", scale), ("Resolution", resolution)]


NEW_DOCUMENTS = {
    "nothing": ({}, [], []),
    "quality": ({"quality": 60}, [("CompressionQuality", "60")], [("CompressionQuality", "85")]),
    "unknown quality": ({"quality": 0}, [], []),
    "format": ({"format": "MIXED"}, [("CacheTileFormat", "MIXED")], [("CacheTileFormat", "JPEG")]),
    "more levels": ({"levels": range(11)}, [*level_elements(9), *level_elements(10)], []),
    "fewer levels": ({"levels": [0, 1, 2, 8]}, [], [each for level in range(3, 8) for each in level_elements(level)]),
}
"""What the conf.xml of the new state has otherwise, and the elements that come and go."""


@pytest.mark.parametrize(("changes", "added", "removed"), NEW_DOCUMENTS.values(), ids=NEW_DOCUMENTS)
@pytest.mark.parametrize("is_package", [False, True])
def test_only_what_differs_is_changed(
    tmp_path: Path,
    changes: dict[str, Any],
    added: list[tuple[str, str]],
    removed: list[tuple[str, str]],
    is_package: bool,
) -> None:
    """Those of a package state a number of bands, and an extent, which is that of the tiles."""
    base = make_cache(tmp_path / "base", TILES, conf=BARE_CONF)
    before, text = elements(base / "conf.xml"), (base / "conf.xml").read_bytes()
    new = make_cache(tmp_path / "new", NEW_TILES, conf=conf_text(**changes))
    if is_package:
        new = gptool.export_tiles(new, tmp_path / "new.tpkx").path
    gptool.apply(base, gptool.diff(base, new, tmp_path / "delta.tpkx").path, in_place=True)
    after = elements(base / "conf.xml")
    assert (after - before, before - after) == (Counter(added), Counter(removed))
    check_nothing_left(base, "_alllayers", "conf.xml")
    if not added and not removed:
        assert (base / "conf.xml").read_bytes() == text
    assert [lod.level for lod in gptool.open_cache(base).scheme.lods] == list(changes.get("levels", range(9)))


def test_stated_number_of_bands_follows(tmp_path: Path) -> None:
    base = make_cache(tmp_path / "base", {(1, 0, 0): png_tile(1)}, conf=conf_text(format="PNG"))
    image = '{"format":"PNG32","compressionQuality":0,"bandCount":4,"lercError":0}'
    new = make_tpkx(tmp_path / "new.tpkx", {(1, 0, 0): png_tile(2)}, root=root_text(tileImageInfo=image))
    gptool.apply(base, gptool.diff(base, new, tmp_path / "delta.tpkx").path, in_place=True)
    found = gptool.open_cache(base).image
    assert (found.format, found.band_count, found.compression_quality) == ("PNG32", 4, 85)


def test_new_extent_is_added_if_it_is_not_that_of_the_tiles(tmp_path: Path) -> None:
    base, new = make_cache(tmp_path / "base", TILES), make_cache(tmp_path / "new", NEW_TILES, cdi=CDI)
    gptool.apply(base, gptool.diff(base, new, tmp_path / "delta.tpkx").path, in_place=True)
    assert gptool.open_cache(base).declared_extent == CDI

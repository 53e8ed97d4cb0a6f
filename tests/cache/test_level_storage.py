"""Metadata that contradict the files of a cache: the files decide, level by level, with a warning that names both."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest

from gptool import export_tiles, open_cache
from helpers.bundles import Address
from helpers.caches import conf_text, jpeg_tile, make_cache, make_exploded_cache, make_v1_cache, square
from helpers.command_line import run
from helpers.tile_readers import read_tiles

EXPLODED, COMPACT, COMPACT_V2 = (f"esriMapCacheStorageMode{name}" for name in ("Exploded", "Compact", "CompactV2"))
TILES: dict[Address, bytes] = (
    square(0, range(1), range(1)) | square(1, range(2), range(2)) | square(8, range(3), range(2))
)

MAKERS = {EXPLODED: make_exploded_cache, COMPACT: make_v1_cache, COMPACT_V2: make_cache}
NAMES = {EXPLODED: "exploded tiles", COMPACT: "compact V1 bundles", COMPACT_V2: "compact V2 bundles"}


@pytest.mark.parametrize("stored", MAKERS)
@pytest.mark.parametrize("stated", MAKERS)
def test_files_decide(tmp_path: Path, stated: str, stored: str) -> None:
    cache = MAKERS[stored](tmp_path / "cache", TILES)
    (cache / "conf.xml").write_text(conf_text(storage=stated))
    opened = open_cache(cache)
    assert opened.storage == stored
    result = export_tiles(cache, tmp_path / "x.tpkx")
    assert read_tiles(result.path) == TILES
    warning = (
        f"{cache / '_alllayers'}: the metadata state the storage format {stated}, but levels 0-1, 8 have "
        f"{NAMES[stored]}, which are read"
    )
    assert list(result.warnings) == ([] if stored == stated else [warning])


def test_upgrade_that_was_interrupted(tmp_path: Path) -> None:
    """Levels 0 and 1 are V2 bundles already; level 8 is still V1."""
    cache = make_cache(tmp_path / "cache", {a: tile for a, tile in TILES.items() if a[0] < 8})
    older = make_v1_cache(tmp_path / "older", {a: tile for a, tile in TILES.items() if a[0] == 8})
    shutil.copytree(older / "_alllayers" / "L08", cache / "_alllayers" / "L08")
    opened = open_cache(cache)
    assert pickle.loads(pickle.dumps(opened)) == opened
    for output in ("x.tpkx", "x.tpk", "x"):
        result = export_tiles(opened, tmp_path / output, workers=2)
        assert read_tiles(result.path) == TILES
        [warning] = result.warnings
        assert "the storage format esriMapCacheStorageModeCompactV2, but level 8 has compact V1 bundles" in warning


def test_info_warns(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "cache", TILES, conf=conf_text(storage=EXPLODED))
    done = run("info", cache, cwd=tmp_path)
    assert "which are read" in done.stderr
    assert "11" in done.stdout


def test_info_explains_zero_tiles(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "cache", {})
    (cache / "_alllayers" / "L00").mkdir(parents=True)
    done = run("info", cache, cwd=tmp_path)
    assert done.stderr == f"Warning: {cache} has no tiles at any level of its tiling scheme\n"


@pytest.mark.parametrize("storage", [COMPACT, COMPACT_V2])
def test_packet_size_of_0_is_not_believed(tmp_path: Path, storage: str) -> None:
    cache = MAKERS[storage](tmp_path / "cache", TILES)
    text = conf_text(storage=storage).replace("<PacketSize>128<", "<PacketSize>0<")
    (cache / "conf.xml").write_text(text)
    result = export_tiles(cache, tmp_path / "x.tpkx")
    assert read_tiles(result.path) == TILES
    assert list(result.warnings) == [
        f"{cache / 'conf.xml'}: CacheStorageInfo/PacketSize is 0, but bundles have 128 x 128 tiles, and are read so"
    ]


def test_bundle_with_a_damaged_header_is_an_error_of_its_level(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "cache", {(0, 0, 0): jpeg_tile(1), (1, 0, 0): jpeg_tile(2)})
    (cache / "_alllayers" / "L01" / "R0000C0000.bundle").write_bytes(b"\1" * 100)
    assert export_tiles(cache, tmp_path / "x.tpkx", levels="0").tiles == 1

"""A package and the cache that it was exported from: tiles that are missing, changed, or too many."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gptool import export_tiles, verify
from gptool.model import Tables
from gptool.verification import Finding
from helpers.bundles import Address
from helpers.caches import conf_text, jpeg_tile, make_cache, make_v1_cache, png_tile, world
from helpers.esri_packages import root_json, small_world, to_json, tpkx

OTHER_TILE = jpeg_tile(99_999)


def source_of(tmp_path: Path, tiles: Mapping[Address, bytes]) -> Path:
    """Create a cache whose tiling scheme has the numbers of the package's."""
    root = root_json()["tileInfo"]
    conf = conf_text()
    for lod in root["lods"]:
        level = f"<LevelID>{lod['level']}</LevelID>"
        start = conf.index(level)
        end = conf.index("</LODInfo>", start)
        numbers = f"{level}<Scale>{lod['scale']!r}</Scale><Resolution>{lod['resolution']!r}</Resolution>"
        conf = conf[:start] + numbers + conf[end:]
    origin = root["origin"]["y"]
    conf = conf.replace("20037508.342787001", repr(origin))
    return make_cache(tmp_path / "source", tiles, conf=conf)


def check(tmp_path: Path, tiles: Mapping[Address, bytes], source: Mapping[Address, bytes]) -> list[Finding]:
    package = tpkx(tiles).write(tmp_path / "World.tpkx")
    return verify(package, source=source_of(tmp_path, source)).findings


def test_package_of_the_source_passes(tmp_path: Path) -> None:
    assert check(tmp_path, small_world(), small_world()) == []


def test_levels_beyond_those_of_the_package_are_not_missing(tmp_path: Path) -> None:
    assert check(tmp_path, small_world(), small_world() | {(4, 3, 3): jpeg_tile(5)}) == []


@pytest.mark.parametrize(
    ("address", "new", "rule"),
    [
        ((3, 2, 5), None, "tiles.source-missing"),
        ((3, 2, 5), OTHER_TILE, "tiles.source-different"),
        ((3, 2, 5), jpeg_tile(25, 95), "tiles.source-different"),
    ],
    ids=["missing", "another tile", "a finer quantisation"],
)
def test_tile_that_is_not_the_source_s_is_found(address: Address, new: bytes | None, rule: str, tmp_path: Path) -> None:
    tiles = small_world()
    if new is None:
        del tiles[address]
    else:
        tiles[address] = new
    [finding] = check(tmp_path, tiles, small_world())
    assert finding.rule == rule
    assert (finding.where.level, finding.where.row, finding.where.column) == address


def test_tile_that_the_source_does_not_have_is_found(tmp_path: Path) -> None:
    source = small_world()
    del source[3, 1, 1]
    [finding] = check(tmp_path, small_world(), source)
    assert finding.rule == "tiles.source-unknown"
    assert (finding.where.level, finding.where.row, finding.where.column) == (3, 1, 1)


def test_missing_bundle_is_found(tmp_path: Path) -> None:
    """Level 8 lies in four bundles, of which the package has one."""
    source = small_world() | {(8, row, column): jpeg_tile(row + column) for row in (127, 128) for column in (127, 128)}
    package = tpkx({address: tile for address, tile in source.items() if address != (8, 128, 128)})
    root = {**root_json(last=8), "name": "World"}
    package.members["root.json"] = to_json(root)
    findings = verify(package.write(tmp_path / "World.tpkx"), source=source_of(tmp_path, source)).findings
    assert [(finding.rule, finding.where.row, finding.where.column) for finding in findings] == [
        ("tiles.source-missing", 128, 128)
    ]


def test_changed_png_is_found(tmp_path: Path) -> None:
    tiles = {(0, 0, 0): png_tile(1)}
    conf = conf_text(format="PNG")
    cache = make_cache(tmp_path / "cache", tiles, conf=conf)
    other = make_cache(tmp_path / "other", {(0, 0, 0): png_tile(2)}, conf=conf)
    [finding] = verify(cache, source=other).findings
    assert finding.rule == "tiles.source-different"
    assert verify(cache, source=cache).findings == []


def test_scheme_of_the_source_is_compared(tmp_path: Path) -> None:
    tiles = small_world()
    cache = make_cache(tmp_path / "cache", tiles)
    other = make_cache(tmp_path / "other", tiles, conf=conf_text(range(10)))
    [finding] = verify(cache, source=other).findings
    assert finding.rule == "scheme.source"


@pytest.mark.parametrize("tables", ["efficient", "exact"])
@pytest.mark.parametrize(("name", "storage"), [("x.tpkx", None), ("x.tpk", None), ("v2", None), ("v1", "compact")])
def test_recompressed_export_is_a_coarser_quantisation(
    cache: Path, name: str, storage: str | None, tables: Tables, tmp_path: Path
) -> None:
    for quality in (40, 75):
        options: dict[str, Any] = {"tables": tables, "storage_format_type": storage, "overwrite": True}
        export_tiles(cache, tmp_path / name, compression_quality=quality, **options)
        result = verify(tmp_path / name, source=cache)
        assert [finding for finding in result.findings if "source" in finding.rule] == []
        assert result.tiles_checked == len(world())


def test_export_of_another_cache_is_found(cache: Path, tmp_path: Path) -> None:
    other = make_v1_cache(tmp_path / "other", {address: jpeg_tile(7 + sum(address)) for address in world()})
    export_tiles(other, tmp_path / "x.tpkx", compression_quality=40)
    findings = verify(tmp_path / "x.tpkx", source=cache).findings
    changed = [finding.where for finding in findings if finding.rule == "tiles.source-different"]
    assert len(changed) == len(set(changed)) > len(world()) // 2

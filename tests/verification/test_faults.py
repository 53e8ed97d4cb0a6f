"""One fault in a package breaks exactly one rule, and every rule has a fault."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from gptool import verify
from gptool.verification.registry import RULES
from gptool.verification.rule import Kind
from helpers.caches import jpeg_tile, make_cache, make_exploded_cache, make_v1_cache
from helpers.esri_packages import tpk, tpkx
from helpers.faults import TPK_FAULTS, TPKX_FAULTS, Edit

WHERE_TILE = {"tiles.format", "tiles.jpeg", "tiles.png", "tiles.lerc", "tiles.size", "tiles.declared-format"}
WHERE_TILE |= {"bundles.entries", "bundles.tile-sizes", "tiles.empty"}


@pytest.mark.parametrize("kind", [tpkx, tpk], ids=[".tpkx", ".tpk"])
def test_package_in_the_form_of_esri_passes(kind: Callable[[], object], tmp_path: Path) -> None:
    path = tmp_path / f"World.{kind.__name__}"
    result = verify(kind().write(path))  # type: ignore[attr-defined]
    assert result.findings == []
    assert result.passed
    assert (result.tiles, result.tiles_checked) == (85, 85)


def check_fault(path: Path, rule: str) -> None:
    result = verify(path)
    assert not result.passed
    assert {finding.rule for finding in result.findings} == {rule}
    for finding in result.findings:
        assert finding.found
        assert finding.expected
        assert finding.clients
        assert finding.group is RULES[rule].group
        is_tile = None not in (finding.where.level, finding.where.row, finding.where.column)
        assert is_tile == (rule in WHERE_TILE)
    tiles = [finding.where for finding in result.findings if finding.rule in WHERE_TILE]
    assert len(tiles) == len(set(tiles))


@pytest.mark.parametrize(("rule", "edit"), TPKX_FAULTS.values(), ids=list(TPKX_FAULTS))
def test_fault_of_a_tpkx_breaks_its_rule(rule: str, edit: Edit, tmp_path: Path) -> None:
    package = tpkx()
    edit(package)
    check_fault(package.write(tmp_path / "World.tpkx"), rule)


@pytest.mark.parametrize(("rule", "edit"), TPK_FAULTS.values(), ids=list(TPK_FAULTS))
def test_fault_of_a_tpk_breaks_its_rule(rule: str, edit: Edit, tmp_path: Path) -> None:
    package = tpk()
    edit(package)
    check_fault(package.write(tmp_path / "World.tpk"), rule)


TILES = {(2, row, column): jpeg_tile(row + column) for row in range(4) for column in range(4)}


def edit_v2(folder: Path, offset: int, form: str, number: int) -> None:
    [path] = (folder / "_alllayers").rglob("*.bundle")
    data = bytearray(path.read_bytes())
    struct.pack_into(form, data, offset, number)
    path.write_bytes(data)


def replace_text(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


FOLDER_FAULTS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "record count": ("bundles.folder-record-count", lambda folder: edit_v2(folder, 4, "<I", 0)),
    "index size": ("bundles.index-size", lambda folder: edit_v2(folder, 60, "<I", 0)),
    "levels that do not descend": (
        "scheme.resolutions",
        lambda folder: replace_text(
            folder / "conf.xml", "</LODInfos>",
            "<LODInfo><LevelID>9</LevelID><Scale>591657527.591555</Scale><Resolution>626172.1</Resolution></LODInfo></LODInfos>",
        ),
    ),
    "tiles that are not square": (
        "scheme.tile-size",
        lambda folder: replace_text(folder / "conf.xml", "<TileCols>64</TileCols>", "<TileCols>65</TileCols>"),
    ),
    "an unknown level": ("scheme.unknown-levels", lambda folder: (folder / "_alllayers" / "L12").mkdir()),
    "no reference": (
        "scheme.reference",
        lambda folder: replace_text(folder / "conf.xml", "<WKID>102100</WKID><LatestWKID>3857</LatestWKID>", ""),
    ),
    "a storage format that contradicts the files": (
        "metadata.storage",
        lambda folder: replace_text(folder / "conf.xml", "ModeCompactV2", "ModeCompact"),
    ),
    "malformed conf.xml": ("metadata.xml", lambda folder: replace_text(folder / "conf.xml", "</CacheInfo>", "")),
    "conf.xml without levels": (
        "metadata.readable",
        lambda folder: replace_text(folder / "conf.xml", "LODInfos", "Nothing"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "edit"), FOLDER_FAULTS.values(), ids=list(FOLDER_FAULTS))
def test_fault_of_a_folder_breaks_its_rule(rule: str, edit: Callable[[Path], object], tmp_path: Path) -> None:
    folder = make_cache(tmp_path / "cache", TILES)
    assert verify(folder).findings == []
    edit(folder)
    rules = {finding.rule for finding in verify(folder).findings}
    # Tiles of another size than the scheme's are found, too.
    assert rules - {"tiles.size", "tiles.any"} == {rule}


def test_folders_of_other_storage_formats_pass(tmp_path: Path) -> None:
    v1 = verify(make_v1_cache(tmp_path / "v1", TILES))
    exploded = verify(make_exploded_cache(tmp_path / "exploded", TILES))
    assert (v1.kind, v1.findings, exploded.kind, exploded.findings) == (Kind.COMPACT, [], Kind.EXPLODED, [])


def test_level_of_another_storage_format_is_found(tmp_path: Path) -> None:
    folder = make_cache(tmp_path / "cache", TILES)
    older = make_v1_cache(tmp_path / "older", {(3, 0, 0): jpeg_tile(1)})
    shutil.copytree(older / "_alllayers" / "L03", folder / "_alllayers" / "L03")
    [finding] = verify(folder).findings
    assert finding.rule == "metadata.storage"
    assert "level 3 has compact V1 bundles" in finding.found

    for index in (folder / "_alllayers" / "L03").glob("*.bundlx"):
        index.unlink()
    [pair] = [finding for finding in verify(folder).findings if finding.rule == "bundles.pair"]
    assert pair.where.level == 3


def test_v1_cache_without_indexes_is_no_v2_cache(tmp_path: Path) -> None:
    folder = make_v1_cache(tmp_path / "cache", TILES)
    for index in folder.rglob("*.bundlx"):
        index.unlink()
    rules = {finding.rule for finding in verify(folder).findings}
    assert "bundles.pair" in rules
    assert "metadata.storage" not in rules


def test_empty_file_of_an_exploded_cache_is_found(tmp_path: Path) -> None:
    folder = make_exploded_cache(tmp_path / "cache", TILES)
    (folder / "_alllayers" / "L02" / "R00000001" / "C00000003.jpg").write_bytes(b"")
    [finding] = verify(folder).findings
    assert finding.rule == "tiles.empty"
    assert (finding.where.level, finding.where.row, finding.where.column) == (2, 1, 3)


def test_suffix_that_is_not_that_of_the_kind_is_found(tmp_path: Path) -> None:
    [finding] = verify(tpkx().write(tmp_path / "World.zip")).findings
    assert finding.rule == "container.suffix"


@pytest.mark.parametrize("name", ["World.tpkx", "World.tpk", "notes.txt"])
def test_file_that_is_no_zip_is_found(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"a package")
    [finding] = verify(tmp_path / name).findings
    assert finding.rule == "container.readable"


def test_package_in_the_form_of_0_1_0_does_not_pass(tmp_path: Path) -> None:
    package = tpkx()
    for name, data in package.members.items():
        package.fields[name] = {"needed": 20, "attributes": 0}
        if name.endswith(".bundle"):
            entries = struct.unpack_from("<16384Q", data, 64)
            head = bytearray(data[:64]) + struct.pack("<16384Q", *(0 if entry == 4 else entry for entry in entries))
            struct.pack_into("<I", head, 4, 16384)
            package.members[name] = bytes(head) + data[len(head) :]
    rules = {finding.rule for finding in verify(package.write(tmp_path / "World.tpkx")).findings}
    expected = {"container.version-needed", "container.attributes", "bundles.record-count", "bundles.absent-entries"}
    assert rules == expected


FAULTLESS = {
    *("container.kind", "container.suffix", "container.readable", "bundles.readable", "metadata.tiles-path"),
    *("metadata.tiles-path-early", "metadata.name-blanks", "metadata.readable", "scheme.web-mercator-only"),
    *("scheme.standard-levels", "scheme.gaps", "scheme.grid-size", "scheme.well-known-text", "scheme.source"),
    "scheme.reference-id",
    *("extent.tight", "extent.bundle-count", "tiles.source-different", "tiles.source-missing"),
    *("tiles.source-unknown", "tiles.source-readable", "tiles.empty"),
}
"""Rules whose faults have tests of their own: those of clients, of a source, and of what cannot be read."""


def test_every_rule_has_a_fault() -> None:
    tested = {rule for faults in (TPKX_FAULTS, TPK_FAULTS, FOLDER_FAULTS) for rule, _ in faults.values()}
    assert tested | FAULTLESS == RULES.keys()
    assert len(tested) >= 40

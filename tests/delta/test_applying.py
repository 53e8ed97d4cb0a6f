"""`gptool.apply`: the new state as a result of any kind, and bases and deltas that are refused."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

import gptool
from gptool.errors import CacheError, OutputExistsError, ParameterError
from gptool.model import Phase
from helpers.caches import conf_text, jpeg_tile, make_cache, make_exploded_cache, world
from helpers.checks import check_dataset, check_nothing_left, check_package
from helpers.deltas import STORAGES, Tiles, contents, describe_levels, digests, hash_bundles, rewrite_delta
from helpers.packages import make_tpkx, root_text
from helpers.tile_readers import read_json, read_member, read_tiles

OLD = world()
GONE = [place for place in OLD if place[1] == 130] + [(2, 3, 3)]
NEW = {place: tile for place, tile in OLD.items() if place not in GONE} | {
    (8, 122, 122): jpeg_tile(7),
    (8, 500, 500): jpeg_tile(8),
    (3, 0, 0): jpeg_tile(9),
}


@pytest.fixture
def delta(tmp_path: Path) -> Path:
    """The delta of OLD and NEW."""
    old, new = make_cache(tmp_path / "states" / "old", OLD), make_cache(tmp_path / "states" / "new", NEW)
    return gptool.diff(old, new, tmp_path / "delta.tpkx").path


class TestResult:
    def test_is_a_proper_package(self, tmp_path: Path, delta: Path) -> None:
        result = gptool.apply(tmp_path / "states" / "old", delta, tmp_path / "new.tpkx")
        check_package(result.path, levels={0, 1, 2, 3, 8})
        assert (result.tiles, result.size) == (len(NEW), result.path.stat().st_size)
        assert gptool.verify(result.path, source=tmp_path / "states" / "new").passed

    @pytest.mark.parametrize("storage", ["compact", "compactV2"])
    def test_is_a_proper_dataset(self, tmp_path: Path, delta: Path, storage: str) -> None:
        result = gptool.apply(tmp_path / "states" / "old", delta, tmp_path / "new", storage_format_type=storage)
        check_dataset(
            result.path, storage=f"esriMapCacheStorageMode{storage[0].upper()}{storage[1:]}", levels={0, 1, 2, 3, 8}
        )

    def test_repeats_the_root_json_of_the_new_state(self, tmp_path: Path) -> None:
        extent = {"xmin": -2e7, "ymin": -2e7, "xmax": 1.5e7, "ymax": 2e7}
        root = root_text(fullExtent=extent, serviceDescription='"June"', copyright='"x"')
        old = make_cache(tmp_path / "old", OLD)
        new = make_tpkx(tmp_path / "new.tpkx", NEW, root=root)
        path = gptool.diff(old, new, tmp_path / "d.tpkx").path
        found = read_json(gptool.apply(old, path, tmp_path / "out" / "x.tpkx").path, "root.json")
        expected = read_json(gptool.export_tiles(new, tmp_path / "x.tpkx").path, "root.json")
        assert found == expected
        assert (found["serviceDescription"], found["copyright"], found["fullExtent"]["xmax"]) == ("June", "x", 1.5e7)

    @pytest.mark.parametrize("grows", [True, False])
    def test_extent_may_grow_and_shrink(self, tmp_path: Path, grows: bool) -> None:
        small, large = (-1e7, -1e7, 1e7, 1e7), (-2e7, -2e7, 2e7, 2e7)
        extents = (small, large) if grows else (large, small)
        old, new = (
            make_cache(tmp_path / name, tiles, cdi=cdi)  # type: ignore[arg-type]
            for name, tiles, cdi in zip(("old", "new"), (OLD, NEW), extents, strict=True)
        )
        path = gptool.diff(old, new, tmp_path / "d.tpkx").path
        assert tuple(read_json(path, "delta.json")["base"]["extent"].values()) == extents[0]
        assert tuple(read_json(path, "delta.json")["result"]["extent"].values()) == extents[1]
        result = gptool.apply(old, path, tmp_path / "x.tpkx")
        assert gptool.open_cache(result.path).declared_extent == extents[1]

    def test_conf_xml_of_any_encoding_is_repeated(self, tmp_path: Path) -> None:
        old, new = make_cache(tmp_path / "old", OLD), make_cache(tmp_path / "new", NEW)
        text = (new / "conf.xml").read_text().replace('encoding="utf-8"', 'encoding="utf-16"')
        (new / "conf.xml").write_bytes(text.replace("Antialiasing>false", "Antialiasing>true").encode("utf-16"))
        path = gptool.diff(old, new, tmp_path / "d.tpkx").path
        applied = gptool.apply(old, path, tmp_path / "x").path
        assert b"<Antialiasing>true" in read_member(applied, "conf.xml")

    def test_chain_of_deltas(self, tmp_path: Path) -> None:
        """From an exploded cache to a .tpk, to a V1 folder: each delta applies to the result of the one before."""
        steps: list[Tiles] = [OLD, NEW, {**NEW, (8, 1, 1): jpeg_tile(3)}, {(0, 0, 0): jpeg_tile(4)}, OLD]
        paths = [make_exploded_cache(tmp_path / f"state{i}", tiles) for i, tiles in enumerate(steps)]
        current = paths[0]
        for i, name in enumerate(("a.tpk", "b", "c.tpkx", "d")):
            delta = gptool.diff(paths[i], paths[i + 1], tmp_path / f"delta{i}.tpkx").path
            current = gptool.apply(current, delta, tmp_path / name).path
            assert digests(read_tiles(current)) == digests(steps[i + 1])

    def test_representations(self, tmp_path: Path, delta: Path) -> None:
        result = gptool.apply(tmp_path / "states" / "old", delta, tmp_path / "new.tpkx")
        assert repr(result).startswith(f"<ApplyResult: {result.path}, {len(NEW)} tiles, ")
        assert result._repr_html_().count("<tr>") == 1 + 5
        assert result.to_json()["levels"] == describe_levels(NEW)


class TestWrongBase:
    def refused(self, base: Path, delta: Path, what: str) -> None:
        folder = delta.parent
        before = sorted(folder.iterdir())
        with pytest.raises(CacheError) as caught:
            gptool.apply(base, delta, folder / "out" / "x.tpkx")
        assert str(caught.value) == f"{base}: {what}"
        assert sorted(folder.iterdir()) == before

    def test_other_number_of_tiles(self, tmp_path: Path, delta: Path) -> None:
        base = make_cache(tmp_path / "base", OLD | {(8, 1, 1): jpeg_tile(1)})
        what = "level 8 is not that of the base of the delta; found 145 tiles, expected 144 tiles"
        self.refused(base, delta, what)

    def test_missing_level(self, tmp_path: Path, delta: Path) -> None:
        base = make_cache(tmp_path / "base", {place: tile for place, tile in OLD.items() if place[0] != 1})
        self.refused(base, delta, "level 1 is not that of the base of the delta; found 0 tiles, expected 4 tiles")

    def test_missing_tile_that_is_deleted_is_named(self, tmp_path: Path, delta: Path) -> None:
        tiles = OLD | {(8, 131, 140): jpeg_tile(1)}
        del tiles[8, 130, 129]
        base = make_cache(tmp_path / "base", tiles)
        what = (
            "level 8 is not that of the base of the delta; found no tile at level 8, row 130, column 129, expected "
            "the tile at level 8, row 130, column 129, which the delta deletes"
        )
        self.refused(base, delta, what)

    def test_other_bytes_in_a_bundle_with_changes(self, tmp_path: Path, delta: Path) -> None:
        tiles = OLD | {(8, 130, 125): jpeg_tile(77)}
        base = make_cache(tmp_path / "base", tiles)
        found, expected = (hash_bundles(each)[8, 128, 0] for each in (tiles, OLD))
        what = (
            f"level 8 is not that of the base of the delta; found tiles with the hash {found} of rows 128 to 255, "
            f"columns 0 to 127, expected tiles with the hash {expected} of these"
        )
        self.refused(base, delta, what)

    def test_other_bytes_elsewhere(self, tmp_path: Path, delta: Path) -> None:
        tiles = OLD | {(1, 1, 1): jpeg_tile(77)}
        base = make_cache(tmp_path / "base", tiles)
        found, expected = (describe_levels(each)[1]["sha256"] for each in (tiles, OLD))
        what = (
            f"level 1 is not that of the base of the delta; found tiles with the hash {found}, "
            f"expected tiles with the hash {expected}"
        )
        self.refused(base, delta, what)

    def test_other_bytes_of_the_same_size(self, tmp_path: Path) -> None:
        _, _, one, other = contents()
        tiles = {(8, row, 0): one for row in range(5)}
        old, new = make_cache(tmp_path / "old", tiles), make_cache(tmp_path / "new", {**tiles, (1, 0, 0): one})
        delta = gptool.diff(old, new, tmp_path / "delta.tpkx").path
        base = make_cache(tmp_path / "base", {**tiles, (8, 3, 0): other})
        with pytest.raises(CacheError, match="level 8 is not that of the base of the delta"):
            gptool.apply(base, delta, tmp_path / "x.tpkx")

    def test_the_new_state_itself(self, tmp_path: Path, delta: Path) -> None:
        base = tmp_path / "states" / "new"
        self.refused(base, delta, "level 2 is not that of the base of the delta; found 15 tiles, expected 16 tiles")

    def test_other_tiling_scheme(self, tmp_path: Path, delta: Path) -> None:
        base = make_cache(tmp_path / "base", OLD, conf=conf_text(tile=32))
        what = "the size of the tiles of the tiling scheme differs; found 32 x 32 pixels, expected 64 x 64 pixels"
        self.refused(base, delta, what)

    def test_base_that_changes_meanwhile(self, tmp_path: Path, delta: Path) -> None:
        base = tmp_path / "states" / "old"

        def change(phase: Phase, done: int, total: int) -> None:
            if phase is Phase.COMPARING and done == total:
                os.utime(base / "_alllayers" / "L00" / "R0000C0000.bundle", (1, 1))

        with pytest.raises(CacheError, match=r"L00/R0000C0000\.bundle changed after its tiles were compared"):
            gptool.apply(base, delta, tmp_path / "x.tpkx", progress=change)
        check_nothing_left(tmp_path, "states", "delta.tpkx")


class TestWrongDelta:
    def test_package_without_delta_json(self, tmp_path: Path) -> None:
        base = make_cache(tmp_path / "base", OLD)
        package = make_tpkx(tmp_path / "plain.tpkx", NEW)
        with pytest.raises(
            CacheError, match=r"plain\.tpkx: is not a delta: it has no delta\.json; expected a \.tpkx th"
        ):
            gptool.apply(base, package, tmp_path / "x.tpkx")

    def test_folder(self, tmp_path: Path) -> None:
        base = make_cache(tmp_path / "base", OLD)
        (base / "delta.json").write_text("{}")
        with pytest.raises(CacheError, match="base: is not a delta"):
            gptool.apply(base, base, tmp_path / "x.tpkx")

    def test_damaged_tiles(self, tmp_path: Path, delta: Path) -> None:
        with zipfile.ZipFile(delta) as package:
            members = {name: package.read(name) for name in package.namelist()}
        tile = NEW[8, 122, 122]
        assert sum(tile in data for data in members.values()) == 1
        with zipfile.ZipFile(delta, "w") as package:
            for name, data in members.items():
                package.writestr(name, data.replace(tile, tile[:-3] + b"x" + tile[-2:]))
        with pytest.raises(
            CacheError, match=r"delta\.tpkx: the tiles of level 8 do not give the result .*: it is damaged"
        ):
            gptool.apply(tmp_path / "states" / "old", delta, tmp_path / "x.tpkx")

    def test_delta_of_another_base(self, tmp_path: Path, delta: Path) -> None:
        other = gptool.diff(
            make_cache(tmp_path / "a", OLD),
            make_cache(tmp_path / "b", OLD | {(8, 1, 1): jpeg_tile(1)}),
            tmp_path / "o.tpkx",
        ).path
        rewrite_delta(other, read_member(delta, "delta.json"))
        with pytest.raises(CacheError, match="do not give the result that the delta states"):
            gptool.apply(tmp_path / "states" / "old", other, tmp_path / "x.tpkx")


class TestArguments:
    def test_existing_output_is_kept(self, tmp_path: Path, delta: Path) -> None:
        (tmp_path / "x.tpkx").write_bytes(b"mine")
        with pytest.raises(OutputExistsError, match="output already exists; expected a new name, or overwrite=True"):
            gptool.apply(tmp_path / "states" / "old", delta, tmp_path / "x.tpkx")
        assert (tmp_path / "x.tpkx").read_bytes() == b"mine"

    @pytest.mark.parametrize(
        ("output", "what"),
        [
            ("deltas/delta.tpkx", "the output is the delta or a folder that contains it"),
            ("deltas", "the output is the delta or a folder that contains it"),
            ("states/old", "the output is the base or a part of it"),
            ("states/old/_alllayers/x.tpkx", "the output is the base or a part of it"),
        ],
    )
    def test_output_cannot_replace_what_is_read(self, tmp_path: Path, delta: Path, output: str, what: str) -> None:
        moved = tmp_path / "deltas" / "delta.tpkx"
        moved.parent.mkdir()
        delta.rename(moved)
        before = moved.read_bytes()
        with pytest.raises(ParameterError) as caught:
            gptool.apply(tmp_path / "states" / "old", moved, tmp_path / output, overwrite=True)
        assert str(caught.value) == f"{tmp_path / output}: {what}; expected another location"
        assert moved.read_bytes() == before

    @pytest.mark.parametrize(
        ("arguments", "what"),
        [
            ({}, "output: is missing; found no output, expected either an output, or the base"),
            ({"output": "x.tpkx", "in_place": True}, "output: contradicts in_place; found an output"),
            ({"in_place": True, "storage_format_type": "compact"}, "storage_format_type: has no effect in place"),
            ({"output": "x.tpkx", "workers": 0}, "workers: "),
            ({"output": "x.zip"}, "unsupported output format"),
        ],
        ids=str,
    )
    def test_invalid_argument_is_named(
        self, tmp_path: Path, delta: Path, arguments: dict[str, object], what: str
    ) -> None:
        with pytest.raises(ParameterError, match=what):
            gptool.apply(tmp_path / "states" / "old", delta, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("storage", STORAGES)
def test_whole_levels_and_bundles_are_deleted(tmp_path: Path, storage: str) -> None:
    tiles = {place: tile for place, tile in OLD.items() if place[0] == 8 and place[1] < 128 and place[2] < 128}
    old, new = (STORAGES[storage](tmp_path / name, each, None) for name, each in (("old", OLD), ("new", tiles)))
    delta = gptool.diff(old, new, tmp_path / "delta.tpkx")
    assert delta.total["deleted"] == len(OLD) - len(tiles)
    assert digests(read_tiles(gptool.apply(old, delta.path, tmp_path / "x.tpkx").path)) == digests(tiles)
    if old.is_dir():
        gptool.apply(old, delta.path, in_place=True)
        assert digests(read_tiles(old)) == digests(tiles)
        assert [path.name for path in (old / "_alllayers").iterdir()] == ["L08"]

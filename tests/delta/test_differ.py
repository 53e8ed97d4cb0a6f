"""`gptool.diff`: what it reads, compares and states, and what it refuses."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import pytest

import gptool
from gptool.cache.compact import CompactBundle
from gptool.errors import CacheError, OutputExistsError, ParameterError
from gptool.model import Phase
from helpers.caches import conf_text, jpeg_tile, make_cache, make_exploded_cache, png_tile, world
from helpers.checks import check_nothing_left
from helpers.deltas import STORAGES, changed_tiles, contents, describe_levels, digests, read_delta
from helpers.packages import make_tpkx, root_text
from helpers.tile_readers import read_json, read_tiles

OLD = world()
CHANGES = {(8, 122, 122): jpeg_tile(7), (8, 300, 300): jpeg_tile(8), (3, 1, 1): jpeg_tile(9)}
DELETED = (8, 133, 133), (8, 124, 125), (8, 124, 126), (1, 0, 0)
NEW = {place: tile for place, tile in (OLD | CHANGES).items() if place not in DELETED}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return make_cache(tmp_path / "old", OLD)


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return make_exploded_cache(tmp_path / "new", NEW)


class TestDelta:
    def test_has_the_added_and_changed_tiles_and_the_counts(self, tmp_path: Path, old: Path, new: Path) -> None:
        result = gptool.diff(old, new, tmp_path / "delta.tpkx")
        assert digests(read_tiles(result.path)) == digests(CHANGES)
        assert result.total == {"added": 2, "changed": 1, "deleted": 4, "unchanged": len(OLD) - 5}
        assert [counts.level for counts in result.levels] == [0, 1, 2, 3, 8]
        assert result.size == result.path.stat().st_size
        assert result.document.base.name == "old"
        assert result.document.result.name == "new"

    def test_runs_of_deletions_are_of_one_bundle_and_row(self, tmp_path: Path) -> None:
        new = make_cache(tmp_path / "new", {(8, 0, 0): jpeg_tile(1)})
        row = {(8, 5, column): jpeg_tile(2) for column in [*range(100, 200), 210, 211]}
        old = make_cache(tmp_path / "old", {(8, 0, 0): jpeg_tile(1), **row})
        path = gptool.diff(old, new, tmp_path / "delta.tpkx").path
        assert read_json(path, "delta.json")["deletions"] == [[8, 5, 100, 127], [8, 5, 128, 199], [8, 5, 210, 211]]

    def test_is_a_package_that_clients_open(self, tmp_path: Path, old: Path, new: Path) -> None:
        rasterio = pytest.importorskip("rasterio")
        path = gptool.diff(old, new, tmp_path / "delta.tpkx").path
        assert gptool.verify(path, clients=["gdal", "fieldmaps"]).passed
        with rasterio.open(path) as dataset:
            assert dataset.count >= 3

    def test_delta_json_lies_before_the_bundles(self, tmp_path: Path, old: Path, new: Path) -> None:
        with zipfile.ZipFile(gptool.diff(old, new, tmp_path / "delta.tpkx").path) as package:
            assert package.namelist()[:5] == [
                *("iteminfo.json", "root.json", "thumbnail.png", "delta.json"),
                "tile/L03/R0000C0000.bundle",
            ]

    def test_is_reproducible(self, tmp_path: Path, old: Path, new: Path) -> None:
        paths = [gptool.diff(old, new, tmp_path / name / "x.tpkx", workers=n).path for n, name in ((1, "a"), (3, "b"))]
        assert paths[0].read_bytes() == paths[1].read_bytes()

    def test_states_the_extent_of_its_own_tiles(self, tmp_path: Path, old: Path) -> None:
        """That of the new state is much larger."""
        root = root_text(fullExtent={"xmin": -2e7, "ymin": -2e7, "xmax": 2e7, "ymax": 2e7})
        new = make_tpkx(tmp_path / "new.tpkx", OLD | {(8, 122, 122): jpeg_tile(7)}, root=root)
        path = gptool.diff(old, new, tmp_path / "delta.tpkx").path
        extent = read_json(path, "root.json")["fullExtent"]
        tile = 40075016.685574 / 256
        assert extent["xmax"] - extent["xmin"] == pytest.approx(tile, rel=1e-6)

    def test_png_in_a_mixed_cache(self, tmp_path: Path) -> None:
        conf = conf_text(format="MIXED")
        old = make_cache(tmp_path / "old", {(0, 0, 0): jpeg_tile(1), (1, 0, 0): png_tile(1)}, conf=conf)
        new = make_cache(tmp_path / "new", {(0, 0, 0): png_tile(2), (1, 0, 0): png_tile(1)}, conf=conf)
        path = gptool.diff(old, new, tmp_path / "delta.tpkx").path
        assert digests(read_tiles(path)) == digests({(0, 0, 0): png_tile(2)})
        assert gptool.verify(path).passed


class TestNoTiles:
    """A package without tiles cannot be opened: then the delta has one that did not change."""

    def test_nothing_changed(self, tmp_path: Path, old: Path) -> None:
        result = gptool.diff(old, make_exploded_cache(tmp_path / "new", OLD), tmp_path / "delta.tpkx")
        assert result.is_empty
        [message] = result.messages
        assert message.description == (
            "Nothing changed: the delta has one unchanged tile, so that clients can open it: level 0, row 0, column 0"
        )
        assert digests(read_tiles(result.path)) == digests({(0, 0, 0): OLD[0, 0, 0]})
        assert gptool.verify(result.path).passed
        assert digests(read_tiles(gptool.apply(old, result.path, tmp_path / "x.tpkx").path)) == digests(OLD)

    def test_tiles_were_only_deleted(self, tmp_path: Path, old: Path) -> None:
        tiles = {place: tile for place, tile in OLD.items() if place[0] == 8}
        result = gptool.diff(old, make_cache(tmp_path / "new", tiles), tmp_path / "delta.tpkx")
        assert not result.is_empty
        assert result.messages[0].description.startswith("No tile was added or changed: ")
        assert digests(read_tiles(result.path)) == digests(changed_tiles(OLD, tiles))
        assert digests(read_tiles(gptool.apply(old, result.path, tmp_path / "x.tpk").path)) == digests(tiles)

    def test_new_state_without_tiles_is_refused(self, tmp_path: Path, old: Path) -> None:
        with pytest.raises(CacheError, match="new: cache contains no tiles"):
            gptool.diff(old, make_cache(tmp_path / "new", {}), tmp_path / "delta.tpkx")
        check_nothing_left(tmp_path, "old", "new")


class TestComparison:
    def twins(self, tmp_path: Path) -> tuple[Path, Path]:
        """Return caches whose bundles have the same index, and one tile of other bytes."""
        _, _, one, other = contents()
        places = [(8, row, 3) for row in range(5)]
        old = make_cache(tmp_path / "old", dict.fromkeys(places, one))
        new = make_cache(tmp_path / "new", {**dict.fromkeys(places, one), places[2]: other})
        return old, new

    def test_tiles_of_one_size_at_one_offset_are_compared_by_their_bytes(self, tmp_path: Path) -> None:
        result = gptool.diff(*self.twins(tmp_path), tmp_path / "delta.tpkx")
        assert result.total["changed"] == 1
        assert list(read_tiles(result.path)) == [(8, 2, 3)]

    def test_trusted_indexes_are_all_that_is_read_of_the_old_state(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old, new = self.twins(tmp_path)
        read = tiles_read_of(old, monkeypatch)
        result = gptool.diff(old, new, tmp_path / "delta.tpkx", trust_indexes=True)
        assert result.is_empty
        assert read == []

    def test_trusted_indexes_that_differ_are_compared_by_bytes(self, tmp_path: Path, old: Path) -> None:
        tiles = OLD | {(8, 122, 122): jpeg_tile(7)}
        new = make_cache(tmp_path / "new", tiles)
        result = gptool.diff(old, new, tmp_path / "delta.tpkx", trust_indexes=True)
        assert digests(read_tiles(result.path)) == digests(changed_tiles(OLD, tiles))
        assert read_delta(result.path)["base"]["levels"] == describe_levels(OLD)

    @pytest.mark.posix("hard links")
    def test_one_file_in_both_states_is_read_once(
        self, tmp_path: Path, old: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shutil.copytree(old, tmp_path / "new", copy_function=os.link)
        read = tiles_read_of(old, monkeypatch)
        assert gptool.diff(old, tmp_path / "new", tmp_path / "delta.tpkx").is_empty
        assert read == []

    def test_cache_that_changes_meanwhile_is_an_error(self, tmp_path: Path, old: Path) -> None:
        new = make_cache(tmp_path / "new", NEW)

        def change(phase: Phase, done: int, total: int) -> None:
            if phase is Phase.COMPARING and done == total:
                for path in (new / "_alllayers").glob("L08/*.bundle"):
                    os.utime(path, (1, 1))

        with pytest.raises(CacheError, match=r"L08/\w+\.bundle changed after its tiles were compared"):
            gptool.diff(old, new, tmp_path / "delta.tpkx", progress=change)
        check_nothing_left(tmp_path, "old", "new")

    def test_progress_counts_the_tiles_of_both_states(self, tmp_path: Path, old: Path, new: Path) -> None:
        seen: list[tuple[int, int]] = []

        def see(phase: Phase, done: int, total: int) -> None:
            if phase is Phase.COMPARING:
                seen.append((done, total))

        gptool.diff(old, new, tmp_path / "delta.tpkx", progress=see)
        assert seen[-1] == (len(OLD) + len(NEW), len(OLD) + len(NEW))
        assert sorted(seen) == seen

    def test_incomplete_bundle_is_a_warning(self, tmp_path: Path, new: Path) -> None:
        old = STORAGES["V1"](tmp_path / "old", OLD, None)
        (old / "_alllayers" / "L01" / "R0000C0000.bundlx").unlink()
        result = gptool.diff(old, new, tmp_path / "delta.tpkx")
        assert [m.type for m in result.messages] == ["Warning"]
        assert ".bundlx file of the bundle is missing" in result.messages[0].description
        assert result.total["added"] == 2 + 3


def tiles_read_of(cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return a list that gets the bundles of a cache whose tiles are read."""
    read: list[Path] = []
    batches = CompactBundle.batches

    def record(self: CompactBundle, *arguments: object) -> object:
        path = Path(str(self._source.where))
        if path.is_relative_to(cache):
            read.append(path)
        return batches(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(CompactBundle, "batches", record)
    return read


class TestSchemes:
    @pytest.mark.parametrize(
        ("changes", "what"),
        [
            pytest.param(
                {"reference": "<WKID>4326</WKID>"},
                "the spatial reference of the tiling scheme differs; found WKID 4326, expected WKID 3857",
                id="reference",
            ),
            pytest.param(
                {"x": "-2e7"}, "the x of the origin of the tiling scheme differs; found -2e7, expected", id="x"
            ),
            pytest.param({"y": "2e7"}, "the y of the origin of the tiling scheme differs; found 2e7, expected", id="y"),
            pytest.param(
                {"tile": 32},
                "the size of the tiles of the tiling scheme differs; found 32 x 32 pixels, expected 64 x 64 pixels",
                id="tile size",
            ),
        ],
    )
    def test_other_scheme_is_refused(self, tmp_path: Path, old: Path, changes: dict[str, object], what: str) -> None:
        new = make_cache(tmp_path / "new", NEW, conf=conf_text(**changes))  # type: ignore[arg-type]
        with pytest.raises(CacheError) as caught:
            gptool.diff(old, new, tmp_path / "delta.tpkx")
        assert str(caught.value).startswith(f"{new}: {what}")
        check_nothing_left(tmp_path, "old", "new")

    def test_other_resolution_of_a_level_is_refused(self, tmp_path: Path, old: Path) -> None:
        text = conf_text().replace("<LevelID>3<", "<LevelID>30<").replace("<LevelID>4<", "<LevelID>3<")
        new = make_cache(tmp_path / "new", NEW, conf=text)
        with pytest.raises(CacheError, match="new: the resolution of level 3 of the tiling scheme differs; found "):
            gptool.diff(old, new, tmp_path / "delta.tpkx")

    def test_reference_may_be_stated_otherwise(self, tmp_path: Path, old: Path) -> None:
        conf = conf_text(reference="<WKID>3857</WKID>")
        new = make_cache(tmp_path / "new", OLD, conf=conf)
        assert gptool.diff(old, new, tmp_path / "delta.tpkx").is_empty

    def test_levels_may_be_added_to_the_scheme_and_removed(self, tmp_path: Path) -> None:
        before, after = (
            {(0, 0, 0): jpeg_tile(1), (2, 0, 0): jpeg_tile(2)},
            {(2, 0, 0): jpeg_tile(2), (4, 1, 1): jpeg_tile(3)},
        )
        old = make_cache(tmp_path / "old", before, conf=conf_text(range(3)))
        new = make_cache(tmp_path / "new", after, conf=conf_text(range(1, 5)))
        result = gptool.diff(old, new, tmp_path / "delta.tpkx")
        assert result.total == {"added": 1, "changed": 0, "deleted": 1, "unchanged": 1}
        applied = gptool.apply(old, result.path, tmp_path / "out")
        assert digests(read_tiles(applied.path)) == digests(after)
        assert [lod.level for lod in gptool.open_cache(applied.path).scheme.lods] == [1, 2, 3, 4]


class TestOutput:
    def test_existing_delta_is_kept(self, tmp_path: Path, old: Path, new: Path) -> None:
        path = tmp_path / "delta.tpkx"
        path.write_bytes(b"mine")
        with pytest.raises(
            OutputExistsError, match=r"delta\.tpkx: output already exists; expected a new name, or over"
        ):
            gptool.diff(old, new, path)
        assert path.read_bytes() == b"mine"
        gptool.diff(old, new, path, overwrite=True)
        assert digests(read_tiles(path)) == digests(CHANGES)

    @pytest.mark.parametrize("name", ["delta.tpk", "delta"])
    def test_other_kind_is_refused(self, tmp_path: Path, old: Path, new: Path, name: str) -> None:
        with pytest.raises(ParameterError, match=r"a delta is a tile package; expected a name that ends in \.tpkx"):
            gptool.diff(old, new, tmp_path / name)

    @pytest.mark.parametrize("which", [0, 1])
    def test_delta_cannot_replace_a_state(self, tmp_path: Path, which: int) -> None:
        states = [make_tpkx(tmp_path / f"{i}.tpkx", OLD) for i in range(2)]
        with pytest.raises(ParameterError, match=f"the output is the {('old', 'new')[which]} state or a part of it"):
            gptool.diff(*states, states[which], overwrite=True)

    def test_missing_state_is_named(self, tmp_path: Path, old: Path) -> None:
        with pytest.raises(CacheError, match="absent: cache not found"):
            gptool.diff(old, tmp_path / "absent", tmp_path / "delta.tpkx")

    def test_representations(self, tmp_path: Path, old: Path, new: Path) -> None:
        result = gptool.diff(old, new, tmp_path / "delta.tpkx")
        assert repr(result).startswith(f"<DiffResult: {result.path}, tiles: 2 added, 1 changed, 4 deleted, ")
        html = result._repr_html_()
        assert "<th>Unchanged</th>" in html
        assert html.count("<tr>") == 1 + 5
        value = result.to_json()
        assert (value["added"], value["base"]["tiles"], value["result"]["tiles"]) == (2, len(OLD), len(NEW))

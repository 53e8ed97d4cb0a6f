"""Exports to .tpkx: tiles, reports, reproducible bytes, and no partial output after an error."""

from __future__ import annotations

import io
import os
import pickle
import resource
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import shapely
from PIL import Image

import gptool
from gptool import errors, export_tiles, open_cache
from gptool._jpeg import Outcome, quality
from gptool.export.unit import Unit, run_unit
from gptool.jpeg.recompression import Recompression
from gptool.model import Phase, StorageFormat
from gptool.output.bundle import bundle_regions
from gptool.output.thumbnail import draw_thumbnail
from gptool.plan import Plan
from gptool.request import Area, Selection
from helpers.bundles import bundle_bytes, bundle_path
from helpers.caches import conf_text, jpeg_tile, make_cache, png_tile, square, world
from helpers.checks import check_nothing_left, check_package
from helpers.tile_readers import read_json, read_package


def test_tiles_are_copied_unchanged_without_a_quality(cache: Path, tmp_path: Path) -> None:
    result = export_tiles(cache, tmp_path / "x.tpkx")
    check_package(result.path, levels={0, 1, 2, 8})
    assert read_package(result.path) == world()
    assert result.tiles == result.tiles_kept == len(world())
    assert result.bytes_read == result.bytes_written == sum(map(len, world().values()))
    assert result.size == result.path.stat().st_size
    check_nothing_left(tmp_path, "x.tpkx")


@pytest.mark.parametrize("tables", ["efficient", "exact"])
def test_recompressed_tiles_are_smaller_and_decode(cache: Path, tmp_path: Path, tables: str) -> None:
    result = export_tiles(cache, tmp_path / "x.tpkx", compression_quality=50, tables=tables)  # type: ignore[arg-type]
    check_package(result.path, levels={0, 1, 2, 8})
    tiles = read_package(result.path)
    assert tiles.keys() == world().keys()
    for address, tile in tiles.items():
        assert len(tile) < len(world()[address])
        with Image.open(io.BytesIO(tile)) as image:
            image.load()
    assert result.tiles_recompressed == len(tiles)
    assert result.bytes_written == sum(map(len, tiles.values()))
    stated = read_json(result.path, "root.json")["tileImageInfo"]["compressionQuality"]
    assert stated == result.total.effective_quality == round(quality(tiles[0, 0, 0]) or 0)
    assert stated == (55 if tables == "efficient" else 50)


def test_levels_and_extent_select_whole_tiles(cache: Path, tmp_path: Path) -> None:
    result = export_tiles(cache, tmp_path / "x.tpkx", levels="1-8", export_extent="1,1,2000000,2000000")
    expected = {(1, 0, 1), (2, 1, 2)} | {a for a in world() if a[0] == 8 and a[1] < 128 <= a[2]}
    assert read_package(result.path).keys() == expected
    assert {level: report.tiles for level, report in result.levels.items()} == {1: 1, 2: 1, 8: 36}
    assert result.warnings == tuple(f"level {level} holds no selected tiles" for level in range(3, 8))


def test_output_is_reproducible(cache: Path, tmp_path: Path) -> None:
    """The bytes depend neither on the time, the folder and the location of the cache, nor on the number of threads."""
    copied = shutil.copytree(cache, tmp_path / "moved" / "world")
    for folder, source, workers in (("a", cache, 1), ("b", copied, 4)):
        (tmp_path / folder).mkdir()
        export_tiles(source, tmp_path / folder / "x.tpkx", compression_quality=40, workers=workers)
    assert (tmp_path / "a" / "x.tpkx").read_bytes() == (tmp_path / "b" / "x.tpkx").read_bytes()


def test_damaged_tiles_are_copied_and_listed(tmp_path: Path) -> None:
    tiles = square(8, range(126, 130), range(126, 130))
    tiles[8, 127, 128] = jpeg_tile(5)[:-200]
    tiles[8, 129, 126] = b"not an image"
    result = export_tiles(make_cache(tmp_path / "cache", tiles), tmp_path / "x.tpkx", compression_quality=50)
    package = read_package(result.path)
    assert package.keys() == tiles.keys()
    assert [package[tile[:3]] == tiles[tile[:3]] for tile in result.damaged] == [True, True]
    assert [tile[:3] for tile in result.damaged] == [(8, 127, 128), (8, 129, 126)]
    assert [tile.reason for tile in result.damaged] == [
        "damaged JPEG: Premature end of JPEG file",
        "unrecognised image format, starts with 6e 6f 74 20 61 6e 20 69",
    ]
    assert result.total.outcomes == {Outcome.RECOMPRESSED: 14, Outcome.DAMAGED: 2}
    assert [address for address, tile in package.items() if tile == tiles[address]] == [t[:3] for t in result.damaged]
    assert (result.tiles_recompressed, result.tiles_kept) == (14, 2)


def test_png_tiles_of_a_mixed_cache_are_kept(tmp_path: Path) -> None:
    tiles = {
        (2, row, column): jpeg_tile(row, 75) if (row + column) % 2 else png_tile(column)
        for row in range(4)
        for column in range(4)
    }
    cache = make_cache(tmp_path / "cache", tiles, conf=conf_text(format="MIXED", quality=90))
    result = export_tiles(cache, tmp_path / "x.tpkx", compression_quality=50)
    package = read_package(result.path)
    assert all((package[address] == tile) == tile.startswith(b"\x89PNG") for address, tile in tiles.items())
    assert result.total.kept == {Outcome.KEPT_NOT_JPEG: 8}
    info = read_json(result.path, "root.json")["tileImageInfo"]
    assert (info["format"], info["compressionQuality"]) == ("MIXED", 50)


def test_quality_not_below_that_of_the_tiles_keeps_them(cache: Path, tmp_path: Path) -> None:
    result = export_tiles(cache, tmp_path / "x.tpkx", compression_quality=85)
    assert read_package(result.path) == world()
    assert result.total.kept == {Outcome.KEPT_QUALITY: len(world())}


def test_rows_outside_the_web_grid_and_non_consecutive_levels(tmp_path: Path) -> None:
    tiles = square(3, range(6, 11), range(2)) | square(7, range(300, 302), range(1))
    result = export_tiles(make_cache(tmp_path / "cache", tiles, conf=conf_text([3, 5, 7])), tmp_path / "x.tpkx")
    check_package(result.path, levels={3, 7})
    assert read_package(result.path) == tiles


def test_unit_of_work_can_be_pickled_and_is_reproducible(cache: Path, tmp_path: Path) -> None:
    opened = open_cache(cache)
    lod = opened.scheme.lods[8]
    area = Area.from_polygon(shapely.MultiPolygon([shapely.box(-1e6, -1e6, 2e5, 2e5)]))
    selection = Selection(opened.scheme, (lod,), area=area)
    results = []
    for name in ("a", "b"):
        address, storage = opened.bundles(lod)[0], StorageFormat.COMPACT_V2
        (tmp_path / name).mkdir()
        regions = bundle_regions(tmp_path / name, storage, address)
        unit = Unit(opened, selection, lod, address, Recompression(50), storage, True, regions)
        results.append(pickle.loads(pickle.dumps(run_unit(pickle.loads(pickle.dumps(unit))))))
    assert results[0].report == results[1].report
    assert 0 < results[0].report.tiles < 36
    [a, b] = sorted(tmp_path.rglob("*.bundle"))
    assert a.read_bytes() == b.read_bytes()


def test_progress_increases_to_the_number_of_tiles(cache: Path, tmp_path: Path) -> None:
    seen: list[tuple[Phase, int, int]] = []
    export_tiles(cache, tmp_path / "x.tpkx", progress=lambda *progress: seen.append(progress))
    assert list(dict.fromkeys(phase for phase, _, _ in seen)) == [Phase.COUNTING, Phase.EXPORTING]
    for phase, total in ((Phase.COUNTING, 0), (Phase.EXPORTING, len(world()))):
        done = [tiles for seen_phase, tiles, of in seen if seen_phase is phase and of == total]
        assert len(done) == sum(seen_phase is phase for seen_phase, _, _ in seen)
        assert done == sorted(done)
        assert done[-1] == len(world())


class TestInvalidRequest:
    """The error states what is wrong, and there is no output."""

    @pytest.fixture(autouse=True)
    def _no_output(self, tmp_path: Path) -> object:
        yield
        check_nothing_left(tmp_path)

    @pytest.mark.parametrize(
        ("request_", "error", "message"),
        [
            ({"levels": "0-9"}, errors.ParameterError, "levels: level is not in the tiling scheme; found 9 in 0-9"),
            ({"levels": "3"}, errors.ParameterError, "selection contains no tiles"),
            (
                {"compression_quality": 101},
                errors.ParameterError,
                "compressionQuality: value is out of range; found 101",
            ),
            ({"compression_quality": -1}, errors.ParameterError, "found -1, expected an integer from 0 to 100"),
            ({"export_extent": "1,2,3"}, errors.ParameterError, "exportExtent: value is not an extent"),
            ({"workers": 2.5}, errors.ParameterError, "workers: value is not an integer; found 2.5"),
            ({"levels": [None]}, errors.ParameterError, "levels: value is not a list of levels; found .None."),
            ({"levels": 2.5}, errors.ParameterError, "levels: level is not in the tiling scheme; found 2.5"),
            ({"max_export_tiles_count": "5"}, errors.ParameterError, "max_export_tiles_count: value is not an integer"),
            (
                {"workers": 0},
                errors.ParameterError,
                "workers: value is out of range; found 0, expected an integer from 1 to 1024",
            ),
            (
                {"max_export_tiles_count": 20},
                errors.TooManyTilesError,
                r"ERROR 001564: Requested tile count\(165\) exceeds the maximum allowed number of tiles\(20\) "
                r"to be exported for service world\.",
            ),
        ],
    )
    def test_invalid_parameter_is_rejected(
        self, cache: Path, tmp_path: Path, request_: dict[str, object], error: type[Exception], message: str
    ) -> None:
        with pytest.raises(error, match=message):
            export_tiles(cache, tmp_path / "x.tpkx", **request_)  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", ["x.zip", "x.tif", "x.VTPK"])
    def test_unknown_suffix_is_rejected(self, cache: Path, tmp_path: Path, name: str) -> None:
        with pytest.raises(errors.ParameterError, match=r"expected a name that ends in \.tpkx"):
            export_tiles(cache, tmp_path / name)

    def test_missing_parent_folder_is_rejected(self, cache: Path, tmp_path: Path) -> None:
        with pytest.raises(errors.OutputError, match="parent folder of the output does not exist"):
            export_tiles(cache, tmp_path / "nowhere" / "x.tpkx")

    def test_missing_cache_is_rejected(self, tmp_path: Path) -> None:
        with pytest.raises(errors.CacheNotFoundError, match="cache not found"):
            export_tiles(tmp_path / "nowhere", tmp_path / "x.tpkx")


def test_existing_output_is_replaced_with_overwrite_only(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "x.tpkx").write_text("precious")
    with pytest.raises(errors.OutputExistsError, match="output already exists"):
        export_tiles(cache, tmp_path / "x.tpkx")
    assert (tmp_path / "x.tpkx").read_text() == "precious"
    export_tiles(cache, tmp_path / "x.tpkx", overwrite=True)
    assert read_package(tmp_path / "x.tpkx") == world()
    check_nothing_left(tmp_path, "x.tpkx")


def test_output_created_by_others_during_the_export_is_kept(cache: Path, tmp_path: Path) -> None:
    def create_output(*_: int) -> None:
        (tmp_path / "x.tpkx").write_text("precious")

    with pytest.raises(errors.OutputExistsError, match="output already exists"):
        export_tiles(cache, tmp_path / "x.tpkx", progress=create_output)
    assert (tmp_path / "x.tpkx").read_text() == "precious"
    check_nothing_left(tmp_path, "x.tpkx")


def test_folder_is_not_replaced_by_a_package(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "x.tpkx").mkdir()
    with pytest.raises(errors.OutputExistsError, match="cannot replace a folder"):
        export_tiles(cache, tmp_path / "x.tpkx", overwrite=True)


class _StoppedError(Exception):
    pass


def _stop(*_: object) -> None:
    raise _StoppedError


def test_exception_of_progress_stops_the_export(cache: Path, tmp_path: Path) -> None:
    threads = threading.active_count()
    with pytest.raises(_StoppedError):
        export_tiles(cache, tmp_path / "x.tpkx", progress=_stop)
    check_nothing_left(tmp_path)
    assert threading.active_count() == threads


def test_stopped_export_keeps_the_existing_output(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "x.tpkx").write_text("precious")
    with pytest.raises(_StoppedError):
        export_tiles(cache, tmp_path / "x.tpkx", progress=_stop, overwrite=True)
    assert (tmp_path / "x.tpkx").read_text() == "precious"
    check_nothing_left(tmp_path, "x.tpkx")


def truncate_bundle(folder: Path) -> None:
    path = bundle_path(folder / "_alllayers", 8, 128, 128)
    path.write_bytes(path.read_bytes()[:-100])


def remove_bundle(folder: Path) -> None:
    bundle_path(folder / "_alllayers", 8, 128, 128).unlink()


def replace_bundle(folder: Path) -> None:
    bundle_path(folder / "_alllayers", 8, 128, 128).write_bytes(bundle_bytes({(0, 0): jpeg_tile(1)}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (truncate_bundle, r"R0080C0080\.bundle: "),
        (remove_bundle, r"R0080C0080\.bundle: "),
        (
            replace_bundle,
            r"L08/R\w+\.bundle changed while it was exported; found 1 tiles of \d+ bytes, expected 36 of",
        ),
    ],
)
def test_bundle_changed_after_planning_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], message: str
) -> None:
    """The error states the path of the bundle, and there is no output."""
    folder = make_cache(tmp_path / "cache", world())

    def draw_and_change(plan: Plan) -> bytes:
        thumbnail = draw_thumbnail(plan)
        change(folder)
        return thumbnail

    monkeypatch.setattr("gptool.output.kind.draw_thumbnail", draw_and_change)
    with pytest.raises(errors.CacheError, match=message):
        export_tiles(folder, tmp_path / "x.tpkx")
    check_nothing_left(tmp_path, "cache")


def test_full_disk_is_an_error(cache: Path, tmp_path: Path) -> None:
    """A limit on file sizes simulates the full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (140_000, limits[1]))
    try:
        with pytest.raises(errors.OutputError, match=r"x\.tpkx: cannot be written: File too large"):
            export_tiles(cache, tmp_path / "x.tpkx")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    check_nothing_left(tmp_path)


def test_output_name_of_maximum_length(cache: Path, tmp_path: Path) -> None:
    name = "n" * 250 + ".tpkx"
    assert export_tiles(cache, tmp_path / name).path.name == name


def test_output_name_with_undecodable_bytes(cache: Path, tmp_path: Path) -> None:
    path = export_tiles(cache, os.fsdecode(bytes(tmp_path) + b"/bad\xff.tpkx"), levels="0").path
    assert read_json(path, "root.json")["name"] == "bad?"


def test_numpy_numbers_are_accepted(cache: Path, tmp_path: Path) -> None:
    result = export_tiles(cache, tmp_path / "x.tpkx", levels=np.arange(2), compression_quality=np.int64(50))  # type: ignore[arg-type]
    assert result.tiles_recompressed == 5


def test_pipe_as_bundle_is_an_error(tmp_path: Path) -> None:
    folder = make_cache(tmp_path / "cache", world())
    bundle_path(folder / "_alllayers", 1, 0, 0).unlink()
    os.mkfifo(bundle_path(folder / "_alllayers", 1, 0, 0))
    with pytest.raises(errors.CacheError, match="is not a regular file"):
        export_tiles(folder, tmp_path / "x.tpkx")


def test_public_names() -> None:
    assert set(gptool.__all__) <= set(dir(gptool))
    assert {"open_cache", "export_tiles", "estimate_export_tiles_size", "errors"} <= set(gptool.__all__)

"""Exports that fail or are stopped: invalid requests, existing outputs, changed bundles, full disks."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gptool import errors, export_tiles
from gptool.output.thumbnail import draw_thumbnail
from gptool.plan import Plan
from helpers.bundles import bundle_bytes, bundle_path
from helpers.caches import jpeg_tile, make_cache, world
from helpers.checks import check_nothing_left
from helpers.tile_readers import read_package


class TestInvalidRequest:
    """The error states what is wrong, and there is no output."""

    @pytest.fixture(autouse=True)
    def _no_output(self, tmp_path: Path) -> object:
        yield
        check_nothing_left(tmp_path)

    @pytest.mark.parametrize(
        ("request_", "error", "message"),
        [
            ({"levels": "9-12"}, errors.ParameterError, "levels: level is not in the tiling scheme; found 9-12"),
            ({"levels": "3"}, errors.ParameterError, "selection contains no tiles"),
            (
                {"compression_quality": 101},
                errors.ParameterError,
                "compression_quality: value is out of range; found 101",
            ),
            ({"compression_quality": -1}, errors.ParameterError, "found -1, expected an integer from 0 to 100"),
            ({"export_extent": "1,2,3"}, errors.ParameterError, "export_extent: value is not an extent"),
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

    def test_parent_folders_of_a_failed_export_are_removed(self, cache: Path, tmp_path: Path) -> None:
        with pytest.raises(errors.ParameterError):
            export_tiles(cache, tmp_path / "a" / "b" / "x.tpkx", levels="99")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.skipif(os.name != "posix", reason="a share is a valid path on Windows")
    def test_share_of_windows_is_refused_with_a_hint(self, cache: Path) -> None:
        with pytest.raises(errors.ParameterError, match="expected the folder in which the share is mounted"):
            export_tiles(cache, r"\\server\share\x.tpkx")

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
            r"L08/R\w+\.bundle changed while it was exported; found 1 tile of \d+ bytes, expected 36 tiles of",
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


@pytest.mark.posix("a limit on the sizes of files")
def test_full_disk_is_an_error(cache: Path, tmp_path: Path) -> None:
    """A limit on file sizes simulates the full disk."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (140_000, limits[1]))
    try:
        with pytest.raises(errors.OutputError, match=r"x\.tpkx: cannot be written: File too large"):
            export_tiles(cache, tmp_path / "x.tpkx")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    check_nothing_left(tmp_path)


@pytest.mark.posix("pipes in folders")
def test_pipe_as_bundle_is_an_error(tmp_path: Path) -> None:
    folder = make_cache(tmp_path / "cache", world())
    bundle_path(folder / "_alllayers", 1, 0, 0).unlink()
    os.mkfifo(bundle_path(folder / "_alllayers", 1, 0, 0))
    with pytest.raises(errors.CacheError, match="is not a regular file"):
        export_tiles(folder, tmp_path / "x.tpkx")


def test_missing_parent_folders_are_created(cache: Path, tmp_path: Path) -> None:
    result = export_tiles(cache, tmp_path / "a" / "b" / "x.tpkx", levels="0")
    assert result.path == tmp_path / "a" / "b" / "x.tpkx"
    assert result.path.exists()

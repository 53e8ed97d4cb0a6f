"""The folder of a dataset: it appears whole or not at all, and replaces only a dataset."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gptool import errors, export_tiles, open_cache
from gptool.plan import Plan, make_plan
from helpers.bundles import bundle_path
from helpers.caches import make_cache, make_exploded_cache, make_v1_cache, square, world
from helpers.checks import check_dataset, check_nothing_left
from helpers.packages import make_tpkx
from helpers.tile_readers import COMPACT_V2


@pytest.fixture
def one_tile_cache(tmp_path: Path) -> Path:
    """A cache of one tile, in the folder that results are written to."""
    return make_cache(tmp_path / "cache", square(0, range(1), range(1)))


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077])
@pytest.mark.parametrize("name", ["x", "x.tpk", "x.tpkx"])
@pytest.mark.posix("modes of files")
def test_file_modes_follow_the_umask(one_tile_cache: Path, tmp_path: Path, name: str, umask: int) -> None:
    before = os.umask(umask)
    try:
        path = export_tiles(one_tile_cache, tmp_path / name).path
    finally:
        os.umask(before)
    for entry in (path, *path.rglob("*")):
        assert entry.stat().st_mode & 0o777 == (0o777 if entry.is_dir() else 0o666) & ~umask


@pytest.fixture
def old(one_tile_cache: Path, tmp_path: Path) -> Path:
    """An existing dataset at the path of the output."""
    return export_tiles(one_tile_cache, tmp_path / "x", storage_format_type="compact").path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_old_dataset_is_replaced_as_a_whole(cache: Path, old: Path, tmp_path: Path) -> None:
    (old / "conf.properties").write_text("old")
    with pytest.raises(errors.OutputExistsError, match="output already exists"):
        export_tiles(cache, old)
    check_dataset(export_tiles(cache, old, levels="8", overwrite=True).path, storage=COMPACT_V2, levels={8})
    check_nothing_left(tmp_path, "cache", "x")


def test_empty_folder_may_be_overwritten(one_tile_cache: Path, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(errors.OutputExistsError, match="output already exists"):
        export_tiles(one_tile_cache, tmp_path / "x")
    check_dataset(export_tiles(one_tile_cache, tmp_path / "x", overwrite=True).path, storage=COMPACT_V2, levels={0})


def _write_other_files(path: Path) -> None:
    path.mkdir()
    (path / "conf.xml").write_text("a cache")
    (path / "thesis.doc").write_text("precious")


@pytest.mark.parametrize(
    ("create", "message"),
    [
        (lambda path: path.write_text("precious"), "cannot replace a file with a folder"),
        (lambda path: path.symlink_to("nowhere"), "cannot replace a file with a folder"),
        (
            _write_other_files,
            r"cannot replace a folder that holds other files; found thesis\.doc, "
            "expected only the files of a cache raster dataset",
        ),
    ],
    ids=["file", "dangling link", "folder with other files"],
)
@pytest.mark.posix("symbolic links, which Windows lets only administrators make")
def test_anything_but_a_dataset_is_never_replaced(
    one_tile_cache: Path, tmp_path: Path, create: Callable[[Path], object], message: str
) -> None:
    create(tmp_path / "x")
    before = contents(tmp_path)
    with pytest.raises(errors.OutputExistsError, match=message):
        export_tiles(one_tile_cache, tmp_path / "x", overwrite=True)
    assert contents(tmp_path) == before
    check_nothing_left(tmp_path, "cache", "x")


@pytest.mark.parametrize("name", ["L00/notes.txt", "backup/R0000C0000.bundle", "L00/x.tpkx", "keep.txt"])
def test_other_files_among_the_tiles_are_never_deleted(one_tile_cache: Path, tmp_path: Path, name: str) -> None:
    export_tiles(one_tile_cache, tmp_path / "x")
    other = tmp_path / "x" / "_alllayers" / name
    other.parent.mkdir(exist_ok=True)
    other.write_text("precious")
    with pytest.raises(errors.OutputExistsError, match=f"holds other files; found _alllayers/{name}, expected only"):
        export_tiles(one_tile_cache, tmp_path / "x", overwrite=True)
    assert other.read_text() == "precious"
    other.unlink()
    export_tiles(one_tile_cache, tmp_path / "x", overwrite=True)


@pytest.mark.parametrize("overwrite", [False, True])
def test_folder_that_appears_during_the_export_is_kept(one_tile_cache: Path, tmp_path: Path, overwrite: bool) -> None:
    def write_meanwhile(*_: int) -> None:
        if not (tmp_path / "x").exists():
            _write_other_files(tmp_path / "x")

    with pytest.raises(errors.OutputExistsError, match="holds other files" if overwrite else "output already exists"):
        export_tiles(one_tile_cache, tmp_path / "x", overwrite=overwrite, progress=write_meanwhile)
    check_nothing_left(tmp_path / "x", "conf.xml", "thesis.doc")
    check_nothing_left(tmp_path, "cache", "x")


# ---- outputs within the source ----


@pytest.mark.parametrize(
    "output",
    [
        "a/_alllayers",
        "a/_alllayers/_alllayers",
        "a/_alllayers/_alllayers/x",
        "a/_alllayers/_alllayers/L07",
        "a",
        "link",
    ],
)
@pytest.mark.parametrize("make", [make_cache, make_v1_cache, make_exploded_cache])
@pytest.mark.posix("symbolic links, which Windows lets only administrators make")
def test_source_is_never_replaced_or_written_to(tmp_path: Path, make: Callable[..., Path], output: str) -> None:
    """The cache is named `_alllayers`, so that its parent folder looks like a dataset."""
    (tmp_path / "a").mkdir()
    source = make(tmp_path / "a" / "_alllayers", square(0, range(1), range(1)))
    (tmp_path / "link").symlink_to(source)
    before = contents(tmp_path)
    with pytest.raises(
        errors.GptoolError, match=r"is the cache or a part of it|holds other files; found (L00|_alllayers/conf)"
    ):
        export_tiles(source, tmp_path / output, overwrite=True)
    assert contents(tmp_path) == before
    check_nothing_left(tmp_path, "a", "link")


@pytest.mark.parametrize("name", ["cache.tpkx", "link.tpkx"])
@pytest.mark.posix("symbolic links, which Windows lets only administrators make")
def test_package_is_not_replaced_by_its_own_export(tmp_path: Path, name: str) -> None:
    source = make_tpkx(tmp_path / "cache.tpkx", square(0, range(1), range(1)))
    (tmp_path / "link.tpkx").symlink_to(source)
    before = source.read_bytes()
    with pytest.raises(errors.ParameterError, match="the output is the cache or a part of it"):
        export_tiles(source, tmp_path / name, overwrite=True)
    assert source.read_bytes() == before


# ---- failures ----


def _stop(*_: int) -> None:
    raise KeyboardInterrupt


def _delete_bundle_after_planning(monkeypatch: pytest.MonkeyPatch, source: Path) -> None:
    def plan_and_delete(*arguments: Any, **request: Any) -> Plan:
        plan = make_plan(*arguments, **request)
        bundle_path(source / "_alllayers", 8, 128, 128).unlink()
        return plan

    monkeypatch.setattr("gptool.export.prepare.make_plan", plan_and_delete)


ERRORS = {"interrupt": KeyboardInterrupt, "missing bundle": errors.CacheError, "full disk": errors.OutputError}


@pytest.mark.parametrize("overwrite", [False, True], ids=["new dataset", "overwrite"])
@pytest.mark.parametrize("cause", ERRORS)
def test_failed_export_leaves_nothing(
    tmp_path: Path, old: Path, monkeypatch: pytest.MonkeyPatch, cause: str, overwrite: bool
) -> None:
    source = make_cache(tmp_path / "world", world())
    before = contents(old)
    if not overwrite:
        shutil.rmtree(old)
    resource = pytest.importorskip("resource") if cause == "full disk" else None
    limits = resource.getrlimit(resource.RLIMIT_FSIZE) if resource else None
    if cause == "missing bundle":
        _delete_bundle_after_planning(monkeypatch, source)
    elif resource:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(ERRORS[cause]):
            export_tiles(source, old, overwrite=overwrite, progress=_stop if cause == "interrupt" else None)
    finally:
        if resource:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    check_nothing_left(tmp_path, "cache", "world", *(["x"] if overwrite else []))
    assert not overwrite or contents(old) == before


def test_old_dataset_is_restored_when_the_final_rename_fails(
    one_tile_cache: Path, old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, before = Path.rename, contents(old)

    def rename_once(self: Path, target: Path) -> Path:
        if target == old and self.parent.name != "old":  # not the old dataset, which is moved back
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", rename_once)
    with pytest.raises(errors.OutputError, match="x: cannot be written: Input/output error"):
        export_tiles(one_tile_cache, old, overwrite=True)
    assert contents(old) == before
    monkeypatch.undo()
    assert export_tiles(one_tile_cache, old, overwrite=True).resumed.bundles == 1
    check_nothing_left(tmp_path, "cache", "x")


def test_old_dataset_is_kept_in_the_staging_folder_when_it_cannot_be_restored(
    one_tile_cache: Path, old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, before = Path.rename, contents(old)

    def rename_to_staging_only(self: Path, target: Path) -> Path:
        if target == old:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", rename_to_staging_only)
    with pytest.raises(errors.OutputError, match="x: cannot be written: Input/output error"):
        export_tiles(one_tile_cache, old, overwrite=True)
    [kept] = tmp_path.glob(".gptool-*/old/x")
    assert contents(kept) == before
    monkeypatch.undo()
    with pytest.raises(errors.OutputExistsError):
        export_tiles(one_tile_cache, old)
    assert contents(old) == before


@pytest.mark.parametrize("name", ["old", "tiles", "x.y"])
def test_datasets_of_any_name_may_be_overwritten(one_tile_cache: Path, tmp_path: Path, name: str) -> None:
    for overwrite in (False, True):
        export_tiles(one_tile_cache, tmp_path / name, overwrite=overwrite)
    assert open_cache(tmp_path / name).storage == COMPACT_V2
    check_nothing_left(tmp_path, "cache", name)


@pytest.mark.posix("symbolic links, which Windows lets only administrators make")
def test_tiles_in_another_folder_than_conf_xml_are_never_replaced(tmp_path: Path) -> None:
    """A folder of tiles beside conf.xml, or one that is linked from elsewhere, looks like a dataset."""
    source = make_cache(tmp_path / "a", square(0, range(1), range(1)))
    (source / "Layers").mkdir()
    (source / "_alllayers").rename(source / "Layers" / "_alllayers")
    linked = make_cache(tmp_path / "b", {})
    (linked / "_alllayers").rmdir()
    (linked / "_alllayers").symlink_to(source / "Layers" / "_alllayers")
    before = contents(tmp_path)
    for cache, output in (
        (source, "a/Layers"),
        (linked, "a/Layers"),
        (source.parent / "a", "a/Layers/_alllayers/L00/x"),
    ):
        with pytest.raises(errors.ParameterError, match="is the cache or a part of it"):
            export_tiles(cache, tmp_path / output, overwrite=True)
    assert contents(tmp_path) == before

"""Tests of the file store of a folder, and of path functions."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from gptool.cache import file_store
from gptool.cache.file_store import MAX_SMALL_FILE
from gptool.cache.folder_store import FolderStore
from gptool.cache.paths import find_entry, find_entry_or_below, join_path, parent_folder, split_path
from gptool.errors import CacheError, ConfError


@pytest.fixture
def files(tmp_path: Path) -> FolderStore:
    """Return the store of a folder with one entry of each kind."""
    (tmp_path / "folder" / "sub").mkdir(parents=True)
    (tmp_path / "folder" / "tile").write_bytes(b"0123456789")
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder link").symlink_to("folder")
    (tmp_path / "dangling").symlink_to("nothing")
    (tmp_path / "loop").symlink_to("loop")
    if not hasattr(os, "mkfifo"):
        pytest.skip("pipes and symbolic links among files cannot be made")
    os.mkfifo(tmp_path / "pipe")
    return FolderStore(tmp_path)


# ---- names ----

ENTRIES = {
    "": "folder",
    "folder": "folder",
    "folder/sub": "folder",
    "folder link": "folder",
    "file": "file",
    "empty": "file",
    "link": "file",
    "folder/tile": "file",
    "folder link/tile": "file",
    "pipe": "neither",
    "dangling": "neither",
    "loop": "neither",
    "missing": "neither",
    "file/below": "neither",
}


@pytest.mark.parametrize("path", ENTRIES)
def test_folders_and_files_are_distinguished(files: FolderStore, path: str) -> None:
    assert (files.is_folder(path), files.is_file(path)) == (ENTRIES[path] == "folder", ENTRIES[path] == "file")
    assert files.where(path) == files.location / path


def test_names_are_listed(files: FolderStore) -> None:
    assert sorted(files.list_names("")) == sorted(path.name for path in files.location.iterdir())
    assert sorted(files.list_names("folder")) == sorted(files.list_names("folder link")) == ["sub", "tile"]
    assert list(files.list_names("folder/sub")) == list(files.list_names("missing")) == []
    assert files.folder_stamp("missing") is None


@pytest.mark.parametrize("path", ["file", "file/below", "pipe", "loop", "dangling"])
def test_listing_anything_but_a_folder_is_rejected(files: FolderStore, path: str) -> None:
    with pytest.raises(CacheError, match="folder cannot be listed: ") as caught:
        files.list_names(path)
    assert str(caught.value).startswith(f"{files.where(path)}: ")


def test_stamp_changes_with_the_names(files: FolderStore) -> None:
    os.utime(files.where("folder"), ns=(0, 0))
    assert files.folder_stamp("folder") == 0
    (files.where("folder") / "tile").write_bytes(b"another")
    assert files.folder_stamp("folder") == 0
    (files.where("folder") / "new").touch()
    assert files.folder_stamp("folder")
    assert files.folder_stamp("missing") is files.folder_stamp("folder/missing") is None
    for path in ("file/below", "loop"):
        with pytest.raises(CacheError, match="folder cannot be listed: "):
            files.folder_stamp(path)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["conf.xml"], "conf.xml"),
        (["Conf.XML", "conf.xml.bak", "xconf.xml"], "Conf.XML"),
        (["conf.xml", "Conf.xml", "CONF.XML"], "CONF.XML"),
        (["conf.cdi", "conf"], None),
        ([], None),
    ],
)
@pytest.mark.posix("file names that differ in letter case")
def test_entry_is_found_in_any_letter_case(tmp_path: Path, names: list[str], found: str | None) -> None:
    (tmp_path / "Map").mkdir()
    for name in names:
        (tmp_path / "Map" / name).touch()
    files = FolderStore(tmp_path)
    assert find_entry(files, "Map", "conf.xml") == (found and f"Map/{found}")
    assert find_entry(FolderStore(tmp_path / "Map"), "", "conf.xml") == found
    assert find_entry(files, "missing", "conf.xml") is None


SEARCHES = {
    "in the folder and below": (["conf.xml", "a/conf.xml", "b/conf.xml"], "conf.xml"),
    "in a subfolder": (["a/other", "b/Conf.xml", "file"], "b/Conf.xml"),
    "absent": (["a/other", "conf"], None),
    "two folders below": (["a/b/conf.xml"], None),
    "folder of that name": (["conf.xml/other"], "conf.xml"),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_entry_is_found_in_a_subfolder(tmp_path: Path, name: str) -> None:
    paths, found = SEARCHES[name]
    for path in (tmp_path / "top" / path for path in paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert find_entry_or_below(FolderStore(tmp_path), "top", "conf.xml") == (found and f"top/{found}")
    assert find_entry_or_below(FolderStore(tmp_path / "top"), "", "conf.xml") == found


def test_entry_in_several_subfolders_is_rejected(tmp_path: Path) -> None:
    for folder in ("b", "a", "c"):
        (tmp_path / folder).mkdir()
    for path in ("b/conf.xml", "a/Conf.xml"):
        (tmp_path / path).touch()
    with pytest.raises(
        CacheError, match=r"contains more than one conf\.xml; found a/Conf\.xml, b/conf\.xml, expected one"
    ):
        find_entry_or_below(FolderStore(tmp_path), "", "conf.xml")


def test_paths_are_joined_and_split() -> None:
    assert [join_path("", "a"), join_path("a", "b"), join_path("a/b", "c")] == ["a", "a/b", "a/b/c"]
    assert [parent_folder("a"), parent_folder("a/b"), parent_folder("a/b/c"), parent_folder("")] == ["", "a", "a/b", ""]
    assert [split_path(path) for path in ("", "./a//b/.", ".\\a\\b", "a.b")] == [[], ["a", "b"], ["a", "b"], ["a.b"]]
    assert [split_path(path) for path in ("..", "a/../b", "a\\..", "C:", "C:\\a", "file:///a")] == [None] * 6


# ---- bytes ----


def test_files_are_read(files: FolderStore) -> None:
    paths = ["folder/tile", "empty", "link", "folder link/tile"]
    sizes = files.file_sizes(paths)
    assert (sizes.tolist(), sizes.dtype) == ([10, 0, 3, 10], np.int64)
    assert files.read_files(paths, sizes.astype(np.uint32)).tobytes() == b"0123456789abc0123456789"
    assert [files.read_small_file(path) for path in paths] == [b"0123456789", b"", b"abc", b"0123456789"]
    with files.open("folder/tile") as content:
        assert (content.where, content.size) == (files.where("folder/tile"), 10)
        assert content.read(3, 4).tobytes() == b"3456"
    assert files.file_sizes([]).tolist() == files.read_files([], np.empty(0, np.uint32)).tolist() == []


@pytest.mark.posix("names that Windows does not allow")
def test_undecodable_names_are_read(tmp_path: Path) -> None:
    name = os.fsdecode(b"tile\xff\n")
    try:
        (tmp_path / name).write_bytes(b"abc")
    except OSError:
        pytest.skip("this file system accepts only names in UTF-8")
    files = FolderStore(tmp_path)
    assert (list(files.list_names("")), files.file_sizes([name]).tolist(), files.read_small_file(name)) == (
        [name],
        [3],
        b"abc",
    )


@pytest.mark.parametrize("path", ["missing", "dangling", "loop", "file/below", "folder", "pipe"])
def test_unreadable_file_is_rejected(files: FolderStore, path: str) -> None:
    message = "is not a regular file" if path in ("folder", "pipe") else "cannot be opened: "
    with pytest.raises(CacheError, match=message) as sizes_error:
        files.file_sizes(["file", path, "empty"])
    with pytest.raises(CacheError, match=message) as open_error, files.open(path):
        pass
    with pytest.raises(CacheError, match=message) as small_error:
        files.read_small_file(path)
    with pytest.raises(
        CacheError, match=r"cannot be read: |file size changed while it was read; expected 1 bytes"
    ) as read_error:
        files.read_files(["file", path, "empty"], np.array([3, 1, 0], np.uint32))
    for caught in (sizes_error, open_error, small_error, read_error):
        assert str(caught.value).startswith(f"{files.where(path)}: ")


@pytest.mark.parametrize("size", [2, 4])
def test_file_whose_size_changed_is_rejected(files: FolderStore, size: int) -> None:
    with pytest.raises(CacheError, match=f"file: file size changed while it was read; expected {size} bytes"):
        files.read_files(["empty", "file"], np.array([0, size], np.uint32))


def test_small_file_has_a_maximum_size(files: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with files.where("sparse").open("wb") as file:
        file.truncate(MAX_SMALL_FILE + 1)
    with pytest.raises(
        ConfError,
        match=f"sparse: file is too large; found {MAX_SMALL_FILE + 1} bytes, expected at most {MAX_SMALL_FILE}",
    ):
        files.read_small_file("sparse")
    monkeypatch.setattr(file_store, "MAX_SMALL_FILE", 3)
    assert files.read_small_file("file") == b"abc"
    with pytest.raises(ConfError, match="tile: file is too large; found 10 bytes, expected at most 3 bytes"):
        files.read_small_file("folder/tile")


def test_store_pickles(files: FolderStore) -> None:
    assert pickle.loads(pickle.dumps(files)) == files
    assert hash(files) == hash(FolderStore(files.location))

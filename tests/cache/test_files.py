"""The files of a folder: their names, their bytes, and what is no file."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from gptool.cache import files as files_module
from gptool.cache.files import MAX_SMALL, FolderFiles, entry, find, join, parent
from gptool.errors import CacheError, ConfError


@pytest.fixture
def files(tmp_path: Path) -> FolderFiles:
    """A folder with one entry of each kind."""
    (tmp_path / "folder" / "sub").mkdir(parents=True)
    (tmp_path / "folder" / "tile").write_bytes(b"0123456789")
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder link").symlink_to("folder")
    (tmp_path / "dangling").symlink_to("nothing")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    return FolderFiles(tmp_path)


# ---- names ----

KINDS = {
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


@pytest.mark.parametrize("path", KINDS)
def test_what_there_is(files: FolderFiles, path: str) -> None:
    assert (files.is_folder(path), files.is_file(path)) == (KINDS[path] == "folder", KINDS[path] == "file")
    assert files.where(path) == files.location / path


def test_names(files: FolderFiles) -> None:
    assert sorted(files.names("")) == sorted(path.name for path in files.location.iterdir())
    assert sorted(files.names("folder")) == sorted(files.names("folder link")) == ["sub", "tile"]
    assert list(files.names("folder/sub")) == list(files.names("missing")) == []
    assert files.stamp("missing") is None


@pytest.mark.parametrize("path", ["file", "file/below", "pipe", "loop", "dangling"])
def test_names_of_what_is_no_folder(files: FolderFiles, path: str) -> None:
    with pytest.raises(CacheError, match="can't be listed: ") as caught:
        files.names(path)
    assert str(caught.value).startswith(f"{files.where(path)}: ")


def test_a_stamp_changes_with_the_names(files: FolderFiles) -> None:
    os.utime(files.where("folder"), ns=(0, 0))
    assert files.stamp("folder") == 0
    (files.where("folder") / "tile").write_bytes(b"another")
    assert files.stamp("folder") == 0
    (files.where("folder") / "new").touch()
    assert files.stamp("folder")
    assert files.stamp("missing") is files.stamp("folder/missing") is None
    for path in ("file/below", "loop"):
        with pytest.raises(CacheError, match="can't be listed: "):
            files.stamp(path)


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
def test_entries_are_found_in_any_letter_case(tmp_path: Path, names: list[str], found: str | None) -> None:
    (tmp_path / "Map").mkdir()
    for name in names:
        (tmp_path / "Map" / name).touch()
    files = FolderFiles(tmp_path)
    assert entry(files, "Map", "conf.xml") == (found and f"Map/{found}")
    assert entry(FolderFiles(tmp_path / "Map"), "", "conf.xml") == found
    assert entry(files, "missing", "conf.xml") is None


FINDS = {
    "here, whatever is below": (["conf.xml", "a/conf.xml", "b/conf.xml"], "conf.xml"),
    "one folder down": (["a/other", "b/Conf.xml", "file"], "b/Conf.xml"),
    "nowhere": (["a/other", "conf"], None),
    "two folders down": (["a/b/conf.xml"], None),
    "a folder of that name": (["conf.xml/other"], "conf.xml"),
}


@pytest.mark.parametrize("name", FINDS)
def test_an_entry_is_looked_for_one_folder_down(tmp_path: Path, name: str) -> None:
    paths, found = FINDS[name]
    for path in (tmp_path / "top" / path for path in paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert find(FolderFiles(tmp_path), "top", "conf.xml") == (found and f"top/{found}")
    assert find(FolderFiles(tmp_path / "top"), "", "conf.xml") == found


def test_entries_in_several_folders(tmp_path: Path) -> None:
    for folder in ("b", "a", "c"):
        (tmp_path / folder).mkdir()
    for path in ("b/conf.xml", "a/Conf.xml"):
        (tmp_path / path).touch()
    with pytest.raises(CacheError, match=r"several conf\.xml; found a/Conf\.xml, b/conf\.xml, expected one"):
        find(FolderFiles(tmp_path), "", "conf.xml")


def test_paths() -> None:
    assert [join("", "a"), join("a", "b"), join("a/b", "c")] == ["a", "a/b", "a/b/c"]
    assert [parent("a"), parent("a/b"), parent("a/b/c"), parent("")] == ["", "a", "a/b", ""]


# ---- bytes of a folder's files ----


def test_files_are_read(files: FolderFiles) -> None:
    paths = ["folder/tile", "empty", "link", "folder link/tile"]
    sizes = files.sizes(paths)
    assert (sizes.tolist(), sizes.dtype) == ([10, 0, 3, 10], np.int64)
    assert files.read_whole(paths, sizes.astype(np.uint32)).tobytes() == b"0123456789abc0123456789"
    assert [files.read_small(path) for path in paths] == [b"0123456789", b"", b"abc", b"0123456789"]
    with files.open("folder/tile") as content:
        assert (content.where, content.size) == (files.where("folder/tile"), 10)
        assert content.read(3, 4).tobytes() == b"3456"
    assert files.sizes([]).tolist() == files.read_whole([], np.empty(0, np.uint32)).tolist() == []


def test_names_that_are_no_text_are_read(tmp_path: Path) -> None:
    name = os.fsdecode(b"tile\xff\n")
    try:
        (tmp_path / name).write_bytes(b"abc")
    except OSError:
        pytest.skip("this file system takes names of text only")
    files = FolderFiles(tmp_path)
    assert (list(files.names("")), files.sizes([name]).tolist(), files.read_small(name)) == ([name], [3], b"abc")


@pytest.mark.parametrize("path", ["missing", "dangling", "loop", "file/below", "folder", "pipe"])
def test_what_can_not_be_read(files: FolderFiles, path: str) -> None:
    message = "not a file" if path in ("folder", "pipe") else "can't be opened: "
    with pytest.raises(CacheError, match=message) as of_sizes:
        files.sizes(["file", path, "empty"])
    with pytest.raises(CacheError, match=message) as of_open, files.open(path):
        pass
    with pytest.raises(CacheError, match=message) as of_small:
        files.read_small(path)
    with pytest.raises(CacheError, match=r"can't be read: |changed while it was read; expected 1 bytes") as of_whole:
        files.read_whole(["file", path, "empty"], np.array([3, 1, 0], np.uint32))
    for caught in (of_sizes, of_open, of_small, of_whole):
        assert str(caught.value).startswith(f"{files.where(path)}: ")


@pytest.mark.parametrize("size", [2, 4])
def test_a_file_of_another_size_than_told(files: FolderFiles, size: int) -> None:
    with pytest.raises(CacheError, match=f"file: changed while it was read; expected {size} bytes"):
        files.read_whole(["empty", "file"], np.array([0, size], np.uint32))


def test_a_small_file_has_a_limit(files: FolderFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    with files.where("sparse").open("wb") as file:
        file.truncate(MAX_SMALL + 1)
    with pytest.raises(ConfError, match=f"sparse: too large; found {MAX_SMALL + 1} bytes"):
        files.read_small("sparse")
    monkeypatch.setattr(files_module, "MAX_SMALL", 3)
    assert files.read_small("file") == b"abc"
    with pytest.raises(ConfError, match="tile: too large; found 10 bytes"):
        files.read_small("folder/tile")


def test_they_pickle(files: FolderFiles) -> None:
    assert pickle.loads(pickle.dumps(files)) == files
    assert hash(files) == hash(FolderFiles(files.location))

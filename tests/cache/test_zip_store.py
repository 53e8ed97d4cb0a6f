"""Tests of the file store of a package: stored and deflated members."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gptool.cache.zip_store import ZipStore, open_zip
from gptool.errors import BundleError
from helpers.zips import DEFLATED, NOISE, STORED, Entry, read_all, write_zip

property_test = settings(derandomize=True, database=None, deadline=None, max_examples=60)

MIXED = bytes(600_000) + NOISE + NOISE[:1000] * 90


@pytest.mark.parametrize("method", [STORED, DEFLATED], ids=["stored", "deflated"])
def test_package_is_a_tree_of_files(tmp_path: Path, method: int) -> None:
    contents = {"root.json": b"{}", "tile/L00/R0000C0000.bundle": NOISE, "tile/.DS_Store": b"litter", "empty": b""}
    with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as package:
        for name in reversed(contents):
            package.writestr(name, contents[name])
        for folder in ("tile/", "tile/L00/", "nothing/"):
            package.writestr(folder, b"")
    files = open_zip(tmp_path / "x.zip")
    assert read_all(tmp_path / "x.zip") == contents
    assert files.list_names("") == ("empty", "nothing", "root.json", "tile")
    assert (files.list_names("tile"), files.list_names("tile/L00")) == ((".DS_Store", "L00"), ("R0000C0000.bundle",))
    assert files.list_names("nothing") == files.list_names("missing") == files.list_names("root.json") == ()
    assert [path for path in ("", "tile", "nothing", "root.json", "missing") if files.is_folder(path)] == [
        "", "tile", "nothing",
    ]  # fmt: skip
    assert (files.folder_stamp("tile"), files.folder_stamp("missing")) == (0, None)
    assert not files.is_file("tile")
    sizes = files.file_sizes(["root.json", "empty", "root.json"])
    assert (sizes.tolist(), sizes.dtype) == ([2, 0, 2], np.int64)
    paths = ["tile/.DS_Store", "empty", "root.json"]
    assert files.read_files(paths, np.array([6, 0, 2], np.uint32)).tobytes() == b"litter{}"
    copy = pickle.loads(pickle.dumps(files))
    assert (copy, hash(copy)) == (files, hash(files))
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]  # nothing was extracted


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> ZipStore:
    """Return the store of a package with the same content stored and deflated."""
    path = tmp_path_factory.mktemp("zip") / "mixed.zip"
    return open_zip(
        write_zip(path, Entry("stored", MIXED), Entry("deflated", MIXED, DEFLATED), prefix=b"a program" * 500)
    )


@property_test
@given(
    name=st.sampled_from(["stored", "deflated"]),
    ranges=st.lists(st.tuples(st.integers(0, len(MIXED)), st.integers(0, 300_000)), min_size=1, max_size=8),
)
@example(name="deflated", ranges=[(700_000, 10), (0, 10), (5, 10), (5, 300_000), (300_000, 20), (len(MIXED), 0)])
def test_ranges_equal_those_read_by_zipfile(mixed: ZipStore, name: str, ranges: list[tuple[int, int]]) -> None:
    with zipfile.ZipFile(mixed.location) as package, package.open(name) as member, mixed.open(name) as source:
        assert (source.size, source.where) == (len(MIXED), mixed.location / name)
        for offset, size in ranges:
            if offset + size > len(MIXED):
                with pytest.raises(BundleError, match=f"{name}: file is too short"):
                    source.read(offset, size)
            else:
                member.seek(offset)
                assert source.read(offset, size).tobytes() == member.read(size)


CONTENTS: dict[str, tuple[list[Entry], dict[str, bytes]]] = {
    "backslashes": ([Entry("tile\\L00\\a"), Entry("tile\\"), Entry("e\\")], {"tile/L00/a": b"0123456789"}),
    "leading dot": ([Entry("./a"), Entry("./"), Entry("tile/./b", b"b")], {"a": b"0123456789", "tile/b": b"b"}),
    "double slash": ([Entry("tile//a", b"a")], {"tile/a": b"a"}),
    "duplicate folder": ([Entry("t/", b""), Entry("t/", b""), Entry("t/a", b"a")], {"t/a": b"a"}),
    "empty name": ([Entry("", b"x"), Entry("a", b"a")], {"a": b"a"}),
    "names with dots": ([Entry("..a/b..", b"x"), Entry("...", b"y")], {"..a/b..": b"x", "...": b"y"}),
    "code page 437": ([Entry(b"\x81", b"x", flags=0)], {"\xfc": b"x"}),
    "UTF-8": ([Entry("\xfc\u6f22", b"x")], {"\xfc\u6f22": b"x"}),
    "16 levels": ([Entry("/".join("abcdefghijklmnop"), b"x")], {"a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p": b"x"}),
    "empty package": ([], {}),
}


@pytest.mark.parametrize("name", CONTENTS)
@pytest.mark.parametrize("around", [(b"", b""), (b"PK\3\4 a program", b""), (b"", b"a comment")],
                         ids=["plain", "after other bytes", "with a comment"])  # fmt: skip
def test_entries_are_found(tmp_path: Path, name: str, around: tuple[bytes, bytes]) -> None:
    members, expected = CONTENTS[name]
    assert read_all(write_zip(tmp_path / "x.zip", *members, prefix=around[0], comment=around[1])) == expected

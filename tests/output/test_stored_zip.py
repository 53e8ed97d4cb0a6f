"""The zip writer; its zips are read by Python's zipfile and by Info-ZIP."""

from __future__ import annotations

import errno
import io
import shutil
import struct
import subprocess
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptool.output.stored_zip import StoredZip, stored_zip_size, stream_stored_zip


def add(package: StoredZip, name: str, data: bytes) -> None:
    package.reserve(name, len(data))
    package.fill_bytes(name, data)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0\\"), min_size=1, max_size=40)


@given(members=st.dictionaries(NAMES, st.binary(max_size=200), max_size=8))
def test_zipfile_reads_the_members(members: dict[str, bytes]) -> None:
    file = io.BytesIO()
    package = StoredZip(file)
    for name, data in members.items():
        add(package, name, data)
    package.finish()
    assert len(file.getvalue()) == stored_zip_size([(name, len(data)) for name, data in members.items()])
    with zipfile.ZipFile(file) as reader:
        assert reader.testzip() is None
        assert {info.filename: reader.read(info) for info in reader.infolist()} == members
        assert all(info.compress_type == zipfile.ZIP_STORED and not info.extra for info in reader.infolist())


def test_members_from_files(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    (tmp_path / "member").write_bytes(data)
    with (tmp_path / "x.zip").open("xb") as file:
        package = StoredZip(file)
        add(package, "first", b"1")
        package.add_file("tile/member", tmp_path / "member", len(data), zlib.crc32(data))
        add(package, "last", b"2")
        package.finish()
    with zipfile.ZipFile(tmp_path / "x.zip") as reader:
        assert reader.testzip() is None
        assert [reader.read(name) for name in reader.namelist()] == [b"1", data, b"2"]
    if shutil.which("unzip"):
        subprocess.run(["unzip", "-tq", tmp_path / "x.zip"], check=True, capture_output=True)


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EIO, errno.ENOSYS])
def test_copying_without_copy_file_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Some file systems and sandboxes do not support copy_file_range; Python copies the bytes then."""

    def fail(*_: object) -> int:
        raise OSError(number, "unsupported")

    monkeypatch.setattr("os.copy_file_range", fail, raising=False)
    test_members_from_files(tmp_path)


def test_reserved_members_may_be_filled_in_any_order() -> None:
    file = io.BytesIO()
    package = StoredZip(file)
    offsets = {name: package.reserve(name, 5) for name in ("first", "second", "third")}
    add(package, "last", b"6")
    for name, data in (("third", b"abcde"), ("first", b"12345")):
        package.fill_bytes(name, data)
    file.seek(offsets["second"])
    file.write(b"vwxyz")
    package.fill("second", 5, zlib.crc32(b"vwxyz"))
    with pytest.raises(ValueError, match="second: size mismatch; found 6 bytes, expected 5"):
        package.fill("second", 6, 0)
    package.finish()
    with zipfile.ZipFile(file) as reader:
        assert reader.testzip() is None
        assert [reader.read(name) for name in reader.namelist()] == [b"12345", b"vwxyz", b"abcde", b"6"]


def test_file_of_another_size_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "member").write_bytes(b"12345")
    with (
        (tmp_path / "x.zip").open("xb") as file,
        pytest.raises(OSError, match="copied 5 bytes of a zip member, expected 9"),
    ):
        StoredZip(file).add_file("member", tmp_path / "member", 9, 0)


def test_more_than_65535_members_take_a_zip64_directory() -> None:
    file = io.BytesIO()
    package = StoredZip(file)
    for i in range(70_000):
        add(package, f"{i}", b"")
    package.finish()
    assert file.getvalue().endswith(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, *_directory(file), 0))
    with zipfile.ZipFile(file) as reader:
        assert len(reader.namelist()) == 70_000
    assert len(file.getvalue()) == stored_zip_size([(f"{i}", 0) for i in range(70_000)])


def _directory(file: io.BytesIO) -> tuple[int, int]:
    """Return the size and offset of the central directory."""
    offset = file.getvalue().index(b"PK\1\2")
    return file.getvalue().index(b"PK\6\6") - offset, offset


def test_members_and_offsets_above_4_gib(tmp_path: Path) -> None:
    """In sparse files: a member of 4 GiB - 1, the smallest size that needs Zip64, and one behind it."""
    size = 0xFFFFFFFF
    with (tmp_path / "large").open("wb") as file:
        file.truncate(size)
    with (tmp_path / "x.zip").open("w+b") as file:
        package = SparseZip(file)
        add(package, "first", b"1")
        package.add_file("large", tmp_path / "large", size, 0)
        add(package, "last", b"2")
        package.finish()
    assert (tmp_path / "x.zip").stat().st_size == stored_zip_size([("first", 1), ("large", size), ("last", 1)])
    with zipfile.ZipFile(tmp_path / "x.zip") as reader:
        assert [info.file_size for info in reader.infolist()] == [1, size, 1]
        assert reader.getinfo("last").header_offset > 1 << 32
        assert (reader.read("first"), reader.read("last")) == (b"1", b"2")
        with reader.open("large") as member:
            assert member.read(5) == bytes(5)


class SparseZip(StoredZip):
    """A writer that leaves a hole in place of a member's bytes."""

    def add_file(self, name: str, path: Path, size: int, crc32: int) -> None:
        self.reserve(name, size)


@given(members=st.dictionaries(NAMES, st.binary(max_size=200), max_size=8))
def test_streamed_zip_is_the_written_one(tmp_path_factory: pytest.TempPathFactory, members: dict[str, bytes]) -> None:
    folder, file = tmp_path_factory.mktemp("streamed"), io.BytesIO()
    package, files = StoredZip(file), []
    for i, (name, data) in enumerate(members.items()):
        (folder / str(i)).write_bytes(data)
        files.append((name, folder / str(i), len(data)))
        add(package, name, data)
    package.finish()
    streamed = b"".join(stream_stored_zip(files))
    assert streamed == file.getvalue()
    assert len(streamed) == stored_zip_size([(name, size) for name, _, size in files])


@pytest.mark.parametrize("size", [2, 4])
def test_streamed_file_must_have_the_stated_size(tmp_path: Path, size: int) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    with pytest.raises(OSError, match="changed while it was read"):
        list(stream_stored_zip([("x", tmp_path / "x", size)]))

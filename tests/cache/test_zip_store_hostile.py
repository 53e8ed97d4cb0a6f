"""Tests of packages with a corrupt or hostile zip directory, or with damaged bytes."""

from __future__ import annotations

import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptool.cache import zip_directory
from gptool.cache.zip_store import open_zip
from gptool.errors import CacheError, CacheNotFoundError, ConfError, GptoolError
from helpers.zips import (
    BZIP2,
    DEFLATED,
    LZMA,
    MAX_UINT32,
    NOISE,
    Entry,
    check_error_message,
    deflate,
    read_all,
    write_zip,
    zip_bytes,
)

property_test = settings(derandomize=True, database=None, deadline=None, max_examples=600)

ZIP_BOMB = deflate(bytes(1 << 20))
END = len(zip_bytes([Entry("a")]))
OVERLAP = (
    "zip entry overlaps the next one or the end of the file; found [0-9]+ bytes at offset [0-9]+, "
    "expected an end at offset [0-9]+ at most"
)

REJECTED: dict[str, tuple[list[Entry], str]] = {
    "absolute path": (
        [Entry("/etc/passwd")],
        "zip entry is outside the package; found '/etc/passwd', expected a relative path",
    ),
    "absolute path, Windows": ([Entry("\\\\server\\a")], "zip entry is outside the package"),
    "drive": ([Entry("C:\\x")], r"zip entry is outside the package; found 'C:\\\\x'"),
    "parent folder": ([Entry("a"), Entry("../b")], "zip entry is outside the package"),
    "parent folder in the middle": ([Entry("tile\\..\\..\\b")], "zip entry is outside the package"),
    "parent folder at the end": ([Entry("tile/..")], "zip entry is outside the package"),
    "name with line breaks": ([Entry("../a\n\u2028b")], "zip entry is outside the package"),
    "17 levels": (
        [Entry("a/" * 16 + "b")],
        "zip entry is nested too deeply; found 17 path components, expected at most 16",
    ),
    "30,000 levels": (
        [Entry("a/" * 30_000)],
        "name of a zip entry is too long; found 60000 characters, expected at most 255",
    ),
    "duplicate name": (
        [Entry("a"), Entry("b"), Entry("a")],
        "zip directory has two entries of one name; found a, expected each name once",
    ),
    "duplicate path": ([Entry("t/a"), Entry(".\\t\\\\a")], "zip directory has two entries of one name; found t/a"),
    "duplicate name up to a null byte": (
        [Entry("a\0b"), Entry("a\0c")],
        "zip directory has two entries of one name; found a, expected each name once",
    ),
    "two entries at one offset": ([Entry("a"), Entry("b", stated_offset=0)], OVERLAP),
    "entry within another": ([Entry("a", zip_bytes([Entry("b")])), Entry("b", stated_offset=31)], OVERLAP),
    "entry that ends in the next one": ([Entry("a", stated_size=50, stated_packed=50), Entry("b")], OVERLAP),
    "entry that contains others": (
        [Entry("a", ZIP_BOMB, stated_packed=900, method=DEFLATED), Entry("b", b""), Entry("c", b"")],
        OVERLAP,
    ),
    "offset past the end": ([Entry("a", stated_offset=END)], OVERLAP),
    "offset of the last byte": ([Entry("a", stated_offset=END - 1)], OVERLAP),
    "offset 2^32 - 2": ([Entry("a", stated_offset=MAX_UINT32 - 1)], OVERLAP),
    "offset 2^32 - 1": ([Entry("a", stated_offset=MAX_UINT32)], OVERLAP),
    "offset 2^40": ([Entry("a", stated_offset=1 << 40)], f"zip entry overlaps .*; found 10 bytes at offset {1 << 40}"),
    "offset 2^64 - 1": ([Entry("a", stated_offset=(1 << 64) - 1)], OVERLAP),
    "no local file header": (
        [Entry("a"), Entry("b", b"0" * 40, stated_offset=42)],
        "x.zip/b: zip entry points to no local file header; found b'K.* at offset 42, expected b'PK",
    ),
    "other signature": (
        [Entry("a", signature=b"PK\3\5")],
        "zip entry points to no local file header; found b.PK.* at offset 0, expected b.PK",
    ),
    "stored size past the end": (
        [Entry("a", stated_size=1 << 24, stated_packed=1 << 24)],
        f"zip entry overlaps .*; found {1 << 24} bytes at offset 0, expected an end at offset 41 at most",
    ),
    "stored size of 2^40": ([Entry("a", stated_size=1 << 40, stated_packed=1 << 40)], OVERLAP),
    "sizes of 2^64 - 1": ([Entry("a", stated_size=2**64 - 1, stated_packed=2**64 - 1)], OVERLAP),
    "different sizes of a stored file": (
        [Entry("a", stated_size=11)],
        "compressed and uncompressed size of a stored file differ; found 10 and 11 bytes, expected equal sizes",
    ),
    "deflated size past the end": ([Entry("a", method=DEFLATED, stated_packed=1 << 40)], OVERLAP),
    "decompressed size too small": (
        [Entry("a", bytes(9), DEFLATED, stated_size=1 << 32)],
        f"compressed data is truncated; found 9 bytes, expected {1 << 32} bytes",
    ),
    "decompressed size too large": (
        [Entry("a", bytes(1 << 20), DEFLATED, stated_size=100)],
        "x.zip/a: checksum mismatch; found CRC-32",
    ),
    "decompressed size above the maximum": (
        [Entry("a", b"", DEFLATED, stream=ZIP_BOMB, stated_size=1 << 33)],
        f"x.zip/a: compressed file is too large; found {1 << 33} bytes, expected at most {1 << 32} bytes",
    ),
    "corrupt stream": ([Entry("a", method=DEFLATED, stream=b"\xff" * 12)], "a: compressed data is corrupt: "),
    "truncated stream": (
        [Entry("a", method=DEFLATED, stream=deflate(b"0123456789")[:-3])],
        "compressed data is truncated",
    ),
    "stream of empty blocks": (
        [Entry("a", method=DEFLATED, stream=b"\0\0\0\xff\xff" * 9)],
        "compressed data is truncated; found 0",
    ),
    "encrypted": ([Entry("a", flags=0x801)], "x.zip/a: is encrypted; expected a package without encryption"),
    "bzip2": ([Entry("a", method=BZIP2)], "x.zip/a: unsupported compression method; found method 12, expected 0 "),
    "LZMA": ([Entry("a", method=LZMA)], r"found method 14, expected 0 \(stored\) or 8 \(deflated\)"),
    "deflate64": ([Entry("a", method=9)], r"found method 9, expected 0 \(stored\) or 8 \(deflated\)"),
    "other CRC-32": (
        [Entry("a", stated_crc=1)],
        "x.zip/a: checksum mismatch; found CRC-32 a684c7c6, expected 00000001",
    ),
    "other CRC-32, deflated": (
        [Entry("a", method=DEFLATED, stated_crc=1)],
        "x.zip/a: checksum mismatch; found CRC-32 a684c7c6",
    ),
    "size above that of a small file": (
        [Entry("a", bytes(1 << 25), DEFLATED)],
        "x.zip/a: file is too large; found 33554432 bytes",
    ),
    "name in invalid UTF-8": ([Entry(b"\xff")], "cannot be read as a zip file: "),
}


@pytest.mark.parametrize("name", REJECTED)
@pytest.mark.posix("paths with slashes in messages")
def test_invalid_package_is_rejected(tmp_path: Path, name: str) -> None:
    members, message = REJECTED[name]
    path = write_zip(tmp_path / "x.zip", *members)
    with pytest.raises(CacheError, match=message) as caught:
        read_all(path)
    check_error_message(path, caught.value)


@pytest.mark.parametrize("shift", [1, 2, 30, 31, 100, 1 << 31])
def test_entry_in_front_of_the_package_is_rejected(tmp_path: Path, shift: int) -> None:
    """If the stated offset of the zip directory is too large, the entries have negative offsets."""
    data = bytearray(zip_bytes([Entry("a")]))
    struct.pack_into("<I", data, len(data) - 6, 41 + shift)
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(CacheError) as caught, open_zip(tmp_path / "x.zip").open("a"):
        pass
    check_error_message(tmp_path / "x.zip", caught.value)


@pytest.mark.posix("error numbers of POSIX")
def test_file_that_is_not_a_zip_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CacheNotFoundError, match=r"none\.zip: cache not found"):
        open_zip(tmp_path / "none.zip")
    with pytest.raises(CacheError, match="cannot be opened: Is a directory"):
        open_zip(tmp_path)
    path = write_zip(tmp_path / "x.zip", *(Entry(str(i)) for i in range(10)))
    data = path.read_bytes()
    end = data.index(b"PK\5\6")
    for wrong in (b"not a zip", bytes(100), data[:end], data[:end] + b"PK\5\6", data.replace(b"PK\1\2", b"PK\1\3")):
        path.write_bytes(wrong)
        with pytest.raises(
            CacheError,
            match=r"(?:cannot be read as a zip file: .*|not a zip file, or only .*); expected a cache folder",
        ) as caught:
            open_zip(path)
        check_error_message(path, caught.value)
    path.write_bytes(data)
    monkeypatch.setattr(zip_directory, "MAX_DIRECTORY", 470)
    assert len(read_all(path)) == 10
    monkeypatch.setattr(zip_directory, "MAX_DIRECTORY", 469)
    with pytest.raises(CacheError, match="zip directory of 470 bytes exceeds the limit of 469 bytes"):
        open_zip(path)


def test_missing_file_is_rejected(tmp_path: Path) -> None:
    files = open_zip(write_zip(tmp_path / "x.zip", Entry("tile/a")))
    for path in ("b", "tile", "", "tile/a/", "tile\\a"):
        with pytest.raises(CacheError, match="file not found in the package"):
            files.file_sizes(["tile/a", path])
        with pytest.raises(CacheError, match="file not found in the package"), files.open(path):
            pass
    write_zip(files.location, Entry("tile/a", b""))  # another package replaces it
    with pytest.raises(CacheError, match=r"x\.zip: package was modified or replaced while it was read"):
        files.read_small_file("tile/a")
    files.location.unlink()
    with pytest.raises(CacheError, match=r"x\.zip: cannot be opened: "):
        files.read_small_file("tile/a")


SMALL = [
    Entry("a"),
    Entry("t/", b""),
    Entry("t/b", NOISE[:99] * 3, DEFLATED),
    Entry("c", b"", DEFLATED),
    Entry("d", NOISE),
]
LARGE = [Entry("e", method=DEFLATED, stated_size=MAX_UINT32), Entry("f", stated_offset=1 << 40)]


def test_truncated_package_is_rejected(tmp_path: Path) -> None:
    data = zip_bytes(SMALL[:4])
    for length in range(len(data)):
        (tmp_path / "x.zip").write_bytes(data[:length])
        with pytest.raises(CacheError) as caught:
            read_all(tmp_path / "x.zip")
        check_error_message(tmp_path / "x.zip", caught.value)


@property_test
@given(data=st.data(), members=st.sampled_from([SMALL[:4], [*SMALL[:2], *LARGE]]))
def test_mutated_package_is_read_or_rejected(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, members: list[Entry]
) -> None:
    content = bytearray(zip_bytes(members))
    directory = content.index(b"PK\1\2")
    offsets = st.integers(0, len(content) - 1) | st.integers(directory, len(content) - 1)
    for offset in data.draw(st.lists(offsets, min_size=1, max_size=5)):
        content[offset] = data.draw(st.sampled_from([0, 1, 8, 127, 128, 255]) | st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "mutated.zip"
    path.write_bytes(content)
    try:
        read_all(path)
    except GptoolError as error:
        check_error_message(path, error)


def test_zip_bomb_is_read_in_bounded_memory(tmp_path: Path) -> None:
    """A few bytes are read near the start and near the end of 200 MB of zeros."""
    size, packer = 200 << 20, zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    stream = b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    path = write_zip(tmp_path / "x.zip", Entry("a", b"", DEFLATED, stream=stream, stated_size=size))
    assert path.stat().st_size < 1 << 20
    tracemalloc.start()
    try:
        with open_zip(path).open("a") as source:
            for offset in (1000, size - 1000, 5000):
                assert source.read(offset, 100).tobytes() == bytes(100)
            assert source.read_uint32(np.array([0, size - 4], np.uint64)).tolist() == [0, 0]
        with pytest.raises(ConfError, match="file is too large"):
            open_zip(path).read_small_file("a")
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def next_descriptor() -> int:
    """Return the lowest free file descriptor."""
    file = os.open(os.devnull, os.O_RDONLY)
    os.close(file)
    return file


def test_no_file_is_left_open(tmp_path: Path) -> None:
    before = next_descriptor()
    for members, _ in REJECTED.values():
        with pytest.raises(CacheError):
            read_all(write_zip(tmp_path / "x.zip", *members))
    assert next_descriptor() == before


def test_too_many_folders_are_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A zip directory of 8 MB with long names of many nested folders would take two hundred times that memory."""
    path = write_zip(tmp_path / "x.zip", *(Entry(f"{i}{'x' * 200}" + "/a" * 15) for i in range(20)))
    assert len(open_zip(path).folders) == 20 * 15 + 1
    monkeypatch.setattr(zip_directory, "MAX_FOLDERS", 99)
    with pytest.raises(CacheError, match="package has too many folders; found 106, expected at most 99") as caught:
        open_zip(path)
    check_error_message(path, caught.value)


@pytest.mark.parametrize("offset", [26, 28], ids=["name", "extra field"])
@pytest.mark.posix("paths with slashes in messages")
def test_local_header_that_overlaps_the_next_entry_is_rejected(tmp_path: Path, offset: int) -> None:
    data = bytearray(zip_bytes([Entry("a", b"0" * 40), Entry("b", b"1" * 40)]))
    struct.pack_into("<H", data, offset, 50)
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(
        CacheError,
        match=r"x\.zip/a: zip entry overlaps the next one; found its end at offset 12[01], expected at most 71",
    ) as caught:
        read_all(tmp_path / "x.zip")
    check_error_message(tmp_path / "x.zip", caught.value)


@pytest.mark.posix("paths with slashes in messages")
def test_message_has_no_control_characters(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", Entry("\x1b[31ma", stated_crc=1))
    with pytest.raises(CacheError, match=r"x\.zip/\?\[31ma: checksum mismatch") as caught:
        read_all(path)
    assert str(caught.value).isprintable()

"""Packages whose directory lies, or whose bytes are damaged: one error each, that names the package."""

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

from gptool.cache import zip_files
from gptool.cache.zip_files import open_zip
from gptool.errors import CacheError, CacheNotFoundError, ConfError, GptoolError
from helpers.zips import BZIP2, DEFLATED, LZMA, MAX32, NOISE, Made, check_refused, deflate, make, read_all, zip_bytes

property_test = settings(derandomize=True, database=None, deadline=None, max_examples=600)

BOMB = deflate(bytes(1 << 20))
END = len(zip_bytes([Made("a")]))
PLACE = "its place in the package; found [0-9]+ bytes behind byte [0-9]+, expected an end before byte [0-9]+"

REFUSED: dict[str, tuple[list[Made], str]] = {
    "an absolute name": ([Made("/etc/passwd")], "leads out of the package; found '/etc/passwd'"),
    "an absolute name of Windows": ([Made("\\\\server\\a")], "leads out of the package"),
    "a drive": ([Made("C:\\x")], r"leads out of the package; found 'C:\\\\x'"),
    "the folder above": ([Made("a"), Made("../b")], "leads out of the package"),
    "the folder above, within": ([Made("tile\\..\\..\\b")], "leads out of the package"),
    "the folder above, at the end": ([Made("tile/..")], "leads out of the package"),
    "a name of lines": ([Made("../a\n\u2028b")], "leads out of the package"),
    "17 deep": ([Made("a/" * 16 + "b")], "too deep in folders; found 17, expected 16"),
    "30,000 deep": ([Made("a/" * 30_000)], "a member's name; found 60000 characters, expected 255"),
    "two of one name": ([Made("a"), Made("b"), Made("a")], "two members of one name; found a"),
    "two of one path": ([Made("t/a"), Made(".\\t\\\\a")], "two members of one name; found t/a"),
    "a name cut at its byte of 0": ([Made("a\0b"), Made("a\0c")], "two members of one name; found a"),
    "one place for two": ([Made("a"), Made("b", says_offset=0)], PLACE),
    "one in another": ([Made("a", zip_bytes([Made("b")])), Made("b", says_offset=31)], PLACE),
    "into the next": ([Made("a", says_size=50, says_packed=50), Made("b")], PLACE),
    "over several": (
        [Made("a", BOMB, says_packed=900, method=DEFLATED), Made("b", b""), Made("c", b"")],
        PLACE,
    ),
    "past the end": ([Made("a", says_offset=END)], PLACE),
    "the last byte": ([Made("a", says_offset=END - 1)], PLACE),
    "2^32 - 2": ([Made("a", says_offset=MAX32 - 1)], PLACE),
    "2^32 - 1": ([Made("a", says_offset=MAX32)], PLACE),
    "2^40": ([Made("a", says_offset=1 << 40)], f"its place in the package; found 10 bytes behind byte {1 << 40}"),
    "2^64 - 1": ([Made("a", says_offset=(1 << 64) - 1)], PLACE),
    "no header there": (
        [Made("a"), Made("b", b"0" * 40, says_offset=42)],
        "x.zip/b: no member where the zip's directory says; found byte 42",
    ),
    "another signature": ([Made("a", signature=b"PK\3\5")], "no member where the zip's directory says; found byte 0"),
    "a stored size past the end": (
        [Made("a", says_size=1 << 24, says_packed=1 << 24)],
        f"its place in the package; found {1 << 24} bytes behind byte 0, expected an end before byte 41",
    ),
    "a stored size of 2^40": ([Made("a", says_size=1 << 40, says_packed=1 << 40)], PLACE),
    "sizes of 2^64 - 1": ([Made("a", says_size=2**64 - 1, says_packed=2**64 - 1)], PLACE),
    "a stored file of two sizes": ([Made("a", says_size=11)], "of two sizes; found 10 and 11"),
    "a deflated size past the end": ([Made("a", method=DEFLATED, says_packed=1 << 40)], PLACE),
    "unpacks to less": ([Made("a", bytes(9), DEFLATED, says_size=1 << 32)], "end too early; found 9 bytes"),
    "unpacks to more": ([Made("a", bytes(1 << 20), DEFLATED, says_size=100)], "x.zip/a: damaged; found CRC-32"),
    "unpacks to too much": (
        [Made("a", b"", DEFLATED, stream=BOMB, says_size=1 << 33)],
        f"x.zip/a: too large to be read compressed; found {1 << 33} bytes",
    ),
    "a damaged stream": ([Made("a", method=DEFLATED, stream=b"\xff" * 12)], "a: its compressed bytes are damaged"),
    "a stream cut off": ([Made("a", method=DEFLATED, stream=deflate(b"0123456789")[:-3])], "bytes end too early"),
    "a stream of nothing": ([Made("a", method=DEFLATED, stream=b"\0\0\0\xff\xff" * 9)], "end too early; found 0"),
    "encrypted": ([Made("a", flags=0x801)], "x.zip/a: encrypted"),
    "bzip2": ([Made("a", method=BZIP2)], "x.zip/a: its compression; found method 12, expected 0 or 8"),
    "LZMA": ([Made("a", method=LZMA)], "found method 14, expected 0 or 8"),
    "deflate64": ([Made("a", method=9)], "found method 9, expected 0 or 8"),
    "another CRC-32": ([Made("a", says_crc=1)], "x.zip/a: damaged; found CRC-32 a684c7c6, expected 00000001"),
    "another CRC-32, deflated": ([Made("a", method=DEFLATED, says_crc=1)], "x.zip/a: damaged; found CRC-32 a684c7c6"),
    "too large for a small file": ([Made("a", bytes(1 << 25), DEFLATED)], "x.zip/a: too large; found 33554432 bytes"),
    "a name that is no UTF-8": ([Made(b"\xff")], "not a package that can be read"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_directory_that_lies(tmp_path: Path, name: str) -> None:
    members, message = REFUSED[name]
    path = make(tmp_path / "x.zip", *members)
    with pytest.raises(CacheError, match=message) as caught:
        read_all(path)
    check_refused(path, caught.value)


@pytest.mark.parametrize("shift", [1, 2, 30, 31, 100, 1 << 31])
def test_a_member_in_front_of_the_package(tmp_path: Path, shift: int) -> None:
    """A directory that says it begins further on than it does moves the members to where there is no byte."""
    data = bytearray(zip_bytes([Made("a")]))
    struct.pack_into("<I", data, len(data) - 6, 41 + shift)
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(CacheError) as caught, open_zip(tmp_path / "x.zip").open("a"):
        pass
    check_refused(tmp_path / "x.zip", caught.value)


def test_what_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CacheNotFoundError, match=r"none\.zip: cache not found"):
        open_zip(tmp_path / "none.zip")
    with pytest.raises(CacheError, match="can't be opened: Is a directory"):
        open_zip(tmp_path)
    path = make(tmp_path / "x.zip", *(Made(str(i)) for i in range(10)))
    data = path.read_bytes()
    end = data.index(b"PK\5\6")
    for wrong in (b"no zip", bytes(100), data[:end], data[:end] + b"PK\5\6", data.replace(b"PK\1\2", b"PK\1\3")):
        path.write_bytes(wrong)
        with pytest.raises(CacheError, match="not a package that can be read: ") as caught:
            open_zip(path)
        check_refused(path, caught.value)
    path.write_bytes(data)
    monkeypatch.setattr(zip_files, "MAX_DIRECTORY", 470)
    assert len(read_all(path)) == 10
    monkeypatch.setattr(zip_files, "MAX_DIRECTORY", 469)
    with pytest.raises(CacheError, match="a directory of 470 bytes, expected 469 or fewer"):
        open_zip(path)


def test_members_that_are_not_there(tmp_path: Path) -> None:
    files = open_zip(make(tmp_path / "x.zip", Made("tile/a")))
    for path in ("b", "tile", "", "tile/a/", "tile\\a"):
        with pytest.raises(CacheError, match="not in the package"):
            files.sizes(["tile/a", path])
        with pytest.raises(CacheError, match="not in the package"), files.open(path):
            pass
    make(files.location, Made("tile/a", b""))  # another package took its place
    with pytest.raises(CacheError, match=r"x\.zip: another file took its place, or it changed, while it was read"):
        files.read_small("tile/a")
    files.location.unlink()
    with pytest.raises(CacheError, match=r"x\.zip: can't be opened: "):
        files.read_small("tile/a")


SMALL = [Made("a"), Made("t/", b""), Made("t/b", NOISE[:99] * 3, DEFLATED), Made("c", b"", DEFLATED), Made("d", NOISE)]
LARGE = [Made("e", method=DEFLATED, says_size=MAX32), Made("f", says_offset=1 << 40)]


def test_a_package_cut_anywhere_is_refused(tmp_path: Path) -> None:
    data = zip_bytes(SMALL[:4])
    for length in range(len(data)):
        (tmp_path / "x.zip").write_bytes(data[:length])
        with pytest.raises(CacheError) as caught:
            read_all(tmp_path / "x.zip")
        check_refused(tmp_path / "x.zip", caught.value)


@property_test
@given(data=st.data(), members=st.sampled_from([SMALL[:4], [*SMALL[:2], *LARGE]]))
def test_a_package_with_other_bytes_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, members: list[Made]
) -> None:
    content = bytearray(zip_bytes(members))
    directory = content.index(b"PK\1\2")
    places = st.integers(0, len(content) - 1) | st.integers(directory, len(content) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=5)):
        content[place] = data.draw(st.sampled_from([0, 1, 8, 127, 128, 255]) | st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "other.zip"
    path.write_bytes(content)
    try:
        read_all(path)
    except GptoolError as error:
        check_refused(path, error)


def test_a_bomb_takes_no_memory(tmp_path: Path) -> None:
    """200 MB of zeros, of which a little is read near the front and near the end."""
    size, packer = 200 << 20, zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    stream = b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    path = make(tmp_path / "x.zip", Made("a", b"", DEFLATED, stream=stream, says_size=size))
    assert path.stat().st_size < 1 << 20
    tracemalloc.start()
    try:
        with open_zip(path).open("a") as content:
            for offset in (1000, size - 1000, 5000):
                assert content.read(offset, 100).tobytes() == bytes(100)
            assert content.read_words(np.array([0, size - 4], np.uint64)).tolist() == [0, 0]
        with pytest.raises(ConfError, match="too large"):
            open_zip(path).read_small("a")
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def next_descriptor() -> int:
    """The lowest that is free."""
    file = os.open(os.devnull, os.O_RDONLY)
    os.close(file)
    return file


def test_no_file_stays_open(tmp_path: Path) -> None:
    before = next_descriptor()
    for members, _ in REFUSED.values():
        with pytest.raises(CacheError):
            read_all(make(tmp_path / "x.zip", *members))
    assert next_descriptor() == before


def test_too_many_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long names of many folders, 8 MB of them, would take two hundred times that."""
    path = make(tmp_path / "x.zip", *(Made(f"{i}{'x' * 200}" + "/a" * 15) for i in range(20)))
    assert len(open_zip(path).folders) == 20 * 15 + 1
    monkeypatch.setattr(zip_files, "MAX_FOLDERS", 99)
    with pytest.raises(CacheError, match="too many folders; found 106, expected 99 at most") as caught:
        open_zip(path)
    check_refused(path, caught.value)


@pytest.mark.parametrize("place", [26, 28], ids=["name", "extra field"])
def test_a_local_header_that_reaches_into_the_next_member(tmp_path: Path, place: int) -> None:
    data = bytearray(zip_bytes([Made("a", b"0" * 40), Made("b", b"1" * 40)]))
    struct.pack_into("<H", data, place, 50)
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(CacheError, match=r"x\.zip/a: reaches beyond its place in the package") as caught:
        read_all(tmp_path / "x.zip")
    check_refused(tmp_path / "x.zip", caught.value)


def test_a_name_that_would_colour_the_terminal(tmp_path: Path) -> None:
    path = make(tmp_path / "x.zip", Made("\x1b[31ma", says_crc=1))
    with pytest.raises(CacheError, match=r"x\.zip/\?\[31ma: damaged") as caught:
        read_all(path)
    assert str(caught.value).isprintable()

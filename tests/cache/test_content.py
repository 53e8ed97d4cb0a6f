"""Content read by ranges: as it lies in a file, and unpacked on the way."""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gptool.cache.content import CHUNK_BYTES, Content, Deflated, Stored
from gptool.errors import BundleError, CacheError

property_test = settings(derandomize=True, database=None, deadline=None, max_examples=60)

RNG = np.random.default_rng(3)
NOISE = RNG.bytes(CHUNK_BYTES + 70_000)
DATA = {
    "empty": b"",
    "small": b"0123456789",
    "noise": NOISE,
    "repeated": NOISE[:1000] * 700,
    "mixed": bytes(2 * CHUNK_BYTES) + NOISE[:100_000] + bytes(50_000),
}


def deflate(data: bytes, level: int = 6, strategy: int = zlib.Z_DEFAULT_STRATEGY) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, 8, strategy)
    return packer.compress(data) + packer.flush()


PACKED = {
    (name, way): deflate(data, level, strategy)
    for name, data in DATA.items()
    for way, level, strategy in (("level 6", 6, 0), ("level 0", 0, 0), ("fixed codes", 6, zlib.Z_FIXED))
}


class Made(NamedTuple):
    """Content, and the file that it lies in."""

    content: Content
    path: Path


@contextmanager
def made(path: Path, stored: bytes, *, unpacked: int | None = None) -> Iterator[Made]:
    """Content that lies in the middle of a file; deflated where it unpacks to a number of bytes."""
    path.write_bytes(b"\xee" * 37 + stored + b"\xee" * 50)
    file = os.open(path, os.O_RDONLY)
    try:
        content = Stored(path, file, 37, len(stored))
        yield Made(content if unpacked is None else Deflated(path, content, unpacked), path)
    finally:
        os.close(file)


def place_in(size: int) -> st.SearchStrategy[tuple[int, int]]:
    """An offset, and a size that fits or reaches beyond the end."""
    edges = [edge for edge in (0, 1, CHUNK_BYTES, size - 1, size, size + 1) if edge >= 0]
    offsets = st.integers(0, size) | st.sampled_from(edges)
    return st.tuples(offsets, st.integers(0, 50) | st.integers(0, size) | st.sampled_from(edges))


@settings(property_test, max_examples=100)
@given(data=st.data(), name=st.sampled_from(sorted(DATA)), way=st.sampled_from(["stored", *{w for _, w in PACKED}]))
def test_ranges_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, name: str, way: str
) -> None:
    expected = DATA[name]
    stored, unpacked = (expected, None) if way == "stored" else (PACKED[name, way], len(expected))
    with made(tmp_path_factory.getbasetemp() / "content", stored, unpacked=unpacked) as (content, _):
        for offset, size in data.draw(st.lists(place_in(len(expected)), max_size=8)):
            if offset + size > len(expected):
                with pytest.raises(BundleError, match=f"expected {offset + size} or more"):
                    content.read(offset, size)
            else:
                assert content.read(offset, size).tobytes() == expected[offset : offset + size]
            if data.draw(st.booleans()) and len(expected) >= 4:
                places = data.draw(st.lists(st.integers(0, len(expected) - 4), max_size=4))
                words = [int.from_bytes(expected[place : place + 4], "little") for place in places]
                assert content.read_words(np.array(places, np.uint64)).tolist() == words


@pytest.mark.parametrize("way", ["stored", "deflated"])
def test_nothing_is_read_beyond_the_end(tmp_path: Path, way: str) -> None:
    unpacked = None if way == "stored" else 10
    stored = b"0123456789" if way == "stored" else deflate(b"0123456789" * 2)  # there is more, but it is not the file's
    with made(tmp_path / "x", stored, unpacked=unpacked) as (content, path):
        for offset, size in ((0, 11), (10, 1), (11, 0), (1 << 40, 1 << 24), (1 << 64, 1)):
            with pytest.raises(BundleError, match=f"too short; found 10 bytes, expected {offset + size} or more") as it:
                content.read(offset, size)
            assert str(it.value).startswith(f"{path}: ")
        for offset in (7, 10, 1 << 40, (1 << 64) - 1):
            with pytest.raises(BundleError, match=f"too short; found 10 bytes, expected {offset + 4} or more"):
                content.read_words(np.array([6, offset, 0], np.uint64))
        assert content.read_words(np.empty(0, np.uint64)).tolist() == []
        assert content.read(10, 0).tobytes() == b""
        assert content.read_words(np.array([6], np.uint64)).tobytes() == b"6789"


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    with made(tmp_path / "x", b"0123456789") as (content, path):
        os.truncate(path, 37 + 5)
        assert content.read(0, 5).tobytes() == b"01234"
        with pytest.raises(BundleError, match=r"x: became shorter while it was read; found 5 bytes, expected 10"):
            content.read(2, 8)
        with pytest.raises(BundleError, match=r"x: became shorter while it was read; found 2 bytes, expected 6"):
            content.read_words(np.array([1, 2, 0], np.uint64))


def test_a_file_that_the_system_can_not_read(tmp_path: Path) -> None:
    message = f"x: can't be read at byte 2: {os.strerror(errno.EISDIR)}"
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        content = Stored(tmp_path / "x", folder, 0, 10)
        with pytest.raises(CacheError, match=message):
            content.read(2, 8)
        with pytest.raises(CacheError, match=message):
            content.read_words(np.array([3, 2], np.uint64))
    finally:
        os.close(folder)


@pytest.mark.parametrize("name", ["small", "mixed"])
def test_a_stream_that_ends_early(tmp_path: Path, name: str) -> None:
    data, packed = DATA[name], PACKED[name, "level 6"]
    for stored, unpacked in ((packed, len(data) + 1), (packed[:-5], len(data)), (b"", len(data)), (packed, 1 << 32)):
        with (
            made(tmp_path / "x", stored, unpacked=unpacked) as (content, _),
            pytest.raises(BundleError, match=f"x: its compressed bytes end too early; found .*, expected {unpacked}"),
        ):
            content.read(unpacked - 1, 1)


@property_test
@given(place=st.integers(0, len(PACKED["mixed", "level 6"]) - 1), value=st.integers(0, 255))
@example(place=0, value=0b111)  # a block of a kind that there is not
def test_a_damaged_stream(tmp_path_factory: pytest.TempPathFactory, place: int, value: int) -> None:
    packed, size = bytearray(PACKED["mixed", "level 6"]), len(DATA["mixed"])
    packed[place] = value
    with made(tmp_path_factory.getbasetemp() / "damaged", bytes(packed), unpacked=size) as (content, path):
        try:
            assert len(content.read(0, size // 2)) == size // 2
            assert len(content.read(size - 10, 10)) == 10
        except BundleError as error:
            assert str(error).startswith(f"{path}: its compressed bytes ")


def fail(*arguments: object) -> int:
    raise OSError(errno.EIO, "Input/output error")


def test_a_read_that_fails_halfway_leaves_no_wrong_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with made(tmp_path / "x", deflate(NOISE), unpacked=len(NOISE)) as (content, _):
        content.read(0, 10)
        with monkeypatch.context() as patch:
            patch.setattr(os, "preadv", fail)
            with pytest.raises(CacheError, match="Input/output error"):
                content.read(100, len(NOISE) - 100)
        assert content.read(200, 10).tobytes() == NOISE[200:210]


def test_what_was_unpacked_is_not_to_be_changed(tmp_path: Path) -> None:
    with made(tmp_path / "x", deflate(NOISE), unpacked=len(NOISE)) as (content, _):
        part = content.read(0, 10)
        with pytest.raises(ValueError, match="read-only"):
            part[:] = 0

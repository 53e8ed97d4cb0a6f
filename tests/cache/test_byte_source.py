"""Tests of byte sources: ranges of stored and of deflated files."""

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

from gptool import _files
from gptool.cache.byte_source import ByteSource, FileRange
from gptool.cache.deflated_member import CHUNK_BYTES, DeflatedMember
from gptool.errors import BundleError, CacheError

property_test = settings(derandomize=True, database=None, deadline=None, max_examples=60)

RNG = np.random.default_rng(3)
NOISE = RNG.bytes(CHUNK_BYTES + 70_000)
DATA = {
    "empty": b"",
    "small": b"0123456789",
    "noise": NOISE,
    "repetitive": NOISE[:1000] * 700,
    "mixed": bytes(2 * CHUNK_BYTES) + NOISE[:100_000] + bytes(50_000),
}


def deflate(data: bytes, level: int = 6, strategy: int = zlib.Z_DEFAULT_STRATEGY) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, 8, strategy)
    return packer.compress(data) + packer.flush()


DEFLATED = {
    (name, method): deflate(data, level, strategy)
    for name, data in DATA.items()
    for method, level, strategy in (("level 6", 6, 0), ("level 0", 0, 0), ("fixed codes", 6, zlib.Z_FIXED))
}


class OpenSource(NamedTuple):
    """A byte source, and the file that contains it."""

    source: ByteSource
    path: Path


@contextmanager
def open_source(path: Path, stored: bytes, *, decompressed_size: int | None = None) -> Iterator[OpenSource]:
    """Yield a source in the middle of a file; it is deflated if a decompressed size is given."""
    path.write_bytes(b"\xee" * 37 + stored + b"\xee" * 50)
    file = os.open(path, os.O_RDONLY)
    try:
        source = FileRange(path, file, 37, len(stored))
        yield OpenSource(source if decompressed_size is None else DeflatedMember(path, source, decompressed_size), path)
    finally:
        os.close(file)


def range_in(size: int) -> st.SearchStrategy[tuple[int, int]]:
    """Return a strategy for an offset, and for a size that fits or extends past the end."""
    edges = [edge for edge in (0, 1, CHUNK_BYTES, size - 1, size, size + 1) if edge >= 0]
    offsets = st.integers(0, size) | st.sampled_from(edges)
    return st.tuples(offsets, st.integers(0, 50) | st.integers(0, size) | st.sampled_from(edges))


@settings(property_test, max_examples=100)
@given(
    data=st.data(),
    name=st.sampled_from(sorted(DATA)),
    method=st.sampled_from(["stored", *{method for _, method in DEFLATED}]),
)
def test_ranges_are_read_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, name: str, method: str
) -> None:
    expected = DATA[name]
    stored, decompressed = (expected, None) if method == "stored" else (DEFLATED[name, method], len(expected))
    with open_source(tmp_path_factory.getbasetemp() / "source", stored, decompressed_size=decompressed) as (source, _):
        for offset, size in data.draw(st.lists(range_in(len(expected)), max_size=8)):
            if offset + size > len(expected):
                with pytest.raises(BundleError, match=f"expected at least {offset + size} bytes"):
                    source.read(offset, size)
            else:
                assert source.read(offset, size).tobytes() == expected[offset : offset + size]
            if data.draw(st.booleans()) and len(expected) >= 4:
                offsets = data.draw(st.lists(st.integers(0, len(expected) - 4), max_size=4))
                values = [int.from_bytes(expected[offset : offset + 4], "little") for offset in offsets]
                assert source.read_uint32(np.array(offsets, np.uint64)).tolist() == values


@pytest.mark.parametrize("method", ["stored", "deflated"])
def test_range_past_the_end_is_rejected(tmp_path: Path, method: str) -> None:
    decompressed = None if method == "stored" else 10
    # The deflated stream has more bytes, but they do not belong to the file.
    stored = b"0123456789" if method == "stored" else deflate(b"0123456789" * 2)
    with open_source(tmp_path / "x", stored, decompressed_size=decompressed) as (source, path):
        for offset, size in ((0, 11), (10, 1), (11, 0), (1 << 40, 1 << 24), (1 << 64, 1)):
            with pytest.raises(
                BundleError, match=f"file is too short; found 10 bytes, expected at least {offset + size}"
            ) as caught:
                source.read(offset, size)
            assert str(caught.value).startswith(f"{path}: ")
        for offset in (7, 10, 1 << 40, (1 << 64) - 1):
            with pytest.raises(
                BundleError, match=f"file is too short; found 10 bytes, expected at least {offset + 4} bytes"
            ):
                source.read_uint32(np.array([6, offset, 0], np.uint64))
        assert source.read_uint32(np.empty(0, np.uint64)).tolist() == []
        assert source.read(10, 0).tobytes() == b""
        assert source.read_uint32(np.array([6], np.uint64)).tobytes() == b"6789"


def test_file_truncated_while_it_is_read_is_rejected(tmp_path: Path) -> None:
    with open_source(tmp_path / "x", b"0123456789") as (source, path):
        os.truncate(path, 37 + 5)
        assert source.read(0, 5).tobytes() == b"01234"
        with pytest.raises(
            BundleError, match=r"x: file was truncated while it was read; found 5 bytes, expected 10 bytes"
        ):
            source.read(2, 8)
        with pytest.raises(
            BundleError, match=r"x: file was truncated while it was read; found 2 bytes, expected 6 bytes"
        ):
            source.read_uint32(np.array([1, 2, 0], np.uint64))


@pytest.mark.posix("error numbers of POSIX")
def test_read_error_of_the_system_is_reported(tmp_path: Path) -> None:
    message = f"x: cannot be read at offset 2: {os.strerror(errno.EISDIR)}"
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        source = FileRange(tmp_path / "x", folder, 0, 10)
        with pytest.raises(CacheError, match=message):
            source.read(2, 8)
        with pytest.raises(CacheError, match=message):
            source.read_uint32(np.array([3, 2], np.uint64))
    finally:
        os.close(folder)


@pytest.mark.parametrize("name", ["small", "mixed"])
def test_truncated_stream_is_rejected(tmp_path: Path, name: str) -> None:
    data, deflated = DATA[name], DEFLATED[name, "level 6"]
    for stored, size in ((deflated, len(data) + 1), (deflated[:-5], len(data)), (b"", len(data)), (deflated, 1 << 32)):
        with (
            open_source(tmp_path / "x", stored, decompressed_size=size) as (source, _),
            pytest.raises(BundleError, match=f"x: compressed data is truncated; found .*, expected {size} bytes"),
        ):
            source.read(size - 1, 1)


@property_test
@given(offset=st.integers(0, len(DEFLATED["mixed", "level 6"]) - 1), value=st.integers(0, 255))
@example(offset=0, value=0b111)  # an invalid block type
def test_corrupt_stream_is_read_or_rejected(tmp_path_factory: pytest.TempPathFactory, offset: int, value: int) -> None:
    deflated, size = bytearray(DEFLATED["mixed", "level 6"]), len(DATA["mixed"])
    deflated[offset] = value
    with open_source(tmp_path_factory.getbasetemp() / "corrupt", bytes(deflated), decompressed_size=size) as (
        source,
        path,
    ):
        try:
            assert len(source.read(0, size // 2)) == size // 2
            assert len(source.read(size - 10, 10)) == 10
        except BundleError as error:
            assert str(error).startswith(f"{path}: compressed data is ")


def fail(*arguments: object) -> int:
    raise OSError(errno.EIO, "Input/output error")


def test_failed_read_does_not_affect_later_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_source(tmp_path / "x", deflate(NOISE), decompressed_size=len(NOISE)) as (source, _):
        source.read(0, 10)
        with monkeypatch.context() as patch:
            patch.setattr(_files, "read_at", fail)
            with pytest.raises(CacheError, match="Input/output error"):
                source.read(100, len(NOISE) - 100)
        assert source.read(200, 10).tobytes() == NOISE[200:210]


def test_decompressed_bytes_are_read_only(tmp_path: Path) -> None:
    with open_source(tmp_path / "x", deflate(NOISE), decompressed_size=len(NOISE)) as (source, _):
        part = source.read(0, 10)
        with pytest.raises(ValueError, match="read-only"):
            part[:] = 0

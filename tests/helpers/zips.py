"""Zips that are written field by field, also with wrong values, and functions that read and check packages."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gptool.cache.zip_store import open_zip
from gptool.errors import GptoolError

NOISE = np.random.default_rng(3).bytes(70_000)
STORED, DEFLATED, BZIP2, LZMA = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA
MAX_UINT32 = 0xFFFFFFFF


class Entry(NamedTuple):
    """An entry to write. Values of fields `stated_...` replace the true ones in its headers."""

    name: str | bytes
    data: bytes = b"0123456789"
    method: int = STORED
    stated_size: int | None = None
    stated_packed: int | None = None
    stated_offset: int | None = None
    stated_crc: int | None = None
    flags: int = 0x800
    signature: bytes = b"PK\3\4"
    stream: bytes | None = None
    """The bytes of the entry in the file, by default its packed data."""


def deflate(data: bytes) -> bytes:
    """Return a raw deflate stream."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def zip_bytes(entries: Sequence[Entry], *, prefix: bytes = b"", comment: bytes = b"") -> bytes:
    """Return a zip with these entries; numbers that exceed 32 bits are in a zip64 extra field."""
    body, directory = bytearray(prefix), bytearray()
    for entry in entries:
        name = entry.name.encode() if isinstance(entry.name, str) else entry.name
        packed_data = deflate(entry.data) if entry.method == DEFLATED else entry.data
        stream = packed_data if entry.stream is None else entry.stream
        true_values = len(entry.data), len(stream), len(body) - len(prefix)
        stated_values = entry.stated_size, entry.stated_packed, entry.stated_offset
        numbers = [true if stated is None else stated for true, stated in zip(true_values, stated_values, strict=True)]
        large = [number for number in numbers if number >= MAX_UINT32]
        extra = struct.pack(f"<2H{len(large)}Q", 1, 8 * len(large), *large) if large else b""
        size, packed, offset = (min(number, MAX_UINT32) for number in numbers)
        crc = zlib.crc32(entry.data) if entry.stated_crc is None else entry.stated_crc
        common = struct.pack("<5H3I", 45, entry.flags, entry.method, 0, 0x21, crc, packed, size)
        body += entry.signature + common + struct.pack("<2H", len(name), 0) + name + stream
        directory += b"PK\1\2" + struct.pack("<H", 45) + common
        directory += struct.pack("<5H2I", len(name), len(extra), 0, 0, 0, 0, offset) + name + extra
    positions = len(directory), len(body) - len(prefix), len(comment)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, len(entries), len(entries), *positions)
    return bytes(body + directory) + end + comment


def write_zip(path: Path, *entries: Entry, prefix: bytes = b"", comment: bytes = b"") -> Path:
    """Write a zip with these entries and return its path."""
    path.write_bytes(zip_bytes(entries, prefix=prefix, comment=comment))
    return path


def read_all(path: Path) -> dict[str, bytes]:
    """Open a package, list it, and read the start, the end and the whole of every entry."""
    files = open_zip(path)
    contents, folders = {}, [""]
    for folder in folders:
        for name in files.list_names(folder):
            below = f"{folder}/{name}" if folder else name
            if files.is_folder(below):
                folders.append(below)
            if files.is_file(below):
                with files.open(below) as content:
                    assert content.size == files.file_sizes([below])[0]
                    content.read(0, min(content.size, 1000))
                    content.read(max(content.size - 1000, 0), min(content.size, 1000))
                contents[below] = files.read_small_file(below)
    assert contents.keys() == files.entries.keys()
    return contents


def check_error_message(path: Path, error: GptoolError) -> None:
    """Check that the message is one line and starts with the path of the package."""
    assert str(error).startswith(f"{path}")
    assert len(str(error).splitlines()) == 1

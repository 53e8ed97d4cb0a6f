"""Zips laid out by hand, which may lie, and verbs on packages."""

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
MAX32 = 0xFFFFFFFF


class Made(NamedTuple):
    """A member by hand. What begins with `says_` stands in the directory in place of the truth."""

    name: str | bytes
    data: bytes = b"0123456789"
    method: int = STORED
    says_size: int | None = None
    says_packed: int | None = None
    says_offset: int | None = None
    says_crc: int | None = None
    flags: int = 0x800
    signature: bytes = b"PK\3\4"
    stream: bytes | None = None
    """Its bytes as they lie in the package."""


def deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def zip_bytes(members: Sequence[Made], *, front: bytes = b"", comment: bytes = b"") -> bytes:
    """A zip; numbers that need it are in a zip64 extra field."""
    body, directory = bytearray(front), bytearray()
    for member in members:
        name = member.name.encode() if isinstance(member.name, str) else member.name
        made = deflate(member.data) if member.method == DEFLATED else member.data
        stream = made if member.stream is None else member.stream
        truth = len(member.data), len(stream), len(body) - len(front)
        says = member.says_size, member.says_packed, member.says_offset
        numbers = [true if said is None else said for true, said in zip(truth, says, strict=True)]
        large = [number for number in numbers if number >= MAX32]
        extra = struct.pack(f"<2H{len(large)}Q", 1, 8 * len(large), *large) if large else b""
        size, packed, offset = (min(number, MAX32) for number in numbers)
        crc = zlib.crc32(member.data) if member.says_crc is None else member.says_crc
        common = struct.pack("<5H3I", 45, member.flags, member.method, 0, 0x21, crc, packed, size)
        body += member.signature + common + struct.pack("<2H", len(name), 0) + name + stream
        directory += b"PK\1\2" + struct.pack("<H", 45) + common
        directory += struct.pack("<5H2I", len(name), len(extra), 0, 0, 0, 0, offset) + name + extra
    places = len(directory), len(body) - len(front), len(comment)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, len(members), len(members), *places)
    return bytes(body + directory) + end + comment


def make(path: Path, *members: Made, front: bytes = b"", comment: bytes = b"") -> Path:
    path.write_bytes(zip_bytes(members, front=front, comment=comment))
    return path


def read_all(path: Path) -> dict[str, bytes]:
    """Open a package, list it and read every member: its front and its end, and as a small file."""
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


def check_refused(path: Path, error: GptoolError) -> None:
    """The message is one line, and names the package."""
    assert str(error).startswith(f"{path}")
    assert len(str(error).splitlines()) == 1

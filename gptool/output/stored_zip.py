"""A zip of stored members with sizes and CRC-32 known beforehand, so that their bytes are copied by the kernel.

Follows PKWARE's APPNOTE 6.3.10, sections 4.3 to 4.5. Nothing in the file depends on clock or machine: every member is
of 1980-01-01, the format's first day. Zip64 fields appear only where a number outgrows its field.
"""

from __future__ import annotations

import errno
import os
import shutil
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple

LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")
END_64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR_64 = struct.Struct("<4sLQL")
FULL_16, FULL_32 = 0xFFFF, 0xFFFFFFFF
VERSION, VERSION_64, UTF_8, STORED, MIDNIGHT, FIRST_DAY = 20, 45, 0x800, 0, 0, 0x21


class Member(NamedTuple):
    """One file in the zip."""

    name: str
    size: int
    crc32: int
    offset: int


class StoredZip:
    """A zip in the making, on a file that is open for writing at its start.

    Members stand in the order they are added, or reserved to be filled later; `close` writes the directory.

    Attributes
    ----------
    file : binary file
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self._members: dict[str, Member] = {}
        self._end = 0

    def reserve(self, name: str, size: int) -> int:
        """Add a member whose bytes come later, and return where they belong in the file."""
        self._begin(name, size, 0)
        return self._end - size

    def fill(self, name: str, size: int, crc32: int) -> None:
        """Tell that a reserved member's bytes are in their place.

        Raises
        ------
        ValueError
            When they are not as many as there was room for.
        """
        member = self._members[name]
        if size != member.size:
            raise ValueError(f"{name}: found {size} bytes, expected {member.size}")
        self._members[name] = member._replace(crc32=crc32)
        self.file.seek(member.offset)
        self.file.write(_local_header(self._members[name]))

    def fill_bytes(self, name: str, data: bytes) -> None:
        """Put bytes in the place of a reserved member. Raises as `fill`."""
        self.fill(name, len(data), zlib.crc32(data))
        self.file.write(data)

    def add_file(self, name: str, path: Path, size: int, crc32: int) -> None:
        """Add a member from a file of that size, in bytes, and CRC-32."""
        self._begin(name, size, crc32)
        with path.open("rb") as source:
            _copy(source, self.file, size)

    def close(self) -> None:
        """Write the central directory and the end records."""
        start = self.file.seek(self._end)
        for member in self._members.values():
            self.file.write(_central_header(member))
        self.file.write(_end_records(len(self._members), self.file.tell() - start, start))
        self.file.flush()

    def _begin(self, name: str, size: int, crc32: int) -> None:
        member = self._members[name] = Member(name, size, crc32, self._end)
        self.file.seek(self._end)
        self.file.write(_local_header(member))
        self.file.flush()
        self._end = self.file.tell() + size


def stored_zip_size(members: list[tuple[str, int]]) -> int:
    """Return the bytes of a zip with members of these names and sizes (bytes), in this order."""
    offset = directory = 0
    for name, size in members:
        member = Member(name, size, 0, offset)
        offset += len(_local_header(member)) + size
        directory += len(_central_header(member))
    return offset + directory + len(_end_records(len(members), directory, offset))


def _local_header(member: Member) -> bytes:
    name, flags = _encoded(member.name)
    extra = b""
    if member.size >= FULL_32:
        extra = struct.pack("<2H2Q", 1, 16, member.size, member.size)
    size = FULL_32 if extra else member.size
    version = VERSION_64 if extra else VERSION
    sizes = member.crc32, size, size, len(name), len(extra)
    return LOCAL.pack(b"PK\3\4", version, flags, STORED, MIDNIGHT, FIRST_DAY, *sizes) + name + extra


def _central_header(member: Member) -> bytes:
    name, flags = _encoded(member.name)
    numbers = (member.size, member.size, member.offset)
    large = [number for number in numbers if number >= FULL_32]
    extra = struct.pack(f"<2H{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    size, _, offset = (min(number, FULL_32) for number in numbers)
    version = VERSION_64 if extra else VERSION
    head = (b"PK\1\2", version, version, flags, STORED, MIDNIGHT, FIRST_DAY, member.crc32, size, size)
    return CENTRAL.pack(*head, len(name), len(extra), 0, 0, 0, 0, offset) + name + extra


def _end_records(count: int, size: int, offset: int) -> bytes:
    records = b""
    if count >= FULL_16 or size >= FULL_32 or offset >= FULL_32:
        records += END_64.pack(b"PK\6\6", END_64.size - 12, VERSION_64, VERSION_64, 0, 0, count, count, size, offset)
        records += LOCATOR_64.pack(b"PK\6\7", 0, offset + size, 1)
    short = min(count, FULL_16)
    return records + END.pack(b"PK\5\6", 0, 0, short, short, min(size, FULL_32), min(offset, FULL_32), 0)


def _encoded(name: str) -> tuple[bytes, int]:
    return name.encode(), 0 if name.isascii() else UTF_8


def _copy(source: BinaryIO, target: BinaryIO, size: int) -> None:
    """Copy a whole file to the target's position, in the kernel where it can."""
    start, left = target.tell(), size
    while left and hasattr(os, "copy_file_range"):
        try:
            count = os.copy_file_range(source.fileno(), target.fileno(), left)
        except OSError:
            break  # refused for many reasons (file systems, sandboxes); a disk that is full will say so again
        if count == 0:
            break
        left -= count
    target.seek(0, os.SEEK_END)
    if left:
        source.seek(size - left)
        shutil.copyfileobj(source, target, 1 << 20)
        target.flush()
    if target.tell() - start != size:
        raise OSError(errno.EIO, f"copied {target.tell() - start} bytes of a member, expected {size}")

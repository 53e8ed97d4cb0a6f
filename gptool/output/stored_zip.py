"""A writer of zips whose members are stored without compression.

Sizes and CRC-32 are known before a member is added, so the kernel can copy its bytes. The format follows PKWARE's
APPNOTE 6.3.10, sections 4.3 to 4.5. Nothing in the file depends on the clock or the machine: every member is dated
1980-01-01, the first day of the format. Zip64 fields are written only for numbers that exceed their regular field.
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

LOCAL_HEADER = struct.Struct("<4s5H3L2H")
CENTRAL_HEADER = struct.Struct("<4s6H3L5H2L")
END_RECORD = struct.Struct("<4s4H2LH")
ZIP64_END_RECORD = struct.Struct("<4sQ2H2L4Q")
ZIP64_LOCATOR = struct.Struct("<4sLQL")
MAX_UINT16, MAX_UINT32 = 0xFFFF, 0xFFFFFFFF
CREATED_BY, NEEDED, ZIP64_VERSION = 20, 10, 45
"""Versions of the format, tenfold; those of members without zip64 fields as in Esri's packages."""

ARCHIVE_ATTRIBUTE = 0x20
"""The MS-DOS attribute of Esri's members."""
UTF8_FLAG, STORED = 0x800, 0
MIDNIGHT, DATE_1980_01_01 = 0, 0x21
COPY_BYTES = 1 << 20


class ZipMember(NamedTuple):
    """A member of the zip.

    Attributes
    ----------
    name : str
    size : int
        Bytes.
    crc32 : int
        0 until it is known.
    offset : int
        The offset of its local header in the file, bytes.
    """

    name: str
    size: int
    crc32: int
    offset: int


class StoredZip:
    """A zip that is being written.

    Members are in the order in which they are added or reserved; `finish` writes the central directory.

    Parameters
    ----------
    file : binary file
        A file that is open for writing, empty or with what is to be written again; the caller closes it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self._members: dict[str, ZipMember] = {}
        self._end = 0

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def size(self, name: str) -> int:
        """Return the size of a member, bytes."""
        return self._members[name].size

    def data_offset(self, name: str) -> int:
        """Return the offset of a member's bytes in the file."""
        member = self._members[name]
        return member.offset + len(_local_header(member))

    def reserve(self, name: str, size: int) -> int:
        """Add a member whose bytes are written later; return their offset in the file."""
        self._append_header(name, size, 0)
        return self._end - size

    def fill(self, name: str, size: int, crc32: int) -> None:
        """Complete a reserved member whose bytes have been written.

        Raises
        ------
        ValueError
            If `size` differs from the reserved size.
        """
        member = self._members[name]
        if size != member.size:
            raise ValueError(f"{name}: size mismatch; found {size} bytes, expected {member.size}")
        self._members[name] = member._replace(crc32=crc32)
        self.file.seek(member.offset)
        self.file.write(_local_header(self._members[name]))

    def fill_bytes(self, name: str, data: bytes) -> None:
        """Write the bytes of a reserved member. Raises as `fill`."""
        self.fill(name, len(data), zlib.crc32(data))
        self.file.write(data)

    def fill_file(self, name: str, path: Path, size: int, crc32: int) -> None:
        """Write the bytes of a reserved member, which are those of a file. Raises as `fill`."""
        self.fill(name, size, crc32)
        with path.open("rb") as source:
            _copy_bytes(source, 0, self.file, size)

    def add_file(self, name: str, path: Path, size: int, crc32: int, *, start: int = 0) -> None:
        """Add a member with the bytes of a file from `start` on, whose number and CRC-32 are given."""
        self._append_header(name, size, crc32)
        with path.open("rb") as source:
            _copy_bytes(source, start, self.file, size)

    def finish(self) -> None:
        """Write the central directory and the end records, and flush the file."""
        start = self.file.seek(self._end)
        for member in self._members.values():
            self.file.write(_central_header(member))
        self.file.write(_end_records(len(self._members), self.file.tell() - start, start))
        self.file.truncate()
        self.file.flush()

    def _append_header(self, name: str, size: int, crc32: int) -> None:
        member = self._members[name] = ZipMember(name, size, crc32, self._end)
        self.file.seek(self._end)
        self.file.write(_local_header(member))
        self.file.flush()
        self._end = self.file.tell() + size


def stored_zip_size(members: list[tuple[str, int]]) -> int:
    """Return the size in bytes of a zip with members of these names and sizes (bytes), in this order."""
    offset = directory = 0
    for name, size in members:
        member = ZipMember(name, size, 0, offset)
        offset += len(_local_header(member)) + size
        directory += len(_central_header(member))
    return offset + directory + len(_end_records(len(members), directory, offset))


def stream_stored_zip(files: Sequence[tuple[str, Path, int]]) -> Iterator[bytes]:
    """Yield the parts of a zip of files, given as names, paths and sizes (bytes); its size is `stored_zip_size`.

    Each file is read twice, first for its CRC-32: readers that do not seek need it before the bytes.

    Raises
    ------
    OSError
        If a file cannot be read, or has changed.
    """
    members, end = list[ZipMember](), 0
    for name, path, size in files:
        with path.open("rb") as source:
            crc32 = 0
            for part in _read_exactly(source, size):
                crc32 = zlib.crc32(part, crc32)
            member = ZipMember(name, size, crc32, end)
            header = _local_header(member)
            yield header
            source.seek(0)
            yield from _read_exactly(source, size)
        members.append(member)
        end += len(header) + size
    directory = b"".join(map(_central_header, members))
    yield directory + _end_records(len(members), len(directory), end)


def _read_exactly(source: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield the bytes of a file, which must be `size`."""
    while size > 0 and (part := source.read(min(size, COPY_BYTES))):
        size -= len(part)
        yield part
    if size or source.read(1):
        raise OSError(errno.EIO, f"{source.name} changed while it was read")


def _local_header(member: ZipMember) -> bytes:
    name, flags = _encode_name(member.name)
    extra = b""
    if member.size >= MAX_UINT32:
        extra = struct.pack("<2H2Q", 1, 16, member.size, member.size)
    size = MAX_UINT32 if extra else member.size
    version = ZIP64_VERSION if extra else NEEDED
    sizes = member.crc32, size, size, len(name), len(extra)
    return LOCAL_HEADER.pack(b"PK\3\4", version, flags, STORED, MIDNIGHT, DATE_1980_01_01, *sizes) + name + extra


def _central_header(member: ZipMember) -> bytes:
    name, flags = _encode_name(member.name)
    numbers = (member.size, member.size, member.offset)
    large = [number for number in numbers if number >= MAX_UINT32]
    extra = struct.pack(f"<2H{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    size, _, offset = (min(number, MAX_UINT32) for number in numbers)
    versions = (ZIP64_VERSION, ZIP64_VERSION) if extra else (CREATED_BY, NEEDED)
    head = (b"PK\1\2", *versions, flags, STORED, MIDNIGHT, DATE_1980_01_01, member.crc32, size, size)
    return CENTRAL_HEADER.pack(*head, len(name), len(extra), 0, 0, 0, ARCHIVE_ATTRIBUTE, offset) + name + extra


def _end_records(count: int, size: int, offset: int) -> bytes:
    records = b""
    if count >= MAX_UINT16 or size >= MAX_UINT32 or offset >= MAX_UINT32:
        versions = ZIP64_VERSION, ZIP64_VERSION
        record_size = ZIP64_END_RECORD.size - 12  # without its first two fields, APPNOTE 4.3.14.1
        records += ZIP64_END_RECORD.pack(b"PK\6\6", record_size, *versions, 0, 0, count, count, size, offset)
        records += ZIP64_LOCATOR.pack(b"PK\6\7", 0, offset + size, 1)
    short = min(count, MAX_UINT16)
    return records + END_RECORD.pack(b"PK\5\6", 0, 0, short, short, min(size, MAX_UINT32), min(offset, MAX_UINT32), 0)


def _encode_name(name: str) -> tuple[bytes, int]:
    return name.encode(), 0 if name.isascii() else UTF8_FLAG


def _copy_bytes(source: BinaryIO, begin: int, target: BinaryIO, size: int) -> None:
    """Copy bytes from `begin` on to the target's position, within the kernel if the system supports it."""
    target.flush()
    source.seek(begin)
    start, remaining = target.tell(), size
    while remaining and hasattr(os, "copy_file_range"):
        try:
            count = os.copy_file_range(source.fileno(), target.fileno(), remaining)
        except OSError:
            break  # unsupported by some file systems and sandboxes; on a full disk the copy below fails, too
        if count == 0:
            break
        remaining -= count
    target.seek(start + size - remaining)
    if remaining:
        source.seek(begin + size - remaining)
        _copy_through_memory(source, target, remaining)
        target.flush()
    if target.tell() - start != size:
        raise OSError(errno.EIO, f"copied {target.tell() - start} bytes of a zip member, expected {size}")


def _copy_through_memory(source: BinaryIO, target: BinaryIO, size: int) -> None:
    while size and (data := source.read(min(size, COPY_BYTES))):
        target.write(data)
        size -= len(data)

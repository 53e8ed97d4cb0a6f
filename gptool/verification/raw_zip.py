"""The records of a zip as they are in the file, field by field (APPNOTE 4.3 and 4.4). No member is decompressed."""

from __future__ import annotations

import struct
from typing import NamedTuple

from gptool.cache.byte_source import ByteSource
from gptool.cache.zip_directory import MAX_DIRECTORY
from gptool.errors import CacheError

LOCAL_HEADER = struct.Struct("<4s5H3L2H")
CENTRAL_HEADER = struct.Struct("<4s6H3L5H2L")
END_RECORD = struct.Struct("<4s4H2LH")
ZIP64_END_RECORD = struct.Struct("<4sQ2H2L4Q")
ZIP64_LOCATOR = struct.Struct("<4sLQL")
MAX_COMMENT = 0xFFFF
UINT32 = 0xFFFFFFFF
ZIP64_FIELD, NTFS_FIELD = 0x0001, 0x000A


class LocalHeader(NamedTuple):
    """The fields of a local header that state what the central directory states too."""

    version_needed: int
    flags: int
    method: int
    crc32: int
    packed_size: int
    size: int
    name: bytes
    extra: bytes


class Member(NamedTuple):
    """An entry of the central directory, with its local header.

    Attributes
    ----------
    offset : int
        Offset of the local header as stated, 0xFFFFFFFF if it is in a Zip64 field.
    """

    name: str
    system: int
    version_needed: int
    flags: int
    method: int
    crc32: int
    packed_size: int
    size: int
    attributes: int
    offset: int
    extra: bytes
    comment: bytes
    local: LocalHeader

    @property
    def is_folder(self) -> bool:
        """Whether the entry is that of a folder."""
        return self.name.endswith("/")


class RawZip(NamedTuple):
    """The records of a zip.

    Attributes
    ----------
    members : tuple of Member
        In the order of the central directory.
    comment : bytes
    has_zip64_end : bool
        Whether there is a Zip64 end of central directory record.
    prefix : int
        Bytes in front of the first byte that offsets count from.
    """

    members: tuple[Member, ...]
    comment: bytes
    has_zip64_end: bool
    prefix: int


def read_raw_zip(file: ByteSource) -> RawZip:
    """Read the records of a zip.

    Raises
    ------
    CacheError
        If they are invalid.
    """
    end, comment = _find_end(file)
    values = END_RECORD.unpack(_read(file, end, END_RECORD.size))
    count, size, start = values[4:7]
    directory_end, zip64 = end, _read_zip64_end(file, end)
    if zip64 is not None:
        directory_end, count, size, start = zip64
    if size > min(MAX_DIRECTORY, directory_end):
        raise CacheError("zip directory is too large", where=file.where, found=f"{size} bytes")
    prefix = directory_end - size - start
    members = _read_members(file, _read(file, directory_end - size, size), count, prefix)
    return RawZip(members, comment, zip64 is not None, prefix)


def extra_fields(extra: bytes) -> list[int]:
    """Return the ids of extra fields; -1 stands for bytes that are no field."""
    ids, at = [], 0
    while at + 4 <= len(extra):
        field, size = struct.unpack_from("<2H", extra, at)
        ids.append(field)
        at += 4 + size
    return ids if at == len(extra) else [*ids, -1]


def _read(file: ByteSource, offset: int, size: int) -> bytes:
    return file.read(offset, size).tobytes()


def _find_end(file: ByteSource) -> tuple[int, bytes]:
    """Return the offset of the end of central directory record, and the comment behind it."""
    start = max(file.size - END_RECORD.size - MAX_COMMENT, 0)
    data = _read(file, start, file.size - start)
    at = data.rfind(b"PK\5\6", 0, len(data) - END_RECORD.size + 4)
    if at < 0:
        raise CacheError("zip has no end of central directory record", where=file.where)
    return start + at, data[at + END_RECORD.size :]


def _read_zip64_end(file: ByteSource, end: int) -> tuple[int, int, int, int] | None:
    """Return the end of the directory, and the count, size and offset that a Zip64 record states; None without one."""
    if end < ZIP64_LOCATOR.size + ZIP64_END_RECORD.size:
        return None
    signature, _, _, _ = ZIP64_LOCATOR.unpack(_read(file, end - ZIP64_LOCATOR.size, ZIP64_LOCATOR.size))
    if signature != b"PK\6\7":
        return None
    record = end - ZIP64_LOCATOR.size - ZIP64_END_RECORD.size
    signature, *_, count, size, start = ZIP64_END_RECORD.unpack(_read(file, record, ZIP64_END_RECORD.size))
    if signature != b"PK\6\6":
        raise CacheError("zip has no Zip64 end of central directory record where its locator says", where=file.where)
    return record, count, size, start


def _read_members(file: ByteSource, directory: bytes, count: int, prefix: int) -> tuple[Member, ...]:
    members, at = [], 0
    for _ in range(count):
        if at + CENTRAL_HEADER.size > len(directory):
            raise CacheError("zip directory is truncated", where=file.where, expected=f"{count} entries")
        fields = CENTRAL_HEADER.unpack_from(directory, at)
        name_size, extra_size, comment_size = fields[10:13]
        start = at + CENTRAL_HEADER.size
        bounds = (start, start + name_size, start + name_size + extra_size)
        at = bounds[2] + comment_size
        if fields[0] != b"PK\1\2" or at > len(directory):
            raise CacheError("zip directory has an invalid entry", where=file.where)
        extra = directory[bounds[1] : bounds[2]]
        offset = prefix + (_zip64_offset(fields, extra) if fields[16] == UINT32 else fields[16])
        _, made_by, needed, flags, method, _, _, crc32, packed_size, size, *_, attributes, stated_offset = fields
        members.append(
            Member(
                directory[bounds[0] : bounds[1]].decode("utf-8", "replace"),
                made_by >> 8,
                needed,
                flags,
                method,
                crc32,
                packed_size,
                size,
                attributes,
                stated_offset,
                extra,
                directory[bounds[2] : at],
                _read_local(file, offset),
            )
        )
    return tuple(members)


def _zip64_offset(fields: tuple[int, ...], extra: bytes) -> int:
    """Return the offset that a Zip64 field states behind the sizes that it states; 0 without one."""
    at = 0
    while at + 4 <= len(extra):
        field, size = struct.unpack_from("<2H", extra, at)
        skipped = 8 * sum(value == UINT32 for value in fields[8:10])
        if field == ZIP64_FIELD and size >= skipped + 8 and at + 12 + skipped <= len(extra):
            return int.from_bytes(extra[at + 4 + skipped :][:8], "little")
        at += 4 + size
    return 0


def _read_local(file: ByteSource, offset: int) -> LocalHeader:
    header = LOCAL_HEADER.unpack(_read(file, offset, LOCAL_HEADER.size))
    _, needed, flags, method, _, _, crc32, packed_size, size, name_size, extra_size = header
    rest = _read(file, offset + LOCAL_HEADER.size, name_size + extra_size)
    return LocalHeader(needed, flags, method, crc32, packed_size, size, rest[:name_size], rest[name_size:])

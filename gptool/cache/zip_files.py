"""The files in a package: members of a zip, stored ones read in place, deflated ones unpacked as they are read.

The directory is read by the standard library; nothing is ever unpacked to the disk.
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.cache.content import Content, Deflated, Stored, open_content
from gptool.cache.files import Files, parts_within
from gptool.errors import CacheError, CacheNotFoundError

MAX_DIRECTORY = 16 * 1024 * 1024
"""Bytes of a zip's directory: some 150,000 members. Each takes memory."""

MAX_UNPACKED = 1 << 32
"""Bytes that a deflated member may come to: to reach its end they all have to be unpacked."""

MAX_NAME, MAX_DEPTH, MAX_FOLDERS = 255, 16, 100_000
"""Characters of a member's name, folders within folders, and folders in all: each of them takes memory, too."""

LOCAL = struct.Struct("<4s22x2H")
"""signature, ..., length of the name, length of the extra field (APPNOTE 4.3.7)"""

ENCRYPTED = 0x1


class Member(NamedTuple):
    """Where a file lies in the package: from its local header to the next member, and its bytes there and unpacked."""

    offset: int
    end: int
    packed: int
    size: int
    crc32: int
    method: int
    encrypted: bool


@dataclass(frozen=True)
class ZipFiles(Files):
    """The files of a package.

    Attributes
    ----------
    stamp_of_package : tuple of int
        What tells the file from another: device, number, size, time of its last change.
    members : dict of str to Member
        By path.
    folders : dict of str to tuple of str
        The names in each folder.
    """

    stamp_of_package: tuple[int, ...]
    members: dict[str, Member] = field(repr=False)
    folders: dict[str, tuple[str, ...]] = field(repr=False)

    def __hash__(self) -> int:
        return hash((self.location, self.stamp_of_package))

    def names(self, folder: str) -> Sequence[str]:
        """Return the names in a folder, none where there is no such folder. Raises as `Files.names`."""
        return self.folders.get(folder, ())

    def is_folder(self, path: str) -> bool:
        """Tell whether there is a folder of that path."""
        return path in self.folders

    def stamp(self, folder: str) -> int | None:
        """Return a number that changes with the names in a folder, None where there is no such folder."""
        return 0 if folder in self.folders else None

    def is_file(self, path: str) -> bool:
        """Tell whether there is a file of that path."""
        return path in self.members

    def sizes(self, paths: Sequence[str]) -> NDArray[np.int64]:
        """Return the bytes of files. Raises as `Files.sizes`."""
        return np.array([self._member(path).size for path in paths], np.int64)

    def read_whole(self, paths: Sequence[str], sizes: NDArray[np.uint32]) -> NDArray[np.uint8]:
        """Return the bytes of files, one after the other. Raises as `Files.read_whole`."""
        data, start = np.empty(int(sizes.sum(dtype=np.int64)), np.uint8), 0
        for path, size in zip(paths, sizes.tolist(), strict=True):
            with self.open(path) as content:
                if content.size != size:
                    raise CacheError("its size", where=content.where, found=content.size, expected=size)
                data[start : start + size] = content.read(0, size)
            start += size
        return data

    @contextmanager
    def open(self, path: str) -> Iterator[Content]:
        """Open a file. Raises as `Files.open`."""
        member, where = self._member(path), self.where(path)
        if member.encrypted:
            raise CacheError("encrypted", where=where, expected="a package that anyone can open")
        with open_content(self.location, self.location) as package:
            if stamp_of(package.status()) != self.stamp_of_package:
                raise CacheError("another file took its place, or it changed, while it was read", where=self.location)
            data = self._data(package, member, where)
            if member.method == zipfile.ZIP_STORED:
                yield data
            elif member.method == zipfile.ZIP_DEFLATED:
                yield Deflated(where, data, member.size)
            else:
                raise CacheError("its compression", where=where, found=f"method {member.method}", expected="0 or 8")

    def _member(self, path: str) -> Member:
        if path not in self.members:
            raise CacheError("not in the package", where=self.where(path))
        return self.members[path]

    def _data(self, package: Stored, member: Member, where: Path) -> Stored:
        """Return the member's bytes as they lie in the package, behind its local header."""
        signature, *lengths = LOCAL.unpack(package.read(member.offset, LOCAL.size).tobytes())
        if signature != b"PK\3\4":
            raise CacheError("no member where the zip's directory says", where=where, found=f"byte {member.offset}")
        start = member.offset + LOCAL.size + sum(lengths)
        if start + member.packed > member.end:
            raise CacheError(
                "reaches beyond its place in the package",
                where=where,
                found=f"its end at byte {start + member.packed}",
                expected=f"{member.end} at most",
            )
        return package.part(where, start, member.packed)

    def _check(self, path: str, crc32: int) -> None:
        expected = self.members[path].crc32
        if crc32 != expected:
            raise CacheError("damaged", where=self.where(path), found=f"CRC-32 {crc32:08x}", expected=f"{expected:08x}")


class _Bounded(io.FileIO):
    """A file of which no more is read at a time than a directory may take."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_DIRECTORY:
            raise zipfile.BadZipFile(f"a directory of {size} bytes, expected {MAX_DIRECTORY} or fewer")
        return super().read(size) or b""


def stamp_of(status: os.stat_result) -> tuple[int, ...]:
    """Return what tells a file from another, and from itself after a change."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def open_zip(location: Path) -> ZipFiles:
    """Read a package's directory.

    Raises
    ------
    CacheNotFoundError
        When there is no file.
    CacheError
        When it can't be read, is no zip, or has a directory that can't be true.
    """
    try:
        with _Bounded(location, "rb") as file, zipfile.ZipFile(file) as package:
            entries, end = sorted(package.infolist(), key=lambda info: info.header_offset), package.start_dir
            stamp = stamp_of(os.fstat(file.fileno()))
    except FileNotFoundError:
        raise CacheNotFoundError("cache not found", where=location) from None
    except OSError as error:
        raise CacheError(f"can't be opened: {error.strerror or error}", where=location) from error
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error, zlib.error) as error:
        raise CacheError(
            f"not a package that can be read: {error}",
            where=location,
            expected="a .tpkx, a .tpk or a cache folder",
        ) from None
    members: dict[str, Member] = {}
    folders: dict[str, set[str]] = {"": set()}
    for info in reversed(entries):
        path = _path(info.filename, location)
        if not path:
            continue
        _add(folders, path, location)
        if info.filename.endswith(("/", "\\")):
            folders.setdefault(path, set())
            continue
        if path in members:
            raise CacheError("two members of one name", where=location, found=path, expected="each once")
        members[path] = _member(info, end, location / path)
        end = info.header_offset
    return ZipFiles(location, stamp, members, {path: tuple(sorted(names)) for path, names in folders.items()})


def _path(name: str, location: Path) -> str:
    """Return a member's path."""
    if len(name) > MAX_NAME:
        raise CacheError("a member's name", where=location, found=f"{len(name)} characters", expected=f"{MAX_NAME}")
    parts = parts_within(name)
    if parts is None or name.startswith(("/", "\\")):
        raise CacheError("a member whose name leads out of the package", where=location, found=repr(name))
    if len(parts) > MAX_DEPTH:
        raise CacheError("a member too deep in folders", where=location, found=len(parts), expected=f"{MAX_DEPTH}")
    return "/".join(parts)


def _add(folders: dict[str, set[str]], path: str, location: Path) -> None:
    """Note a path in its folder, and that in the one above it."""
    if len(folders) > MAX_FOLDERS:
        raise CacheError("too many folders", where=location, found=len(folders), expected=f"{MAX_FOLDERS} at most")
    while path:
        above, _, name = path.rpartition("/")
        folders.setdefault(above, set()).add(name)
        path = above


def _member(info: zipfile.ZipInfo, end: int, where: Path) -> Member:
    """Return a member, which must end before byte `end`: sharing bytes, small packages would unpack to any size."""
    if info.header_offset < 0 or info.header_offset + LOCAL.size + info.compress_size > end:
        raise CacheError(
            "its place in the package",
            where=where,
            found=f"{info.compress_size} bytes behind byte {info.header_offset}",
            expected=f"an end before byte {end}, where something else starts",
        )
    if info.compress_type != zipfile.ZIP_STORED and info.file_size > MAX_UNPACKED:
        raise CacheError(
            "too large to be read compressed",
            where=where,
            found=f"{info.file_size} bytes",
            expected=f"{MAX_UNPACKED} at most: unpack it, or pack it without compression",
        )
    if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
        raise CacheError(
            "stored as it is, and yet of two sizes", where=where, found=f"{info.compress_size} and {info.file_size}"
        )
    encrypted = bool(info.flag_bits & ENCRYPTED)
    return Member(info.header_offset, end, info.compress_size, info.file_size, info.CRC, info.compress_type, encrypted)

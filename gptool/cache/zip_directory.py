"""The directory of a zip file: its entries, checked so that reading them is bounded. The standard library reads it."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.cache.file_store import CACHE_DESCRIPTION
from gptool.cache.paths import split_path
from gptool.errors import CacheError
from gptool.system.store_url import Location

MAX_DIRECTORY = 16 * 1024 * 1024
"""Maximum size of a zip directory, bytes: about 150,000 entries. Each entry takes memory."""

MAX_DECOMPRESSED = 1 << 32
"""Maximum decompressed size of a deflated member, bytes: to reach its end, all of it has to be decompressed."""

MAX_NAME, MAX_DEPTH, MAX_FOLDERS = 255, 16, 100_000
"""Maximum length of an entry's name in characters, number of nested folders, and number of folders in all.

Each folder takes memory.
"""

LOCAL_HEADER = struct.Struct("<4s22x2H")
"""signature, ..., length of the name, length of the extra field (APPNOTE 4.3.7)"""

LOCAL_SIGNATURE = b"PK\3\4"

ENCRYPTED = 0x1
"""General purpose bit flag of an encrypted entry (APPNOTE 4.4.4)."""


class ZipEntry(NamedTuple):
    """An entry of the zip directory.

    Attributes
    ----------
    offset : int
        Offset of the local file header, bytes.
    end : int
        Offset of the next entry's local file header, or of the zip directory.
    compressed_size, size : int
        Size of the member in the zip, and when decompressed, bytes.
    method : int
        Compression method (APPNOTE 4.4.5).
    """

    offset: int
    end: int
    compressed_size: int
    size: int
    crc32: int
    method: int
    encrypted: bool

    def start(self, header: NDArray[np.uint8], where: Location) -> int:
        """Return the offset of the member, which follows its local file header.

        Parameters
        ----------
        header : uint8[30]
            The header without the name and the extra field, whose lengths it states.
        where : Path or StoreUrl
            The path that error messages state.

        Raises
        ------
        CacheError
            If it is not a header, or the member overlaps the next one.
        """
        signature, *lengths = LOCAL_HEADER.unpack(header.tobytes())
        if signature != LOCAL_SIGNATURE:
            raise CacheError(
                "zip entry points to no local file header",
                where=where,
                found=f"{signature!r} at offset {self.offset}",
                expected=repr(LOCAL_SIGNATURE),
            )
        start = self.offset + LOCAL_HEADER.size + sum(lengths)
        if start + self.compressed_size > self.end:
            raise CacheError(
                "zip entry overlaps the next one",
                where=where,
                found=f"its end at offset {start + self.compressed_size}",
                expected=f"at most {self.end}",
            )
        return int(start)


def check_directory_size(size: int | None) -> None:
    """Raise BadZipFile for a read that only a zip directory that is too large needs."""
    if size is not None and size > MAX_DIRECTORY:
        raise zipfile.BadZipFile(f"zip directory of {size} bytes exceeds the limit of {MAX_DIRECTORY} bytes")


def read_directory(file: io.RawIOBase, location: Location) -> tuple[dict[str, ZipEntry], dict[str, tuple[str, ...]]]:
    """Return the entries and the folders of a zip, as in `ZipStore`.

    Raises
    ------
    CacheError
        If the file is not a zip file, or has a corrupt directory.
    OSError
        If it cannot be read.
    """
    try:
        with zipfile.ZipFile(file) as package:
            infos, end = sorted(package.infolist(), key=lambda info: info.header_offset), package.start_dir
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error, zlib.error) as error:
        is_zip = zipfile.is_zipfile(file)
        what = f"cannot be read as a zip file: {error}" if is_zip else "not a zip file, or only the start of one"
        raise CacheError(what, where=location, expected=CACHE_DESCRIPTION) from None
    entries: dict[str, ZipEntry] = {}
    folders: dict[str, set[str]] = {"": set()}
    for info in reversed(infos):
        path = _entry_path(info.filename, location)
        if not path:
            continue
        _add_to_folders(folders, path, location)
        if info.filename.endswith(("/", "\\")):
            folders.setdefault(path, set())
            continue
        if path in entries:
            raise CacheError(
                "zip directory has two entries of one name", where=location, found=path, expected="each name once"
            )
        entries[path] = _read_entry(info, end, location / path)
        end = info.header_offset
    return entries, {path: tuple(sorted(names)) for path, names in folders.items()}


def _entry_path(name: str, location: Location) -> str:
    """Return the path of an entry in the store. Raises CacheError if its name is not acceptable."""
    if len(name) > MAX_NAME:
        raise CacheError(
            "name of a zip entry is too long",
            where=location,
            found=f"{len(name)} characters",
            expected=f"at most {MAX_NAME}",
        )
    parts = split_path(name)
    if parts is None or name.startswith(("/", "\\")):
        raise CacheError(
            "zip entry is outside the package", where=location, found=repr(name), expected="a relative path"
        )
    if len(parts) > MAX_DEPTH:
        raise CacheError(
            "zip entry is nested too deeply",
            where=location,
            found=f"{len(parts)} path components",
            expected=f"at most {MAX_DEPTH}",
        )
    return "/".join(parts)


def _add_to_folders(folders: dict[str, set[str]], path: str, location: Location) -> None:
    """Add a path to its folder, and each folder to the one above it."""
    if len(folders) > MAX_FOLDERS:
        raise CacheError(
            "package has too many folders", where=location, found=len(folders), expected=f"at most {MAX_FOLDERS}"
        )
    while path:
        above, _, name = path.rpartition("/")
        folders.setdefault(above, set()).add(name)
        path = above


def _read_entry(info: zipfile.ZipInfo, end: int, where: Location) -> ZipEntry:
    """Return an entry.

    It must end at or before byte `end`: if entries could overlap, a small package could decompress to any size.
    """
    if info.header_offset < 0 or info.header_offset + LOCAL_HEADER.size + info.compress_size > end:
        raise CacheError(
            "zip entry overlaps the next one or the end of the file",
            where=where,
            found=f"{info.compress_size} bytes at offset {info.header_offset}",
            expected=f"an end at offset {end} at most",
        )
    if info.compress_type != zipfile.ZIP_STORED and info.file_size > MAX_DECOMPRESSED:
        raise CacheError(
            "compressed file is too large",
            where=where,
            found=f"{info.file_size} bytes",
            expected=f"at most {MAX_DECOMPRESSED} bytes; extract the package, or create it without compression",
        )
    if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
        raise CacheError(
            "compressed and uncompressed size of a stored file differ",
            where=where,
            found=f"{info.compress_size} and {info.file_size} bytes",
            expected="equal sizes",
        )
    return ZipEntry(
        info.header_offset,
        end,
        info.compress_size,
        info.file_size,
        info.CRC,
        info.compress_type,
        bool(info.flag_bits & ENCRYPTED),
    )

"""The file store of a package (.tpkx, .tpk): the members of a zip file.

Stored members are read in place, deflated ones are decompressed while they are read; nothing is extracted to disk. The
zip directory is read by the standard library.
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.cache.byte_source import ByteSource, RangeSource, file_stamp, open_file
from gptool.cache.deflated_member import DeflatedMember
from gptool.cache.file_store import FileStore
from gptool.cache.paths import split_path
from gptool.errors import CacheError, CacheNotFoundError
from gptool.system.store_url import Location

CACHE_DESCRIPTION = "a cache folder, a .tpkx or a .tpk"
"""What is expected where a cache is to be."""

MAX_DIRECTORY = 16 * 1024 * 1024
"""Maximum size of a zip directory, bytes: about 150,000 entries. Each entry takes memory."""

MAX_DECOMPRESSED = 1 << 32
"""Maximum decompressed size of a deflated member, bytes: to reach its end, all of it has to be decompressed."""

MAX_INFLATED = 1 << 30
"""Maximum size of a member that is decompressed to a temporary file, bytes."""

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


@dataclass(frozen=True)
class ZipStore(FileStore):
    """The files of a package.

    Attributes
    ----------
    package_stamp : tuple of int
        Identifies the package file and its state. See `gptool.cache.byte_source.file_stamp`.
    entries : dict of str to ZipEntry
        The files, by path.
    folders : dict of str to tuple of str
        The names in each folder, by path.
    inflates : bool
        Whether deflated members are decompressed to a temporary file when they are opened, or while they are read.
    """

    package_stamp: tuple[int, ...]
    entries: dict[str, ZipEntry] = field(repr=False)
    folders: dict[str, tuple[str, ...]] = field(repr=False)
    inflates: bool = field(default=False, repr=False, kw_only=True)

    def __hash__(self) -> int:
        return hash((self.location, self.package_stamp))

    @property
    def package_bytes(self) -> int | None:
        """The size of the package. See `FileStore.package_bytes`."""
        return self.package_stamp[2]

    def list_names(self, folder: str) -> Sequence[str]:
        """Return the names in a folder. See `FileStore.list_names`."""
        return self.folders.get(folder, ())

    def is_folder(self, path: str) -> bool:
        """Return True if the path is that of a folder."""
        return path in self.folders

    def folder_stamp(self, folder: str) -> int | None:
        """Return 0, as folders of a package do not change, or None if the folder does not exist."""
        return 0 if folder in self.folders else None

    def is_file(self, path: str) -> bool:
        """Return True if the path is that of a file."""
        return path in self.entries

    def file_states(self, paths: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the sizes of files, and the time of the package for each. See `FileStore.file_states`."""
        sizes = np.array([self._entry(path).size for path in paths], np.int64)
        return sizes, np.full(len(sizes), self.package_stamp[-1], np.int64)

    def file_stamp(self, path: str) -> tuple[int, ...] | None:
        """Return the stamp of the package in which a file is. See `FileStore.file_stamp`."""
        return self.package_stamp if path in self.entries else None

    def decompressed_once(self) -> ZipStore:
        """Return the store that decompresses members when they are opened. See `FileStore.decompressed_once`."""
        return replace(self, inflates=True)

    def read_files(self, paths: Sequence[str], sizes: NDArray[np.uint32]) -> NDArray[np.uint8]:
        """Return the concatenated bytes of whole files. See `FileStore.read_files`."""
        data, start = np.empty(int(sizes.sum(dtype=np.int64)), np.uint8), 0
        for path, size in zip(paths, sizes.tolist(), strict=True):
            with self.open(path) as source:
                if source.size != size:
                    raise CacheError(
                        "size mismatch", where=source.where, found=f"{source.size} bytes", expected=f"{size} bytes"
                    )
                data[start : start + size] = source.read(0, size)
            start += size
        return data

    @contextmanager
    def open(self, path: str) -> Iterator[ByteSource]:
        """Open a file. See `FileStore.open`."""
        entry, where = self._entry(path), self.where(path)
        if entry.encrypted:
            raise CacheError("is encrypted", where=where, expected="a package without encryption")
        with self.open_package() as package:
            data = self._locate(package, path, entry)
            if entry.method == zipfile.ZIP_STORED:
                yield data
            elif entry.method == zipfile.ZIP_DEFLATED:
                member = DeflatedMember(where, data, entry.size)
                if self.inflates and entry.size <= MAX_INFLATED:
                    with member.inflate() as source:
                        yield source
                else:
                    yield member
            else:
                raise CacheError(
                    "unsupported compression method",
                    where=where,
                    found=f"method {entry.method}",
                    expected="0 (stored) or 8 (deflated)",
                )

    @contextmanager
    def open_package(self) -> Iterator[RangeSource]:
        """Open the package itself. Raises CacheError if it cannot be opened, or was modified or replaced."""
        assert isinstance(self.location, Path)
        with open_file(self.location, self.location) as package:
            if file_stamp(package.status()) != self.package_stamp:
                raise CacheError("package was modified or replaced while it was read", where=self.location)
            yield package

    def _entry(self, path: str) -> ZipEntry:
        if path not in self.entries:
            raise CacheError("file not found in the package", where=self.where(path))
        return self.entries[path]

    def _locate(self, package: RangeSource, path: str, entry: ZipEntry) -> ByteSource:
        """Return the bytes of an entry as they are in the package, after its local file header."""
        header = package.read(entry.offset, LOCAL_HEADER.size)
        where = self.where(path)
        return package.subrange(where, entry.start(header, where), entry.compressed_size)

    def _check_crc32(self, path: str, crc32: int) -> None:
        expected = self.entries[path].crc32
        if crc32 != expected:
            raise CacheError(
                "checksum mismatch", where=self.where(path), found=f"CRC-32 {crc32:08x}", expected=f"{expected:08x}"
            )


def check_directory_size(size: int | None) -> None:
    """Raise BadZipFile for a read that only a zip directory that is too large needs."""
    if size is not None and size > MAX_DIRECTORY:
        raise zipfile.BadZipFile(f"zip directory of {size} bytes exceeds the limit of {MAX_DIRECTORY} bytes")


class _BoundedFile(io.FileIO):
    """A file that refuses to read more at once than a zip directory may have."""

    def read(self, size: int | None = -1, /) -> bytes:
        check_directory_size(size)
        return super().read(size) or b""


def open_zip(location: Path) -> ZipStore:
    """Read the zip directory of a package.

    Raises
    ------
    CacheNotFoundError
        If the file does not exist.
    CacheError
        If the file cannot be read, is not a zip file, or has a corrupt directory.
    """
    try:
        with _BoundedFile(location, "rb") as file:
            entries, folders = read_directory(file, location)
            return ZipStore(location, file_stamp(os.fstat(file.fileno())), entries, folders)
    except FileNotFoundError:
        raise CacheNotFoundError("cache not found", where=location, expected=CACHE_DESCRIPTION) from None
    except OSError as error:
        raise CacheError(f"cannot be opened: {error.strerror or error}", where=location) from error


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

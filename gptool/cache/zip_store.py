"""The file store of a package (.tpkx, .tpk): the members of a zip file.

Stored members are read in place, deflated ones are decompressed while they are read; nothing is extracted to disk.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gptool.cache.byte_source import ByteSource, RangeSource, file_stamp, open_file
from gptool.cache.deflated_member import DeflatedMember
from gptool.cache.file_store import CACHE_DESCRIPTION, FileStore
from gptool.cache.zip_directory import LOCAL_HEADER, ZipEntry, check_directory_size, read_directory
from gptool.errors import CacheError, CacheNotFoundError

MAX_INFLATED = 1 << 30
"""Maximum size of a member that is decompressed to a temporary file, bytes."""


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

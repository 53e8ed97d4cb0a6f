"""The interface of a file store: where the bytes of a cache are. Implemented in `folder_store` and `zip_store`."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gptool.cache.byte_source import ByteSource
from gptool.cache.listing_cache import Listing, ListingCache
from gptool.errors import ConfError

MAX_SMALL_FILE = 16 * 1024 * 1024
"""Maximum size of a file that is read whole (conf.xml, conf.cdi, root.json), bytes."""


@dataclass(frozen=True)
class FileStore(ABC):
    """Read-only access to a tree of files. Thread-safe and picklable.

    Paths are relative to `location`, with `/` between their parts; the empty string is the root folder.

    Attributes
    ----------
    location : Path
        The folder or package.
    """

    location: Path
    listings: ListingCache = field(default_factory=ListingCache, compare=False, repr=False, kw_only=True)

    @abstractmethod
    def list_names(self, folder: str) -> Sequence[str]:
        """Return the names of the files and folders in a folder, none if the folder does not exist.

        Raises
        ------
        CacheError
            If the folder cannot be listed.
        """

    @abstractmethod
    def is_folder(self, path: str) -> bool:
        """Return True if the path is that of a folder."""

    @abstractmethod
    def is_file(self, path: str) -> bool:
        """Return True if the path is that of a file."""

    @abstractmethod
    def folder_stamp(self, folder: str) -> int | None:
        """Return a number that changes when names are added to or removed from a folder.

        It is None if the folder does not exist. Raises as `list_names`.
        """

    def file_sizes(self, paths: Sequence[str]) -> NDArray[np.int64]:
        """Return the sizes of files, bytes. Raises as `file_states`."""
        return self.file_states(paths)[0]

    @abstractmethod
    def file_states(self, paths: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the sizes of files, bytes, and their times of modification, nanoseconds.

        Raises
        ------
        CacheError
            If a path does not exist, or is not that of a file.
        """

    @abstractmethod
    def file_stamp(self, path: str) -> tuple[int, ...] | None:
        """Return numbers that change when a file is changed or replaced, or None if it does not exist.

        Raises
        ------
        CacheError
            If the file cannot be queried.
        """

    @abstractmethod
    def read_files(self, paths: Sequence[str], sizes: NDArray[np.uint32]) -> NDArray[np.uint8]:
        """Return the concatenated bytes of whole files.

        Parameters
        ----------
        paths : sequence of str
            The files.
        sizes : uint32[n]
            Their sizes as returned by `file_sizes`, bytes.

        Raises
        ------
        CacheError
            If a file cannot be read, or its size has changed.
        """

    @abstractmethod
    def open(self, path: str) -> AbstractContextManager[ByteSource]:
        """Open a file. Raises CacheError if it cannot be opened, or is not a file."""

    def cached_listing(
        self, folder: str, make_listing: Callable[[], tuple[Listing, int]], absent: Listing, kind: str = ""
    ) -> Listing:
        """Return a listing of a folder, from memory as long as the names in the folder do not change.

        Parameters
        ----------
        folder : str
            Path of the folder.
        make_listing : callable
            See `ListingCache.get`.
        absent : object
            Returned if the folder does not exist.
        kind : str
            Distinguishes several listings of one folder.

        Raises
        ------
        CacheError
            If the folder cannot be listed.
        """
        stamp = self.folder_stamp(folder)
        return absent if stamp is None else self.listings.get((folder, kind), stamp, make_listing)

    def decompressed_once(self) -> FileStore:
        """Return the store for files that are kept open: compressed ones are decompressed when they are opened."""
        return self

    def where(self, path: str) -> Path:
        """Return the full path of a file, as stated in error messages."""
        return self.location / path

    def read_small_file(self, path: str) -> bytes:
        """Return the bytes of a whole file.

        Raises
        ------
        ConfError
            If the file is larger than `MAX_SMALL_FILE`.
        CacheError
            If the file cannot be read, or is damaged.
        """
        with self.open(path) as source:
            if source.size > MAX_SMALL_FILE:
                raise ConfError(
                    "file is too large",
                    where=source.where,
                    found=f"{source.size} bytes",
                    expected=f"at most {MAX_SMALL_FILE} bytes",
                )
            data = source.read(0, source.size).tobytes()
        self._check_crc32(path, zlib.crc32(data))
        return data

    @abstractmethod
    def _check_crc32(self, path: str, crc32: int) -> None:
        """Raise CacheError if the store states another CRC-32 for the file."""

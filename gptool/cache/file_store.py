"""The interface of a file store: where the bytes of a cache are.

Implemented in `folder_store`, `zip_store`, `object_store` and `object_zip`, and for a database in `database`.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from gptool.cache.byte_source import ByteSource
from gptool.cache.listing_cache import Listing, ListingCache
from gptool.errors import ConfError
from gptool.system.store_url import Location

MAX_SMALL_FILE = 16 * 1024 * 1024
"""Maximum size of a file that is read whole (conf.xml, conf.cdi, root.json), bytes."""

CACHE_DESCRIPTION = "a cache folder, a .tpkx, a .tpk or a .mbtiles"
"""What is expected where a cache is to be."""

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class FileStore(ABC):
    """Read-only access to a tree of files. Thread-safe and picklable.

    Paths are relative to `location`, with `/` between their parts; the empty string is the root folder.

    Attributes
    ----------
    location : Path or StoreUrl
        The folder or package.
    """

    location: Location

    concurrency: ClassVar[int] = 1
    """Units of work that read at once for each thread: more than one if answers take long."""

    listings: ListingCache = field(default_factory=ListingCache, compare=False, repr=False, kw_only=True)

    @property
    def package_bytes(self) -> int | None:
        """The size of the package, bytes; None for a folder."""
        return None

    def signature(self, folder: str) -> tuple[int, ...]:
        """Return numbers that change when a cache in a store or database is replaced; none for folders and packages.

        Parameters
        ----------
        folder : str
            The folder of the documents.

        Raises
        ------
        CacheError
            If the store cannot be asked.
        """
        return ()

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

    def first_names(self, folder: str) -> Sequence[str]:
        """Return the names in a folder, or the first thousand of very many. Raises as `list_names`."""
        return self.list_names(folder)

    def map(self, function: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
        """Apply a function that reads from the store to items, and yield results in order.

        Stores whose answers take long work on several items at once, on other threads.
        """
        return map(function, items)

    def decompressed_once(self) -> FileStore:
        """Return the store for files that are kept open: compressed ones are decompressed when they are opened."""
        return self

    def where(self, path: str) -> Location:
        """Return the full path of a file, as stated in error messages."""
        return self.location / path

    def read_part(self, path: str, offset: int, size: int) -> bytes:
        """Return `size` bytes of a file at `offset`; none if it is no file, or is too short.

        Raises
        ------
        CacheError
            If they cannot be read.
        """
        if not self.is_file(path):
            return b""
        with self.open(path) as source:
            return source.read(offset, size).tobytes() if source.size >= offset + size else b""

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

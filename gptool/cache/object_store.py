"""The file store of a cache whose files are objects below a prefix of a bucket, or files of a WebDAV server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from gptool.cache.byte_source import ByteSource
from gptool.cache.file_store import CACHE_DESCRIPTION, FileStore
from gptool.cache.object_client import ListedObject, ObjectState, listing_period, open_client
from gptool.cache.object_errors import ObjectNotFoundError
from gptool.cache.object_requests import ReadsAhead
from gptool.cache.object_source import ObjectSource
from gptool.cache.object_zip import open_object_zip
from gptool.errors import CacheError, CacheNotFoundError
from gptool.system.store_url import StoreUrl

ENTRY_BYTES = 200
"""Approximate memory of an object in a listing, bytes."""

PACKAGE_SUFFIXES = (".tpkx", ".tpk", ".zip")

A = TypeVar("A")
B = TypeVar("B")


class _Folder(NamedTuple):
    """The listing of a folder.

    Attributes
    ----------
    folders : frozenset of str
        The names of the folders in it.
    positions : dict of str to int
        The names of the objects in it, with their positions in `states`.
    states : int64[n, 3]
        The fields of `ObjectState`.
    """

    folders: frozenset[str]
    positions: dict[str, int]
    states: NDArray[np.int64]


@dataclass(frozen=True)
class ObjectStore(ReadsAhead, FileStore):
    """The objects below a prefix."""

    location: StoreUrl

    def where(self, path: str) -> StoreUrl:
        """Return the URL of a file."""
        return self.location / path

    def list_names(self, folder: str) -> Sequence[str]:
        """Return the names in a folder. See `FileStore.list_names`."""
        found = self._list(folder)
        return [*found.folders, *found.positions]

    def first_names(self, folder: str) -> Sequence[str]:
        """Return the names in a folder, by one request. See `FileStore.first_names`.

        A short listing is kept as that of the folder.
        """
        folders, objects, is_whole = open_client(self.location.root).list_start(self.where(folder))
        if is_whole:
            self.listings.get((folder, "objects"), listing_period(), partial(_as_listing, folders, objects))
        return [*folders, *(each.name for each in objects)]

    def is_folder(self, path: str) -> bool:
        """Return True if the path is that of a folder: objects are below it."""
        parent, _, name = path.rpartition("/")
        return not path or name in self._list(parent).folders

    def is_file(self, path: str) -> bool:
        """Return True if the path is that of an object."""
        parent, _, name = path.rpartition("/")
        return name in self._list(parent).positions

    def folder_stamp(self, folder: str) -> int | None:
        """Return the number of the period for which listings are used; None if the folder does not exist."""
        found = self._list(folder)
        return listing_period() if found.folders or found.positions else None

    def file_states(self, paths: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the sizes and times of files, from listings. See `FileStore.file_states`."""
        states = np.array([self._state(path) for path in paths], np.int64).reshape(-1, 3)
        return states[:, 0].copy(), states[:, 1].copy()

    def file_stamp(self, path: str) -> tuple[int, ...] | None:
        """Return the state of a file, from a listing. See `FileStore.file_stamp`."""
        return tuple(self._state(path)) if self.is_file(path) else None

    def read_files(self, paths: Sequence[str], sizes: NDArray[np.uint32]) -> NDArray[np.uint8]:
        """Return the concatenated bytes of whole files, a request each. See `FileStore.read_files`."""
        data, start = np.empty(int(sizes.sum(dtype=np.int64)), np.uint8), 0
        for part in self.map(self._read_whole, zip(paths, sizes.tolist(), strict=True)):
            data[start : start + len(part)] = part
            start += len(part)
        return data

    def _read_whole(self, file: tuple[str, int]) -> NDArray[np.uint8]:
        path, size = file
        with self.open(path) as source:
            if source.size != size:
                raise CacheError(
                    "file size changed while it was read",
                    where=source.where,
                    found=f"{source.size} bytes",
                    expected=f"{size} bytes",
                )
            return source.read(0, size)

    @contextmanager
    def open(self, path: str) -> Iterator[ByteSource]:
        """Open a file, without a request if its folder is listed. See `FileStore.open`."""
        url, state = self.where(path), self._state(path)
        yield ObjectSource(url, url, state, 0, state.size)

    def read_part(self, path: str, offset: int, size: int) -> bytes:
        """Return bytes of a file, by one request without a listing. See `FileStore.read_part`."""
        url = self.where(path)
        return open_client(url.root).read(url, offset, size, None).tobytes()

    def signature(self, folder: str) -> tuple[int, ...]:
        """Return the states of the documents in a folder, from its listing. See `FileStore.signature`."""
        return tuple(self._list(folder).states.ravel().tolist())

    def _check_crc32(self, path: str, crc32: int) -> None:
        pass  # stores check the bytes that they send

    def _state(self, path: str) -> ObjectState:
        parent, _, name = path.rpartition("/")
        found = self._list(parent)
        if name not in found.positions:
            raise CacheError("object not found", where=self.where(path))
        return ObjectState(*found.states[found.positions[name]].tolist())

    def _list(self, folder: str) -> _Folder:
        return self.listings.get((folder, "objects"), listing_period(), partial(self._make_listing, folder))

    def _make_listing(self, folder: str) -> tuple[_Folder, int]:
        return _as_listing(*open_client(self.location.root).list_folder(self.where(folder)))


def _as_listing(folders: list[str], objects: list[ListedObject]) -> tuple[_Folder, int]:
    """Return the listing of a folder, and the memory that it takes."""
    states = np.array([each.state for each in objects], np.int64).reshape(-1, 3)
    positions = {each.name: i for i, each in enumerate(objects)}
    return _Folder(frozenset(folders), positions, states), ENTRY_BYTES * (len(folders) + len(objects))


def open_object_store(url: StoreUrl) -> FileStore:
    """Return the store of the files of a cache or package at a URL.

    Raises
    ------
    CacheNotFoundError
        If there is neither an object nor a folder of this name.
    CacheError
        If it cannot be read.
    """
    if url.name.lower() == "conf.xml":
        url = url.parent
    is_package = url.suffix.lower() in PACKAGE_SUFFIXES or bool(url.query)
    if is_package and (package := _open_package(url)):
        return package
    store = ObjectStore(url)
    if not (is_package and url.is_web) and store.list_names(""):
        return store
    package = None if is_package or not url.path else _open_package(url)
    if package is None:
        raise CacheNotFoundError("neither an object nor a folder", where=url, expected=CACHE_DESCRIPTION)
    return package


def _open_package(url: StoreUrl) -> FileStore | None:
    """Open a package; None if there is no such object."""
    try:
        return open_object_zip(url)
    except ObjectNotFoundError:
        return None

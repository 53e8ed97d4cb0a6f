"""The files of a cache, by their paths within it: in a folder here, in a package in `zip_files`."""

from __future__ import annotations

import os
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gptool import _files
from gptool.cache.content import Content, open_content
from gptool.cache.listings import Found, Listings
from gptool.errors import CacheError, ConfError

MAX_SMALL = 16 * 1024 * 1024
"""Bytes of a file that is read whole: conf.xml, conf.cdi, root.json."""


@dataclass(frozen=True)
class Files(ABC):
    """Files by paths with `/` between their parts, relative to `location`; `""` is the folder of them all. Pickles."""

    location: Path
    listings: Listings = field(default_factory=Listings, compare=False, repr=False, kw_only=True)

    @abstractmethod
    def names(self, folder: str) -> Sequence[str]:
        """Return the names in a folder, none where there is no such folder.

        Raises
        ------
        CacheError
            When it can't be listed.
        """

    @abstractmethod
    def is_folder(self, path: str) -> bool:
        """Tell whether there is a folder of that path."""

    @abstractmethod
    def is_file(self, path: str) -> bool:
        """Tell whether there is a file of that path."""

    @abstractmethod
    def stamp(self, folder: str) -> int | None:
        """Return a number that changes when names come to a folder or go, None where there is no such folder."""

    @abstractmethod
    def sizes(self, paths: Sequence[str]) -> NDArray[np.int64]:
        """Return the bytes of files. Raises CacheError when one can't be found, or is no file."""

    @abstractmethod
    def read_whole(self, paths: Sequence[str], sizes: NDArray[np.uint32]) -> NDArray[np.uint8]:
        """Return the bytes of files, one after the other.

        Raises
        ------
        CacheError
            When one can't be read, or is of another size.
        """

    @abstractmethod
    def open(self, path: str) -> AbstractContextManager[Content]:
        """Open a file. Raises CacheError when it can't be opened, or is no file."""

    def remembered(self, folder: str, find: Callable[[], tuple[Found, int]], absent: Found, what: str = "") -> Found:
        """Return what `find` finds in a folder, from memory as long as its names do not change.

        Parameters
        ----------
        find : callable
            See `Listings.get`.
        absent
            What is returned where there is no such folder.
        what : str
            Tells several findings of one folder apart.

        Raises
        ------
        CacheError
            When the folder can't be listed.
        """
        stamp = self.stamp(folder)
        return absent if stamp is None else self.listings.get((folder, what), stamp, find)

    def where(self, path: str) -> Path:
        """Return what errors call a file."""
        return self.location / path

    def read_small(self, path: str) -> bytes:
        """Read a whole file.

        Raises
        ------
        ConfError
            When it is larger than `MAX_SMALL`.
        CacheError
            When it can't be read, or is damaged.
        """
        with self.open(path) as content:
            if content.size > MAX_SMALL:
                raise ConfError(
                    "too large", where=content.where, found=f"{content.size} bytes", expected="a few thousand"
                )
            data = content.read(0, content.size).tobytes()
        self._check(path, zlib.crc32(data))
        return data

    @abstractmethod
    def _check(self, path: str, crc32: int) -> None:
        """Raise CacheError where it is known that the file's CRC-32 is another."""


@dataclass(frozen=True)
class FolderFiles(Files):
    """The files of a folder."""

    def names(self, folder: str) -> Sequence[str]:
        """Return the names in a folder, none where there is no such folder. Raises as `Files.names`."""
        try:
            return os.listdir(self.where(folder))  # noqa: PTH208 - names, not a Path for each
        except OSError as error:
            self._check_absent(folder, error)
            return ()

    def is_folder(self, path: str) -> bool:
        """Tell whether there is a folder of that path."""
        return os.path.isdir(self.where(path))  # noqa: PTH112 - Path's may raise

    def is_file(self, path: str) -> bool:
        """Tell whether there is a file of that path."""
        return os.path.isfile(self.where(path))  # noqa: PTH113 - Path's may raise

    def stamp(self, folder: str) -> int | None:
        """Return a number that changes with the names in a folder, None where there is no such folder."""
        try:
            return self.where(folder).stat().st_mtime_ns
        except OSError as error:
            self._check_absent(folder, error)
            return None

    def _check_absent(self, folder: str, error: OSError) -> None:
        """Raise CacheError unless the error is that there is no such folder. A link to nothing says there should be."""
        if not isinstance(error, FileNotFoundError) or os.path.lexists(self.where(folder)):
            raise CacheError(f"can't be listed: {error.strerror}", where=self.where(folder)) from error

    def sizes(self, paths: Sequence[str]) -> NDArray[np.int64]:
        """Return the bytes of files. Raises as `Files.sizes`."""
        sizes, failure = _files.file_sizes(self._names(paths))
        if failure:
            raise CacheError(f"can't be opened: {os.strerror(failure)}", where=self.where(paths[len(sizes)]))
        if (sizes < 0).any():
            raise CacheError("not a file", where=self.where(paths[int(sizes.argmin())]))
        return sizes

    def read_whole(self, paths: Sequence[str], sizes: NDArray[np.uint32]) -> NDArray[np.uint8]:
        """Return the bytes of files, one after the other. Raises as `Files.read_whole`."""
        data, done, failure = _files.read_files(self._names(paths), sizes)
        if failure:
            raise CacheError(f"can't be read: {os.strerror(failure)}", where=self.where(paths[done]))
        if done < len(paths):
            raise CacheError(
                "changed while it was read", where=self.where(paths[done]), expected=f"{sizes[done]} bytes"
            )
        return data

    def _check(self, path: str, crc32: int) -> None:
        pass  # a folder knows no CRC-32

    def _names(self, paths: Sequence[str]) -> list[bytes]:
        # Not through Path: these are the tiles of an exploded cache.
        return [os.fsencode(f"{self.location}/{path}") for path in paths]

    @contextmanager
    def open(self, path: str) -> Iterator[Content]:
        """Open a file. Raises as `Files.open`."""
        # Not through Path: these may be the tiles of an exploded cache.
        with open_content(f"{self.location}/{path}", self.where(path)) as content:
            yield content


def entry(files: Files, folder: str, name: str) -> str | None:
    """Return the path of the entry of that name in any letter case: Esri writes both Conf.xml and conf.xml."""
    found = min((other for other in files.names(folder) if other.lower() == name), default=None)
    return None if found is None else join(folder, found)


def find(files: Files, folder: str, name: str) -> str | None:
    """Return the path of the entry of that name in the folder, else the one and only in the folders just below.

    Raises
    ------
    CacheError
        When there are several.
    """
    here = entry(files, folder, name)
    if here is not None:
        return here
    below = [found for sub in sorted(files.names(folder)) if (found := _entry_below(files, join(folder, sub), name))]
    if len(below) > 1:
        raise CacheError(f"several {name}", where=files.where(folder), found=", ".join(below), expected="one")
    return below[0] if below else None


def _entry_below(files: Files, folder: str, name: str) -> str | None:
    try:
        return entry(files, folder, name) if files.is_folder(folder) else None
    except CacheError:
        return None  # a neighbour that may not be looked into, as lost+found


def join(folder: str, name: str) -> str:
    """Return the path of an entry of a folder."""
    return f"{folder}/{name}" if folder else name


def parts_within(path: str) -> list[str] | None:
    """Return the parts of a path, `/` or Windows' backslash between them; None when it leads upwards or to a drive."""
    parts = path.replace("\\", "/").split("/")
    return None if ".." in parts or ":" in parts[0] else [part for part in parts if part not in ("", ".")]


def parent(path: str) -> str:
    """Return the folder of a path."""
    return path.rpartition("/")[0]

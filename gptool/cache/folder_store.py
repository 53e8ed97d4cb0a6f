"""The file store of a cache in a folder on a disk."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gptool import _files
from gptool.cache.byte_source import ByteSource, file_stamp, open_file
from gptool.cache.file_store import FileStore
from gptool.errors import CacheError


@dataclass(frozen=True)
class FolderStore(FileStore):
    """The files of a folder."""

    location: Path

    def where(self, path: str) -> Path:
        """Return the full path of a file. See `FileStore.where`."""
        return self.location / path

    def list_names(self, folder: str) -> Sequence[str]:
        """Return the names in a folder. See `FileStore.list_names`."""
        try:
            return os.listdir(self.where(folder))  # noqa: PTH208 - names, not a Path for each
        except OSError as error:
            self._check_absent(folder, error)
            return ()

    def is_folder(self, path: str) -> bool:
        """Return True if the path is that of a folder, or of a link to one."""
        return os.path.isdir(f"{self.location}/{path}")  # noqa: PTH112 - Path is slow, and its method may raise

    def is_file(self, path: str) -> bool:
        """Return True if the path is that of a regular file, or of a link to one."""
        return os.path.isfile(f"{self.location}/{path}")  # noqa: PTH113 - Path is slow, and its method may raise

    def folder_stamp(self, folder: str) -> int | None:
        """Return the modification time of a folder, nanoseconds. See `FileStore.folder_stamp`."""
        try:
            return os.stat(f"{self.location}/{folder}").st_mtime_ns  # noqa: PTH116 - Path is slow
        except OSError as error:
            self._check_absent(folder, error)
            return None

    def _check_absent(self, folder: str, error: OSError) -> None:
        """Raise CacheError unless the error means that the folder does not exist.

        A link to a folder that does not exist is an error: its target may be on a disk that is not mounted.
        """
        if not isinstance(error, FileNotFoundError) or os.path.lexists(self.where(folder)):
            raise CacheError(f"folder cannot be listed: {error.strerror}", where=self.where(folder)) from error

    def file_states(self, paths: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the sizes and times of files. See `FileStore.file_states`."""
        sizes, times, failure = _files.file_states(self._encode(paths))
        if failure:
            raise CacheError(f"cannot be opened: {os.strerror(failure)}", where=self.where(paths[len(sizes)]))
        if (sizes < 0).any():
            raise CacheError("is not a regular file", where=self.where(paths[int(sizes.argmin())]))
        return sizes, times

    def file_stamp(self, path: str) -> tuple[int, ...] | None:
        """Return the device, inode, size and modification time of a file. See `FileStore.file_stamp`."""
        try:
            return file_stamp(self.where(path).stat())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise CacheError(f"cannot be opened: {error.strerror}", where=self.where(path)) from error

    def read_files(self, paths: Sequence[str], sizes: NDArray[np.uint32]) -> NDArray[np.uint8]:
        """Return the concatenated bytes of whole files. See `FileStore.read_files`."""
        data, done, failure = _files.read_files(self._encode(paths), sizes)
        if failure:
            raise CacheError(f"cannot be read: {os.strerror(failure)}", where=self.where(paths[done]))
        if done < len(paths):
            raise CacheError(
                "file size changed while it was read", where=self.where(paths[done]), expected=f"{sizes[done]} bytes"
            )
        return data

    def _check_crc32(self, path: str, crc32: int) -> None:
        pass  # a folder states no CRC-32

    def _encode(self, paths: Sequence[str]) -> list[bytes]:
        # Without Path, which is slow: these are the tiles of an exploded cache.
        return [os.fsencode(f"{self.location}/{path}") for path in paths]

    @contextmanager
    def open(self, path: str) -> Iterator[ByteSource]:
        """Open a file. See `FileStore.open`."""
        # Without Path, which is slow: the file may be a tile of an exploded cache.
        with open_file(f"{self.location}/{path}", self.where(path)) as source:
            yield source

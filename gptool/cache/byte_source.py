"""Random access to the bytes of one open file: a file on disk, or a stored member of a zip."""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gptool import _files, system
from gptool.errors import BundleError, CacheError
from gptool.system.store_url import Location

MAX_GAP_BYTES = 64 * 1024
"""Maximum number of unused bytes between two tiles that are read in one go, which is faster than skipping them."""


def file_stamp(status: os.stat_result) -> tuple[int, ...]:
    """Return the device, inode, size and modification time of a file, to detect that it was modified or replaced."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@contextmanager
def open_file(path: str | Path, where: Path) -> Iterator[FileRange]:
    """Open a regular file.

    Parameters
    ----------
    path : str or Path
        The file.
    where : Path
        The path that error messages state.

    Raises
    ------
    CacheError
        If the file cannot be opened, or is not a regular file.
    """
    try:
        file = system.open_shared(path)
    except OSError as error:
        raise CacheError(f"cannot be opened: {error.strerror}", where=where) from error
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise CacheError("is not a regular file", where=where)
        source = FileRange(where, file, 0, status.st_size)
        source.stamp = status.st_size, status.st_mtime_ns
        yield source
    finally:
        os.close(file)


class ReadBuffer:
    """Memory that is reused by successive reads: allocating new memory takes longer than reading into it."""

    def __init__(self) -> None:
        self._bytes = np.empty(0, np.uint8)

    def take(self, size: int) -> NDArray[np.uint8]:
        """Return the first `size` bytes, uninitialised; the buffer grows if necessary."""
        if size > len(self._bytes):
            self._bytes = np.empty(size, np.uint8)
        return self._bytes[:size]


class ByteSource(ABC):
    """The bytes of one open file. Thread-safe, except for shared buffers.

    Attributes
    ----------
    where : Path or StoreUrl
        The path that error messages state.
    size : int
        Size of the file, bytes.
    temporary_bytes : int
        Size of the temporary file that it takes while it is open.
    stamp : tuple of int
        The size and the time of modification (nanoseconds) of the file on disk when it was opened.
    request_bytes : int
        Bytes next to each other that are worth reading at once, if that is more than a batch.
    """

    temporary_bytes = request_bytes = 0
    stamp: tuple[int, ...] = ()

    def __init__(self, where: Location, size: int) -> None:
        self.where, self.size = where, size

    def read(self, offset: int, size: int, buffer: ReadBuffer | None = None) -> NDArray[np.uint8]:
        """Read `size` bytes at `offset`.

        Parameters
        ----------
        offset, size : int
            The range, bytes.
        buffer : ReadBuffer, optional
            Memory to read into. The result is then valid only until the next read.

        Raises
        ------
        BundleError
            If the range is not within the file, or the bytes are damaged.
        CacheError
            If the operating system cannot read them.
        """
        if offset < 0:
            raise BundleError("read offset is negative", where=self.where, found=offset, expected="0 or more")
        self._check_end(offset + size)
        return self._read(offset, size, buffer or ReadBuffer())

    def read_head(self, size: int) -> NDArray[np.uint8]:
        """Read the first `size` bytes, which are likely to be read again. Raises as `read`."""
        return self.read(0, size)

    def read_ranges(
        self, ranges: Iterable[tuple[int, int]], buffer: ReadBuffer | None = None
    ) -> Iterator[NDArray[np.uint8]]:
        """Read ranges, given by offset and size, one after the other. The buffer and errors are as in `read`."""
        for offset, size in ranges:
            yield self.read(offset, size, buffer)

    def max_gap(self, gaps: NDArray[np.int64], needed: int) -> int:
        """Return the maximum number of unused bytes between tiles that are read in one go.

        Parameters
        ----------
        gaps : int64[n]
            The bytes between the tiles.
        needed : int
            The bytes of the tiles.
        """
        return MAX_GAP_BYTES

    def read_resident(self, offset: int, size: int) -> bytes | None:
        """Return `size` bytes at `offset` if they are in memory; None if reading them may have to wait for a disk."""
        return None

    def read_uint32(self, offsets: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """Read the little-endian unsigned 32-bit integer at each offset; ascending offsets read fastest.

        Raises as `read`.
        """
        if len(offsets):
            self._check_end(int(offsets.max()) + 4)
        return self._read_uint32(offsets)

    @abstractmethod
    def _read(self, offset: int, size: int, buffer: ReadBuffer) -> NDArray[np.uint8]: ...

    @abstractmethod
    def _read_uint32(self, offsets: NDArray[np.uint64]) -> NDArray[np.uint32]: ...

    def _check_end(self, end: int) -> None:
        if end > self.size:
            raise BundleError(
                "file is too short", where=self.where, found=f"{self.size} bytes", expected=f"at least {end} bytes"
            )


class RangeSource(ByteSource):
    """The bytes of a file of which parts are files too: a package."""

    @abstractmethod
    def subrange(self, where: Location, start: int, size: int) -> RangeSource:
        """Return the range of `size` bytes from `start`. Raises BundleError if it is not within this range."""


class FileRange(RangeSource):
    """A range of an open file, which it does not close: a whole file, or a stored member of a zip."""

    def __init__(self, where: Location, file: int, start: int, size: int) -> None:
        super().__init__(where, size)
        self._file, self._start = file, start

    def status(self) -> os.stat_result:
        """Return the `os.fstat` of the open file."""
        return os.fstat(self._file)

    def read_resident(self, offset: int, size: int) -> bytes | None:
        """Return bytes that are in memory. See `ByteSource.read_resident`."""
        return system.read_resident(self._file, self._start + offset, size)

    def subrange(self, where: Location, start: int, size: int) -> FileRange:
        """Return a part of the range. See `RangeSource.subrange`."""
        self._check_end(start + size)
        part = FileRange(where, self._file, self._start + start, size)
        part.stamp = self.stamp
        return part

    def _read(self, offset: int, size: int, buffer: ReadBuffer) -> NDArray[np.uint8]:
        # Not mapped into memory: if a mapped file shrinks, the process is killed.
        data = buffer.take(size)
        done = 0
        while done < size:
            try:
                count = _files.read_at(self._file, self._start + offset + done, data[done:])
            except OSError as error:
                raise self._read_error(error, offset + done) from error
            if count == 0:
                raise self._truncated_error(offset + done, offset + size)
            done += count
        return data

    def _read_uint32(self, offsets: NDArray[np.uint64]) -> NDArray[np.uint32]:
        try:
            values, done = _files.read_words(self._file, self._start, offsets)
        except OSError as error:
            raise self._read_error(error, int(offsets.min())) from error
        if done < len(values):
            raise self._truncated_error(int(offsets[done]), int(offsets[done]) + 4)
        return values

    def _read_error(self, error: OSError, offset: int) -> CacheError:
        return CacheError(f"cannot be read at offset {offset}: {error.strerror}", where=self.where)

    def _truncated_error(self, found: int, expected: int) -> BundleError:
        return BundleError(
            "file was truncated while it was read",
            where=self.where,
            found=f"{found} bytes",
            expected=f"{expected} bytes",
        )

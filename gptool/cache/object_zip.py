"""The file store of a package in an object store or on a web server: its members are read in place, by ranges."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gptool.cache.byte_source import ByteSource, RangeSource, ReadBuffer
from gptool.cache.object_client import ObjectState, listing_period, open_client
from gptool.cache.object_requests import ReadsAhead
from gptool.cache.object_source import ObjectSource, max_object_gap, read_kept_head
from gptool.cache.zip_directory import LOCAL_HEADER, ZipEntry, check_directory_size, read_directory
from gptool.cache.zip_store import ZipStore
from gptool.errors import CacheError
from gptool.system.store_url import StoreUrl

END_BYTES = 256 * 1024
"""Bytes at the end of a package that are read first: with the zip directory of about 2,500 members."""

MAX_EXTRA_BYTES = 128
"""Bytes that are read with a local file header for its extra field, which the zip directory does not state."""

MAX_WITH_HEADER = 256 * 1024
"""Bytes up to the end of a range that is read together with the local file header."""

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class ObjectZipStore(ReadsAhead, ZipStore):
    """The files of a package in a store.

    Attributes
    ----------
    state : ObjectState
        The state of the package.
    starts : dict of str to int
        Where the members begin that were read already.
    """

    location: StoreUrl
    state: ObjectState
    starts: dict[str, int] = field(default_factory=dict, compare=False, repr=False, kw_only=True)

    def __hash__(self) -> int:
        return hash((self.location, self.package_stamp))

    @property
    def package_bytes(self) -> int | None:
        """The size of the package. See `FileStore.package_bytes`."""
        return self.state.size

    def signature(self, folder: str) -> tuple[int, ...]:
        """Return the state of the package. See `FileStore.signature`."""

        def ask() -> tuple[ObjectState, int]:
            # Not by a request without a body: a signed URL may allow only others.
            return open_client(self.location.root).read_end(self.location, 1)[1], 0

        return tuple(self.listings.get("package", listing_period(), ask))

    @contextmanager
    def open_package(self) -> Iterator[RangeSource]:
        """Open the package, without a request. See `ZipStore.open_package`."""
        yield ObjectSource(self.location, self.location, self.state, 0, self.state.size)

    def _locate(self, package: RangeSource, path: str, entry: ZipEntry) -> ByteSource:
        return _Member(self, package, path, entry)


class _Member(ByteSource):
    """The bytes of an entry as they are in the package. Its local file header is read with the first of them."""

    request_bytes = ObjectSource.request_bytes

    def __init__(self, store: ObjectZipStore, package: RangeSource, path: str, entry: ZipEntry) -> None:
        super().__init__(store.where(path), entry.compressed_size)
        self._store, self._package, self._path, self._entry = store, package, path, entry
        self.stamp = package.stamp

    def read_head(self, size: int) -> NDArray[np.uint8]:
        """Read the first bytes, which are kept. See `ByteSource.read_head`."""
        return read_kept_head(self, self._store.state, size)

    def read_ranges(
        self, ranges: Iterable[tuple[int, int]], buffer: ReadBuffer | None = None
    ) -> Iterator[NDArray[np.uint8]]:
        """Read ranges by requests that are in flight together. See `ByteSource.read_ranges`."""
        return self._located().read_ranges(ranges, buffer)

    def max_gap(self, gaps: NDArray[np.int64], needed: int) -> int:
        """Return the largest gap that is worth reading. See `ObjectSource.max_gap`."""
        return max_object_gap(gaps, needed)

    def _read(self, offset: int, size: int, buffer: ReadBuffer) -> NDArray[np.uint8]:
        if self._path in self._store.starts or offset + size > MAX_WITH_HEADER:
            return self._located().read(offset, size)
        header = LOCAL_HEADER.size + len(self._path.encode()) + MAX_EXTRA_BYTES
        end = min(self._entry.offset + header + offset + size, self._package.size)
        data = self._package.read(self._entry.offset, end - self._entry.offset)
        begin = self._locate(data) - self._entry.offset + offset
        part = data[begin : begin + size]
        return part if len(part) == size else self._located().read(offset, size)

    def _read_uint32(self, offsets: NDArray[np.uint64]) -> NDArray[np.uint32]:
        return self._located().read_uint32(offsets)

    def _located(self) -> RangeSource:
        if self._path not in self._store.starts:
            self._locate(self._package.read(self._entry.offset, LOCAL_HEADER.size))
        return self._package.subrange(self.where, self._store.starts[self._path], self.size)

    def _locate(self, data: NDArray[np.uint8]) -> int:
        """Return where the member begins in the package, by bytes that begin with its local file header."""
        start = self._entry.start(data[: LOCAL_HEADER.size], self.where)
        self._store.starts[self._path] = start
        return start


class _End(io.RawIOBase):
    """A package as a file to read its zip directory from, of which the end is in memory."""

    def __init__(self, url: StoreUrl) -> None:
        self._url = url
        self._end, self.state = open_client(url.root).read_end(url, END_BYTES)
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        position = offset + (0, self._position, self.state.size)[whence]
        if position < 0:
            raise OSError("seek to a negative offset")
        self._position = position
        return position

    def read(self, size: int | None = -1, /) -> bytes:
        begin, left = self._position, max(self.state.size - self._position, 0)
        size = left if size is None or size < 0 else min(size, left)
        check_directory_size(size)
        if size == 0:
            return b""
        first = self.state.size - len(self._end)
        self._position += size
        if begin >= first:
            return self._end[begin - first : begin - first + size].tobytes()
        return open_client(self._url.root).read(self._url, begin, size, self.state).tobytes()


def open_object_zip(url: StoreUrl) -> ObjectZipStore:
    """Read the zip directory of a package in a store.

    Raises
    ------
    CacheNotFoundError
        If the object does not exist.
    CacheError
        If it cannot be read, is not a zip file, or has a corrupt directory.
    """
    file = _End(url)
    try:
        entries, folders = read_directory(file, url)
    except OSError as error:
        raise CacheError(f"cannot be opened: {error}", where=url) from None
    return ObjectZipStore(url, tuple(file.state), entries, folders, file.state)

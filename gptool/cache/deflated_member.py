"""Random access to the bytes of a deflated member of a zip."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from gptool.cache.byte_source import ByteSource, FileRange, ReadBuffer
from gptool.errors import BundleError
from gptool.system.store_url import Location

CHUNK_BYTES = 256 * 1024
"""Number of compressed bytes read at a time, and of unneeded bytes decompressed at a time."""


class InflatedMember(FileRange):
    """A deflated member of a zip that was decompressed to a temporary file."""

    def __init__(self, where: Location, file: int, size: int) -> None:
        super().__init__(where, file, 0, size)
        self.temporary_bytes = size


class DeflatedMember(ByteSource):
    """A deflated member of a zip, decompressed while it is read.

    Only the range that was read last is kept, so ranges should be read in ascending order: reading one that starts
    before it decompresses the member from the beginning.
    """

    def __init__(self, where: Location, compressed: ByteSource, size: int) -> None:
        super().__init__(where, size)
        self._compressed, self._lock = compressed, Lock()
        self.stamp = compressed.stamp
        self._restart()

    @contextmanager
    def inflate(self) -> Iterator[ByteSource]:
        """Decompress the member once, to a temporary file; yield the member itself if there is no room for one.

        Raises
        ------
        CacheError
            If the member is damaged or cannot be read.
        """
        with ExitStack() as stack:
            source: ByteSource = self
            try:
                # Without a buffer, which could not be closed on a full disk.
                file = stack.enter_context(tempfile.TemporaryFile(buffering=0))
                for offset in range(0, self.size, CHUNK_BYTES):
                    part = self.read(offset, min(CHUNK_BYTES, self.size - offset)).data
                    while part:
                        part = part[file.write(part) :]
                source = InflatedMember(self.where, file.fileno(), self.size)
            except OSError:
                stack.close()
            yield source

    def _restart(self) -> None:
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._consumed = self._position = self._kept_offset = 0
        self._kept = np.empty(0, np.uint8)

    def _read(self, offset: int, size: int, buffer: ReadBuffer) -> NDArray[np.uint8]:
        # The buffer is not used: the range read last is kept, and must not change.
        with self._lock:
            try:
                return self._read_forward(offset, size)
            except BaseException:
                self._restart()  # the bytes decompressed so far are lost
                raise

    def _read_forward(self, offset: int, size: int) -> NDArray[np.uint8]:
        if offset < self._kept_offset:
            self._restart()
        known = self._kept[offset - self._kept_offset :][:size]
        if len(known) == size:
            return known
        while self._position < offset:
            self._decompress(offset - self._position)
        data = np.empty(size, np.uint8)
        data[: len(known)] = known
        done = len(known)
        while done < size:
            part = self._decompress(size - done)
            data[done : done + len(part)] = np.frombuffer(part, np.uint8)
            done += len(part)
        data.setflags(write=False)  # later reads return parts of it
        self._kept_offset, self._kept = offset, data
        return data

    def _read_uint32(self, offsets: NDArray[np.uint64]) -> NDArray[np.uint32]:
        values = np.empty(len(offsets), np.uint32)
        order = np.argsort(offsets, kind="stable")
        ascending = offsets[order].astype(np.int64)
        first = 0
        while first < len(ascending):  # offsets close to each other are read together
            begin = int(ascending[first])
            last = int(np.searchsorted(ascending, begin + CHUNK_BYTES, "right"))
            within = ascending[first:last] - begin
            data = self._read(begin, int(within[-1]) + 4, ReadBuffer())
            values[order[first:last]] = data[within[:, None] + np.arange(4)].view("<u4").ravel()
            first = last
        return values

    def _decompress(self, max_size: int) -> bytes:
        """Return the next bytes: at least one, at most `max_size`."""
        while True:
            pending = self._inflater.unconsumed_tail
            if not pending and self._consumed < self._compressed.size:
                count = min(CHUNK_BYTES, self._compressed.size - self._consumed)
                pending = self._compressed.read(self._consumed, count).tobytes()
                self._consumed += len(pending)
            try:
                part = self._inflater.decompress(pending, min(max_size, CHUNK_BYTES))
            except zlib.error as error:
                raise BundleError(f"compressed data is corrupt: {error}", where=self.where) from None
            if part:
                self._position += len(part)
                return part
            if self._inflater.eof or (not pending and self._consumed == self._compressed.size):
                raise BundleError(
                    "compressed data is truncated",
                    where=self.where,
                    found=f"{self._position} bytes",
                    expected=f"{self.size} bytes",
                )

"""The bytes of one file of a cache, read by ranges: as they lie on the disk, or unpacked on the way."""

from __future__ import annotations

import os
import stat
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gptool import _files
from gptool.errors import BundleError, CacheError

CHUNK_BYTES = 256 * 1024
"""Compressed bytes that are read, and unneeded bytes that are unpacked, at a time."""


@contextmanager
def open_content(path: str | Path, where: Path) -> Iterator[Stored]:
    """Open a file; errors call it `where`.

    Raises
    ------
    CacheError
        When it can't be opened, or is no file.
    """
    try:
        # A pipe must not make us wait.
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise CacheError(f"can't be opened: {error.strerror}", where=where) from error
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise CacheError("not a file", where=where)
        yield Stored(where, file, 0, status.st_size)
    finally:
        os.close(file)


class Room:
    """Memory that is read into again and again: new memory takes the system longer than to read into it."""

    def __init__(self) -> None:
        self._bytes = np.empty(0, np.uint8)

    def take(self, size: int) -> NDArray[np.uint8]:
        """Return that many bytes of it, whatever they hold."""
        if size > len(self._bytes):
            self._bytes = np.empty(size, np.uint8)
        return self._bytes[:size]


class Content(ABC):
    """The bytes of one open file. For one thread at a time.

    Attributes
    ----------
    where : Path
        What errors call it.
    size : int
        Bytes.
    """

    def __init__(self, where: Path, size: int) -> None:
        self.where, self.size = where, size

    def read(self, offset: int, size: int, room: Room | None = None) -> NDArray[np.uint8]:
        """Read `size` bytes from `offset` on; into `room`, when there is one, where the next read replaces them.

        Raises
        ------
        BundleError
            When they do not lie within the file, or are damaged.
        CacheError
            When the system can't read them.
        """
        if offset < 0:
            raise BundleError("a place in front of it", where=self.where, found=f"byte {offset}", expected="0 or more")
        self._check_end(offset + size)
        return self._read(offset, size, room or Room())

    def read_words(self, offsets: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """Read the little-endian u32 at each offset; reads best when they ascend. Raises as `read`."""
        if len(offsets):
            self._check_end(int(offsets.max()) + 4)
        return self._read_words(offsets)

    @abstractmethod
    def _read(self, offset: int, size: int, room: Room) -> NDArray[np.uint8]: ...

    @abstractmethod
    def _read_words(self, offsets: NDArray[np.uint64]) -> NDArray[np.uint32]: ...

    def _check_end(self, end: int) -> None:
        if end > self.size:
            raise BundleError("too short", where=self.where, found=f"{self.size} bytes", expected=f"{end} or more")


class Stored(Content):
    """A range of an open file, which it does not own: a file of its own, or a member of a package as it is."""

    def __init__(self, where: Path, file: int, start: int, size: int) -> None:
        super().__init__(where, size)
        self._file, self._start = file, start

    def status(self) -> os.stat_result:
        """Return what the system knows of the open file."""
        return os.fstat(self._file)

    def part(self, where: Path, start: int, size: int) -> Stored:
        """Return the range of `size` bytes from `start` on, which must lie within."""
        self._check_end(start + size)
        return Stored(where, self._file, self._start + start, size)

    def _read(self, offset: int, size: int, room: Room) -> NDArray[np.uint8]:
        # Read, not mapped: a file that shrinks under a mapping kills the process.
        buffer = room.take(size)
        view, done = buffer.data, 0
        while done < size:
            try:
                count = os.preadv(self._file, [view[done:]], self._start + offset + done)
            except OSError as error:
                raise self._unreadable(error, offset + done) from error
            if count == 0:
                raise self._shrunk(offset + done, offset + size)
            done += count
        return buffer

    def _read_words(self, offsets: NDArray[np.uint64]) -> NDArray[np.uint32]:
        try:
            words, done = _files.read_words(self._file, self._start, offsets)
        except OSError as error:
            raise self._unreadable(error, int(offsets.min())) from error
        if done < len(words):
            raise self._shrunk(int(offsets[done]), int(offsets[done]) + 4)
        return words

    def _unreadable(self, error: OSError, offset: int) -> CacheError:
        return CacheError(f"can't be read at byte {offset}: {error.strerror}", where=self.where)

    def _shrunk(self, found: int, expected: int) -> BundleError:
        return BundleError(
            "became shorter while it was read", where=self.where, found=f"{found} bytes", expected=f"{expected}"
        )


class Deflated(Content):
    """A member that its package holds compressed, unpacked as it is read.

    It keeps no more than what was read last, so reads go forwards; one that goes back further starts from the front.
    """

    def __init__(self, where: Path, packed: Stored, size: int) -> None:
        super().__init__(where, size)
        self._packed = packed
        self._restart()

    def _restart(self) -> None:
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._fed = self._position = self._kept_from = 0
        self._kept = np.empty(0, np.uint8)

    def _read(self, offset: int, size: int, room: Room) -> NDArray[np.uint8]:
        # What was read last is kept in any case, and never changes.
        try:
            return self._read_on(offset, size)
        except BaseException:
            self._restart()  # what was unpacked on the way is lost
            raise

    def _read_on(self, offset: int, size: int) -> NDArray[np.uint8]:
        if offset < self._kept_from:
            self._restart()
        known = self._kept[offset - self._kept_from :][:size]
        if len(known) == size:
            return known
        while self._position < offset:
            self._unpack(offset - self._position)
        buffer = np.empty(size, np.uint8)
        buffer[: len(known)] = known
        done = len(known)
        while done < size:
            part = self._unpack(size - done)
            buffer[done : done + len(part)] = np.frombuffer(part, np.uint8)
            done += len(part)
        buffer.setflags(write=False)  # parts of it will be handed out again
        self._kept_from, self._kept = offset, buffer
        return buffer

    def _read_words(self, offsets: NDArray[np.uint64]) -> NDArray[np.uint32]:
        words = np.empty(len(offsets), np.uint32)
        order = np.argsort(offsets, kind="stable")
        places = offsets[order].astype(np.int64)
        first = 0
        while first < len(places):  # those that lie near each other are read together
            begin = int(places[first])
            last = int(np.searchsorted(places, begin + CHUNK_BYTES, "right"))
            here = places[first:last] - begin
            data = self._read(begin, int(here[-1]) + 4, Room())
            words[order[first:last]] = data[here[:, None] + np.arange(4)].view("<u4").ravel()
            first = last
        return words

    def _unpack(self, most: int) -> bytes:
        """Return the next bytes, at least one."""
        while True:
            waiting = self._inflater.unconsumed_tail
            if not waiting and self._fed < self._packed.size:
                waiting = self._packed.read(self._fed, min(CHUNK_BYTES, self._packed.size - self._fed)).tobytes()
                self._fed += len(waiting)
            try:
                part = self._inflater.decompress(waiting, min(most, CHUNK_BYTES))
            except zlib.error as error:
                raise BundleError(f"its compressed bytes are damaged: {error}", where=self.where) from None
            if part:
                self._position += len(part)
                return part
            if self._inflater.eof or (not waiting and self._fed == self._packed.size):
                raise BundleError(
                    "its compressed bytes end too early",
                    where=self.where,
                    found=f"{self._position} bytes",
                    expected=f"{self.size}",
                )

"""Random access to the bytes of an object in a store: each read is a request."""

from __future__ import annotations

import atexit
import zlib
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from gptool.cache.byte_source import ByteSource, RangeSource, ReadBuffer
from gptool.cache.kept_heads import KeptHeads
from gptool.cache.object_client import ObjectState, open_client
from gptool.cache.object_requests import map_ahead
from gptool.system.store_url import Location, StoreUrl

REQUEST_BYTES = 2 * 1024 * 1024
"""Bytes of tiles next to each other that are read with one request."""

MAX_UNUSED = 0.15
"""Unused bytes between tiles that are read, as a fraction of the tiles' bytes: they save requests."""

MAX_WORD_GAP = 64 * 1024
"""Unused bytes between numbers that are read with one request."""

_HEADS = KeptHeads()
atexit.register(_HEADS.close)


class ObjectSource(RangeSource):
    """An object, or a range of one.

    Attributes
    ----------
    url : StoreUrl
        The object.
    state : ObjectState
        Its state, which every answer must have.
    start : int
        Where the range begins in the object, bytes.
    """

    request_bytes = REQUEST_BYTES

    def __init__(self, where: Location, url: StoreUrl, state: ObjectState, start: int, size: int) -> None:
        super().__init__(where, size)
        self.url, self.state, self.start = url, state, start
        self.stamp = tuple(state)

    def subrange(self, where: Location, start: int, size: int) -> ObjectSource:
        """Return a part of the range. See `RangeSource.subrange`."""
        self._check_end(start + size)
        return ObjectSource(where, self.url, self.state, self.start + start, size)

    def read_head(self, size: int) -> NDArray[np.uint8]:
        """Read the first bytes, which are kept. See `ByteSource.read_head`."""
        return read_kept_head(self, self.state, size)

    def max_gap(self, gaps: NDArray[np.int64], needed: int) -> int:
        """Return the largest gap that is worth reading. See `ByteSource.max_gap`."""
        return max_object_gap(gaps, needed)

    def read_ranges(
        self, ranges: Iterable[tuple[int, int]], buffer: ReadBuffer | None = None
    ) -> Iterator[NDArray[np.uint8]]:
        """Read ranges by requests that are in flight together. See `ByteSource.read_ranges`."""
        return map_ahead(lambda each: self.read(*each), ranges, lambda each: each[1])

    def _read(self, offset: int, size: int, buffer: ReadBuffer) -> NDArray[np.uint8]:
        # The buffer is not used: the bytes are where the store's client has put them.
        if size == 0:
            return np.empty(0, np.uint8)
        return open_client(self.url.root).read(self.url, self.start + offset, size, self.state)

    def _read_uint32(self, offsets: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """Read integers, which are kept: they are the sizes of tiles of a compact V1 bundle."""
        key = self.where, self.state, zlib.crc32(offsets.data), len(offsets)
        kept = _HEADS.find(key)
        if kept is not None:
            return kept.view("<u4")
        values = self._request_uint32(offsets)
        _HEADS.add(key, values.view(np.uint8))
        return values

    def _request_uint32(self, offsets: NDArray[np.uint64]) -> NDArray[np.uint32]:
        values = np.empty(len(offsets), np.uint32)
        order = np.argsort(offsets, kind="stable")
        ascending = offsets[order].astype(np.int64)
        parts = list(_near(ascending))
        begins = [int(ascending[part.start]) for part in parts]
        sizes = [int(ascending[part.stop - 1]) - begin + 4 for part, begin in zip(parts, begins, strict=True)]
        answers = self.read_ranges(zip(begins, sizes, strict=True))
        for part, begin, data in zip(parts, begins, answers, strict=True):
            within = ascending[part] - begin
            values[order[part]] = data[within[:, None] + np.arange(4)].view("<u4").ravel()
        return values


def read_object(url: StoreUrl) -> tuple[int, Iterator[NDArray[np.uint8]]]:
    """Return the size of an object, bytes, and an iterator of its bytes in order.

    Raises
    ------
    CacheError
        If it cannot be read, or is changed meanwhile: also by the iterator.
    """
    state = open_client(url.root).state(url)
    source = ObjectSource(url, url, state, 0, state.size)
    offsets = range(0, state.size, REQUEST_BYTES)
    return state.size, source.read_ranges((start, min(REQUEST_BYTES, state.size - start)) for start in offsets)


def read_kept_head(source: ByteSource, state: ObjectState, size: int) -> NDArray[np.uint8]:
    """Return the first bytes of an object or of a member of a package, from memory if they are still there."""
    key = source.where, state, size
    head = _HEADS.find(key)
    if head is None:
        head = source.read(0, size)
        _HEADS.add(key, head)
    return head


def max_object_gap(gaps: NDArray[np.int64], needed: int) -> int:
    """Return the largest gap up to which all gaps together are `MAX_UNUSED` of the bytes that are needed."""
    gaps = np.sort(gaps[gaps > 0])
    count = int(np.searchsorted(np.cumsum(gaps), MAX_UNUSED * needed, "right"))
    return int(gaps[count]) - 1 if count < len(gaps) else REQUEST_BYTES


def _near(offsets: NDArray[np.int64]) -> Iterator[slice]:
    """Yield the parts of ascending offsets that are read with one request."""
    first = 0
    while first < len(offsets):
        gaps = np.diff(offsets[first : int(np.searchsorted(offsets, offsets[first] + REQUEST_BYTES))])
        wide = np.flatnonzero(gaps > MAX_WORD_GAP)
        last = first + (int(wide[0]) if len(wide) else len(gaps)) + 1
        yield slice(first, last)
        first = last

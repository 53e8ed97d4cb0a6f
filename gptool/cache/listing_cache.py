"""A cache of folder listings, which neighbouring bundles need again."""

from __future__ import annotations

import weakref
from collections import OrderedDict, deque
from collections.abc import Callable
from itertools import count
from threading import Lock
from typing import Any, NamedTuple, TypeVar

MAX_BYTES = 64 * 1024 * 1024
"""Approximate maximum memory of the listings of all caches; the least recently used are discarded first."""

MIN_LISTINGS = 300
"""Listings that are kept whatever their size. A bundle of an exploded cache needs 128, and its neighbours the same."""

Listing = TypeVar("Listing")


class _Entry(NamedTuple):
    """A listing, the stamp of its folder, and its bytes."""

    stamp: int
    listing: Any
    size: int


class _Memory:
    """The listings of all caches of this process, by cache and key.

    Attributes
    ----------
    ended : deque of int
        The caches that are gone, which may append to it at any time.
    """

    def __init__(self) -> None:
        self.ended: deque[int] = deque()
        self._entries: OrderedDict[tuple[int, object], _Entry] = OrderedDict()
        self._bytes, self._lock = 0, Lock()

    def find(self, key: tuple[int, object], stamp: int) -> _Entry | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry.stamp != stamp:
                return None
            self._entries.move_to_end(key)
            return entry

    def add(self, key: tuple[int, object], entry: _Entry) -> None:
        with self._lock:
            self._remove_ended()
            self._remove(key)
            self._entries[key] = entry
            self._bytes += entry.size
            while self._bytes > MAX_BYTES and len(self._entries) > MIN_LISTINGS:
                self._remove(next(iter(self._entries)))

    def _remove_ended(self) -> None:
        """Remove the listings of caches that are gone."""
        ended = {self.ended.popleft() for _ in range(len(self.ended))}
        for key in [key for key in self._entries if key[0] in ended] if ended else ():
            self._remove(key)

    def _remove(self, key: tuple[int, object]) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size


_MEMORY = _Memory()
_NUMBERS = count()


class ListingCache:
    """The listings of one cache. Those of all caches share their memory. Thread-safe. Pickling yields an empty one."""

    def __init__(self) -> None:
        self._number = next(_NUMBERS)
        weakref.finalize(self, _MEMORY.ended.append, self._number)

    def __reduce__(self) -> tuple[type[ListingCache], tuple[()]]:
        return ListingCache, ()

    def get(self, key: object, stamp: int, make_listing: Callable[[], tuple[Listing, int]]) -> Listing:
        """Return the listing of a key; make it anew if the stamp has changed.

        Parameters
        ----------
        key : hashable
            The folder and the kind of listing.
        stamp : int
            A number that changes with the content of the folder.
        make_listing : callable
            Return the listing, and the approximate number of bytes of memory that it takes.
        """
        found = _MEMORY.find((self._number, key), stamp)
        if found is not None:
            known: Listing = found.listing
            return known
        listing, size = make_listing()
        _MEMORY.add((self._number, key), _Entry(stamp, listing, size))
        return listing

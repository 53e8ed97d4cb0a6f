"""A cache of folder listings, which neighbouring bundles need again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar

MAX_BYTES = 16 * 1024 * 1024
"""Approximate maximum memory of all cached listings; the least recently used are discarded first."""

Listing = TypeVar("Listing")


class ListingCache:
    """A least-recently-used cache of listings. Thread-safe. Pickling yields an empty one."""

    def __init__(self) -> None:
        self._entries: OrderedDict[object, tuple[int, Any, int]] = OrderedDict()  # key: stamp, listing, bytes
        self._bytes, self._lock = 0, Lock()

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
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry[0] == stamp:
                self._entries.move_to_end(key)
                cached: Listing = entry[1]
                return cached
        listing, size = make_listing()
        with self._lock:
            self._bytes += size - self._entries.pop(key, (0, None, 0))[2]
            self._entries[key] = stamp, listing, size
            while self._bytes > MAX_BYTES:
                self._bytes -= self._entries.popitem(last=False)[1][2]
        return listing

"""What was found in folders, remembered as long as they do not change: neighbouring bundles want it again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar

MOST_BYTES = 16 * 1024 * 1024
"""What is remembered together takes about that much memory at most; what was not used for longest goes first."""

Found = TypeVar("Found")


class Listings:
    """A memory of listings, for any number of threads. It is no part of a cache's value, and is not pickled."""

    def __init__(self) -> None:
        self._kept: OrderedDict[object, tuple[int, Any, int]] = OrderedDict()
        self._bytes, self._lock = 0, Lock()

    def __reduce__(self) -> tuple[type[Listings], tuple[()]]:
        return Listings, ()

    def get(self, key: object, stamp: int, find: Callable[[], tuple[Found, int]]) -> Found:
        """Return what was found under that key, found anew when the stamp has changed.

        Parameters
        ----------
        find : callable
            Returns what is found, and about the bytes of memory that it takes.
        """
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and kept[0] == stamp:
                self._kept.move_to_end(key)
                found: Found = kept[1]
                return found
        found, size = find()
        with self._lock:
            self._bytes += size - self._kept.pop(key, (0, None, 0))[2]
            self._kept[key] = stamp, found, size
            while self._bytes > MOST_BYTES:
                self._bytes -= self._kept.popitem(last=False)[1][2]
        return found

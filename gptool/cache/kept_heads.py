"""The indexes of bundles in stores that were read last: an export uses those that its plan has read.

They are compressed, in memory as long as they are few, and then in temporary files.
"""

from __future__ import annotations

import tempfile
import zlib
from hashlib import blake2b
from threading import Lock

import numpy as np
from numpy.typing import NDArray

MAX_MEMORY_BYTES = 2 * 1024 * 1024
"""Bytes in memory before they are put into a file."""

MAX_FILE_BYTES = 512 * 1024 * 1024
"""Bytes of each of the two files: those of about 5,000 full bundles."""


class _Generation:
    """Entries that are forgotten together.

    Attributes
    ----------
    size : int
        Their bytes.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(MAX_MEMORY_BYTES, prefix="gptool-indexes-")  # noqa: SIM115 - closed below
        self._places: dict[bytes, tuple[int, int]] = {}
        self.size = 0

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def read(self, key: bytes) -> bytes | None:
        if key not in self._places:
            return None
        offset, size = self._places[key]
        self._file.seek(offset)
        return self._file.read(size)

    def add(self, key: bytes, data: bytes) -> None:
        self._file.seek(self.size)
        self._file.write(data)
        self._places[key] = self.size, len(data)
        self.size += len(data)

    def close(self) -> None:
        self._file.close()


class KeptHeads:
    """The first bytes of objects that were read last. Thread-safe.

    Parameters
    ----------
    max_bytes : int
        Compressed bytes of each of two generations: when the newer one is full, the older one is forgotten.
    """

    def __init__(self, max_bytes: int = MAX_FILE_BYTES) -> None:
        self._max_bytes, self._lock = max_bytes, Lock()
        self._new, self._old = _Generation(), _Generation()

    def find(self, key: object) -> NDArray[np.uint8] | None:
        """Return the bytes of a key; None if they are not kept."""
        name = _digest(key)
        try:
            with self._lock:
                data = self._new.read(name) or self._old.read(name)
        except OSError:
            return None  # they are read from the store again
        return None if data is None else np.frombuffer(zlib.decompress(data), np.uint8)

    def add(self, key: object, head: NDArray[np.uint8]) -> None:
        """Keep bytes, unless the disk has no space for them."""
        data, name = zlib.compress(head.data, 1), _digest(key)
        with self._lock:
            if name in self._new:
                return
            if self._new.size + len(data) > self._max_bytes:
                self._forget()
            try:
                self._new.add(name, data)
            except OSError:
                self._forget()

    def close(self) -> None:
        """Remove the files."""
        with self._lock:
            self._new.close()
            self._old.close()

    def _forget(self) -> None:
        self._old.close()
        self._old, self._new = self._new, _Generation()


def _digest(key: object) -> bytes:
    """Return what a key is found by: far less memory than the key, which has a URL."""
    return blake2b(repr(key).encode(), digest_size=16).digest()

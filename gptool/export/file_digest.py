"""The SHA-256 of a file, with progress."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from gptool.model import Phase, Progress
from gptool.system.store_url import Location, StoreUrl

CHUNK_BYTES = 4 * 1024 * 1024


def sha256_of(location: Location, progress: Progress | None = None) -> str:
    """Return the SHA-256 of a file or an object in a store, hexadecimal.

    Parameters
    ----------
    location : Path or StoreUrl
    progress : Progress or None
        Called with `Phase.HASHING` and the bytes that were read.

    Raises
    ------
    OSError
        If the file cannot be read.
    CacheError
        If the object cannot be read.
    """
    size, chunks = _read_object(location) if isinstance(location, StoreUrl) else _read_file(location)
    digest, done = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        done += len(chunk)
        if progress:
            progress(Phase.HASHING, done, size)
    return digest.hexdigest()


def _read_object(url: StoreUrl) -> tuple[int, Iterator[memoryview]]:
    from gptool.cache.object_source import read_object  # imports NumPy, which files do not need

    size, chunks = read_object(url)
    return size, (chunk.data for chunk in chunks)


def _read_file(path: Path) -> tuple[int, Iterator[bytes]]:
    def read() -> Iterator[bytes]:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    return path.stat().st_size, read()

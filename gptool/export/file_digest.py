"""The SHA-256 of a file, with progress."""

from __future__ import annotations

import hashlib
from pathlib import Path

from gptool.model import Phase, Progress

CHUNK_BYTES = 4 * 1024 * 1024


def sha256_of(path: Path, progress: Progress | None = None) -> str:
    """Return the SHA-256 of a file, hexadecimal.

    Parameters
    ----------
    path : Path
    progress : Progress or None
        Called with `Phase.HASHING` and the bytes that were read.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    digest, done, size = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            if progress:
                progress(Phase.HASHING, done, size)
            digest.update(chunk)
            done += len(chunk)
    return digest.hexdigest()

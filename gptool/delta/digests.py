"""SHA-256 of tiles, of the tiles of a bundle, and of the tiles of a level; docs/delta.md defines them.

The hash of a bundle is that of a record for each of its tiles, row by row: row and column as unsigned 32-bit integers,
little-endian, and the SHA-256 of the tile's bytes. That of a level is the hash of a record for each of its bundles with
tiles, by row and column: their first row and column, and the hash of the bundle.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gptool.cache import Bundle
from gptool.export.unit import read_buffer
from gptool.model import PACKET_TILES, BundleAddress

DIGEST_BYTES = hashlib.sha256().digest_size

Digests = NDArray[np.uint8]
"""uint8[16384, 32]: the SHA-256 of each tile of a bundle, row-major; anything where there is no tile."""

RECORD = np.dtype([("row", "<u4"), ("column", "<u4"), ("digest", "u1", (DIGEST_BYTES,))])
"""The record of a tile, without padding."""


def hash_tiles(bundle: Bundle, check: Callable[[], None] | None = None) -> Digests:
    """Return the SHA-256 of each tile of a bundle. The lock of Python is released while a tile is hashed.

    Parameters
    ----------
    bundle : Bundle
    check : callable or None
        Called between batches; may raise an exception to stop.

    Raises
    ------
    CacheError
        If a tile cannot be read.
    """
    digests = np.empty((PACKET_TILES, DIGEST_BYTES), np.uint8)
    sha256 = hashlib.sha256
    for batch in bundle.batches(np.flatnonzero(bundle.sizes), read_buffer()):
        if check:
            check()
        source = batch.source.data
        ends = (batch.offsets + batch.sizes).tolist()
        parts = zip(batch.offsets.tolist(), ends, strict=True)
        found = b"".join([sha256(source[start:end]).digest() for start, end in parts])
        digests[batch.positions] = np.frombuffer(found, np.uint8).reshape(-1, DIGEST_BYTES)
    return digests


def hash_bundle(address: BundleAddress, present: NDArray[np.bool_], digests: Digests) -> str | None:
    """Return the hash of a bundle in hexadecimal; None if it has no tiles.

    Parameters
    ----------
    address : BundleAddress
    present : bool[16384]
        The tiles that exist, row-major.
    digests : uint8[16384, 32]
        Those of the tiles.
    """
    positions = np.flatnonzero(present)
    if not len(positions):
        return None
    records = np.empty(len(positions), RECORD)
    records["row"], records["column"] = address.rows_and_columns(positions)
    records["digest"] = digests[positions]
    return hashlib.sha256(records.tobytes()).hexdigest()


class LevelHash:
    """The hash of a level, from those of its bundles, which come by row and column."""

    def __init__(self) -> None:
        self._hash, self._is_empty = hashlib.sha256(), True

    def add(self, address: BundleAddress, digest: str | None) -> None:
        """Add the hash of a bundle; None, of one without tiles, changes nothing."""
        if digest is not None:
            self._is_empty = False
            place = address.row.to_bytes(4, "little") + address.column.to_bytes(4, "little")
            self._hash.update(place + bytes.fromhex(digest))

    def hexdigest(self) -> str | None:
        """Return the hash in hexadecimal; None if no bundle has tiles."""
        return None if self._is_empty else self._hash.hexdigest()

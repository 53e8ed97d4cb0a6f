"""Reader of single stored tiles."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np

from gptool._bundle import TileKind, inspect
from gptool.cache import TileCache
from gptool.model import PACKET_SIZE, TileWindow

MEDIA_TYPES = {TileKind.JPEG: "image/jpeg", TileKind.PNG: "image/png"}
DEFAULT_MEDIA_TYPE = "application/octet-stream"


class StoredTile(NamedTuple):
    """A stored tile, its media type and its entity tag (RFC 9110, 8.8.3)."""

    data: bytes
    media_type: str
    etag: str


def read_tile(cache: TileCache, level: int, row: int, column: int) -> StoredTile | None:
    """Return a tile as it is stored, or None if the cache does not contain it.

    Raises
    ------
    CacheError
        If the tile cannot be read.
    """
    lod = cache.scheme.lod(level)
    if lod is None:
        return None
    for address in cache.bundles(lod, TileWindow(row, row, column, column)):
        with cache.open_bundle(address) as bundle:
            position = np.array([PACKET_SIZE * (row - address.row) + column - address.column])
            if not bundle.sizes[position[0]]:
                return None
            for batch in bundle.batches(position):
                data = batch.tile(0)
                [kind] = inspect(batch.source, batch.offsets, batch.sizes)[0]
                media_type = MEDIA_TYPES.get(TileKind(kind), DEFAULT_MEDIA_TYPE)
                return StoredTile(data, media_type, f'"{hashlib.sha256(data).hexdigest()[:32]}"')
    return None

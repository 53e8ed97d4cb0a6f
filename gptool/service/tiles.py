"""One stored tile of a cache, as it is."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np

from gptool._bundle import TileKind, inspect
from gptool.cache import TileCache
from gptool.model import PACKET_SIZE, TileWindow

MEDIA = {TileKind.JPEG: "image/jpeg", TileKind.PNG: "image/png"}
OTHERS = "application/octet-stream"


class Tile(NamedTuple):
    """A stored tile, what kind of file it is, and its entity tag."""

    data: bytes
    media_type: str
    etag: str


def read_tile(cache: TileCache, level: int, row: int, column: int) -> Tile | None:
    """Return a stored tile, None where there is none.

    Raises
    ------
    CacheError
        When it can't be read.
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
                return Tile(data, MEDIA.get(TileKind(kind), OTHERS), f'"{hashlib.sha256(data).hexdigest()[:32]}"')
    return None

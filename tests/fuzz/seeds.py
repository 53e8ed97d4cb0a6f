"""Write the seed inputs for fuzzing: `seeds.py FOLDER` creates FOLDER/jpeg and FOLDER/bundle."""

import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from helpers import jpeg_kinds
from helpers.bundles import bundle_bytes, bundle_v1_bytes
from helpers.caches import jpeg_tile, png_tile

MAX_TILE_SIZE = 8192
"""Bytes: fuzzing is too slow with larger tiles."""

TILES = {(0, 0): jpeg_tile(1), (0, 1): png_tile(2), (0, 3): b"Lerc2 " + bytes(90), (1, 0): b"no image"}


def jpeg_seeds() -> Iterator[bytes]:
    """Yield each kind at its own size, and smaller, so that more of a tile's bytes are header."""
    original = jpeg_kinds.pixels
    for side in (64, 24):
        jpeg_kinds.pixels = lambda height=side, width=side, seed=0: original(height, width, seed)
        for make in jpeg_kinds.KINDS.values():
            if len(tile := make()) <= MAX_TILE_SIZE:
                yield from (bytes([request, tables]) + tile for request, tables in ((50, 0), (80, 0), (20, 1)))
    jpeg_kinds.pixels = original


def bundle_seeds() -> Iterator[bytes]:
    """Yield the non-empty part of indexes, for the start and for the end of an index, and tiles with their offsets."""
    for empty in (0, 4):
        bundle = bundle_bytes(TILES, empty=empty)
        yield from (struct.pack("<BBQ", 0, end, len(bundle)) + bundle[64 : 64 + 8 * 130] for end in (0, 1))
    data, index = bundle_v1_bytes(TILES)
    yield from (struct.pack("<BBQ", 1, end, len(data)) + index[16 : 16 + 5 * 130] for end in (0, 1))
    for within in (0, 1):
        places, source = b"", b"".join(TILES.values())
        for tile in TILES.values():
            places += struct.pack("<QI", source.index(tile), len(tile))
        yield struct.pack("<BBB", 2, within, len(TILES)) + places + source


def main() -> None:
    for name, seeds in (("jpeg", jpeg_seeds()), ("bundle", bundle_seeds())):
        folder = Path(sys.argv[1], name)
        folder.mkdir(parents=True)
        for number, seed in enumerate(seeds):
            (folder / f"{number:03d}").write_bytes(seed)


if __name__ == "__main__":
    main()

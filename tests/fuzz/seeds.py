"""Writes the inputs that fuzzing starts from: `seeds.py FOLDER` makes FOLDER/jpeg and FOLDER/bundle."""

import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from helpers import jpegs
from helpers.caches import bundle_bytes, bundle_v1_bytes, jpeg_tile, png_tile

LONGEST = 8192
"""Bytes of a tile: longer ones are read too slowly to try many."""

TILES = {(0, 0): jpeg_tile(1), (0, 1): png_tile(2), (0, 3): b"Lerc2 " + bytes(90), (1, 0): b"no image"}


def jpeg_seeds() -> Iterator[bytes]:
    """Each kind at its own size, and drawn smaller, where more of a tile's bytes are header."""
    drawn = jpegs.pixels
    for side in (64, 24):
        jpegs.pixels = lambda height=side, width=side, seed=0: drawn(height, width, seed)
        for make in jpegs.KINDS.values():
            if len(tile := make()) <= LONGEST:
                yield from (bytes([request, tables]) + tile for request, tables in ((50, 0), (80, 0), (20, 1)))
    jpegs.pixels = drawn


def bundle_seeds() -> Iterator[bytes]:
    """Indexes as far as they are not empty, from the start and as if at the end, and tiles with their places."""
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

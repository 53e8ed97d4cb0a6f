"""Reads tiles with MapProxy's compact cache. Runs in MapProxy's environment, as a program.

usage: read_tiles.py compact|compactV2 FOLDER < addresses.json > digests.json

FOLDER holds the level folders of bundles of that storage. Addresses are a list of [level, row, column]; the answer has
for each the SHA-256 of the tile's bytes, or null where MapProxy finds none.
"""

import hashlib
import json
import sys

from mapproxy.cache.compact import CompactCacheV1, CompactCacheV2
from mapproxy.cache.tile import Tile

CACHES = {"compact": CompactCacheV1, "compactV2": CompactCacheV2}


def main() -> None:
    cache = CACHES[sys.argv[1]](sys.argv[2])
    digests = []
    for level, row, column in json.load(sys.stdin):
        tile = Tile((column, row, level))
        found = cache.load_tile(tile)
        digests.append(hashlib.sha256(tile.image_result_buffer().read()).hexdigest() if found else None)
    json.dump(digests, sys.stdout)


main()

"""Reads tiles with MapProxy's compact cache. Runs in MapProxy's environment, as a program.

usage: read_tiles.py FOLDER < addresses.json > digests.json

FOLDER holds the level folders. Addresses are a list of [level, row, column]; the answer has for each the SHA-256 of
the tile's bytes, or null where MapProxy finds none.
"""

import hashlib
import json
import sys

from mapproxy.cache.compact import CompactCacheV2
from mapproxy.cache.tile import Tile


def main() -> None:
    cache = CompactCacheV2(sys.argv[1])
    digests = []
    for level, row, column in json.load(sys.stdin):
        tile = Tile((column, row, level))
        found = cache.load_tile(tile)
        digests.append(hashlib.sha256(tile.image_result_buffer().read()).hexdigest() if found else None)
    json.dump(digests, sys.stdout)


main()

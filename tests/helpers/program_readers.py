"""Readers of caches and packages: gptool's own, tpkutils and MapProxy."""

from __future__ import annotations

import hashlib
import json
import subprocess
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tpkutils

from gptool.cache import TileCache
from helpers.bundles import Address
from helpers.tile_readers import COMPACT_V2, read_json

MAPPROXY_READER = Path(__file__).parents[1] / "mapproxy" / "read_tiles.py"
SERVICE = "servicedescriptions/mapserver/mapserver.json"


def read_with_gptool(cache: TileCache) -> dict[Address, bytes]:
    """Return all tiles of a cache as gptool reads them."""
    tiles: dict[Address, bytes] = {}
    for lod in cache.scheme.lods:
        for address in cache.bundles(lod):
            with cache.open_bundle(address) as bundle:
                for batch in bundle.batches(np.flatnonzero(bundle.sizes)):
                    for i, position in enumerate(batch.positions.tolist()):
                        tiles[address.tile(position)] = batch.tile(i)
    return tiles


def check_tpkutils(path: Path, tiles: dict[Address, bytes], first_zoom: int = 0) -> None:
    """Check that tpkutils finds every tile at its place in the web grid; level 0 has the zoom level `first_zoom`."""
    with tpkutils.TPK(str(path)) as package:
        found = {(tile.z, tile.y, tile.x): tile.data for tile in package.read_tiles(flip_y=False)}
        assert found == {(first_zoom + level, row, column): tile for (level, row, column), tile in tiles.items()}
        assert package.name == path.stem
        extent = read_json(path, SERVICE)["resourceInfo"]["geoFullExtent"]
        assert package.bounds == [extent[side] for side in ("xmin", "ymin", "xmax", "ymax")]


def read_with_mapproxy(
    python: Path, result: Path, folder: Path, addresses: Iterable[tuple[int, int, int]]
) -> list[str | None]:
    """Return the SHA-256 of each tile as MapProxy's compact caches read it, None where they find no tile.

    A package is unpacked into `folder`, since MapProxy reads folders.
    """
    if result.is_dir():
        tiles = result / "_alllayers"
        storage = "compactV2" if COMPACT_V2 in (result / "conf.xml").read_text() else "compact"
    else:
        storage, inside = {".tpkx": ("compactV2", "tile"), ".tpk": ("compact", "v101/Layers/_alllayers")}[result.suffix]
        tiles = folder / inside
        with zipfile.ZipFile(result) as unpacked:
            unpacked.extractall(folder, [name for name in unpacked.namelist() if name.startswith(inside)])
    done = subprocess.run(
        [python, MAPPROXY_READER, storage, tiles],
        input=json.dumps(list(addresses)),
        capture_output=True,
        text=True,
        check=True,
    )
    digests: list[str | None] = json.loads(done.stdout)
    return digests


def digests(tiles: dict[tuple[int, int, int], bytes]) -> list[str | None]:
    """Return the SHA-256 of each tile."""
    return [hashlib.sha256(tile).hexdigest() for tile in tiles.values()]

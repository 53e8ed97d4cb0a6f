"""Pairs of states of a cache for deltas, and delta.json computed anew after docs/delta.md."""

from __future__ import annotations

import hashlib
import json
import struct
import zipfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from helpers.bundles import Address
from helpers.caches import conf_text, jpeg_tile, make_cache, make_exploded_cache, make_v1_cache
from helpers.packages import make_tpk, make_tpkx, root_text
from helpers.tile_readers import COMPACT, read_json

Tiles = dict[Address, bytes]
Extent = tuple[float, float, float, float]

STORAGES: dict[str, Callable[[Path, Tiles, Extent | None], Path]] = {
    "V2": lambda path, tiles, cdi: make_cache(path, tiles, cdi=cdi),
    "V1": lambda path, tiles, cdi: make_v1_cache(path, tiles, cdi=cdi),
    "exploded": lambda path, tiles, cdi: make_exploded_cache(path, tiles, cdi=cdi),
    "tpkx": lambda path, tiles, cdi: make_tpkx(path.with_suffix(".tpkx"), tiles, root=root_text(fullExtent=box(cdi))),
    "tpk": lambda path, tiles, _: make_tpk(path.with_suffix(".tpk"), tiles, conf=conf_text(storage=COMPACT)),
}
"""Makers of a state in each storage format; those of a .tpk declare no extent."""

FOLDERS = "V2", "V1", "exploded"
"""Those that can be changed in place."""


def box(extent: Extent | None) -> dict[str, float] | None:
    """Return an extent as in root.json."""
    return extent and dict(zip(("xmin", "ymin", "xmax", "ymax"), extent, strict=True))


def contents() -> list[bytes]:
    """Return contents of tiles, two of which have one size."""
    twin = jpeg_tile(0)
    return [jpeg_tile(1), jpeg_tile(2), twin, twin[:-3] + bytes([twin[-3] ^ 1]) + twin[-2:]]


ROWS_AND_COLUMNS = [0, 1, 2, 127, 128, 129, 255]
PLACES = [(level, row, column) for level in range(3) for row in range(2**level) for column in range(2**level)] + [
    (8, row, column) for row in ROWS_AND_COLUMNS for column in ROWS_AND_COLUMNS
]
"""The places of tiles: whole levels 0 to 2, and both sides of the corners of bundles at level 8."""

Numbers = dict[Address, int]
"""A state as hypothesis shows it: the number of the content of each tile."""

numbers = st.dictionaries(st.sampled_from(PLACES), st.sampled_from(range(4)), max_size=30)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Numbers, Numbers]:
    """Draw two states of a cache, the second of which has tiles: the first with some changes, or any other."""
    old, new = draw(numbers), draw(numbers)
    if draw(st.booleans()):
        new = old | new
        for place in draw(st.lists(st.sampled_from(sorted(new)), max_size=20)) if new else ():
            new.pop(place, None)
    return old, new or {draw(st.sampled_from(PLACES)): draw(st.sampled_from(range(4)))}


def to_tiles(state: Numbers) -> Tiles:
    """Return the tiles of a state."""
    known = contents()
    return {place: known[i] for place, i in state.items()}


def digests(tiles: Tiles) -> dict[Address, str]:
    """Return tiles in a form that failures can show."""
    return {place: f"{len(tile)} bytes {hashlib.sha256(tile).hexdigest()[:8]}" for place, tile in tiles.items()}


def changed_tiles(old: Tiles, new: Tiles) -> Tiles:
    """Return the tiles that a delta has; the first one of the new state if nothing was added or changed."""
    changed = {place: tile for place, tile in new.items() if old.get(place) != tile}
    first = min(new, key=lambda place: (place[0], bundle_of(place), place))
    return changed or {first: new[first]}


def bundle_of(place: Address) -> Address:
    """Return the first tile of the bundle of a tile."""
    return place[0], place[1] // 128 * 128, place[2] // 128 * 128


def hash_bundles(tiles: Tiles) -> dict[Address, str]:
    """Return the hash of each bundle."""
    records: dict[Address, bytes] = defaultdict(bytes)
    for place in sorted(tiles):
        records[bundle_of(place)] += struct.pack("<2I", *place[1:]) + hashlib.sha256(tiles[place]).digest()
    return {address: hashlib.sha256(data).hexdigest() for address, data in records.items()}


def describe_levels(tiles: Tiles) -> list[dict[str, Any]]:
    """Return the levels of a state as in delta.json."""
    bundles, levels = hash_bundles(tiles), []
    for level in sorted({place[0] for place in tiles}):
        records = b"".join(
            struct.pack("<2I", *address[1:]) + bytes.fromhex(digest)
            for address, digest in sorted(bundles.items())
            if address[0] == level
        )
        count = sum(place[0] == level for place in tiles)
        levels.append({"level": level, "tiles": count, "sha256": hashlib.sha256(records).hexdigest()})
    return levels


def describe_changes(old: Tiles, new: Tiles) -> dict[str, Any]:
    """Return the counts and the bundles of two states as in delta.json, and the deleted tiles."""
    places, levels = old.keys() | new.keys(), []
    for level in sorted({place[0] for place in places}):
        in_level = [place for place in places if place[0] == level]
        both = [place for place in in_level if place in old and place in new]
        changed = sum(old[place] != new[place] for place in both)
        added, deleted = (sum(place not in other for place in in_level) for other in (old, new))
        values = added, changed, deleted, len(both) - changed
        levels.append({"level": level, **dict(zip(("added", "changed", "deleted", "unchanged"), values, strict=True))})
    before, after = hash_bundles(old), hash_bundles(new)
    states = {address: [before.get(address), after.get(address)] for address in before | after}
    bundles = [[*address, *state] for address, state in sorted(states.items()) if state[0] != state[1]]
    return {"levels": levels, "bundles": bundles, "deleted": old.keys() - new.keys()}


def read_delta(path: Path) -> dict[str, Any]:
    """Return the delta.json of a delta, with the deleted tiles in place of runs."""
    found = read_json(path, "delta.json")
    runs = found.pop("deletions")
    deleted = [(level, row, column) for level, row, first, last in runs for column in range(first, last + 1)]
    assert len(deleted) == len(set(deleted))
    return {**found, "deleted": set(deleted)}


def rewrite_delta(path: Path, data: bytes) -> Path:
    """Give a delta another delta.json."""
    with zipfile.ZipFile(path) as package:
        members = {name: package.read(name) for name in package.namelist()}
    with zipfile.ZipFile(path, "w") as package:
        for name, content in (members | {"delta.json": data}).items():
            package.writestr(name, content)
    return path


def change_delta(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Change the values of a delta.json."""
    value = read_json(path, "delta.json")
    change(value)
    return rewrite_delta(path, json.dumps(value).encode())

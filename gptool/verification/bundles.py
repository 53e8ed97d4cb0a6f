"""Rules of bundles that compact V1 and V2 share, and the checked opening of the bundles of a cache."""

from __future__ import annotations

import re
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from gptool.cache import Bundle, TileCache
from gptool.cache.byte_source import ByteSource
from gptool.errors import CacheError
from gptool.model import MAX_TILE_BYTES, BundleAddress, Lod
from gptool.verification.finding import Where
from gptool.verification.recorder import Recorder
from gptool.verification.rule import ALL, BUNDLES, V2_BUNDLES, Rule, form

READABLE = Rule("bundles.readable", "Every bundle can be read.", kinds=ALL)
NAMES = Rule("bundles.names", "Bundles are named R…C… with lower-case hexadecimal multiples of 0080.", kinds=BUNDLES)
FILE_LENGTH = Rule("bundles.file-length", "Files of a bundle are not too short for header and index.", kinds=BUNDLES)
VERSION = Rule("bundles.version", "The version in the header is 3.", kinds=BUNDLES)
LARGEST_TILE = Rule("bundles.largest-tile", "The header states the size of the largest tile.", kinds=BUNDLES)
FILE_SIZE = Rule("bundles.file-size", "The header states the size of the file.", kinds=BUNDLES)
OFFSET_BYTES = Rule(
    "bundles.offset-bytes", "The header states offsets of 5 bytes, and a slack space of 0.", kinds=BUNDLES
)
CONSTANTS = form("bundles.constants", "The other fields of headers have the values that ArcGIS writes.", BUNDLES)
ENTRIES = Rule(
    "bundles.entries", "Every index entry points to a tile within the file, behind the index.", kinds=BUNDLES
)
TILE_SIZES = Rule("bundles.tile-sizes", "The size in front of a tile is that of its index entry.", kinds=V2_BUNDLES)

RULES = (
    *(READABLE, NAMES, FILE_LENGTH, VERSION, LARGEST_TILE, FILE_SIZE, OFFSET_BYTES, CONSTANTS, ENTRIES, TILE_SIZES),
)

NAME = re.compile(r"R([0-9a-f]{4,8})C([0-9a-f]{4,8})\.bund(?:le|lx)")


def check_names(cache: TileCache, lod: Lod, recorder: Recorder) -> list[BundleAddress]:
    """Check the names of the bundles of a level and return the addresses of those that can be opened."""
    folder = cache.level_folder(lod.level)
    for name in cache.files.list_names(folder):
        if not name.lower().endswith((".bundle", ".bundlx")):
            continue
        match = NAME.fullmatch(name)
        # Numbers are as short as possible: four digits, or more without leading zeros.
        valid = match and all(f"{int(digits, 16):04x}" == digits for digits in match.groups())
        recorder.require(valid, NAMES, Where(f"{folder}/{name}"), name, "a name such as R0080C0100.bundle")
    try:
        return cache.bundles(lod)
    except CacheError as error:
        recorder.add(NAMES, Where(folder, level=lod.level), error, "bundles on the grid of 128 x 128 tiles")
        return []


def open_exploded(stack: ExitStack, cache: TileCache, address: BundleAddress, recorder: Recorder) -> Bundle | None:
    """Open the files of an exploded cache as a bundle until the stack is closed; None if they cannot be read."""
    try:
        return stack.enter_context(cache.open_bundle(address))
    except CacheError as error:
        recorder.add(READABLE, Where(level=address.level), error, "tiles that can be read")
        return None


def check_fields(
    path: str,
    names: tuple[tuple[str, Rule | None], ...],
    found: tuple[int, ...],
    expected: tuple[int, ...],
    recorder: Recorder,
) -> None:
    """Check the fields of a header, each with its name and rule; fields without a rule are not compared."""
    for (name, rule), value, ideal in zip(names, found, expected, strict=True):
        if rule is not None:
            recorder.require(value == ideal, rule, Where(path, name), value, ideal)


def keep_valid(
    source: ByteSource,
    path: str,
    address: BundleAddress,
    offsets: NDArray[np.int64],
    sizes: NDArray[np.int64],
    begin: int,
    recorder: Recorder,
) -> tuple[NDArray[np.uint64], NDArray[np.uint32], bool]:
    """Check the index entries of tiles.

    Return the offsets and sizes of those that can be read, with a size of 0 for the others, and whether there are none.

    Parameters
    ----------
    source : ByteSource
        The file of the tiles.
    path : str
    address : BundleAddress
    offsets, sizes : int64[16384]
        As the index states them, bytes; size 0 where there is no tile.
    begin : int
        The first byte that may be part of a tile.
    recorder : Recorder
    """
    valid = (offsets >= begin) & (offsets + sizes <= source.size) & (sizes <= MAX_TILE_BYTES)
    for position in np.flatnonzero((sizes > 0) & ~valid).tolist():
        found = f"{sizes[position]} bytes at offset {offsets[position]}"
        where = Where.tile(address.tile(position), path)
        recorder.add(ENTRIES, where, found, f"a range within bytes {begin} to {source.size}")
    all_valid = bool(valid[sizes > 0].all())
    valid &= sizes > 0
    return np.where(valid, offsets, 0).astype(np.uint64), np.where(valid, sizes, 0).astype(np.uint32), all_valid

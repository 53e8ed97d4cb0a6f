"""Rules of compact V2 bundles (Esri's CompactCacheV2 specification).

The header depends on the kind: ArcGIS writes other values into packages than into cache folders.
"""

from __future__ import annotations

import struct
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.cache.byte_source import ByteSource
from gptool.cache.compact import CompactBundle, CompactCache
from gptool.errors import CacheError
from gptool.model import PACKET_TILES, BundleAddress
from gptool.verification.bundles import (
    CONSTANTS,
    FILE_LENGTH,
    FILE_SIZE,
    LARGEST_TILE,
    OFFSET_BYTES,
    READABLE,
    TILE_SIZES,
    VERSION,
    check_fields,
    keep_valid,
)
from gptool.verification.finding import Where
from gptool.verification.recorder import Recorder
from gptool.verification.rule import V2_BUNDLES, Kind, Rule, form

TPKX = frozenset({Kind.TPKX})

RECORD_COUNT = form("bundles.record-count", "The record count is 0 in packages, as ArcGIS writes it.", TPKX)
FOLDER_RECORD_COUNT = Rule(
    "bundles.folder-record-count",
    "The record count is 16384 in cache folders, without which GDAL reads zeros.",
    kinds=frozenset({Kind.COMPACT_V2}),
)
USER_HEADER = Rule(
    "bundles.user-header", "The user header begins at byte 40 and has 20 + 131072 bytes.", kinds=V2_BUNDLES
)
LEGACY = form("bundles.legacy-field", "The second legacy field is 0 in packages, as ArcGIS writes it.", TPKX)
INDEX_SIZE = Rule("bundles.index-size", "The header states an index of 131072 bytes.", kinds=V2_BUNDLES)
ABSENT = form("bundles.absent-entries", "Index entries of absent tiles are 4 in packages, as ArcGIS writes them.", TPKX)

RULES = (RECORD_COUNT, FOLDER_RECORD_COUNT, USER_HEADER, LEGACY, INDEX_SIZE, ABSENT)

HEADER = struct.Struct("<4I3Q6I")
INDEX_BYTES = 8 * PACKET_TILES
TILES_OFFSET = HEADER.size + INDEX_BYTES
SIZE_FIELD, OFFSET_BITS = 4, 40
USER_HEADER_BYTES = 20 + INDEX_BYTES
ABSENT_ENTRY = 4

FIELDS: tuple[tuple[str, Rule | None], ...] = (
    ("version", VERSION),
    ("record count", RECORD_COUNT),
    ("largest tile", LARGEST_TILE),
    ("offset bytes", OFFSET_BYTES),
    ("slack space", OFFSET_BYTES),
    ("file size", FILE_SIZE),
    ("user header offset", USER_HEADER),
    ("user header size", USER_HEADER),
    ("legacy 1", CONSTANTS),
    ("legacy 2", LEGACY),
    ("legacy 3", CONSTANTS),
    ("legacy 4", CONSTANTS),
    ("index size", INDEX_SIZE),
)
"""The header's fields in their order, and the rule that each keeps in a package."""

IN_FOLDERS: dict[str, Rule | None] = {"record count": FOLDER_RECORD_COUNT, "largest tile": None, "legacy 2": None}
"""Fields that have another rule in cache folders. Their largest tile is often that of a tile since replaced."""


class OpenBundle(NamedTuple):
    """An open bundle: its tiles, and what the check of the sizes in front of them needs."""

    tiles: CompactBundle
    source: ByteSource
    path: str
    offsets: NDArray[np.uint64]


def open_v2(
    stack: ExitStack, cache: CompactCache, address: BundleAddress, recorder: Recorder, *, is_package: bool
) -> OpenBundle | None:
    """Open a bundle until the stack is closed and check its header and index; None if nothing of it can be read.

    Index entries that are invalid are reported, and left out of the bundle.
    """
    path = cache.find_bundle(address, ".bundle")
    try:
        source = stack.enter_context(cache.files.open(path))
        if source.size < TILES_OFFSET:
            where = Where(path, level=address.level)
            recorder.add(FILE_LENGTH, where, f"{source.size} bytes", f"at least {TILES_OFFSET} bytes")
            return None
        head = source.read(0, TILES_OFFSET).copy()
        stated_offsets, stated_sizes = _entries(head)
        begin = TILES_OFFSET + SIZE_FIELD
        offsets, sizes, all_valid = keep_valid(source, path, address, stated_offsets, stated_sizes, begin, recorder)
        largest = int(sizes.max()) if all_valid else None
        _check_header(path, head, source.size, largest, recorder, is_package=is_package)
        if is_package:
            _check_absent(path, stated_offsets[stated_sizes == 0], recorder)
        return OpenBundle(CompactBundle(source, offsets, sizes), source, path, offsets)
    except CacheError as error:
        recorder.add(READABLE, Where(path, level=address.level), error, "a bundle that can be read")
        return None


def check_tile_sizes(
    bundle: OpenBundle, address: BundleAddress, positions: NDArray[np.int64], recorder: Recorder
) -> NDArray[np.int64]:
    """Check the sizes in front of tiles; return the positions of those whose sizes are right.

    Raises
    ------
    CacheError
        If the bundle cannot be read.
    """
    expected = bundle.tiles.sizes[positions]
    found = bundle.source.read_uint32(bundle.offsets[positions] - np.uint64(SIZE_FIELD))
    for i in np.flatnonzero(found != expected).tolist():
        where = Where.tile(address.tile(int(positions[i])), bundle.path)
        recorder.add(TILE_SIZES, where, f"{found[i]} bytes", f"{expected[i]} bytes")
    right: NDArray[np.int64] = positions[found == expected]
    return right


def _entries(head: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the offsets and the sizes of the index, int64[16384] each."""
    entries = head[HEADER.size :].view("<u8")
    offsets = (entries & np.uint64((1 << OFFSET_BITS) - 1)).astype(np.int64)
    return offsets, (entries >> np.uint64(OFFSET_BITS)).astype(np.int64)


def _check_header(
    path: str, head: NDArray[np.uint8], size: int, largest: int | None, recorder: Recorder, *, is_package: bool
) -> None:
    """Check the header; `largest` is the size of the largest tile, None if it is unknown."""
    other = {} if is_package else IN_FOLDERS
    if largest is None:
        other = {**other, "largest tile": None}
    names = tuple((name, other.get(name, rule)) for name, rule in FIELDS)
    expected = (
        *(3, 0 if is_package else PACKET_TILES, max(USER_HEADER_BYTES, largest or 0), 5, 0, size),
        *(40, USER_HEADER_BYTES, 3, 0, PACKET_TILES, 5, INDEX_BYTES),
    )
    check_fields(path, names, HEADER.unpack_from(head.data), expected, recorder)


def _check_absent(path: str, entries: NDArray[np.int64], recorder: Recorder) -> None:
    other = entries[entries != ABSENT_ENTRY]
    if len(other):
        found = f"{len(other):,} of {len(entries):,} entries are not, such as {other[0]}"
        recorder.add(ABSENT, Where(path, "index"), found, f"{ABSENT_ENTRY} (offset 4, size 0)")

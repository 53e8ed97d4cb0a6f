"""Rules of compact V1 bundles, a file of tiles and a file of the index; see docs/formats.md."""

from __future__ import annotations

import struct
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from gptool.cache.byte_source import ByteSource
from gptool.cache.compact import CompactBundle, CompactCache
from gptool.errors import CacheError
from gptool.model import PACKET_SIZE, PACKET_TILES, BundleAddress, Lod
from gptool.verification.bundles import (
    CONSTANTS,
    FILE_LENGTH,
    FILE_SIZE,
    LARGEST_TILE,
    OFFSET_BYTES,
    READABLE,
    VERSION,
    check_fields,
    keep_valid,
)
from gptool.verification.finding import Where
from gptool.verification.recorder import Recorder
from gptool.verification.rule import V1_BUNDLES, Rule, form

PAIR = Rule("bundles.pair", "Every bundle has both files: .bundle and .bundlx.", kinds=V1_BUNDLES)
INDEX_FILE = Rule(
    "bundles.index-file", "The .bundlx has 81952 bytes and the head and tail of ArcGIS.", kinds=V1_BUNDLES
)
TILE_COUNT = Rule("bundles.tile-count", "The header states 4 bytes for each tile.", kinds=V1_BUNDLES)
GRID = Rule("bundles.rows-and-columns", "The header states the rows and columns of the bundle.", kinds=V1_BUNDLES)
ABSENT_WORDS = form("bundles.absent-words", "Entries of absent tiles point to their own zero word.", V1_BUNDLES)

RULES = (PAIR, INDEX_FILE, TILE_COUNT, GRID, ABSENT_WORDS)

HEADER = struct.Struct("<15I")
FIELDS: tuple[tuple[str, Rule | None], ...] = (
    ("version", VERSION),
    ("record count", CONSTANTS),
    ("largest tile", LARGEST_TILE),
    ("offset bytes", OFFSET_BYTES),
    ("bytes for tiles", TILE_COUNT),
    ("slack space", OFFSET_BYTES),
    ("file size", FILE_SIZE),
    ("file size, high", FILE_SIZE),
    ("legacy 1", CONSTANTS),
    ("legacy 2", CONSTANTS),
    ("legacy 3", CONSTANTS),
    ("first row", GRID),
    ("last row", GRID),
    ("first column", GRID),
    ("last column", GRID),
)
WORD = 4
TILES_OFFSET = HEADER.size + WORD * PACKET_TILES
INDEX_HEAD, INDEX_TAIL = struct.pack("<4I", 3, 16, PACKET_TILES, 5), struct.pack("<4I", 0, 16, 16, 0)
ENTRY_BYTES = 5
INDEX_END = len(INDEX_HEAD) + ENTRY_BYTES * PACKET_TILES
UINT32 = 0xFFFFFFFF


def check_pairs(cache: CompactCache, lod: Lod, recorder: Recorder) -> None:
    """Check that no bundle of a level lacks one of its files."""
    try:
        messages = cache.skipped_bundles(lod)
    except CacheError:
        return  # a rule of names
    for message in messages:
        recorder.add(PAIR, Where(level=lod.level), message, "a .bundle and a .bundlx")


def open_v1(stack: ExitStack, cache: CompactCache, address: BundleAddress, recorder: Recorder) -> CompactBundle | None:
    """Open a bundle until the stack is closed and check its headers and index; None if nothing of it can be read.

    Index entries that are invalid are reported, and left out of the bundle.
    """
    path, index_path = (cache.find_bundle(address, suffix) for suffix in (".bundle", ".bundlx"))
    try:
        entries = _read_index(cache, index_path, recorder)
        source = stack.enter_context(cache.files.open(path))
        if entries is None or source.size < TILES_OFFSET:
            where = Where(path if entries is not None else index_path, level=address.level)
            expected = f"at least {TILES_OFFSET} bytes, and {INDEX_END} of the index"
            recorder.add(FILE_LENGTH, where, "fewer bytes", expected)
            return None
        stated_offsets, stated_sizes = _tiles(source, path, address, entries, recorder)
        begin = TILES_OFFSET + WORD
        offsets, sizes, all_valid = keep_valid(source, path, address, stated_offsets, stated_sizes, begin, recorder)
        _check_header(source, path, address, sizes if all_valid else None, recorder)
        return CompactBundle(source, offsets, sizes)
    except CacheError as error:
        recorder.add(READABLE, Where(path, level=address.level), error, "a bundle that can be read")
        return None


def _read_index(cache: CompactCache, path: str, recorder: Recorder) -> NDArray[np.int64] | None:
    """Return the entries, row-major int64[16384]; None if the file is too short for them."""
    with cache.files.open(path) as source:
        if source.size < INDEX_END:
            return None
        size = INDEX_END + len(INDEX_TAIL)
        data = source.read(0, min(source.size, size)).tobytes()
        valid = source.size == size and data.startswith(INDEX_HEAD) and data.endswith(INDEX_TAIL)
        found = f"{source.size} bytes, head {data[:16].hex()}, tail {data[INDEX_END:].hex()}"
        expected = f"{size} bytes, head {INDEX_HEAD.hex()}, tail {INDEX_TAIL.hex()}"
        recorder.require(valid, INDEX_FILE, Where(path), found, expected)
    padded = np.zeros((PACKET_TILES, 8), np.uint8)
    padded[:, :ENTRY_BYTES] = np.frombuffer(data[len(INDEX_HEAD) : INDEX_END], np.uint8).reshape(-1, ENTRY_BYTES)
    columns_first = padded.view("<i8").ravel().astype(np.int64)
    return columns_first.reshape(PACKET_SIZE, PACKET_SIZE).T.ravel()


def _tiles(
    source: ByteSource, path: str, address: BundleAddress, entries: NDArray[np.int64], recorder: Recorder
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the offsets and the sizes of the tiles, int64[16384] each; size 0 where there is no tile."""
    readable = (entries >= HEADER.size) & (entries + WORD <= source.size)
    sizes = np.zeros(PACKET_TILES, np.int64)
    sizes[readable] = source.read_uint32(entries[readable].astype(np.uint64))
    # An entry of 0 is that of an absent tile, too; any other that points nowhere is an invalid entry of some size.
    sizes[~readable & (entries != 0)] = 1
    absent = (sizes == 0) & (entries != 0)
    own = np.arange(PACKET_TILES).reshape(PACKET_SIZE, PACKET_SIZE).T.ravel() * WORD + HEADER.size
    other = np.flatnonzero(absent & (entries != own))
    if len(other):
        tile = address.tile(int(other[0]))
        found = f"{len(other):,} entries do not, such as that of row {tile.row}, column {tile.column}"
        recorder.add(ABSENT_WORDS, Where(path, "index"), found, "offset 60 + 4 x number of the entry")
    return entries + WORD, sizes


def _check_header(
    source: ByteSource, path: str, address: BundleAddress, sizes: NDArray[np.uint32] | None, recorder: Recorder
) -> None:
    """Check the header; `sizes` are those of all tiles, None if some are unknown."""
    found = HEADER.unpack(source.read(0, HEADER.size).tobytes())
    row, column = address.row, address.column
    largest, tiles = (0, 0) if sizes is None else (int(sizes.max()), int(np.count_nonzero(sizes)))
    expected = (
        *(3, PACKET_TILES, largest, 5, WORD * tiles, 0),
        *(source.size & UINT32, source.size >> 32, 40, 0, 16),
        *(row, row + PACKET_SIZE - 1, column, column + PACKET_SIZE - 1),
    )
    of_tiles = (LARGEST_TILE, TILE_COUNT) if sizes is None else ()
    fields = tuple((name, None if rule in of_tiles else rule) for name, rule in FIELDS)
    check_fields(path, fields, found, expected, recorder)

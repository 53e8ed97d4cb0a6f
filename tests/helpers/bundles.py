"""The bytes of compact bundles, laid out by hand, and where bundles lie in a cache."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

Address = tuple[int, int, int]
"""Level, row and column of a tile."""


def bundle_bytes(
    tiles: Mapping[tuple[int, int], bytes], *, arcgis: bool = False, empty: int = 0, dead: int = 0, share: bool = False
) -> bytes:
    """Return a compact V2 bundle.

    Parameters
    ----------
    tiles : mapping of (int, int) to bytes
        By row and column within the bundle.
    arcgis : bool
        Write the header that ArcGIS writes.
    empty : int
        The index entry where there is no tile.
    dead : int
        Unused bytes in front of each tile.
    share : bool
        Store equal tiles once, which the specification does not forbid.
    """
    index, body = [empty] * 16384, bytearray()
    stored: dict[bytes, int] = {}
    for (row, column), tile in tiles.items():
        if not share or tile not in stored:
            body += b"\xee" * dead + struct.pack("<I", len(tile))
            stored[tile] = 64 + 131072 + len(body)
            body += tile
        index[128 * row + column] = len(tile) << 40 | stored[tile]
    count, legacy = (0, 0) if arcgis else (16384, 16)
    size, largest = 64 + 131072 + len(body), max(map(len, tiles.values()), default=0)
    head = struct.pack("<4I3Q6I", 3, count, largest, 5, 0, size, 40, 131092, 3, legacy, 16384, 5, 131072)
    return head + struct.pack("<16384Q", *index) + bytes(body)


def bundle_v1_bytes(tiles: Mapping[tuple[int, int], bytes], *, origin: tuple[int, int] = (0, 0)) -> tuple[bytes, bytes]:
    """Return a compact V1 bundle: its .bundle and its .bundlx.

    Parameters
    ----------
    tiles : mapping of (int, int) to bytes
        By row and column within the bundle. A tile of no bytes is an entry whose size is 0.
    origin : (int, int)
        The bundle's first row and column.
    """
    entries, body = [60 + 4 * i for i in range(16384)], bytearray()
    for (row, column), tile in tiles.items():
        entries[128 * column + row] = 60 + 65536 + len(body)
        body += struct.pack("<I", len(tile)) + tile
    size, largest = 60 + 65536 + len(body), max(map(len, tiles.values()), default=0)
    rows_and_columns = origin[0], origin[0] + 127, origin[1], origin[1] + 127
    head = struct.pack("<15I", 3, 16384, largest, 5, 4 * len(tiles), 0, size, 0, 40, 0, 16, *rows_and_columns)
    index = b"".join(entry.to_bytes(5, "little") for entry in entries)
    return head + bytes(65536) + bytes(body), struct.pack("<4I", 3, 16, 16384, 5) + index + struct.pack(
        "<4I", 0, 16, 16, 0
    )


def bundle_path(tiles: Path, level: int, row: int, column: int) -> Path:
    """Return the path of the bundle that has a tile."""
    return tiles / f"L{level:02d}" / f"R{row // 128 * 128:04x}C{column // 128 * 128:04x}.bundle"


def group_by_bundle(folder: Path, tiles: Mapping[Address, bytes]) -> dict[Path, dict[tuple[int, int], bytes]]:
    """Return the tiles of each bundle, by its path below `folder`, at (row, column) within it."""
    bundles: dict[Path, dict[tuple[int, int], bytes]] = defaultdict(dict)
    for (level, row, column), tile in tiles.items():
        bundles[bundle_path(folder, level, row, column)][row % 128, column % 128] = tile
    return bundles

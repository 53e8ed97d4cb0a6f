"""A sample of the tiles of an MBTiles file, which says more of their format and size than its metadata."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gptool.cache.database import Database
from gptool.cache.mbtiles_table import DATA, INTEGERS, SIZE, TileTable, last_index
from gptool.errors import CacheError
from gptool.model import MAX_TILE_BYTES, MAX_TILE_SIDE
from gptool.png.structure import FIRST_CHUNK_END, SIGNATURE, png_size

SAMPLED_STRIPS = 20
"""Columns (or rows, in the order of the index) of a level, evenly spread, of which three tiles are sampled: the
first, a middle and the last one, as the format of those at the edge of an area is often another one.
"""

JPEG, PNG, WEBP, VECTOR, UNKNOWN = "JPEG", "PNG", "WebP tiles", "compressed vector tiles", "unknown"
UNSUPPORTED = (WEBP, VECTOR)

GZIP, ZLIB = b"\x1f\x8b", (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
JPEG_START = b"\xff\xd8\xff"
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""The markers of JPEG segments that state width and height (T.81, table B.1)."""


@dataclass
class Sample:
    """The sampled tiles.

    Attributes
    ----------
    formats : Counter of str
        Tiles by format.
    sizes : Counter of (int, int)
        JPEG and PNG tiles by width and height, pixels.
    """

    formats: Counter[str] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        """The number of tiles."""
        return self.formats.total()

    @property
    def format(self) -> str | None:
        """The image format of the cache: JPEG, PNG or MIXED; None if no tile is one of these."""
        found = [name for name in (JPEG, PNG) if self.formats[name]]
        return "MIXED" if len(found) > 1 else found[0] if found else None

    def add(self, tile: bytes) -> None:
        """Add a tile."""
        kind = tile_format(tile)
        self.formats[kind] += 1
        size = jpeg_size(tile) if kind == JPEG else png_size(tile) if kind == PNG else None
        if size is not None and min(size) > 0 and max(size) <= MAX_TILE_SIDE:
            self.sizes[size] += 1

    def check(self, where: Path) -> None:
        """Raise CacheError if tiles cannot be those of a cache of images."""
        for kind in UNSUPPORTED:
            if self.formats[kind]:
                found = f"{self.formats[kind]} of {self.count} sampled tiles"
                raise CacheError(f"{kind} are not supported", where=where, found=found, expected="PNG or JPEG tiles")
        width, height = self.side
        if width != height:
            found = f"{width} x {height} pixels"
            raise CacheError("tiles are not square", where=where, found=found, expected="256 x 256 or 512 x 512")

    @property
    def side(self) -> tuple[int, int]:
        """The most frequent width and height, by default 256 x 256."""
        return self.sizes.most_common(1)[0][0] if self.sizes else (256, 256)


def take_sample(database: Database, table: TileTable, levels: Sequence[int]) -> Sample:
    """Return a sample of the tiles of some levels, at most 60 of each."""
    sample = Sample()
    for level in levels:
        for address in dict.fromkeys(_addresses(database, table, level)):
            data = database.value(
                f"SELECT {DATA} FROM tiles WHERE zoom_level = ? AND {table.first} = ? AND {table.second} = ? "
                f"AND {SIZE} BETWEEN 1 AND {MAX_TILE_BYTES}",
                *address,
            )
            if data:
                sample.add(data)
    return sample


def _addresses(database: Database, table: TileTable, level: int) -> Iterator[tuple[int, int, int]]:
    """Yield level, first and second column of tiles, some of them more than once."""
    last = last_index(level)

    def find(column: str, order: str, first: tuple[int, int], second_min: int = 0) -> Any:
        statement = f"""
            SELECT {column} FROM tiles WHERE zoom_level = ? AND {table.first} BETWEEN ? AND ?
            AND {table.second} BETWEEN ? AND ? AND {INTEGERS}
            ORDER BY {table.first} {order}, {table.second} {order} LIMIT 1"""
        return database.value(statement, level, *first, second_min, last)

    low, high = (find(table.first, order, (0, last)) for order in ("ASC", "DESC"))
    if low is None or high is None:
        return
    for i in range(SAMPLED_STRIPS):
        strip = find(table.first, "ASC", (low + (high - low) * i // (SAMPLED_STRIPS - 1), last))
        ends = [find(table.second, order, (strip, strip)) for order in ("ASC", "DESC")]
        if strip is not None and None not in ends:
            middle = find(table.second, "ASC", (strip, strip), sum(ends) // 2)
            yield from ((level, strip, value) for value in {*ends, middle})


def tile_format(tile: bytes) -> str:
    """Return the format of a tile by its first bytes."""
    if tile.startswith(JPEG_START):
        return JPEG
    if tile.startswith(SIGNATURE) and len(tile) >= FIRST_CHUNK_END:
        return PNG
    if tile.startswith(b"RIFF") and tile[8:12] == b"WEBP":
        return WEBP
    return VECTOR if tile.startswith((GZIP, *ZLIB)) else UNKNOWN


def jpeg_size(tile: bytes) -> tuple[int, int] | None:
    """Return width and height as a JPEG states them, pixels; None if it does not."""
    at = 2
    while at + 9 <= len(tile) and tile[at] == 0xFF:
        marker = tile[at + 1]
        if marker in FRAMES:
            return int.from_bytes(tile[at + 7 : at + 9]), int.from_bytes(tile[at + 5 : at + 7])
        at += 1 if marker == 0xFF else 2 + int.from_bytes(tile[at + 2 : at + 4])
    return None

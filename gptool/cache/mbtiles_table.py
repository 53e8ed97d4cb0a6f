"""The questions that are asked of the tiles of an MBTiles file, in SQL.

MBTiles count rows from the south: row `last` minus the row of an ArcGIS cache, where `last` is that of the grid.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptool.cache.database import Database
from gptool.errors import BundleError
from gptool.model import PACKET_SIZE, PACKET_TILES, BundleAddress, TileAddress, TileWindow
from gptool.text import format_count

SIZE = "CASE typeof(tile_data) WHEN 'blob' THEN length(tile_data) ELSE coalesce(length(CAST(tile_data AS BLOB)), 0) END"
"""The size of a tile. SQLite takes the length of a blob from the head of its row, and does not read its pages."""

DATA = "CAST(tile_data AS BLOB)"
INTEGERS = "typeof(tile_column) = 'integer' AND typeof(tile_row) = 'integer'"

MAX_ENTRIES = 4 * PACKET_TILES
"""Maximum number of entries of a bundle: more than one for a tile if the database has duplicates."""


@dataclass(frozen=True)
class TileTable:
    """The table or view of tiles.

    Attributes
    ----------
    first, second : str
        The column of the index after the level, `tile_column` or `tile_row`, and the other one.
    is_unique : bool
        Whether the database ensures that there is one tile at an address.
    is_indexed : bool
        Whether the database has the index. If not, `mbtiles_listing` makes a temporary one.
    """

    first: str = "tile_column"
    second: str = "tile_row"
    is_unique: bool = False
    is_indexed: bool = True

    def first_of(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the value of the first column of the tiles at positions in a bundle, relative to the bundle."""
        return positions % PACKET_SIZE if self.first == "tile_column" else positions // PACKET_SIZE

    def sizes(
        self, database: Database, address: BundleAddress, wanted: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the tiles of a bundle in the order of the index.

        Parameters
        ----------
        wanted : bool[16384] or None
            Tiles outside the rows and columns of these may be missing.

        Returns
        -------
        positions : int64[n]
        sizes : int64[n]
            Bytes; 0 for tiles without data.

        Raises
        ------
        BundleError
            If there are many tiles at the same addresses.
        """
        window, last = _bounding_window(address, wanted), last_index(address.level)
        if window is None:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        statement = f"""
            WITH RECURSIVE strip(n) AS (SELECT ?2 UNION ALL SELECT n + 1 FROM strip WHERE n < ?3)
            SELECT tile_row, tile_column, {SIZE} FROM strip CROSS JOIN tiles
            WHERE zoom_level = ?1 AND {self.first} = n AND {self.second} BETWEEN ?4 AND ?5 AND {INTEGERS} LIMIT ?6"""
        found = list(database.rows(statement, address.level, *self._ranges(window, last), MAX_ENTRIES))
        if len(found) == MAX_ENTRIES:
            what = f"bundle of level {address.level}, row {address.row}, column {address.column} has too many entries"
            raise BundleError(what, where=database.where, expected=f"one for each of {PACKET_TILES} tiles")
        rows, columns, sizes = np.array(found, np.int64).reshape(-1, 3).T
        rows, columns = last - rows - address.row, columns - address.column
        if found and not (min(rows.min(), columns.min()) >= 0 and max(rows.max(), columns.max()) < PACKET_SIZE):
            what = f"database is damaged: index and tiles of level {address.level} have different rows or columns"
            raise BundleError(what, where=database.where)
        positions = rows * PACKET_SIZE + columns
        is_new = np.ones(len(positions), np.bool_)
        is_new[1:] = positions[1:] != positions[:-1]
        return positions[is_new], sizes[is_new]

    def run(self, database: Database, address: BundleAddress, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Yield position and bytes of the tiles from one position to another, which follow each other in the index."""
        last, (row, column), (end_row, end_column) = (
            last_index(address.level),
            *(address.tile(position)[1:] for position in (start, end)),
        )
        statement = f"""
            SELECT tile_row, tile_column, {DATA} FROM tiles
            WHERE zoom_level = ?1 AND {self.first} = ?2 AND {self.second} BETWEEN ?3 AND ?4 AND {INTEGERS}
            ORDER BY {self.second}"""
        (first, second), (_, end_second) = (
            self._ordered(column, last - row),
            self._ordered(end_column, last - end_row),
        )
        for tile_row, tile_column, data in database.rows(statement, address.level, first, second, end_second):
            yield (last - tile_row - address.row) * PACKET_SIZE + tile_column - address.column, data

    def tile(self, database: Database, tile: TileAddress) -> bytes:
        """Return the bytes of a tile, none if it does not exist."""
        statement = f"SELECT {DATA} FROM tiles WHERE zoom_level = ? AND tile_column = ? AND tile_row = ?"
        last = last_index(tile.level)
        is_within = 0 <= tile.row <= last and 0 <= tile.column <= last
        return (is_within and database.value(statement, tile.level, tile.column, last - tile.row)) or b""

    def bundles(self, database: Database, level: int) -> list[BundleAddress]:
        """Return the bundles of a level that have tiles, without reading the entries of all tiles.

        The statement finds a tile, then the next one by the index that is in another bundle or another first column,
        and so on. The key of a tile is its first column in the upper 32 bits, and below its second column plus one, cut
        off to one more than the grid has at either side.
        """
        second = "((key & 4294967295) - 1)"
        seek = f"""
            SELECT {self.first} << 32 | min(max({self.second}, -1), ?2 + 1) + 1 FROM tiles
            WHERE zoom_level = ?1 AND ({self.first}, {self.second}) >= ({{}}, {{}}) AND {self.first} <= ?2
            AND {INTEGERS}
            ORDER BY {self.first}, {self.second} LIMIT 1"""
        is_beyond = f"{second} > ?2"
        next_tile = seek.format(
            f"(key >> 32) + ({is_beyond})", f"CASE WHEN {is_beyond} THEN 0 ELSE ({second} >> 7) + 1 << 7 END"
        )
        statement = f"""
            WITH RECURSIVE found(key) AS
            (SELECT ({seek.format(0, 0)}) UNION ALL SELECT ({next_tile}) FROM found WHERE key IS NOT NULL)
            SELECT DISTINCT key >> 39, {second} >> 7 FROM found
            WHERE key IS NOT NULL AND {second} BETWEEN 0 AND ?2"""
        last = last_index(level)
        packets = (self._ordered(*pair) for pair in database.rows(statement, level, last))
        return sorted(
            BundleAddress(level, ((last >> 7) - row) * PACKET_SIZE, column * PACKET_SIZE) for column, row in packets
        )

    def window(self, database: Database, level: int) -> TileWindow | None:
        """Return the smallest window that contains the tiles of a level; None if it has none."""
        is_on_grid = f"{INTEGERS} AND {self.second} BETWEEN 0 AND ?2"
        next_first = f"""
            SELECT {self.first} FROM tiles WHERE zoom_level = ?1 AND {self.first} BETWEEN {{}} AND ?2 AND {is_on_grid}
            ORDER BY {self.first} LIMIT 1"""
        edge = f"""
            SELECT {self.second} FROM tiles WHERE zoom_level = ?1 AND {self.first} = strip.n AND {is_on_grid}
            ORDER BY {self.second}"""
        statement = f"""
            WITH RECURSIVE strip(n) AS
            (SELECT ({next_first.format(0)}) UNION ALL SELECT ({next_first.format("n + 1")}) FROM strip WHERE n >= 0)
            SELECT min(n), max(n), min(({edge} LIMIT 1)), max(({edge} DESC LIMIT 1)) FROM strip WHERE n >= 0"""
        last = last_index(level)
        first_min, first_max, second_min, second_max = ends = database.row(statement, level, last) or (None,) * 4
        if None in ends:
            return None
        columns, rows = self._ordered((first_min, first_max), (second_min, second_max))
        return TileWindow(last - rows[1], last - rows[0], *columns)

    def skipped(self, database: Database, level: int, window: TileWindow | None) -> list[str]:
        """Return what is not read of the tiles of a level, or of those in a window."""
        last, values, where = last_index(level), [level], "zoom_level = ?1"
        if window is not None:
            values += self._ranges(window, last)
            where += f" AND {self.first} BETWEEN ?2 AND ?3 AND {self.second} BETWEEN ?4 AND ?5"
        is_on_grid = f"tile_column BETWEEN 0 AND {last} AND tile_row BETWEEN 0 AND {last}"
        counts = f"SELECT total(NOT ({INTEGERS})), total({INTEGERS} AND NOT ({is_on_grid})) FROM tiles WHERE {where}"
        invalid, beyond = map(int, database.row(counts, *values) or (0, 0))
        doubles = 0
        if not self.is_unique:
            readable = f"{where} AND {INTEGERS} AND {is_on_grid}"  # others are counted above
            groups = (
                f"SELECT count(*) AS n FROM tiles WHERE {readable} GROUP BY {self.first}, {self.second} HAVING n > 1"
            )
            doubles = int(database.value(f"SELECT total(n - 1) FROM ({groups})", *values))
        texts = {
            "of a row or column that is no integer, skipped": invalid,
            f"outside the grid of {last + 1} x {last + 1} tiles, skipped": beyond,
            "stored again at the same row and column, skipped": doubles,
        }
        return [f"level {level}: {format_count(count, 'tile')} {text}" for text, count in texts.items() if count]

    def _ordered(self, column: Any, row: Any) -> tuple[Any, Any]:
        """Return values in the order of the index; or as column and row, if they are in the order of the index."""
        return (column, row) if self.first == "tile_column" else (row, column)

    def _ranges(self, window: TileWindow, last: int) -> list[int]:
        """Return the ends of the ranges of the first and the second column."""
        columns, rows = (window.column_min, window.column_max), (last - window.row_max, last - window.row_min)
        first, second = self._ordered(columns, rows)
        return [*first, *second]


def last_index(level: int) -> int:
    """Return the last row, and column, of the grid of a level."""
    return (1 << level) - 1


def _bounding_window(address: BundleAddress, wanted: NDArray[np.bool_] | None) -> TileWindow | None:
    """Return the rows and columns of a bundle that are on the grid and wanted; None if there are none."""
    rows = columns = np.arange(PACKET_SIZE)
    if wanted is not None:
        grid = wanted.reshape(PACKET_SIZE, PACKET_SIZE)
        rows, columns = np.flatnonzero(grid.any(axis=1)), np.flatnonzero(grid.any(axis=0))
        if not len(rows):
            return None
    last = last_index(address.level)
    window = TileWindow(
        address.row + int(rows[0]),
        min(address.row + int(rows[-1]), last),
        address.column + int(columns[0]),
        min(address.column + int(columns[-1]), last),
    )
    return window if window.row_min <= window.row_max and window.column_min <= window.column_max else None

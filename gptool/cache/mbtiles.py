"""MBTiles files (MBTiles 1.3): an SQLite database with a table or view of tiles, rows counted from the south.

The tiles of 128 x 128 rows and columns are treated as a bundle. They are read in runs of neighbours, in the order of
the database's index.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gptool.cache.base import BATCH_BYTES, Bundle, OpenTiles, TileBatch, TileCache
from gptool.cache.byte_source import ByteSource, ReadBuffer
from gptool.cache.compact import LISTING_ENTRY_BYTES, check_total_size, select_bundles
from gptool.cache.database import Database, DatabaseStore, State, current_state
from gptool.cache.mbtiles_listing import attach_listing
from gptool.cache.mbtiles_table import TileTable
from gptool.errors import BundleError
from gptool.model import MAX_TILE_BYTES, PACKET_TILES, BundleAddress, Lod, TileAddress, TileWindow


@dataclass(frozen=True)
class MBTilesCache(TileCache):
    """A cache in an MBTiles file.

    Attributes
    ----------
    files : DatabaseStore
    table : TileTable
        How the tiles are found.
    other_levels : tuple of str
        Messages about tiles whose level is none, see `unknown_levels`.
    """

    files: DatabaseStore
    table: TileTable = field(default_factory=TileTable)
    other_levels: tuple[str, ...] = ()

    square_size = 1

    def bundles(self, lod: Lod, window: TileWindow | None = None) -> list[BundleAddress]:
        """Return the sorted addresses of bundles. See `TileCache.bundles`."""
        self.files.check_unchanged()
        make_listing = partial(self._list_bundles, lod.level)
        return select_bundles(self.files.listings.get(lod.level, hash(self.files.state), make_listing), window)

    def _list_bundles(self, level: int) -> tuple[list[BundleAddress], int]:
        """Return the bundles of a level, and the memory that the list takes."""
        with self._connect() as database:
            found = self.table.bundles(database, level)
        return found, LISTING_ENTRY_BYTES * len(found)

    @contextmanager
    def _connect(self) -> Iterator[Database]:
        """Open a connection that finds tiles by an index."""
        with self.files.connect() as database:
            if not self.table.is_indexed:
                attach_listing(database)
            yield database

    @contextmanager
    def open_bundle(self, address: BundleAddress, wanted: NDArray[np.bool_] | None = None) -> Iterator[Bundle]:
        """Find the tiles of a bundle. See `TileCache.open_bundle`."""
        self.files.check_unchanged()
        with self._connect() as database:
            yield MBTilesBundle(database, self.table, address, wanted, self.files.state)

    def square_stamp(self, first: TileAddress) -> tuple[int, ...] | None:
        """Return the state of the database. See `TileCache.square_stamp`."""
        return current_state(self.files.location)

    @contextmanager
    def open_square(self, first: TileAddress) -> Iterator[OpenTiles]:
        """Read a tile, which has no bytes if it does not exist. See `TileCache.open_square`."""
        with self._connect() as database:
            data = self.table.tile(database, first)
        yield OpenTiles(
            MemorySource(self.files.location, data), np.zeros(1, np.uint64), np.array([len(data)], np.uint32)
        )

    def unknown_levels(self) -> list[str]:
        """Return a message for each level that is none. See `TileCache.unknown_levels`."""
        return list(self.other_levels)

    def skipped_bundles(self, lod: Lod, window: TileWindow | None = None) -> list[str]:
        """Return warnings about tiles of a level that are not read. See `TileCache.skipped_bundles`."""
        with self._connect() as database:
            return [f"{self.location}: {text}" for text in self.table.skipped(database, lod.level, window)]


class MemorySource(ByteSource):
    """The bytes of a tile, in memory, which is bounded as that of temporary files is."""

    def __init__(self, where: Path, data: bytes) -> None:
        super().__init__(where, len(data))
        self._data, self.temporary_bytes = data, len(data)

    def read_resident(self, offset: int, size: int) -> bytes | None:
        """Return bytes. See `ByteSource.read_resident`."""
        return self._data[offset : offset + size]

    def _read(self, offset: int, size: int, buffer: ReadBuffer) -> NDArray[np.uint8]:
        return np.frombuffer(self._data, np.uint8, size, offset)

    def _read_uint32(self, offsets: NDArray[np.uint64]) -> NDArray[np.uint32]:
        words = [int.from_bytes(self._data[offset : offset + 4], "little") for offset in offsets.tolist()]
        return np.array(words, np.uint32)


class MBTilesBundle(Bundle):
    """The tiles of 128 x 128 rows and columns, at an open connection.

    Raises
    ------
    BundleError
        If a tile is too large, or the tiles of a normalised schema are together.
    """

    def __init__(
        self,
        database: Database,
        table: TileTable,
        address: BundleAddress,
        wanted: NDArray[np.bool_] | None,
        state: State,
    ) -> None:
        self._database, self._table, self._address, self.stamp = database, table, address, state
        self.sizes = np.zeros(PACKET_TILES, np.uint32)
        # The tiles in the order of the database's index, also those of no bytes.
        self._order, sizes = table.sizes(database, address, wanted)
        if len(sizes) and int(sizes.max()) > MAX_TILE_BYTES:
            largest = int(sizes.argmax())
            tile = address.tile(int(self._order[largest]))
            raise BundleError(
                f"tile at level {tile.level}, row {tile.row}, column {tile.column} is too large",
                where=database.where,
                found=f"{sizes[largest]} bytes",
                expected=f"at most {MAX_TILE_BYTES} bytes",
            )
        self.sizes[self._order] = sizes
        check_total_size(int(self.sizes.sum(dtype=np.int64)), state[0], database.where)
        if len(sizes) and not sizes.all():
            self.empty = np.zeros(PACKET_TILES, np.bool_)
            self.empty[self._order[sizes == 0]] = True

    def batches(self, positions: NDArray[np.int64], buffer: ReadBuffer | None = None) -> Iterator[TileBatch]:
        """Read tiles in the order of the database's index; the buffer is not used. See `Bundle.batches`."""
        wanted = np.zeros(PACKET_TILES, np.bool_)
        wanted[positions] = True
        read: list[int] = []
        tiles: list[bytes] = []
        filled = 0
        for position, data in self._tiles(wanted[self._order]):
            read.append(position)
            tiles.append(data)
            filled += len(data)
            if filled >= BATCH_BYTES:
                yield self._batch(read, tiles)
                read, tiles, filled = [], [], 0
        if read:
            yield self._batch(read, tiles)

    def _batch(self, read: list[int], tiles: list[bytes]) -> TileBatch:
        positions = np.array(read, np.int64)
        return TileBatch.contiguous(positions, np.frombuffer(b"".join(tiles), np.uint8), self.sizes[positions])

    def _tiles(self, is_wanted: NDArray[np.bool_]) -> Iterator[tuple[int, bytes]]:
        """Yield the position and bytes of tiles, given as a mask of those in the order of the index.

        Raises
        ------
        BundleError
            If the database returns others than its index has.
        """
        firsts = self._table.first_of(self._order)
        starts, ends = np.ones((2, len(firsts)), np.bool_)
        is_new = firsts[1:] != firsts[:-1]
        starts[1:], ends[:-1] = is_new | ~is_wanted[:-1], is_new | ~is_wanted[1:]
        runs = zip(np.flatnonzero(starts & is_wanted), np.flatnonzero(ends & is_wanted), strict=True)
        for start, end in runs:
            run = self._order[start : end + 1].tolist()
            found = self._table.run(self._database, self._address, run[0], run[-1])
            for position in run:
                data = next((data for other, data in found if other == position), None)
                if data is None or len(data) != self.sizes[position]:
                    raise self._mismatch_error(position)
                yield position, data

    def _mismatch_error(self, position: int) -> BundleError:
        tile = self._address.tile(position)
        return BundleError(
            f"tile at level {tile.level}, row {tile.row}, column {tile.column} is not as its index states",
            where=self._database.where,
            expected=f"{self.sizes[position]} bytes",
        )

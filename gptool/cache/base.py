"""The interface of a tile cache: bundles with an index, and tiles that are read in batches."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.cache.byte_source import ByteSource, ReadBuffer
from gptool.cache.file_store import FileStore
from gptool.cache.paths import join_path
from gptool.model import (
    PACKET_SIZE,
    BundleAddress,
    Extent,
    ImageInfo,
    Lod,
    StorageFormat,
    TileAddress,
    TileWindow,
    TilingScheme,
)
from gptool.system.store_url import Location

BATCH_BYTES = 512 * 1024
"""Approximate number of tile bytes that are read and processed together.

A batch takes a few milliseconds, so that all threads finish at about the same time.
"""

LEVEL_FOLDER = re.compile("L[0-9]+", re.IGNORECASE)

NAME_BYTES = 128
"""Approximate memory used by one file name, bytes."""


class TileBatch(NamedTuple):
    """Tiles of one bundle, in memory.

    Attributes
    ----------
    positions : int64[n]
        Position of each tile in the bundle, 0..16383, row-major.
    source : uint8[...]
        Buffer that contains the tiles.
    offsets : uint64[n]
        Offset of each tile in `source`, bytes.
    sizes : uint32[n]
        Size of each tile, bytes.
    """

    positions: NDArray[np.int64]
    source: NDArray[np.uint8]
    offsets: NDArray[np.uint64]
    sizes: NDArray[np.uint32]

    @classmethod
    def contiguous(
        cls, positions: NDArray[np.int64], source: NDArray[np.uint8], sizes: NDArray[np.uint32]
    ) -> TileBatch:
        """Return the batch of tiles that follow each other in `source` without gaps."""
        offsets = np.zeros(len(sizes), np.uint64)
        np.cumsum(sizes[:-1], out=offsets[1:])
        return cls(positions, source, offsets, sizes)

    def split(self, count: int) -> Iterator[TileBatch]:
        """Yield batches of at most `count` of the tiles, in their order; they share the buffer."""
        for first in range(0, len(self.sizes), count):
            part = slice(first, first + count)
            yield TileBatch(self.positions[part], self.source, self.offsets[part], self.sizes[part])

    def tile(self, i: int) -> bytes:
        """Return the bytes of the i-th tile of the batch."""
        start = int(self.offsets[i])
        return self.source[start : start + int(self.sizes[i])].tobytes()


class Bundle(ABC):
    """An open bundle of 128 x 128 tiles.

    Attributes
    ----------
    sizes : uint32[16384]
        Size of each tile in bytes, row-major; 0 where there is no tile.
    empty : bool[16384] or None
        True where a tile exists but has no bytes, so that it cannot be exported; None if there is no such tile.
    stamp : tuple of int
        Numbers that change when a file of the bundle is changed or replaced, also while no program runs: they are of
        the sizes and times of the files when it was opened, not of devices and inodes, which may have other numbers
        after a restart of the computer.
    """

    sizes: NDArray[np.uint32]
    empty: NDArray[np.bool_] | None = None
    stamp: tuple[int, ...] = ()

    def present(self, wanted: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the positions, 0..16383, of the tiles of a mask, bool[16384], that exist (size above 0)."""
        return np.flatnonzero(wanted & (self.sizes > 0))

    @abstractmethod
    def batches(self, positions: NDArray[np.int64], buffer: ReadBuffer | None = None) -> Iterator[TileBatch]:
        """Read the tiles at the given positions in batches of about `BATCH_BYTES`, in the order that reads fastest.

        Parameters
        ----------
        positions : int64[n]
            Positions of tiles whose size is not 0.
        buffer : ReadBuffer, optional
            Memory to read into. Each batch is then valid only until the next one is requested, and may be larger.

        Raises
        ------
        CacheError
            If the bytes cannot be read.
        """


class OpenTiles(NamedTuple):
    """The tiles of a square, `TileCache.square_size` wide and high, in an open file.

    Attributes
    ----------
    source : ByteSource
        The file.
    offsets : uint64[n]
        Offset of each tile in the file, bytes, row-major.
    sizes : uint32[n]
        Size of each tile, bytes; 0 where there is no tile.
    """

    source: ByteSource
    offsets: NDArray[np.uint64]
    sizes: NDArray[np.uint32]


@dataclass(frozen=True)
class TileCache(ABC):
    """A tile cache: immutable and picklable. Files are open only while they are read.

    Attributes
    ----------
    files : FileStore
        Access to the files of the cache.
    tiles_folder : str
        Path of the folder of level folders in `files`.
    name : str
        Name of the cache: that of its folder or package.
    location : Path or StoreUrl
        The folder or package.
    declared_extent : Extent or None
        The full extent stated by conf.cdi or root.json.
    conf_xml, root_json : bytes or None
        The unchanged documents; None in caches that have none.
    warnings : tuple of str
        What its metadata state otherwise than its files.
    is_by_index : bool
        Whether the sizes of bundles may be bounds. See `by_index`.
    """

    files: FileStore
    tiles_folder: str
    name: str
    location: Location
    scheme: TilingScheme
    image: ImageInfo
    storage: StorageFormat
    declared_extent: Extent | None
    conf_xml: bytes | None
    root_json: bytes | None = None
    warnings: tuple[str, ...] = ()
    is_by_index: bool = False

    square_size: ClassVar[int] = PACKET_SIZE
    """Number of rows, and of columns, of tiles that are in one file."""

    @abstractmethod
    def bundles(self, lod: Lod, window: TileWindow | None = None) -> list[BundleAddress]:
        """Return the sorted addresses of the bundles of a level, or of those that intersect `window`.

        Raises
        ------
        CacheError
            If the level cannot be listed, or contains a bundle whose name is not on the grid.
        """

    @abstractmethod
    def open_bundle(
        self, address: BundleAddress, wanted: NDArray[np.bool_] | None = None
    ) -> AbstractContextManager[Bundle]:
        """Open a bundle and read its index.

        Parameters
        ----------
        address : BundleAddress
        wanted : bool[16384], optional
            The tiles that matter. The sizes of others may be 0 where it takes long to read them, in a store.

        Raises
        ------
        BundleError
            If the header or the index is corrupt.
        CacheError
            If the bundle cannot be read.
        """

    @abstractmethod
    def square_stamp(self, first: TileAddress) -> tuple[int, ...] | None:
        """Return numbers that change when the file of a square of tiles is changed or replaced.

        Parameters
        ----------
        first : TileAddress
            The first tile of the square; row and column are multiples of `square_size`.

        Returns
        -------
        tuple of int or None
            None if there is no such file.

        Raises
        ------
        CacheError
            If the cache cannot be read.
        """

    @abstractmethod
    def open_square(self, first: TileAddress) -> AbstractContextManager[OpenTiles]:
        """Open the file of a square of tiles, to read single ones. Parameters and errors as in `open_bundle`."""

    def by_index(self) -> TileCache:
        """Return the cache that reads no more than the indexes of bundles before their tiles.

        In compact V1 bundles, sizes stand before tiles: in a store, reading all of them means to read the tiles. Those
        of the returned cache's bundles are bounds then, and its batches have the sizes of the tiles that exist, which
        may be fewer. Other caches are returned as they are.
        """
        return self

    def reader(self, level: int) -> TileCache:
        """Return the reader of a level: the cache itself, unless the storage formats of its levels differ."""
        return self

    def skipped_bundles(self, lod: Lod, window: TileWindow | None = None) -> list[str]:
        """Return a message for each incomplete bundle, which `bundles` skips."""
        return []

    def unknown_levels(self) -> list[str]:
        """Return a message for each level that has tiles but is not in the tiling scheme, so that it has no resolution.

        Raises
        ------
        CacheError
            If the folder of level folders cannot be listed.
        """
        files, known = self.files, {self.level_folder(lod.level) for lod in self.scheme.lods}
        names = filter(LEVEL_FOLDER.fullmatch, files.list_names(self.tiles_folder))
        folders = sorted(join_path(self.tiles_folder, name) for name in names)
        return [
            f"{files.where(path)}: level is not in the tiling scheme, its tiles are skipped"
            for path in folders
            if path not in known
            and files.is_folder(path)
            and any(not name.startswith(".") for name in files.list_names(path))
        ]

    def level_folder(self, level: int) -> str:
        """Return the path of the folder of a level, `Lzz` in either letter case, whether or not it exists.

        Raises
        ------
        CacheError
            If the folder of level folders cannot be listed.
        """
        name = f"L{level:02d}"
        names = self.files.cached_listing(self.tiles_folder, self._list_names, frozenset[str]())
        return join_path(self.tiles_folder, name.lower() if name not in names and name.lower() in names else name)

    def _list_names(self) -> tuple[frozenset[str], int]:
        names = frozenset(self.files.list_names(self.tiles_folder))
        return names, NAME_BYTES * len(names)

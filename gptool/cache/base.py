"""What the rest of the program knows of a cache: bundles with an index, and tiles in batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.cache.content import Room
from gptool.cache.files import Files, join
from gptool.model import BundleAddress, Extent, ImageInfo, Lod, StorageFormat, TileWindow, TilingScheme

BATCH_BYTES = 512 * 1024
"""About the bytes of tiles that are read, and worked on, together: some milliseconds, so that threads end together."""

BYTES_OF_NAME = 128
"""About what a name takes in memory."""


class TileBatch(NamedTuple):
    """Some tiles of one bundle, in memory.

    Attributes
    ----------
    positions : int64[n]
        Each tile's place in the bundle, 0..16383, row-major.
    source : uint8[...]
        The bytes the tiles lie in.
    offsets : uint64[n]
        Where each tile starts in `source`.
    sizes : uint32[n]
        Bytes.
    """

    positions: NDArray[np.int64]
    source: NDArray[np.uint8]
    offsets: NDArray[np.uint64]
    sizes: NDArray[np.uint32]

    @classmethod
    def contiguous(
        cls, positions: NDArray[np.int64], source: NDArray[np.uint8], sizes: NDArray[np.uint32]
    ) -> TileBatch:
        """Return the batch of tiles that stand one after the other in `source`."""
        offsets = np.zeros(len(sizes), np.uint64)
        np.cumsum(sizes[:-1], out=offsets[1:])
        return cls(positions, source, offsets, sizes)

    def tile(self, i: int) -> bytes:
        """Return the bytes of the i-th tile of the batch."""
        start = int(self.offsets[i])
        return self.source[start : start + int(self.sizes[i])].tobytes()


class Bundle(ABC):
    """One open packet of 128 x 128 tiles.

    Attributes
    ----------
    sizes : uint32[16384]
        Bytes of each tile, row-major; 0 where there is none.
    empty : bool[16384] or None
        Where there is a tile of no bytes, which can't be exported; None for nowhere.
    """

    sizes: NDArray[np.uint32]
    empty: NDArray[np.bool_] | None = None

    @abstractmethod
    def batches(self, positions: NDArray[np.int64], room: Room | None = None) -> Iterator[TileBatch]:
        """Read the tiles at these positions, a batch of about `BATCH_BYTES` at a time, in the order that reads best.

        With a `room`, which batches are read into, each is good only until the next is asked for; they may be larger.

        Raises
        ------
        CacheError
            When the bytes can't be read.
        """


@dataclass(frozen=True)
class TileCache(ABC):
    """A tile cache: frozen values and a location, so it pickles; files are open only while they are read.

    Attributes
    ----------
    files : Files
        Where its bytes are.
    tiles : str
        The folder of the level folders in `files`.
    name : str
        The cache's own name: that of its folder or package.
    location : Path
        Its folder or package.
    declared_extent : Extent or None
        The full extent as conf.cdi or root.json states it.
    document : bytes or None
        conf.xml as it is; None in packages that have none.
    """

    files: Files
    tiles: str
    name: str
    location: Path
    scheme: TilingScheme
    image: ImageInfo
    storage: StorageFormat
    declared_extent: Extent | None
    document: bytes | None

    @abstractmethod
    def bundles(self, lod: Lod, window: TileWindow | None = None) -> list[BundleAddress]:
        """Return the addresses of a level's bundles, sorted; only those that meet the window when there is one.

        Raises
        ------
        CacheError
            When the level can't be listed, or holds a bundle that can't be placed.
        """

    @abstractmethod
    def open_bundle(self, address: BundleAddress) -> AbstractContextManager[Bundle]:
        """Open a bundle and read its index.

        Raises
        ------
        BundleError
            When header or index can't be true.
        CacheError
            When it can't be read.
        """

    def left_out(self, lod: Lod, window: TileWindow | None = None) -> list[str]:
        """Tell in words of the bundles that are there in part only, of those that `bundles` would return."""
        return []

    def folder(self, level: int) -> str:
        """Return the path of a level's folder, `Lzz` in either letter case, whether it is there or not.

        Raises
        ------
        CacheError
            When the folder of them all can't be listed.
        """
        name = f"L{level:02d}"
        names = self.files.remembered(self.tiles, self._names, frozenset[str]())
        return join(self.tiles, name.lower() if name not in names and name.lower() in names else name)

    def _names(self) -> tuple[frozenset[str], int]:
        names = frozenset(self.files.names(self.tiles))
        return names, BYTES_OF_NAME * len(names)

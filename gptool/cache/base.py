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

from gptool.model import BundleAddress, Extent, ImageInfo, Lod, StorageFormat, TilingScheme


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
    """

    sizes: NDArray[np.uint32]

    @abstractmethod
    def batches(self, positions: NDArray[np.int64]) -> Iterator[TileBatch]:
        """Read the tiles at these positions, a batch of about a MiB at a time, in the order that reads best.

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
    location : Path
    scheme : TilingScheme
    image : ImageInfo
    storage : StorageFormat
    declared_extent : Extent or None
        The full extent as conf.cdi states it.
    """

    location: Path
    scheme: TilingScheme
    image: ImageInfo
    storage: StorageFormat
    declared_extent: Extent | None

    @property
    def name(self) -> str:
        """The cache's own name: that of its folder or package."""
        return self.location.stem if self.location.is_file() else self.location.name

    @abstractmethod
    def bundles(self, lod: Lod) -> list[BundleAddress]:
        """Return the addresses of a level's bundles, sorted.

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

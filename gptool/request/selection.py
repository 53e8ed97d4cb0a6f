"""Which tiles of a cache are meant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gptool.model import PACKET_SIZE, BundleAddress, Extent, Lod, TileWindow, TilingScheme


@dataclass(frozen=True, slots=True)
class Selection:
    """Levels, and at each the tiles that share area with the extent; all tiles when there is none."""

    scheme: TilingScheme
    lods: tuple[Lod, ...]
    extent: Extent | None

    def window(self, lod: Lod) -> TileWindow | None:
        """Return the window of tiles that are meant at a level, None for all."""
        return None if self.extent is None else self.scheme.window(lod, self.extent)

    def positions(
        self, lod: Lod, bundle: BundleAddress, sizes: NDArray[np.uint32] | NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Return the positions in the bundle, 0..16383, of the tiles that are meant and exist (size above 0)."""
        window = self.window(lod)
        if window is None:
            return np.flatnonzero(sizes)
        if not window.meets_bundle(bundle):
            return np.empty(0, np.int64)
        wanted = np.zeros((PACKET_SIZE, PACKET_SIZE), bool)
        rows = slice(max(window.row_min - bundle.row, 0), window.row_max - bundle.row + 1)
        columns = slice(max(window.column_min - bundle.column, 0), window.column_max - bundle.column + 1)
        wanted[rows, columns] = True
        return np.flatnonzero(wanted.ravel() & (sizes > 0))

"""What a package or cache contains: the tiles of each level, as the indexes of its bundles state them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gptool.model import PACKET_SIZE, BundleAddress, TileWindow


@dataclass
class LevelContents:
    """The tiles of a level.

    Attributes
    ----------
    tiles : int
    window : TileWindow or None
        The smallest window that contains them; None if there are none.
    """

    tiles: int = 0
    window: TileWindow | None = None


@dataclass
class Contents:
    """The tiles of all levels.

    Attributes
    ----------
    levels : dict of int to LevelContents
        By level, those of the tiling scheme.
    tiles_checked : int
        Tiles that were decoded.
    """

    levels: dict[int, LevelContents] = field(default_factory=dict)
    tiles_checked: int = 0

    @property
    def tiles(self) -> int:
        """The number of tiles."""
        return sum(level.tiles for level in self.levels.values())

    @property
    def filled_levels(self) -> list[int]:
        """The levels that have tiles, in ascending order."""
        return sorted(number for number, level in self.levels.items() if level.tiles)

    def add(self, address: BundleAddress, sizes: NDArray[np.uint32]) -> None:
        """Add the tiles of a bundle; `sizes` are uint32[16384], 0 where there is no tile."""
        level = self.levels.setdefault(address.level, LevelContents())
        present = (sizes > 0).reshape(PACKET_SIZE, PACKET_SIZE)
        rows, columns = np.flatnonzero(present.any(axis=1)), np.flatnonzero(present.any(axis=0))
        if not len(rows):
            return
        first_row, last_row, first_column, last_column = (int(axis[end]) for axis in (rows, columns) for end in (0, -1))
        window = TileWindow(
            address.row + first_row, address.row + last_row, address.column + first_column, address.column + last_column
        )
        level.tiles += int(np.count_nonzero(present))
        level.window = window if level.window is None else level.window.union(window)

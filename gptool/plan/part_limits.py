"""The limits of a part of an export, and an estimate of its size from its bundles and tiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.plan.tile_plan import LevelPlan


class PartLimits(NamedTuple):
    """What a part must not exceed; None for no limit.

    Attributes
    ----------
    tiles : int or None
    size : int or None
        Bytes of the finished file.
    """

    tiles: int | None = None
    size: int | None = None


@dataclass(frozen=True)
class PartSizes:
    """How the size of a part is estimated, bytes.

    Attributes
    ----------
    metadata, bundle, tile : float
        What a part, each of its bundles, and each of its tiles has besides the tiles' own bytes.
    ratios : mapping of int to float
        The bytes of the tiles in the result by those in the cache, by level ID; 1 for other levels.
    """

    metadata: float = 0.0
    bundle: float = 0.0
    tile: float = 0.0
    ratios: Mapping[int, float] = field(default_factory=dict)

    def of_tiles(self, level: int, tiles: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the bytes of tiles in the result, given their numbers and their bytes in the cache."""
        found: NDArray[np.float64] = sizes * self.ratios.get(level, 1.0) + tiles * self.tile
        return found

    def of_cells(self, bundles: NDArray[np.int64], sizes: NDArray[np.float64]) -> float:
        """Return the size of a part with these tiles, given the bundle that they are in and their bytes."""
        return self.metadata + self.bundle * len(np.unique(bundles)) + float(sizes.sum())

    def of_levels(self, levels: Iterable[LevelPlan]) -> float:
        """Return the size of a part with all tiles of these levels."""
        return self.metadata + sum(self._beside(level) + self._own(level) for level in levels)

    def corrected(self, levels: Sequence[LevelPlan], size: int) -> PartSizes:
        """Return the estimates with which a part with all tiles of these levels has a size, bytes.

        If the bytes of tiles are estimated, those are corrected, else the bytes of the metadata.
        """
        own = sum(map(self._own, levels))
        if not self.ratios:
            return replace(self, metadata=self.metadata + size - self.of_levels(levels))
        factor = (size - self.metadata - sum(map(self._beside, levels))) / own
        return replace(self, ratios={level: ratio * factor for level, ratio in self.ratios.items()})

    def _own(self, level: LevelPlan) -> float:
        return level.bytes * self.ratios.get(level.lod.level, 1.0)

    def _beside(self, level: LevelPlan) -> float:
        return level.tiles * self.tile + len(level.bundles) * self.bundle


NO_SIZES = PartSizes()
"""If the size of parts has no limit."""

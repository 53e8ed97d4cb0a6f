"""The tile matrix set of a plan: one extent that consists of whole tiles of each level (GeoPackage, requirement 45)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from gptool.crs.web_mercator import is_web_mercator
from gptool.errors import ParameterError
from gptool.model import Extent
from gptool.output.web_tiles import zoom
from gptool.plan import LevelPlan, Plan

MAX_DENOMINATOR = 1000
"""Of the ratios of resolutions: 1:2.5 has the denominator 2."""

MAX_SHIFT = 1.0
"""By how many pixels a tile may lie beside its place: resolutions are stated rounded."""

FACTOR_TOLERANCE = 1e-6


class TileMatrix(NamedTuple):
    """A level, in the order of the columns of `gpkg_tile_matrix`; pixel sizes in units of the spatial reference."""

    zoom_level: int
    matrix_width: int
    matrix_height: int
    tile_width: int
    tile_height: int
    pixel_x_size: float
    pixel_y_size: float


@dataclass(frozen=True)
class TileMatrixSet:
    """The levels of a plan that have tiles, coarsest first, and the extent that they have in common."""

    extent: Extent
    matrices: tuple[TileMatrix, ...]

    @classmethod
    def of_plan(cls, plan: Plan) -> TileMatrixSet:
        """Return the tile matrix set of a plan.

        Raises
        ------
        ParameterError
            If no extent consists of whole tiles of all levels.
        """
        scheme, levels = plan.cache.scheme, plan.filled_levels
        columns, rows = _counts(plan, levels)
        first = levels[0].lod
        width, height = scheme.tile_size(first)
        width, height = width * columns[0], height * rows[0]
        left, top = scheme.origin_x.value, scheme.origin_y.value
        matrices = [
            TileMatrix(
                level.lod.level,
                *(across, down, scheme.tile_columns, scheme.tile_rows),
                width / (across * scheme.tile_columns),
                height / (down * scheme.tile_rows),
            )
            for level, across, down in zip(levels, columns, rows, strict=True)
        ]
        for level, matrix in zip(levels, matrices, strict=True):
            shift = abs(matrix.pixel_x_size / level.lod.resolution.value - 1) * max(
                matrix.matrix_width * matrix.tile_width, matrix.matrix_height * matrix.tile_height
            )
            if shift > MAX_SHIFT:
                raise _error(plan)
        return cls(Extent(left, top - height, left + width, top), tuple(matrices))

    @property
    def has_other_intervals(self) -> bool:
        """Whether a pixel is not half as large as one of the next coarser level."""
        return any(
            abs(upper.pixel_x_size / lower.pixel_x_size / 2 ** (lower.zoom_level - upper.zoom_level) - 1)
            > FACTOR_TOLERANCE
            for upper, lower in pairwise(self.matrices)
        )


def _counts(plan: Plan, levels: Sequence[LevelPlan]) -> tuple[list[int], list[int]]:
    """Return the columns and the rows of tiles of each level. Raises ParameterError as `TileMatrixSet.of_plan`."""
    scheme = plan.cache.scheme
    first = levels[0].lod.resolution.value
    ratios = [Fraction(first / level.lod.resolution.value).limit_denominator(MAX_DENOMINATOR) for level in levels]
    step = math.lcm(*(ratio.denominator for ratio in ratios))
    windows = [level.window for level in levels if level.window is not None]
    needed = [
        max(math.ceil((last + 1) / ratio) for last, ratio in zip(lasts, ratios, strict=True))
        for lasts in ([window.column_max for window in windows], [window.row_max for window in windows])
    ]
    if is_web_mercator(replace(scheme, lods=tuple(level.lod for level in levels))):
        whole = 2 ** max(zoom(scheme, levels[0].lod), 0)  # clients know the world's square
        needed = [max(count, whole) for count in needed]
    across, down = (-(-count // step) * step for count in needed)
    return [int(across * ratio) for ratio in ratios], [int(down * ratio) for ratio in ratios]


def _error(plan: Plan) -> ParameterError:
    found = ", ".join(str(level.lod.resolution) for level in plan.filled_levels)
    return ParameterError(
        "a .gpkg needs levels whose tiles cover one extent exactly",
        where=plan.cache.location,
        found=f"the resolutions {found}",
        expected="ratios of small numbers, fewer levels, or another kind of output",
    )

"""The field's terms as frozen values, without I/O.

Row before column everywhere; coordinates are x, y in the cache's reference.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

PACKET_SIZE = 128
"""Rows, and columns, of tiles in one bundle."""

PACKET_TILES = PACKET_SIZE * PACKET_SIZE
"""Places for tiles in one bundle."""

MAX_TILE_SIDE = 8192
"""Pixels; what readers of these caches accept (GDAL's ESRIC driver)."""

MAX_TILE_BYTES = 2**24 - 1
"""What a compact V2 index can state; larger tiles are refused in every cache."""

MAX_GRID_INDEX = 2.0**40
"""Rows and columns beyond this have no bundle whose name could be written."""

EDGE_TOLERANCE = 1e-6
"""Part of a tile's side by which a box may reach over a tile's edge without meaning the tile behind it.

Schemes state origin and resolution rounded, so the edge between two tiles is known to about 1e-7 of a tile only:
the two tiles of web Mercator's level 1 meet at x = -0.000004, not at 0.
"""


MAX_NUMBER_LENGTH = 64
"""Characters of a number; those of a float are 24 at most."""

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")

Tables = Literal["efficient", "exact"]
"""Quantisers of a recompressed tile: multiples of its own, or those of the IJG table of the quality asked for."""


class Message(NamedTuple):
    """A line that a job tells, of one of geoprocessing's types."""

    type: Literal["Informative", "Warning", "Error"]
    description: str

    def to_json(self) -> dict[str, str]:
        """Return it as ArcGIS's REST API words it."""
        return {"type": f"esriJobMessageType{self.type}", "description": self.description}


class Phase(StrEnum):
    """A phase of the operation."""

    COUNTING = "counting"
    ESTIMATING = "estimating"
    EXPORTING = "exporting"
    HASHING = "hashing"


class Progress(Protocol):
    """A callback that is told how far the operation is, and stops it by raising an exception."""

    def __call__(self, phase: Phase, done: int, total: int, /) -> None:
        """Take note of the progress.

        Parameters
        ----------
        phase : Phase
        done, total : int
            Tiles (HASHING: bytes) that are done, and to be done in all; `total` is 0 while it is unknown.
        """


class StorageFormat(StrEnum):
    """How a cache lays its tiles on disk, in Esri's words."""

    EXPLODED = "esriMapCacheStorageModeExploded"
    COMPACT = "esriMapCacheStorageModeCompact"
    COMPACT_V2 = "esriMapCacheStorageModeCompactV2"


@dataclass(frozen=True, slots=True)
class NumberText:
    """A number as a file states it: clients compare such texts, so outputs repeat them and never recompute."""

    text: str
    value: float = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Read the value.

        Raises
        ------
        ValueError
            When the text is no finite number.
        """
        if len(self.text) > MAX_NUMBER_LENGTH or not NUMBER.fullmatch(self.text):
            raise ValueError(f"not a number: {self.text[:MAX_NUMBER_LENGTH]!r}")
        value = float(self.text)
        if not math.isfinite(value):
            raise ValueError(f"not a finite number: {self.text!r}")
        object.__setattr__(self, "value", value)

    def __str__(self) -> str:
        return self.text


class Extent(NamedTuple):
    """A box in the cache's reference."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float

    def union(self, other: Extent) -> Extent:
        """Return the smallest box around both."""
        return Extent(
            min(self.xmin, other.xmin),
            min(self.ymin, other.ymin),
            max(self.xmax, other.xmax),
            max(self.ymax, other.ymax),
        )

    def intersection(self, other: Extent) -> Extent | None:
        """Return the box both share, None where they share no area."""
        box = Extent(
            max(self.xmin, other.xmin),
            max(self.ymin, other.ymin),
            min(self.xmax, other.xmax),
            min(self.ymax, other.ymax),
        )
        return box if box.xmin < box.xmax and box.ymin < box.ymax else None


class TileAddress(NamedTuple):
    """One tile."""

    level: int
    row: int
    column: int


class BundleAddress(NamedTuple):
    """One packet of 128 x 128 tiles, by its first row and column (multiples of 128)."""

    level: int
    row: int
    column: int

    def rows_and_columns(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows and the columns of the tiles at these positions."""
        return self.row + positions // PACKET_SIZE, self.column + positions % PACKET_SIZE

    def tile(self, position: int) -> TileAddress:
        """Return the address of the tile at `position`, 0..16383, row-major."""
        row, column = divmod(position, PACKET_SIZE)
        return TileAddress(self.level, self.row + row, self.column + column)


class TileWindow(NamedTuple):
    """Rows and columns from the first to the last, both included."""

    row_min: int
    row_max: int
    column_min: int
    column_max: int

    def union(self, other: TileWindow) -> TileWindow:
        """Return the smallest window around both."""
        return TileWindow(
            min(self.row_min, other.row_min),
            max(self.row_max, other.row_max),
            min(self.column_min, other.column_min),
            max(self.column_max, other.column_max),
        )

    def contains(self, other: TileWindow) -> bool:
        """Tell whether all of `other` lies within."""
        return self.union(other) == self

    def intersects_bundle(self, bundle: BundleAddress) -> bool:
        """Tell whether the bundle's 128 x 128 tiles and this window share any."""
        last = PACKET_SIZE - 1
        return (
            bundle.row <= self.row_max
            and bundle.row + last >= self.row_min
            and bundle.column <= self.column_max
            and bundle.column + last >= self.column_min
        )


@dataclass(frozen=True, slots=True)
class SpatialReference:
    """A cache's reference: Esri's well-known ids, or the well-known text where there are none."""

    wkid: int | None
    latest_wkid: int | None
    wkt: str | None


@dataclass(frozen=True, slots=True)
class Lod:
    """A level of detail.

    Attributes
    ----------
    level : int
        Esri's LevelID: counts from the coarsest, may start above 0, may skip.
    resolution : NumberText
        Units of the reference for each pixel.
    scale : NumberText
        The denominator of the scale at the scheme's dpi.
    """

    level: int
    resolution: NumberText
    scale: NumberText


@dataclass(frozen=True, slots=True)
class TilingScheme:
    """The grid of tiles: origin at the top left, rows downwards, columns to the right.

    Attributes
    ----------
    origin_x, origin_y : NumberText
        The top left corner of tile row 0, column 0, at every level.
    tile_rows, tile_columns : int
        The height and width of a tile, pixels.
    """

    reference: SpatialReference
    origin_x: NumberText
    origin_y: NumberText
    tile_rows: int
    tile_columns: int
    dpi: NumberText
    lods: tuple[Lod, ...]

    def lod(self, level: int) -> Lod | None:
        """Return the level of detail with that LevelID, None when the scheme has none."""
        return next((lod for lod in self.lods if lod.level == level), None)

    def level_ranges(self, lods: Sequence[Lod]) -> list[str]:
        """Write levels, coarsest first, as `0-6` and `9`: those that follow each other in the scheme make a range."""
        places = {lod: place for place, lod in enumerate(self.lods)}
        runs: list[list[Lod]] = []
        for lod in lods:
            if runs and places[lod] == places[runs[-1][-1]] + 1:
                runs[-1].append(lod)
            else:
                runs.append([lod])
        return [str(run[0].level) if len(run) == 1 else f"{run[0].level}-{run[-1].level}" for run in runs]

    def tile_size(self, lod: Lod) -> tuple[float, float]:
        """Return the width and the height of a level's tiles, in units of the reference."""
        return lod.resolution.value * self.tile_columns, lod.resolution.value * self.tile_rows

    def window(self, lod: Lod, extent: Extent, tolerance: float = EDGE_TOLERANCE) -> TileWindow:
        """Return the tiles that share area with the box.

        An edge that reaches over a tile's edge by no more than `tolerance`, a part of a tile's side, nor by more than a
        quarter of the box, does not select the tile behind it. Negative rows and columns mean places above or left of
        the origin; places beyond any bundle's are cut at `MAX_GRID_INDEX`.
        """
        width, height = self.tile_size(lod)
        top, bottom = (self.origin_y.value - extent.ymax) / height, (self.origin_y.value - extent.ymin) / height
        left, right = (extent.xmin - self.origin_x.value) / width, (extent.xmax - self.origin_x.value) / width
        return TileWindow(*_span(top, bottom, tolerance), *_span(left, right, tolerance))

    def extent(self, lod: Lod, window: TileWindow) -> Extent:
        """Return the box that the window's tiles cover."""
        width, height = self.tile_size(lod)
        return Extent(
            self.origin_x.value + window.column_min * width,
            self.origin_y.value - (window.row_max + 1) * height,
            self.origin_x.value + (window.column_max + 1) * width,
            self.origin_y.value - window.row_min * height,
        )


def _span(start: float, end: float, most: float) -> tuple[int, int]:
    """Return the first and the last tile that share more than an edge's rounding with a stretch, in tiles."""
    tolerance = min(most, (end - start) / 4)
    first, last = (min(max(place, -MAX_GRID_INDEX), MAX_GRID_INDEX) for place in (start + tolerance, end - tolerance))
    return math.floor(first), math.ceil(last) - 1


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What conf.xml says of the tiles as images.

    Attributes
    ----------
    format : str
        As declared, in capitals: JPEG, PNG, PNG8, PNG24, PNG32, MIXED, LERC, ... What a single tile is, its first
        bytes say.
    compression_quality : int
        As declared, 0..100; the tiles themselves may differ.
    """

    format: str
    compression_quality: int
    band_count: int | None
    lerc_error: NumberText | None

    @property
    def may_be_jpeg(self) -> bool:
        """Whether a declared quality means anything."""
        return self.format in ("JPEG", "MIXED")

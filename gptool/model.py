"""Immutable values that all layers share: extents, tile addresses, tiling schemes, progress. No I/O.

Rows come before columns everywhere. Coordinates are x, y in the spatial reference of the cache.
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
"""Number of rows, and of columns, of tiles in a bundle."""

PACKET_TILES = PACKET_SIZE * PACKET_SIZE
"""Number of tiles in a full bundle."""

MAX_TILE_SIDE = 8192
"""Maximum width and height of a tile in pixels, the limit of GDAL's ESRIC driver."""

MAX_TILE_BYTES = 2**24 - 1
"""Maximum size of a tile: the size in a compact V2 index has 24 bits. Enforced for all storage formats."""

MAX_GRID_INDEX = 2.0**40
"""Limit of the rows and columns of a window: no bundle has tiles beyond it."""

EDGE_TOLERANCE = 1e-6
"""Overlap, as a part of a tile's side, up to which an extent does not select a tile.

Tiling schemes state origin and resolution rounded, so the edge between two tiles is only accurate to about 1e-7 of a
tile: the two columns of web Mercator's level 1 meet at x = -0.000004, not at 0.
"""

MAX_NUMBER_LENGTH = 64
"""Maximum length of a number in characters; the repr of a double has at most 24."""

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")

Tables = Literal["efficient", "exact"]
"""Quantisation tables of a recompressed tile.

`efficient`: multiples of the tile's own quantisation steps, smaller at equal quality; `exact`: the IJG tables of the
requested quality.
"""


class Message(NamedTuple):
    """A message of a job, of one of the types of geoprocessing messages."""

    type: Literal["Informative", "Warning", "Error"]
    description: str

    def to_json(self) -> dict[str, str]:
        """Return the message as in ArcGIS's REST API."""
        return {"type": f"esriJobMessageType{self.type}", "description": self.description}

    @property
    def line(self) -> str:
        """The message as people read it beside a result."""
        return f"{'Warning' if self.type == 'Warning' else 'Note'}: {self.description}"


class Phase(StrEnum):
    """A phase of the operation, see `Progress`."""

    COUNTING = "counting"
    COMPARING = "comparing"
    SCORING = "scoring"
    ESTIMATING = "estimating"
    EXPORTING = "exporting"
    UPLOADING = "uploading"
    UPDATING = "updating"
    HASHING = "hashing"
    VERIFYING = "verifying"


class Progress(Protocol):
    """A callback that receives the progress of the operation, and may stop it by raising an exception."""

    def __call__(self, phase: Phase, done: int, total: int, /) -> None:
        """Receive the progress.

        Parameters
        ----------
        phase : Phase
        done, total : int
            The tiles (UPLOADING, HASHING: bytes; VERIFYING: parts) processed so far, and in total; `total` is 0 while
            unknown.
        """


class StorageFormat(StrEnum):
    """The storage formats of a cache, by Esri's names if it has one."""

    EXPLODED = "esriMapCacheStorageModeExploded"
    COMPACT = "esriMapCacheStorageModeCompact"
    COMPACT_V2 = "esriMapCacheStorageModeCompactV2"
    MBTILES = "MBTiles"

    @property
    def is_esri(self) -> bool:
        """Whether it is a format of Esri's, which Esri's documents may state."""
        return self.startswith("esri")

    @property
    def short_name(self) -> str:
        """The name without prefix that parameters accept, too: `compactV2`."""
        name = self.removeprefix("esriMapCacheStorageMode")
        return name[0].lower() + name[1:]


@dataclass(frozen=True, slots=True)
class NumberText:
    """A number and its text in a file: clients compare such texts, so outputs repeat them unchanged."""

    text: str
    value: float = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Parse the value.

        Raises
        ------
        ValueError
            If the text is not a finite number.
        """
        if len(self.text) > MAX_NUMBER_LENGTH or not NUMBER.fullmatch(self.text):
            raise ValueError(f"not a number: {self.text[:MAX_NUMBER_LENGTH]!r}")
        value = float(self.text)
        if not math.isfinite(value):
            raise ValueError(f"not a finite number: {self.text!r}")
        object.__setattr__(self, "value", value)

    def __str__(self) -> str:
        return self.text


DOMAIN_KEYS = (
    *("xyTolerance", "zTolerance", "mTolerance", "falseX", "falseY"),
    *("xyUnits", "falseZ", "zUnits", "falseM", "mUnits"),
)
"""The names of a domain's numbers in Esri's JSON, in the order of Esri's packages."""

Domain = tuple[tuple[str, NumberText], ...]
"""Tolerances, origins and units of stored coordinates by their names in Esri's JSON, see `DOMAIN_KEYS`."""


class Extent(NamedTuple):
    """A box in the spatial reference of the cache."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float

    def union(self, other: Extent) -> Extent:
        """Return the smallest extent that contains both."""
        return Extent(
            min(self.xmin, other.xmin),
            min(self.ymin, other.ymin),
            max(self.xmax, other.xmax),
            max(self.ymax, other.ymax),
        )

    def intersection(self, other: Extent) -> Extent | None:
        """Return the intersection, or None if it has no area."""
        common = Extent(
            max(self.xmin, other.xmin),
            max(self.ymin, other.ymin),
            min(self.xmax, other.xmax),
            min(self.ymax, other.ymax),
        )
        return common if common.xmin < common.xmax and common.ymin < common.ymax else None


class TileAddress(NamedTuple):
    """The position of a tile."""

    level: int
    row: int
    column: int


class BundleAddress(NamedTuple):
    """The position of a bundle of 128 x 128 tiles: its first row and column, multiples of 128."""

    level: int
    row: int
    column: int

    def rows_and_columns(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows and the columns of the tiles at positions 0..16383 in the bundle, row-major."""
        return self.row + positions // PACKET_SIZE, self.column + positions % PACKET_SIZE

    def tile(self, position: int) -> TileAddress:
        """Return the address of the tile at a position 0..16383 in the bundle, row-major."""
        row, column = divmod(position, PACKET_SIZE)
        return TileAddress(self.level, self.row + row, self.column + column)


class TileWindow(NamedTuple):
    """A range of rows and columns, first and last included."""

    row_min: int
    row_max: int
    column_min: int
    column_max: int

    def union(self, other: TileWindow) -> TileWindow:
        """Return the smallest window that contains both."""
        return TileWindow(
            min(self.row_min, other.row_min),
            max(self.row_max, other.row_max),
            min(self.column_min, other.column_min),
            max(self.column_max, other.column_max),
        )

    def intersection(self, other: TileWindow) -> TileWindow:
        """Return the rows and columns of both; the first one is greater than the last one if there are none."""
        return TileWindow(
            max(self.row_min, other.row_min),
            min(self.row_max, other.row_max),
            max(self.column_min, other.column_min),
            min(self.column_max, other.column_max),
        )

    def contains(self, other: TileWindow) -> bool:
        """Return True if `other` lies within this window."""
        return self.union(other) == self

    def intersects_bundle(self, bundle: BundleAddress) -> bool:
        """Return True if a bundle has tiles within this window."""
        last = PACKET_SIZE - 1
        return (
            bundle.row <= self.row_max
            and bundle.row + last >= self.row_min
            and bundle.column <= self.column_max
            and bundle.column + last >= self.column_min
        )


@dataclass(frozen=True, slots=True)
class SpatialReference:
    """A spatial reference as a cache or a request states it.

    Attributes
    ----------
    wkid, latest_wkid : int or None
        Well-known ids of Esri or EPSG. The latest replaces a deprecated one: 3857 replaces 102100.
    wkt : str or None
        The well-known text.
    domain : Domain
        How Esri software stores coordinates in it, which does not distinguish spatial references; empty if unknown.
    """

    wkid: int | None
    latest_wkid: int | None
    wkt: str | None
    domain: Domain = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Lod:
    """A level of detail.

    Attributes
    ----------
    level : int
        Esri's LevelID: ascending from the coarsest level, may start above 0 and have gaps.
    resolution : NumberText
        Units of the spatial reference per pixel.
    scale : NumberText
        The denominator of the scale at the tiling scheme's dpi.
    """

    level: int
    resolution: NumberText
    scale: NumberText


@dataclass(frozen=True, slots=True)
class TilingScheme:
    """A grid of tiles at several levels of detail: rows run downwards from the origin, columns to the right.

    Attributes
    ----------
    reference : SpatialReference
    origin_x, origin_y : NumberText
        The top left corner of row 0, column 0, at every level.
    tile_rows, tile_columns : int
        The height and width of a tile in pixels.
    dpi : NumberText
        Pixels per inch that scales refer to.
    lods : tuple of Lod
        Coarsest first.
    """

    reference: SpatialReference
    origin_x: NumberText
    origin_y: NumberText
    tile_rows: int
    tile_columns: int
    dpi: NumberText
    lods: tuple[Lod, ...]

    def lod(self, level: int) -> Lod | None:
        """Return the level of detail with a LevelID, or None if the tiling scheme has none."""
        return next((lod for lod in self.lods if lod.level == level), None)

    def level_ranges(self, lods: Sequence[Lod]) -> list[str]:
        """Return the ranges of levels, coarsest first, such as `0-6` and `9`.

        Levels that are consecutive in the tiling scheme make a range, even if their ids are not.
        """
        index = {lod: i for i, lod in enumerate(self.lods)}
        runs: list[list[Lod]] = []
        for lod in lods:
            if runs and index[lod] == index[runs[-1][-1]] + 1:
                runs[-1].append(lod)
            else:
                runs.append([lod])
        return [str(run[0].level) if len(run) == 1 else f"{run[0].level}-{run[-1].level}" for run in runs]

    def tile_size(self, lod: Lod) -> tuple[float, float]:
        """Return the width and the height of a level's tiles, in units of the spatial reference."""
        return lod.resolution.value * self.tile_columns, lod.resolution.value * self.tile_rows

    def window(self, lod: Lod, extent: Extent, tolerance: float = EDGE_TOLERANCE) -> TileWindow:
        """Return the window of tiles that share area with an extent.

        Parameters
        ----------
        lod : Lod
        extent : Extent
        tolerance : float
            Tiles that overlap the extent by at most this part of a tile's side are not selected. It is reduced to a
            quarter of the extent's side, so that an extent of any size selects at least one tile.

        Returns
        -------
        TileWindow
            Rows and columns are negative above and left of the origin, and limited to +-`MAX_GRID_INDEX`.
        """
        width, height = self.tile_size(lod)
        top, bottom = (self.origin_y.value - extent.ymax) / height, (self.origin_y.value - extent.ymin) / height
        left, right = (extent.xmin - self.origin_x.value) / width, (extent.xmax - self.origin_x.value) / width
        return TileWindow(*_index_range(top, bottom, tolerance), *_index_range(left, right, tolerance))

    def extent(self, lod: Lod, window: TileWindow) -> Extent:
        """Return the extent of a window of tiles."""
        width, height = self.tile_size(lod)
        return Extent(
            self.origin_x.value + window.column_min * width,
            self.origin_y.value - (window.row_max + 1) * height,
            self.origin_x.value + (window.column_max + 1) * width,
            self.origin_y.value - window.row_min * height,
        )


def _index_range(start: float, end: float, tolerance: float) -> tuple[int, int]:
    """Return the first and the last tile that overlap an interval, in units of tiles, by more than the tolerance."""
    tolerance = min(tolerance, (end - start) / 4)
    first, last = (min(max(edge, -MAX_GRID_INDEX), MAX_GRID_INDEX) for edge in (start + tolerance, end - tolerance))
    return math.floor(first), math.ceil(last) - 1


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """The image format that a cache declares for its tiles.

    Attributes
    ----------
    format : str
        In capitals: JPEG, PNG, PNG8, PNG24, PNG32, MIXED, LERC, ... The format of a single tile is recognised by its
        first bytes.
    compression_quality : int
        0..100, 0 if it is unknown; the quality of single tiles may differ.
    band_count : int or None
        None if it is not declared.
    lerc_error : NumberText or None
        The maximum error of LERC compression, None if it is not declared.
    sampled : int or None
        The number of tiles whose first bytes the format was determined from; None if it is declared.
    """

    format: str
    compression_quality: int
    band_count: int | None
    lerc_error: NumberText | None
    sampled: int | None = None

    @property
    def may_be_jpeg(self) -> bool:
        """True if tiles may be JPEG, that is, the declared quality is meaningful."""
        return self.format in ("JPEG", "MIXED")

    @property
    def may_be_png(self) -> bool:
        """True if tiles may be PNG."""
        return self.format.startswith("PNG") or self.format == "MIXED"

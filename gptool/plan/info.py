"""What a cache holds: the figures of `gptool info`."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from gptool import _bundle, _jpeg
from gptool._bundle import TileKind
from gptool.cache import TileCache
from gptool.crs.reference import well_known_id
from gptool.display.notebook import table_html
from gptool.model import Extent, Lod, Progress
from gptool.plan.counting import count_tiles
from gptool.plan.tile_plan import LevelPlan, Plan
from gptool.request import read_request
from gptool.text import format_bytes, format_count

SAMPLED_TILES = 256
"""Tiles of a level whose formats and qualities are determined, spread over its bundles."""


@dataclass
class LevelInfo:
    """One level of a cache.

    Attributes
    ----------
    lod : Lod
    tiles, bytes : int
    smallest, largest : int
        Bytes of its smallest and of its largest tile; 0 without tiles. Tiles of no bytes are not counted.
    extent : Extent or None
        The extent of its tiles.
    sampled : int
        Tiles whose formats and qualities were determined.
    formats : Counter of str
        Tiles of the sample by format.
    qualities : Counter of int
        JPEG tiles of the sample by the quality of their quantisation tables, rounded.
    """

    lod: Lod
    tiles: int
    bytes: int
    smallest: int = 0
    largest: int = 0
    extent: Extent | None = None
    sampled: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    qualities: Counter[int] = field(default_factory=Counter)

    @property
    def average(self) -> float:
        """Bytes of a tile on average; 0 without tiles."""
        return self.bytes / self.tiles if self.tiles else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the level as JSON."""
        return {
            "level": self.lod.level,
            "resolution": self.lod.resolution.value,
            "scale": self.lod.scale.value,
            "tiles": self.tiles,
            "bytes": self.bytes,
            "smallestTile": self.smallest,
            "largestTile": self.largest,
            "averageTile": round(self.average, 1),
            "extent": self.extent._asdict() if self.extent else None,
            "sampledTiles": self.sampled,
            "formats": dict(self.formats),
            "qualities": {str(quality): count for quality, count in sorted(self.qualities.items())},
        }


@dataclass
class CacheInfo:
    """A cache.

    Attributes
    ----------
    plan : Plan
        All of its tiles.
    """

    plan: Plan

    @cached_property
    def levels(self) -> list[LevelInfo]:
        """All levels of the tiling scheme, coarsest first. All bundles are opened once more for it, at first use."""
        return [_describe(self.plan.cache, level) for level in self.plan.levels]

    def __repr__(self) -> str:
        return f"<CacheInfo: {self.summary}>"

    def _repr_html_(self) -> str:
        """Return a table for notebooks."""
        columns = ("Level", "Scale", "Tiles", "Bytes", "Smallest", "Largest", "Formats", "Qualities")
        rows = [
            (
                *(lod.level, lod.scale, level.tiles, level.bytes, level.smallest, level.largest),
                *(format_names(level.formats), format_range(level.qualities)),
            )
            for level in self.levels
            for lod in [level.lod]
            if level.tiles
        ]
        return table_html(self.summary, columns, rows)

    @property
    def summary(self) -> str:
        """The tiles and bytes in a line; of a package or database, also the bytes of its file."""
        text = f"{self.plan.cache.name}: {format_count(self.plan.tiles, 'tile')}, {format_bytes(self.plan.bytes)}"
        size = self.package_size
        if size is None:
            return text
        if not self.plan.cache.storage.is_esri:  # a database, in which tiles may share bytes
            return f"{text}, in a file of {format_bytes(size)}"
        return f"{text} of {format_bytes(size)}; the rest are indexes of bundles and metadata"

    @property
    def package_size(self) -> int | None:
        """Bytes of a package or database; None for a folder."""
        return self.plan.cache.files.package_bytes

    @property
    def full_extent(self) -> Extent | None:
        """The extent of the tiles, or the declared one if there are none."""
        return self.plan.extent() if self.plan.tiles else self.plan.cache.declared_extent

    @property
    def spatial_reference(self) -> dict[str, int | str]:
        """The members of the spatial reference that are known: `wkid`, `latestWkid`, `wkt`."""
        stated = self.plan.cache.scheme.reference
        members = {"wkid": well_known_id(stated), "latestWkid": stated.latest_wkid, "wkt": stated.wkt}
        return {name: value for name, value in members.items() if value is not None}

    @property
    def warnings(self) -> list[str]:
        """What is skipped, empty, or stated otherwise than found."""
        plan = self.plan
        empty = [f"level {level.lod.level}: {level.empty:,} empty tiles" for level in plan.levels if level.empty]
        none = [] if plan.tiles else [f"{plan.cache.location} has no tiles at any level of its tiling scheme"]
        return [*plan.skipped, *empty, *none]

    def to_json(self) -> dict[str, Any]:
        """Return the description as JSON, with Esri's names where it has them."""
        cache, scheme = self.plan.cache, self.plan.cache.scheme
        extent, declared, image = self.full_extent, cache.declared_extent, cache.image
        sampled = {} if image.sampled is None else {"sampledTiles": image.sampled}
        return {
            "name": cache.name,
            "storageFormat": cache.storage.value,
            "tileImageInfo": {"format": image.format, "compressionQuality": image.compression_quality, **sampled},
            "tileInfo": {
                "rows": scheme.tile_rows,
                "cols": scheme.tile_columns,
                "dpi": scheme.dpi.value,
                "origin": {"x": scheme.origin_x.value, "y": scheme.origin_y.value},
            },
            "spatialReference": self.spatial_reference,
            "fullExtent": extent._asdict() if extent else None,
            "declaredExtent": declared._asdict() if declared else None,
            "tiles": self.plan.tiles,
            "bytes": self.plan.bytes,
            "packageBytes": self.package_size,
            "levels": [level.to_json() for level in self.levels],
            "warnings": self.warnings,
        }


def format_names(formats: Counter[str]) -> str:
    """Return the formats of a sample, the most frequent first, with their shares if there are several."""
    total = formats.total()
    if len(formats) <= 1:
        return "".join(formats) or "-"
    return ", ".join(f"{name} {100 * count / total:.0f} %" for name, count in formats.most_common())


def format_range(qualities: Counter[int]) -> str:
    """Return the most frequent quality of a sample, and the range of all."""
    if not qualities:
        return "-"
    low, high = min(qualities), max(qualities)
    return f"{low}" if low == high else f"{qualities.most_common(1)[0][0]} ({low}-{high})"


def info(location: TileCache | str | os.PathLike[str], *, progress: Progress | None = None) -> CacheInfo:
    """Describe a cache: its tiles, their sizes, formats and qualities by level.

    Tiles and bytes are exact, from the indexes of the bundles. Formats and qualities are those of up to 256 tiles of
    each level.

    Parameters
    ----------
    location : TileCache, path or URL
        A cache folder, a `.tpkx` or a `.tpk`, on a disk or in an object store; or a `.mbtiles` on a disk.
    progress : Progress or None
        Called with the tiles that are counted.

    Raises
    ------
    CacheError
        If the cache cannot be read.
    """
    plan = count_tiles(location, read_request({}), progress)
    found = CacheInfo(plan)
    _ = found.levels  # now: the caller expects the errors here
    return found


def _describe(cache: TileCache, level: LevelPlan) -> LevelInfo:
    found = LevelInfo(level.lod, level.tiles, level.bytes)
    if level.window is None:
        return found
    found.extent = cache.scheme.extent(level.lod, level.window)
    share = -(-SAMPLED_TILES // len(level.bundles))
    step = max(len(level.bundles) // SAMPLED_TILES, 1)
    smallest = []
    for i, (address, _, _) in enumerate(level.bundles):
        with cache.open_bundle(address) as bundle:
            present = np.flatnonzero(bundle.sizes)
            smallest.append(int(bundle.sizes[present].min()))
            found.largest = max(found.largest, int(bundle.sizes.max()))
            if i % step == 0 and found.sampled < SAMPLED_TILES:
                chosen = present[np.unique(np.linspace(0, len(present) - 1, share).astype(np.int64))]
                for batch in bundle.batches(chosen[: SAMPLED_TILES - found.sampled]):
                    _add_sample(found, batch.source, batch.offsets, batch.sizes)
    found.smallest = min(smallest)
    return found


def _add_sample(found: LevelInfo, source: Any, offsets: Any, sizes: Any) -> None:
    kinds, _ = _bundle.inspect(source, offsets, sizes)
    qualities = _jpeg.qualities(source, offsets, sizes)
    found.sampled += len(kinds)
    found.formats.update(TileKind(kind).name for kind in kinds.tolist())
    found.qualities.update(round(quality) for quality in qualities[~np.isnan(qualities)].tolist())

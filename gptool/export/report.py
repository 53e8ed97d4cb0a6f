"""The figures of an export, per level and in all, counted while it runs."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np

from gptool._jpeg import Outcome
from gptool.cache import TileBatch
from gptool.display.notebook import table_html, warning_counts
from gptool.export.target import TargetChoice
from gptool.jpeg.counts import TileCounts
from gptool.jpeg.damage import TileDamage
from gptool.jpeg.recompression import BatchOutcomes, Recompression
from gptool.model import BundleAddress, Message
from gptool.output.manifest import ManifestEntry
from gptool.plan import MAX_LISTED_TILES, Plan
from gptool.system.store_url import Location
from gptool.text import format_bytes, format_count

MAX_LISTED_IN_BUNDLE = 1_000
"""Damaged tiles of a bundle that are listed; all are counted. In a cache of an unknown image format, all tiles are."""

OUTCOME_TEXTS = {
    Outcome.RECOMPRESSED: "recompressed",
    Outcome.OPTIMISED: "optimised without loss",
    Outcome.KEPT_QUALITY: "request not below the tile's quality",
    Outcome.KEPT_UNCHANGED: "no quantisation step would change",
    Outcome.KEPT_NOT_SMALLER: "result would not be smaller",
    Outcome.KEPT_NOT_JPEG: "not JPEG",
    Outcome.KEPT_UNSUPPORTED: "unsupported kind of JPEG or PNG",
    Outcome.DAMAGED: "damaged",
    Outcome.NOT_REQUESTED: "copied",
}
"""What people read for an outcome."""

CHANGED = Outcome.RECOMPRESSED, Outcome.OPTIMISED
"""The outcomes of tiles that are not copied as they are; each has a figure of its own."""


class _DamagedTile(NamedTuple):
    level: int
    row: int
    column: int
    reason: str


class DamagedTile(_DamagedTile):
    """A tile that is not a valid image: level, row, column and reason. It was copied; an empty one was skipped.

    Attributes
    ----------
    reason : str
        The damage, for people.
    code : TileDamage
        The damage, for programs. It is not an element of the tuple, which version 0.1.0 defined.
    """

    code: TileDamage

    def __new__(cls, level: int, row: int, column: int, reason: str, code: TileDamage) -> Self:
        """Return a damaged tile."""
        self = super().__new__(cls, level, row, column, reason)
        self.code = code
        return self

    def __getnewargs__(self) -> tuple[int, int, int, str, TileDamage]:
        """Return the arguments of `__new__`, for pickle."""
        return (*self, self.code)

    def to_json(self) -> dict[str, Any]:
        """Return the tile as JSON."""
        return {**self._asdict(), "code": self.code}


@dataclass
class LevelReport(TileCounts):
    """The figures of one level, or of all levels.

    It also has the counts of `gptool.jpeg.counts.TileCounts`.

    Attributes
    ----------
    tiles : int
    bytes_read, bytes_written : int
        Bytes of the tiles in the cache and in the result.
    tiles_damaged : int
    damaged : list of DamagedTile
        The first of them.
    """

    tiles: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    tiles_damaged: int = 0
    damaged: list[DamagedTile] = field(default_factory=list)

    def add_batch(self, address: BundleAddress, read: TileBatch, written: TileBatch, found: BatchOutcomes) -> None:
        """Add a batch of one bundle's tiles, as they were read and as they are written."""
        listed = found.damaged[: max(MAX_LISTED_IN_BUNDLE - len(self.damaged), 0)]
        self.tiles += len(read.sizes)
        self.bytes_read += int(read.sizes.sum(dtype=np.int64))
        self.bytes_written += int(written.sizes.sum(dtype=np.int64))
        self.add_counts(found)
        self.tiles_damaged += len(found.damaged)
        self.damaged += [
            DamagedTile(*address.tile(position), sys.intern(reason), damage) for position, damage, reason in listed
        ]

    @classmethod
    def sum(cls, reports: Iterable[LevelReport]) -> LevelReport:
        """Return the sum of the figures of all reports."""
        total = cls()
        for report in reports:
            total.add(report)
        return total

    def add(self, other: LevelReport) -> None:
        """Add the figures of another report."""
        self.tiles += other.tiles
        self.bytes_read += other.bytes_read
        self.bytes_written += other.bytes_written
        self.add_counts(other)
        self.tiles_damaged += other.tiles_damaged
        self.damaged += other.damaged[: max(MAX_LISTED_TILES - len(self.damaged), 0)]

    @property
    def tiles_recompressed(self) -> int:
        """The number of tiles that were recompressed to a lower quality."""
        return self.outcomes[Outcome.RECOMPRESSED]

    @property
    def tiles_optimised(self) -> int:
        """The number of tiles that became smaller without loss: JPEG tiles have the same quantised coefficients."""
        return self.outcomes[Outcome.OPTIMISED]

    @property
    def tiles_kept(self) -> int:
        """The number of tiles that were copied as they are, damaged ones included."""
        return self.tiles - self.tiles_recompressed - self.tiles_optimised

    @property
    def kept(self) -> dict[Outcome, int]:
        """The number of tiles that were copied as they are, by outcome; outcomes without tiles are omitted."""
        return {
            outcome: self.outcomes[outcome]
            for outcome in OUTCOME_TEXTS
            if outcome not in CHANGED and self.outcomes[outcome]
        }

    @property
    def effective_quality(self) -> int | None:
        """The quality that most JPEG tiles of the result have, by their tables; None if there are none."""
        return max(self.qualities, key=lambda quality: (self.qualities[quality], quality), default=None)

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON. Outcomes have a code for programs and a text for people."""
        return {
            "tiles": self.tiles,
            "bytesRead": self.bytes_read,
            "bytesWritten": self.bytes_written,
            "tilesRecompressed": self.tiles_recompressed,
            "tilesOptimised": self.tiles_optimised,
            "tilesKept": self.tiles_kept,
            "outcomes": [
                {"code": outcome.name, "text": text, "tiles": self.outcomes[outcome]}
                for outcome, text in OUTCOME_TEXTS.items()
                if self.outcomes[outcome]
            ],
            "optimised": {"bytesRead": self.optimised_bytes_read, "bytesWritten": self.optimised_bytes_written},
            "optimisedPng": {
                "tiles": self.pngs_optimised,
                "bytesRead": self.png_bytes_read,
                "bytesWritten": self.png_bytes_written,
            },
            "damaged": self.tiles_damaged,
            "tilesWithForeignTables": self.tiles_with_foreign_tables,
            "effectiveQuality": self.effective_quality,
            "qualities": {str(quality): count for quality, count in sorted(self.qualities.items())},
        }


def expected_quality(plan: Plan, recompression: Recompression) -> int:
    """Return the quality that `stated_quality` will have in most cases, before any tile is recompressed."""
    declared = plan.cache.image.compression_quality
    if recompression.quality is None:
        return declared
    return min(recompression.quality, declared) if declared else recompression.quality


def stated_quality(plan: Plan, total: LevelReport, recompression: Recompression) -> int:
    """Return the compression quality that the metadata of a result state.

    It is the one that most JPEG tiles of the result have if tiles are recompressed, else the one that the cache
    declares.
    """
    quality = total.effective_quality if recompression.quality is not None else None
    return plan.cache.image.compression_quality if quality is None else quality


class TakenOver(NamedTuple):
    """The bundles that an interrupted run had finished, and their tiles."""

    bundles: int = 0
    tiles: int = 0

    def add(self, report: LevelReport) -> TakenOver:
        """Return the sum with another bundle."""
        return TakenOver(self.bundles + 1, self.tiles + report.tiles)


@dataclass(frozen=True, repr=False)
class ExportResult:
    """The result of an export.

    Attributes
    ----------
    path : Path or StoreUrl
        The package, or the folder of the dataset or of the parts; a URL if it is in a store.
    size : int
        Bytes of all its files.
    levels : dict of int to LevelReport
        By level ID, coarsest first; only levels that have tiles.
    messages : tuple of Message
        Notices in the order in which they arose.
    target : TargetChoice or None
        What was done to tiles so that the result fits the target size; None if there was none.
    resumed : TakenOver
        What was taken over from a run that was interrupted.
    parts : tuple of ManifestEntry
        The parts in the folder, if there are parts.
    """

    path: Location
    size: int
    levels: dict[int, LevelReport]
    messages: tuple[Message, ...] = ()
    target: TargetChoice | None = None
    resumed: TakenOver = field(default_factory=TakenOver)
    parts: tuple[ManifestEntry, ...] = ()

    def __repr__(self) -> str:
        counts = warning_counts(self.messages, self.total.tiles_damaged)
        return f"<ExportResult: {self.path}, {format_count(self.tiles, 'tile')}, {format_bytes(self.size)}{counts}>"

    def _repr_html_(self) -> str:
        """Return a table for notebooks."""
        columns = ("Level", "Tiles", "Bytes in", "Bytes out", "Quality", "Recompressed", "Optimised", "Damaged")
        rows = [
            (
                *(level, report.tiles, report.bytes_read, report.bytes_written, report.effective_quality or "-"),
                *(report.tiles_recompressed, report.tiles_optimised, report.tiles_damaged),
            )
            for level, report in self.levels.items()
        ]
        caption = f"{self.path}: {format_count(self.tiles, 'tile')}, {format_bytes(self.size)}"
        return table_html(caption, columns, rows, [message.line for message in self.messages])

    @property
    def warnings(self) -> tuple[str, ...]:
        """The texts of the messages that are warnings."""
        return tuple(message.description for message in self.messages if message.type == "Warning")

    @cached_property
    def total(self) -> LevelReport:
        """The figures of all levels. For their damaged tiles, see `damaged`."""
        return LevelReport.sum(self.levels.values())

    @property
    def tiles(self) -> int:
        """The number of tiles in the result."""
        return self.total.tiles

    @property
    def bytes_read(self) -> int:
        """Bytes of those tiles in the cache."""
        return self.total.bytes_read

    @property
    def bytes_written(self) -> int:
        """Bytes of those tiles in the result."""
        return self.total.bytes_written

    @property
    def tiles_recompressed(self) -> int:
        """The number of tiles that were recompressed to a lower quality."""
        return self.total.tiles_recompressed

    @property
    def tiles_optimised(self) -> int:
        """The number of tiles that became smaller without loss."""
        return self.total.tiles_optimised

    @property
    def tiles_kept(self) -> int:
        """The number of tiles that were copied as they are, damaged ones included."""
        return self.total.tiles_kept

    @property
    def damaged(self) -> list[DamagedTile]:
        """The first damaged tiles of each level."""
        return [tile for report in self.levels.values() for tile in report.damaged]

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON."""
        return {
            "path": str(self.path),
            "size": self.size,
            "target": self.target and self.target.to_json(),
            "resumed": self.resumed._asdict(),
            "parts": [part.to_json() for part in self.parts],
            **self.total.to_json(),
            "levels": [{"level": level, **report.to_json()} for level, report in self.levels.items()],
            "damagedTiles": [tile.to_json() for tile in self.damaged],
        }

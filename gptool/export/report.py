"""What an export did: per level and in all, every number measured while it happened."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gptool._jpeg import Outcome
from gptool.cache import TileBatch
from gptool.jpeg.quality_steps import Step
from gptool.jpeg.recompression import REASONS, Tally
from gptool.model import BundleAddress, Message
from gptool.plan import MAX_LISTED_TILES, Plan

MOST_OF_A_BUNDLE = 1_000
"""Damaged tiles of a bundle that are listed, as `MAX_LISTED_TILES` of a level; all are counted. In a cache of images
that nobody knows they are all its tiles."""


class DamagedTile(NamedTuple):
    """A tile that is no sound image. It was copied as it is, unless there was nothing of it."""

    level: int
    row: int
    column: int
    reason: str


@dataclass
class LevelReport:
    """The tiles of one level, or of all.

    Attributes
    ----------
    tiles : int
    bytes_read, bytes_written : int
        The tiles' bytes in the cache and in the result.
    outcomes : Counter
        Tiles for each value of `Outcome`.
    qualities : Counter
        JPEG tiles of the result for each quality, rounded.
    capped : Counter
        JPEG tiles for each quality, rounded, that were kept since the request lies above it.
    unchanged : Counter
        JPEG tiles for each `Step`, that were kept though the request lies below their quality.
    tiles_damaged : int
    damaged : list of DamagedTile
        The first of them.
    """

    tiles: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    outcomes: Counter[int] = field(default_factory=Counter)
    qualities: Counter[int] = field(default_factory=Counter)
    capped: Counter[int] = field(default_factory=Counter)
    unchanged: Counter[Step] = field(default_factory=Counter)
    tiles_damaged: int = 0
    damaged: list[DamagedTile] = field(default_factory=list)

    def add_batch(self, address: BundleAddress, read: TileBatch, written: TileBatch, tally: Tally) -> None:
        """Count a batch of one bundle's tiles, as they were read and as they are written."""
        listed = tally.damaged[: max(MOST_OF_A_BUNDLE - len(self.damaged), 0)]
        self.tiles += len(read.sizes)
        self.bytes_read += int(read.sizes.sum(dtype=np.int64))
        self.bytes_written += int(written.sizes.sum(dtype=np.int64))
        self._count(tally)
        self.tiles_damaged += len(tally.damaged)
        self.damaged += [DamagedTile(*address.tile(position), sys.intern(reason)) for position, reason in listed]

    def _count(self, other: Tally | LevelReport) -> None:
        self.outcomes.update(other.outcomes)
        self.qualities.update(other.qualities)
        self.capped.update(other.capped)
        self.unchanged.update(other.unchanged)

    @classmethod
    def sum(cls, reports: Iterable[LevelReport]) -> LevelReport:
        """Return the figures of all reports together."""
        total = cls()
        for report in reports:
            total.add(report)
        return total

    def add(self, other: LevelReport) -> None:
        """Count what another report counted."""
        self.tiles += other.tiles
        self.bytes_read += other.bytes_read
        self.bytes_written += other.bytes_written
        self._count(other)
        self.tiles_damaged += other.tiles_damaged
        self.damaged += other.damaged[: max(MAX_LISTED_TILES - len(self.damaged), 0)]

    @property
    def tiles_recompressed(self) -> int:
        """Tiles that became smaller."""
        return self.outcomes[Outcome.RECOMPRESSED]

    @property
    def tiles_kept(self) -> int:
        """Tiles that were copied as they are, the damaged ones among them."""
        return self.tiles - self.tiles_recompressed

    @property
    def kept(self) -> dict[str, int]:
        """Tiles that were copied as they are, for each reason."""
        counts = {text: self.outcomes[key] for key, text in REASONS.items() if key != Outcome.RECOMPRESSED}
        return {text: count for text, count in counts.items() if count}

    @property
    def effective_quality(self) -> int | None:
        """The quality most JPEG tiles of the result have, by their tables; None when there are none."""
        return max(self.qualities, key=lambda quality: (self.qualities[quality], quality), default=None)

    def to_json(self) -> dict[str, Any]:
        """Return the figures under the names that programs read."""
        return {
            "tiles": self.tiles,
            "bytesRead": self.bytes_read,
            "bytesWritten": self.bytes_written,
            "tilesRecompressed": self.tiles_recompressed,
            "tilesKept": self.tiles_kept,
            "kept": self.kept,
            "damaged": self.tiles_damaged,
            "effectiveQuality": self.effective_quality,
            "qualities": {str(quality): count for quality, count in sorted(self.qualities.items())},
        }


def stated_quality(plan: Plan, total: LevelReport) -> int:
    """Return the quality a result's metadata state: what most of its JPEG tiles have, else what the cache declares."""
    quality = total.effective_quality
    return plan.cache.image.compression_quality if quality is None else quality


@dataclass(frozen=True)
class ExportResult:
    """What an export left behind.

    Attributes
    ----------
    path : Path
        The package, or the dataset's folder.
    size : int
        Bytes of all that is in it.
    levels : dict of int to LevelReport
        By level ID, coarsest first; the levels that gave tiles.
    messages : tuple of Message
        What there was to say, in the order in which it was found.
    """

    path: Path
    size: int
    levels: dict[int, LevelReport]
    messages: tuple[Message, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What people should know who take the result for what they asked for."""
        return tuple(message.description for message in self.messages if message.type == "Warning")

    @cached_property
    def total(self) -> LevelReport:
        """The figures of all levels. Their damaged tiles: see `damaged`."""
        return LevelReport.sum(self.levels.values())

    @property
    def tiles(self) -> int:
        """Tiles in the result."""
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
        """Tiles that became smaller."""
        return self.total.tiles_recompressed

    @property
    def tiles_kept(self) -> int:
        """Tiles that were copied as they are, the damaged ones among them."""
        return self.total.tiles_kept

    @property
    def damaged(self) -> list[DamagedTile]:
        """The tiles that are no sound images: copied as they are, or left out as empty. Of each level the first."""
        return [tile for report in self.levels.values() for tile in report.damaged]

    def to_json(self) -> dict[str, Any]:
        """Return the figures under the names that programs read."""
        return {
            "path": str(self.path),
            "size": self.size,
            **self.total.to_json(),
            "levels": [{"level": level, **report.to_json()} for level, report in self.levels.items()],
            "damagedTiles": [tile._asdict() for tile in self.damaged],
        }

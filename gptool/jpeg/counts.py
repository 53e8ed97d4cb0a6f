"""Counts of tiles by what happened to them. Batches count them; levels and exports add them up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from gptool.jpeg.quality_steps import QualityStep


@dataclass
class TileCounts:
    """Counts of the tiles of a batch, a level or an export.

    Attributes
    ----------
    outcomes : Counter of Outcome
        The number of tiles by outcome.
    qualities : Counter of int
        The number of JPEG tiles of the result by their rounded quality.
    tiles_with_foreign_tables : int
        The number of JPEG tiles of the cache that have a quantisation table which is not an IJG table: their quality is
        an estimate.
    optimised_bytes_read, optimised_bytes_written : int
        Bytes of the tiles that were optimised without loss, in the cache and in the result.
    pngs : int
        The number of PNG tiles that could be optimised: those that are not damaged, if that was requested.
    pngs_optimised : int
        The number of PNG tiles that were optimised without loss.
    png_bytes_read, png_bytes_written : int
        Bytes of these tiles, which are among the optimised bytes, in the cache and in the result.
    capped : Counter of int
        The number of JPEG tiles that kept their quality because the request is above it, by that quality, rounded.
    unchanged : Counter of QualityStep
        The number of JPEG tiles that kept their quality although the request is below it, by their quality step.
    """

    outcomes: Counter[int] = field(default_factory=Counter)
    qualities: Counter[int] = field(default_factory=Counter)
    tiles_with_foreign_tables: int = 0
    optimised_bytes_read: int = 0
    optimised_bytes_written: int = 0
    pngs: int = 0
    pngs_optimised: int = 0
    png_bytes_read: int = 0
    png_bytes_written: int = 0
    capped: Counter[int] = field(default_factory=Counter)
    unchanged: Counter[QualityStep] = field(default_factory=Counter)

    def add_counts(self, other: TileCounts) -> None:
        """Add the counts of other tiles."""
        self.outcomes.update(other.outcomes)
        self.qualities.update(other.qualities)
        self.tiles_with_foreign_tables += other.tiles_with_foreign_tables
        self.optimised_bytes_read += other.optimised_bytes_read
        self.optimised_bytes_written += other.optimised_bytes_written
        self.pngs += other.pngs
        self.pngs_optimised += other.pngs_optimised
        self.png_bytes_read += other.png_bytes_read
        self.png_bytes_written += other.png_bytes_written
        self.capped.update(other.capped)
        self.unchanged.update(other.unchanged)

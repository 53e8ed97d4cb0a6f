"""The lines that benchmarks note, and the tables at the end of a run."""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

import pytest


class Row(NamedTuple):
    """A line of the tables of times; the goal is a ratio."""

    group: str
    yardstick: str
    method: str
    us_per_tile: float
    ratio: float
    goal: float | None
    percent: float | None
    psnr: float | None


class Peak(NamedTuple):
    """A line of the table of memory: MiB with few tiles and with many, and the seconds of the latter."""

    source: str
    few: float
    many: float
    seconds: float | None


class Planned(NamedTuple):
    """A line of the table of large plans: peak memory in MiB."""

    what: str
    tiles: int
    peak: float
    seconds: float


class Fidelity(NamedTuple):
    """A line of the tables of quality; bytes in % of the input."""

    source: str
    request: int
    method: str
    percent: float
    psnr: float
    ssim: float


class Excess(NamedTuple):
    """A line of the tables of bytes at equal PSNR: % above a fresh encode, the mean and the worst of all requests."""

    source: str
    method: str
    mean: float
    worst: float


ROWS = pytest.StashKey[list[Row]]()
PEAKS = pytest.StashKey[list[Peak]]()
PLANS = pytest.StashKey[list[Planned]]()
FIDELITIES = pytest.StashKey[list[Fidelity]]()
EXCESSES = pytest.StashKey[list[Excess]]()

Cells = list[str]


def _write(reporter: pytest.TerminalReporter, title: str, header: Cells, lines: list[Cells]) -> None:
    """Write a table whose first column is text and whose others are numbers, a blank for none."""
    reporter.section(title)
    widths = [34, *(max(map(len, column)) for column in list(zip(header, *lines, strict=True))[1:])]
    for first, *others in (header, *lines):
        cells = [f"{first:{widths[0]}}", *(f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))]
        reporter.write_line("  ".join(cells).rstrip())


def _number(number: float | None, digits: int) -> str:
    return "" if number is None else f"{number:.{digits}f}"


def _write_times(reporter: pytest.TerminalReporter, rows: list[Row]) -> None:
    """Write what the README quotes; the ratio is the median over pairs of rounds, method / yardstick."""
    header = ["method", "us/tile", "x time", "goal", "bytes %", "PSNR-Y"]
    for group, lines in groupby(rows, key=lambda row: row.group):
        found = sorted(lines, key=lambda row: row.ratio)
        cells = [
            [
                row.method,
                f"{row.us_per_tile:.1f}",
                f"{row.ratio:.3f}",
                _number(row.goal, 2),
                _number(row.percent, 1),
                _number(row.psnr, 2),
            ]
            for row in found
        ]
        _write(reporter, f"{group}; 1 x = {found[0].yardstick}", header, cells)


def _write_qualities(reporter: pytest.TerminalReporter, fidelities: list[Fidelity], excesses: list[Excess]) -> None:
    for source, lines in groupby(fidelities, key=lambda line: line.source):
        cells = [
            [line.method, str(line.request), f"{line.percent:.1f}", f"{line.psnr:.2f}", f"{line.ssim:.4f}"]
            for line in lines
        ]
        _write(reporter, f"quality from {source}", ["method", "request", "bytes %", "PSNR-Y", "SSIM"], cells)
    for source, excess in groupby(excesses, key=lambda line: line.source):
        cells = [[line.method, f"{line.mean:+.1f}", f"{line.worst:+.1f}"] for line in excess]
        title = f"bytes at equal PSNR from {source}, % above a fresh encode of the original"
        _write(reporter, title, ["method", "mean", "worst"], cells)


def write_tables(reporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Write one table for each kind of line that was noted."""
    _write_times(reporter, config.stash[ROWS])
    _write_qualities(reporter, config.stash[FIDELITIES], config.stash[EXCESSES])
    if config.stash[PEAKS]:
        cells = [
            [peak.source, f"{peak.few:.0f}", f"{peak.many:.0f}", _number(peak.seconds, 1)]
            for peak in config.stash[PEAKS]
        ]
        _write(reporter, "peak memory of an export, MiB", ["source", "5,041", "200,704", "seconds"], cells)
    if config.stash[PLANS]:
        cells = [
            [plan.what, f"{plan.tiles:,}", f"{plan.peak:.0f}", f"{plan.seconds:.1f}"] for plan in config.stash[PLANS]
        ]
        _write(reporter, "large plans", ["what", "tiles", "peak, MiB", "seconds"], cells)

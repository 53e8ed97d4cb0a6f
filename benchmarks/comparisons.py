"""Pairs of rounds whose methods tell their own seconds, and tables with columns of their own at the end of the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

FIRST, OTHERS = 34, 11
"""Columns' widths."""


class Table:
    """Lines that are printed at the end of the run, where there are any."""

    def __init__(self, title: str, columns: Sequence[str]) -> None:
        self._title, self._columns = title, columns
        self._lines: list[Sequence[str]] = []

    def add(self, *cells: str) -> None:
        self._lines.append(cells)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._lines:
            return
        terminalreporter.section(self._title)
        for first, *others in (self._columns, *self._lines):
            terminalreporter.write_line(f"{first:{FIRST}}" + "".join(f"{cell:>{OTHERS}}" for cell in others))


def new_table(config: pytest.Config, title: str, *columns: str) -> Table:
    """Return a table that the run ends with."""
    table = Table(title, columns)
    config.pluginmanager.register(table)
    return table


def compare(
    benchmark: BenchmarkFixture,
    table: Table,
    methods: Mapping[str, Callable[[], float]],
    yardstick: Callable[[], float],
    rounds: int,
) -> None:
    """Note each method's median seconds, and the median of its rounds over those of the yardstick right before them."""
    partner: list[float] = []
    own: dict[str, list[float]] = {name: [] for name in methods}

    def measure() -> None:
        for name, method in methods.items():
            own[name].append(method())

    benchmark.pedantic(measure, setup=lambda: partner.append(yardstick()), rounds=rounds)
    if benchmark.disabled:
        return
    for name, seconds in own.items():
        ratio = median(a / b for a, b in zip(seconds, partner, strict=True))
        table.add(name, f"{median(seconds):.3f}", f"{ratio:.3f}")

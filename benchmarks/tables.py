"""The tables at the end of a run, in Markdown; the README contains them as they are printed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest


class Tables:
    """Lines by the title of their table; a line maps columns to cells."""

    def __init__(self) -> None:
        self._lines: dict[str, list[Mapping[str, str]]] = {}

    def add(self, title: str, line: Mapping[str, str]) -> None:
        self._lines.setdefault(title, []).append(line)

    def write(self, reporter: pytest.TerminalReporter) -> None:
        for title, lines in self._lines.items():
            reporter.write_line(f"\n**{title}**\n")
            for text in _format(lines):
                reporter.write_line(text)


def _format(lines: list[Mapping[str, str]]) -> list[str]:
    """Return a table of the columns with at least one cell: the first has text, the others numbers."""
    names = dict.fromkeys(column for line in lines for column in line)
    columns = [column for column in names if any(line.get(column) for line in lines)]
    cells = [columns, *([line.get(column, "") for column in columns] for line in lines)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    aligned = (
        [f"{first:{widths[0]}}", *(f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))]
        for first, *others in (cells[0], rule, *cells[1:])
    )
    return [f"| {' | '.join(line)} |" for line in aligned]

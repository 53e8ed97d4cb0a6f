"""What the program has returned, as values of outputs and as messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

MAX_LISTED = 100
"""Findings and damaged tiles that the log lists."""

Output = Mapping[str, Any]
"""The JSON of a command."""


class Results(NamedTuple):
    """The results of an algorithm.

    Attributes
    ----------
    values : dict
        The values of its outputs by their names.
    warnings : list of str
    summary : str
    """

    values: dict[str, Any]
    warnings: list[str]
    summary: str


def read_results(command: str, output: Output) -> Results:
    """Return the results of a command of the program."""
    return READERS[command](output)


def _read_export(output: Output) -> Results:
    damaged = [
        f"Damaged: level {tile['level']}, row {tile['row']}, column {tile['column']}: {tile['reason']}"
        for tile in output["damagedTiles"][:MAX_LISTED]
    ]
    if output["damaged"] > len(damaged):
        damaged.append(f"... and {_count(output['damaged'] - len(damaged), 'more damaged tile')}")
    parts = f", {_count(len(output['parts']), 'part')}" if output["parts"] else ""
    values = {"OUTPUT": output["path"], "TOTAL_SIZE": output["size"], "TOTAL_TILES": output["tiles"]}
    size = f"{_count(output['tiles'], 'tile')}, {output['size']:,} bytes"
    return Results(values, damaged, f"{output['path']}: {size}{parts}")


def _read_estimate(output: Output) -> Results:
    size, tiles = output["totalSize"], output["totalTilesToExport"]
    low, high = output["totalSizeInterval"]
    sample = f", from a sample of {_count(output['sampledTiles'], 'tile')}" if output["sampledTiles"] else ""
    interval = "" if low == high else f" ({low:,} to {high:,}{sample})"
    about = f"{_count(tiles, 'tile')}, {'about ' if interval else ''}{size:,} bytes{interval} as {output['result']}"
    return Results({"TOTAL_SIZE": size, "TOTAL_TILES": tiles}, [], about)


def _read_verification(output: Output) -> Results:
    findings = [
        f"{finding['rule']} ({finding['severity']}): {_place(finding['where'])}: found {finding['found']}, "
        f"expected {finding['expected']}"
        for finding in output["findings"][:MAX_LISTED]
    ]
    count = len(output["findings"]) + output["findingsOmitted"]
    if count > len(findings):
        findings.append(f"... and {_count(count - len(findings), 'more finding')}")
    values = {"PASSED": output["passed"], "FINDINGS": count}
    return Results(values, findings, f"{output['location']}: {output['summary']}. {output['note']}")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + "s" * (number != 1)


def _place(where: Mapping[str, Any]) -> str:
    """Return the place of a finding in a line: a file, its member, a level, a tile."""
    named = [str(value) if name in ("file", "member") else f"{name} {value}" for name, value in where.items()]
    return ", ".join(named) or "package"


def _read_samples(output: Output) -> Results:
    values = {"OUTPUT": output["path"]}
    recommended = output["recommended"]
    if recommended is None:
        return Results(values, [], f"{output['path']}: no quality is recommended")
    values["RECOMMENDED_QUALITY"] = recommended["quality"]
    size = f"{recommended['totalSize']:,} bytes instead of {output['copiedSize']:,}"
    return Results(values, [], f"{output['path']}: quality {recommended['quality']} is recommended, {size}")


READERS: dict[str, Callable[[Output], Results]] = {
    "export-tiles": _read_export,
    "estimate": _read_estimate,
    "verify": _read_verification,
    "samples": _read_samples,
}

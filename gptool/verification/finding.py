"""What a verification returns: findings, each a rule that does not hold at one place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gptool.model import TileAddress
from gptool.text import format_count

NOTE = "No device or ArcGIS client was involved: only the rules that are listed here were checked."
"""What every output of a verification states."""


class Group(StrEnum):
    """The groups of rules, in the order in which they are checked and reported."""

    CONTAINER = "container"
    METADATA = "metadata"
    TILING_SCHEME = "tiling scheme"
    BUNDLES = "bundles"
    TILES = "tiles"
    EXTENT = "extent"


class Severity(StrEnum):
    """What a finding means.

    An error contradicts a public specification or what a client is known to need. A warning is a difference from all
    packages that Esri's programs made; whether a client minds it is not known.
    """

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Where:
    """The place of a finding; members that do not apply are None.

    Attributes
    ----------
    file : str or None
        The path of the file in the package or cache.
    member : str or None
        The member of the file: a field of a document, a header field, or an index entry.
    level, row, column : int or None
        The level; with row and column, the tile.
    """

    file: str | None = None
    member: str | None = None
    level: int | None = None
    row: int | None = None
    column: int | None = None

    @classmethod
    def tile(cls, address: TileAddress, file: str | None = None) -> Where:
        """Return the place of a tile."""
        return cls(file, None, *address)

    def to_json(self) -> dict[str, Any]:
        """Return the members that apply."""
        values = {name: getattr(self, name) for name in ("file", "member", "level", "row", "column")}
        return {name: value for name, value in values.items() if value is not None}

    def __str__(self) -> str:
        names = ("level", "row", "column")
        tile = [f"{name} {value}" for name in names if (value := getattr(self, name)) is not None]
        return ", ".join(filter(None, [self.file, self.member, *tile])) or "package"


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that does not hold at one place.

    Attributes
    ----------
    rule : str
        The name of the rule, such as `bundles.record-count`.
    group : Group
    severity : Severity
    where : Where
    found, expected : str
    clients : tuple of str
        The clients whose profiles contain the rule.
    """

    rule: str
    group: Group
    severity: Severity
    where: Where
    found: str
    expected: str
    clients: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the finding for programs."""
        return {
            "rule": self.rule,
            "group": self.group,
            "severity": self.severity,
            "where": self.where.to_json(),
            "found": self.found,
            "expected": self.expected,
            "clients": list(self.clients),
        }


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of a verification.

    Attributes
    ----------
    location : str
        The package or cache.
    kind : str
        What it is: `.tpkx`, `.tpk`, or the storage format of a cache folder.
    clients : tuple of str
        The clients that were asked for; empty for the rules that all packages of Esri's programs keep.
    rules : tuple of str
        The names of the rules that were checked.
    findings : list of Finding
        Sorted by group; empty if every rule holds.
    omitted : int
        Findings beyond the limit, which are counted and not listed.
    tiles : int
        Tiles that the package or cache has.
    tiles_checked : int
        Tiles that were decoded.
    """

    location: str
    kind: str
    clients: tuple[str, ...]
    rules: tuple[str, ...]
    findings: list[Finding]
    omitted: int
    tiles: int
    tiles_checked: int

    @property
    def passed(self) -> bool:
        """Whether every rule that was checked holds."""
        return not self.findings

    @property
    def summary(self) -> str:
        """The outcome in a line: the number of findings, rules and tiles."""
        found = len(self.findings) + self.omitted
        outcome = format_count(found, "finding") if found else "every rule holds"
        tiles = f"{self.tiles_checked:,} of {format_count(self.tiles, 'tile')} decoded"
        return f"{outcome}; {format_count(len(self.rules), 'rule')} checked, {tiles}"

    def to_json(self) -> dict[str, Any]:
        """Return the result for programs."""
        return {
            "location": self.location,
            "kind": self.kind,
            "clients": list(self.clients),
            "passed": self.passed,
            "summary": self.summary,
            "rules": list(self.rules),
            "findings": [finding.to_json() for finding in self.findings],
            "findingsOmitted": self.omitted,
            "tiles": self.tiles,
            "tilesChecked": self.tiles_checked,
            "note": NOTE,
        }

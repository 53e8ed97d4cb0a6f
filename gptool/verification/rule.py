"""Rules: what packages and caches of a kind keep, each with a name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gptool.verification.finding import Group, Severity


class Kind(StrEnum):
    """The kinds of packages and caches: each has its own form."""

    TPKX = ".tpkx"
    TPK = ".tpk"
    COMPACT_V2 = "compact V2 folder"
    COMPACT = "compact V1 folder"
    EXPLODED = "exploded folder"


ALL = frozenset(Kind)
PACKAGES = frozenset({Kind.TPKX, Kind.TPK})
FOLDERS = ALL - PACKAGES
V1_BUNDLES = frozenset({Kind.TPK, Kind.COMPACT})
V2_BUNDLES = frozenset({Kind.TPKX, Kind.COMPACT_V2})
BUNDLES = V1_BUNDLES | V2_BUNDLES

GROUPS = {
    "container": Group.CONTAINER,
    "metadata": Group.METADATA,
    "scheme": Group.TILING_SCHEME,
    "bundles": Group.BUNDLES,
    "tiles": Group.TILES,
    "extent": Group.EXTENT,
}
"""The groups by the first part of a rule's name."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule.

    Attributes
    ----------
    name : str
        The group's prefix and a name within the group, such as `bundles.record-count`.
    statement : str
        What holds, as a sentence.
    severity : Severity
    kinds : frozenset of Kind
        The kinds that the rule applies to.
    is_general : bool
        Whether all packages of Esri's programs keep it, so that it is checked without a client. The others are needs of
        single clients.
    """

    name: str
    statement: str
    severity: Severity = Severity.ERROR
    kinds: frozenset[Kind] = PACKAGES
    is_general: bool = True

    @property
    def group(self) -> Group:
        """The group of the rule."""
        return GROUPS[self.name.partition(".")[0]]


def form(name: str, statement: str, kinds: frozenset[Kind] = PACKAGES) -> Rule:
    """Return a rule about the form of packages by Esri's programs: a warning, as no need of a client is known."""
    return Rule(name, statement, Severity.WARNING, kinds)

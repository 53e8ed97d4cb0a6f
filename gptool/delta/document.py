"""delta.json: what a delta states of its base, of its result, and of what changed between them.

docs/delta.md describes the members.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gptool import __version__
from gptool.cache.file_store import MAX_SMALL_FILE
from gptool.delta.runs import Run
from gptool.errors import OutputError
from gptool.model import BundleAddress, Extent, NumberText
from gptool.text import format_bytes

MEMBER = "delta.json"
"""The name of the document in a delta."""

FORMAT = 1
"""The version of the format that this module writes, and the only one that is read."""


class LevelState(NamedTuple):
    """A level of a cache: the number of its tiles, and their hash (see `digests`)."""

    level: int
    tiles: int
    sha256: str


class LevelCounts(NamedTuple):
    """The tiles of a level that were added, changed or deleted, and those that are in both states."""

    level: int
    added: int
    changed: int
    deleted: int
    unchanged: int


class BundleState(NamedTuple):
    """The hashes of a bundle with changes, before and after them; None where it has no tiles."""

    base: str | None
    result: str | None


@dataclass(frozen=True)
class CacheState:
    """One of the two states of a cache.

    Attributes
    ----------
    name : str
    extent : Extent or None
        The full extent of its tiles, as results state it; None without tiles.
    levels : tuple of LevelState
        Those that have tiles, coarsest first.
    """

    name: str
    extent: Extent | None
    levels: tuple[LevelState, ...]

    @property
    def tiles(self) -> int:
        """The number of its tiles."""
        return sum(level.tiles for level in self.levels)

    def level(self, level: int) -> LevelState | None:
        """Return a level; None if it has no tiles."""
        return next((state for state in self.levels if state.level == level), None)


@dataclass(frozen=True)
class ResultDocuments:
    """The documents of the new state, which results repeat.

    Attributes
    ----------
    extent : Extent or None
        The extent that they declare.
    root_json, conf_xml : str or None
        Their text; bytes that are no UTF-8 are lone surrogates, as in names of files.
    domain : tuple of (str, str)
        The domain of the spatial reference, as conf.cdi states it: names and numbers.
    """

    extent: Extent | None
    root_json: str | None
    conf_xml: str | None
    domain: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class DeltaDocument:
    """The content of delta.json.

    Attributes
    ----------
    base, result : CacheState
    documents : ResultDocuments
    levels : tuple of LevelCounts
        All levels with tiles in either state, coarsest first.
    bundles : mapping of BundleAddress to BundleState
        The bundles that differ, in the order of their addresses.
    deletions : sequence of Run
        The deleted tiles, in the order of their bundles and rows.
    """

    base: CacheState
    result: CacheState
    documents: ResultDocuments
    levels: tuple[LevelCounts, ...]
    bundles: Mapping[BundleAddress, BundleState]
    deletions: Sequence[Run]

    def encode(self) -> bytes:
        """Return the document as JSON.

        Raises
        ------
        OutputError
            If it would be longer than what is read.
        """
        value = {
            "format": FORMAT,
            "gptool": __version__,
            "base": _state_json(self.base),
            "result": _state_json(self.result),
            "levels": [counts._asdict() for counts in self.levels],
            "bundles": [[*address, state.base, state.result] for address, state in self.bundles.items()],
            "deletions": list(self.deletions),
            "documents": {
                "extent": _extent_json(self.documents.extent),
                "rootJson": self.documents.root_json,
                "confXml": self.documents.conf_xml,
                "domain": dict(self.documents.domain),
            },
        }
        lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(item)}" for key, item in value.items())
        data = f"{{\n{lines}\n}}\n".encode()
        if len(data) > MAX_SMALL_FILE:
            raise OutputError(
                "the states differ too much for a delta",
                where=MEMBER,
                found=f"{format_bytes(len(data))} that list {len(self.bundles):,} bundles and "
                f"{len(self.deletions):,} runs of deleted tiles",
                expected=f"at most {format_bytes(MAX_SMALL_FILE)}; export the new state instead",
            )
        return data


def document_text(data: bytes | None) -> str | None:
    """Return a document of a cache as text that JSON can hold, whatever its encoding."""
    return None if data is None else data.decode("utf-8", "surrogateescape")


def domain_texts(domain: tuple[tuple[str, NumberText], ...]) -> tuple[tuple[str, str], ...]:
    """Return the domain of a spatial reference with its numbers as texts."""
    return tuple((name, number.text) for name, number in domain)


def _state_json(state: CacheState) -> dict[str, Any]:
    return {
        "name": state.name,
        "tiles": state.tiles,
        "extent": _extent_json(state.extent),
        "levels": [level._asdict() for level in state.levels],
    }


def _extent_json(extent: Extent | None) -> dict[str, float] | None:
    return extent and extent._asdict()

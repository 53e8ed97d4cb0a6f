"""What `gptool.diff` and `gptool.apply` return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gptool.delta.document import CacheState, DeltaDocument, LevelCounts
from gptool.display.notebook import table_html, warning_counts
from gptool.model import Message
from gptool.system.store_url import Location
from gptool.text import format_bytes, format_count


@dataclass(frozen=True, repr=False)
class DiffResult:
    """A delta that was written.

    Attributes
    ----------
    path : Path or StoreUrl
    size : int
        Bytes of the file.
    document : DeltaDocument
        Its delta.json.
    bytes_written : int
        Bytes of its tiles.
    messages : tuple of Message
        Notices in the order in which they arose.
    levels : tuple of LevelCounts
        The tiles of each level that were added, changed or deleted, and those that were not.
    total : dict of str to int
        The sums of all levels by name: `added`, `changed`, `deleted`, `unchanged`.
    """

    path: Location
    size: int
    document: DeltaDocument
    bytes_written: int
    messages: tuple[Message, ...] = ()

    def __repr__(self) -> str:
        return f"<DiffResult: {self.path}, {self.summary}{warning_counts(self.messages)}>"

    def _repr_html_(self) -> str:
        """Return a table for notebooks."""
        columns = [name.capitalize() for name in LevelCounts._fields]
        notes = [message.line for message in self.messages]
        return table_html(f"{self.path}: {self.summary}", columns, self.levels, notes)

    @property
    def levels(self) -> tuple[LevelCounts, ...]:
        """The tiles of each level that were added, changed or deleted, and those that were not."""
        return self.document.levels

    @property
    def total(self) -> dict[str, int]:
        """The sums of all levels by name: `added`, `changed`, `deleted`, `unchanged`."""
        return {name: sum(getattr(counts, name) for counts in self.levels) for name in LevelCounts._fields[1:]}

    @property
    def is_empty(self) -> bool:
        """Whether both states have the same tiles."""
        return not self.document.bundles

    @property
    def summary(self) -> str:
        """The numbers of tiles and the size in a line."""
        counts = ", ".join(f"{count:,} {name}" for name, count in self.total.items())
        return f"tiles: {counts}; {format_bytes(self.size)}"

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON."""
        return {
            "path": str(self.path),
            "size": self.size,
            "bytesWritten": self.bytes_written,
            **self.total,
            "levels": [counts._asdict() for counts in self.levels],
            "base": _state_json(self.document.base),
            "result": _state_json(self.document.result),
            "messages": [message.to_json() for message in self.messages],
        }


@dataclass(frozen=True, repr=False)
class ApplyResult:
    """The new state of a base.

    Attributes
    ----------
    path : Path or StoreUrl
        The result; in place, the folder of the base.
    document : DeltaDocument
        The delta.json of the delta.
    size : int or None
        Bytes of the result; None in place.
    bundles : int or None
        The bundles that were written or removed in place, without those that an interrupted run had finished; None
        otherwise.
    messages : tuple of Message
        Notices in the order in which they arose.
    tiles : int
        The number of tiles of the new state.
    """

    path: Location
    document: DeltaDocument
    size: int | None
    bundles: int | None
    messages: tuple[Message, ...] = ()

    def __repr__(self) -> str:
        return f"<ApplyResult: {self.path}, {self.summary}{warning_counts(self.messages)}>"

    def _repr_html_(self) -> str:
        """Return a table for notebooks."""
        rows = [(level.level, level.tiles) for level in self.document.result.levels]
        notes = [message.line for message in self.messages]
        return table_html(f"{self.path}: {self.summary}", ("Level", "Tiles"), rows, notes)

    @property
    def tiles(self) -> int:
        """The number of tiles of the new state."""
        return self.document.result.tiles

    @property
    def summary(self) -> str:
        """The number of tiles, and the size or the bundles, in a line."""
        if self.size is not None:
            return f"{format_count(self.tiles, 'tile')}, {format_bytes(self.size)}"
        return f"{format_count(self.tiles, 'tile')}; {format_count(self.bundles or 0, 'bundle')} updated in place"

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON."""
        return {
            "path": str(self.path),
            "size": self.size,
            "bundles": self.bundles,
            "tiles": self.tiles,
            "levels": [level._asdict() for level in self.document.result.levels],
            "messages": [message.to_json() for message in self.messages],
        }


def _state_json(state: CacheState) -> dict[str, Any]:
    return {
        "name": state.name,
        "tiles": state.tiles,
        "extent": state.extent and state.extent._asdict(),
        "levels": [level._asdict() for level in state.levels],
    }

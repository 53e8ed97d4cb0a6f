"""Reading of delta.json. It may come from anyone: each value is checked, and each error names its place."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from gptool.cache.description import MAX_LEVEL, MAX_MAGNITUDE
from gptool.delta.document import (
    FORMAT,
    BundleState,
    CacheState,
    DeltaDocument,
    LevelCounts,
    LevelState,
    ResultDocuments,
)
from gptool.delta.runs import Run, bundle_of, run_tiles
from gptool.errors import ConfError
from gptool.model import DOMAIN_KEYS, PACKET_SIZE, BundleAddress, Extent, NumberText
from gptool.system.store_url import Location

MAX_INDEX = 2**32 - 1
"""The last row and column that a bundle of a cache can have."""

MAX_TILES = 2**63 - 1
SIDES = Extent._fields
SHA256 = re.compile("[0-9a-f]{64}")
SHA256_TEXT = "64 hexadecimal digits in lower case"


def read_document(data: bytes, where: Location) -> DeltaDocument:
    """Return the content of a delta.json.

    Parameters
    ----------
    data : bytes
    where : Path or StoreUrl
        Its path, as stated in error messages.

    Raises
    ------
    ConfError
        If it is not valid JSON, has another format, or a value is missing, invalid or contradicts others.
    """
    return _Reader(where).document(data)


class _Reader:
    """Reads the values of a document that is at `where`."""

    def __init__(self, where: Location) -> None:
        self._where = where

    def document(self, data: bytes) -> DeltaDocument:
        root = self._parse(data)
        if self.integer(root, "format", "", 0, MAX_TILES) != FORMAT:
            expected = f"{FORMAT}, the only one that this version of gptool reads"
            raise self._error("format is unknown", root["format"], expected)
        found = DeltaDocument(
            self.state(root, "base"),
            self.state(root, "result"),
            self.documents(self.value(root, "documents", "", dict, "an object")),
            tuple(self.counts(root)),
            dict(self.bundles(root)),
            tuple(self.deletions(root)),
        )
        self._check_counts(found)
        self._check_bundles(found)
        self._check_deletions(found)
        return found

    def _parse(self, data: bytes) -> dict[str, Any]:
        try:
            root = json.loads(data, parse_constant=_reject_constant)
        except (ValueError, RecursionError) as error:  # also an integer of thousands of digits
            raise ConfError(f"is not valid JSON: {error}", where=self._where) from None
        if not isinstance(root, dict):
            raise self._error("is not an object", _kind(root), "an object")
        return root

    def state(self, root: dict[str, Any], name: str) -> CacheState:
        node = self.value(root, name, "", dict, "an object")
        levels = []
        for label, item in self._items(node, "levels", name, dict, "an object"):
            level = self.integer(item, "level", label, 0, MAX_LEVEL)
            tiles = self.integer(item, "tiles", label, 1, MAX_TILES)
            levels.append(LevelState(level, tiles, self.sha256(item.get("sha256"), f"{label}.sha256")))
        self._check_ascending([level.level for level in levels], f"{name}.levels")
        state = CacheState(self.value(node, "name", name, str, "a text"), self.extent(node, name), tuple(levels))
        if self.integer(node, "tiles", name, 0, MAX_TILES) != state.tiles:
            raise self._error(f"{name}.tiles is not the sum of its levels", node["tiles"], str(state.tiles))
        return state

    def documents(self, node: dict[str, Any]) -> ResultDocuments:
        for name in ("rootJson", "confXml"):
            if node.get(name) is not None:
                self.value(node, name, "documents", str, "a text or null")
        domain = self.value(node, "domain", "documents", dict, "an object")
        for name, text in domain.items():
            self._check_number(name, text)
        extent, texts = self.extent(node, "documents"), tuple(domain.items())
        return ResultDocuments(extent, node.get("rootJson"), node.get("confXml"), texts)

    def _check_number(self, name: str, text: object) -> None:
        if name not in DOMAIN_KEYS or not isinstance(text, str):
            raise self._error(f"documents.domain.{name} is invalid", _kind(text), "a number of a domain, as a text")
        try:
            NumberText(text)
        except ValueError:
            raise self._error(f"documents.domain.{name} is invalid", text, "a number") from None

    def extent(self, node: dict[str, Any], label: str) -> Extent | None:
        if node.get("extent") is None:
            return None
        found = self.value(node, "extent", label, dict, "an object or null")
        sides = [found.get(side) for side in SIDES]
        if not all(type(side) in (int, float) and abs(side) <= MAX_MAGNITUDE for side in sides):
            raise self._error(
                f"{label}.extent is invalid", sides, f"numbers from -{MAX_MAGNITUDE:g} to {MAX_MAGNITUDE:g}"
            )
        extent = Extent(*map(float, sides))
        if not (extent.xmin < extent.xmax and extent.ymin < extent.ymax and all(map(math.isfinite, extent))):
            raise self._error(f"{label}.extent is invalid", sides, "a box with an area")
        return extent

    def counts(self, root: dict[str, Any]) -> Iterator[LevelCounts]:
        last = -1
        for label, item in self._items(root, "levels", "", dict, "an object"):
            level = self.integer(item, "level", label, last + 1, MAX_LEVEL)
            last = level
            yield LevelCounts(
                level, *(self.integer(item, name, label, 0, MAX_TILES) for name in LevelCounts._fields[1:])
            )

    def bundles(self, root: dict[str, Any]) -> Iterator[tuple[BundleAddress, BundleState]]:
        last = BundleAddress(-1, 0, 0)
        for label, item in self._items(root, "bundles", "", list, "an array"):
            if len(item) != 5:
                raise self._error(f"{label} is invalid", f"{len(item)} values", "level, row, column and two hashes")
            self._check_integers(item[:3], label)
            address = BundleAddress(*item[:3])
            if address.row % PACKET_SIZE or address.column % PACKET_SIZE or address <= last:
                expected = f"multiples of {PACKET_SIZE}, in the order of level, row and column"
                raise self._error(f"{label} is invalid", tuple(address), expected)
            last = address
            base, result = (None if text is None else self.sha256(text, label) for text in item[3:])
            if base == result:
                raise self._error(f"{label} has no change", base, "two hashes that differ")
            yield address, BundleState(base, result)

    def deletions(self, root: dict[str, Any]) -> Iterator[Run]:
        for label, item in self._items(root, "deletions", "", list, "an array"):
            if len(item) != 4:
                raise self._error(f"{label} is invalid", f"{len(item)} values", "level, row, first and last column")
            self._check_integers(item, label)
            _, _, first, last = item
            if not first <= last < bundle_of(tuple(item)).column + PACKET_SIZE:
                expected = "a first and a last column within one bundle"
                raise self._error(f"{label} is invalid", f"columns {first} to {last}", expected)
            yield tuple(item)

    def _check_integers(self, values: list[Any], label: str) -> None:
        """Check a level and rows and columns."""
        limits = (MAX_LEVEL, *[MAX_INDEX] * (len(values) - 1))
        if not all(type(value) is int and 0 <= value <= limit for value, limit in zip(values, limits, strict=True)):
            expected = f"a level from 0 to {MAX_LEVEL}, and rows and columns from 0 to {MAX_INDEX}"
            raise self._error(f"{label} is invalid", values, expected)

    def _check_counts(self, found: DeltaDocument) -> None:
        counts = {level.level: level for level in found.levels}
        for name, state in (("base", found.base), ("result", found.result)):
            if unknown := [level.level for level in state.levels if level.level not in counts]:
                raise self._error(f"levels lacks level {unknown[0]}", sorted(counts), f"the levels of {name}, too")
        for level in found.levels:
            kept = level.unchanged + level.changed
            for state, expected in ((found.base, kept + level.deleted), (found.result, kept + level.added)):
                stated = state.level(level.level)
                tiles = stated.tiles if stated else 0
                if tiles != expected:
                    what = f"the counts of level {level.level} contradict those of {state.name}"
                    raise self._error(what, f"{tiles} tiles", f"{expected} tiles")

    def _check_bundles(self, found: DeltaDocument) -> None:
        counts = {level.level: level for level in found.levels}
        filled = {address.level for address in found.bundles}
        for level in filled - counts.keys():
            raise self._error(f"bundles names level {level}", level, "a level of levels")
        for level, each in counts.items():
            if bool(each.added + each.changed + each.deleted) != (level in filled):
                what = f"level {level} has changes and no bundles, or bundles and no changes"
                raise self._error(what, f"{each}", "both or neither")

    def _check_deletions(self, found: DeltaDocument) -> None:
        deleted = dict.fromkeys((level.level for level in found.levels), 0)
        for run in found.deletions:
            if bundle_of(run) not in found.bundles:
                raise self._error("a run of deletions is not in a bundle that differs", run, "a run in one of bundles")
            deleted[run[0]] += run_tiles(run)
        for run, following in pairwise(found.deletions):
            first, second = ((bundle_of(each), each[1], each[2]) for each in (run, following))
            if first >= second or (first[:2] == second[:2] and following[2] <= run[3]):
                expected = "runs that share no tile, in the order of their bundles and rows"
                raise self._error("runs of deletions overlap or are not sorted", f"{run} and {following}", expected)
        for level in found.levels:
            if deleted[level.level] != level.deleted:
                what = f"deletions have not the number of deleted tiles of level {level.level}"
                raise self._error(what, deleted[level.level], str(level.deleted))

    def _check_ascending(self, levels: list[int], label: str) -> None:
        if levels != sorted(set(levels)):
            raise self._error(f"{label} is not sorted", levels, "each level once, coarsest first")

    def _items(
        self, node: dict[str, Any], name: str, label: str, kind: type, expected: str
    ) -> Iterator[tuple[str, Any]]:
        """Yield the items of an array with their labels; all are of one type."""
        path = f"{label}.{name}" if label else name
        for i, item in enumerate(self.value(node, name, label, list, "an array")):
            if not isinstance(item, kind):
                raise self._error(f"{path}[{i}] is invalid", _kind(item), expected)
            yield f"{path}[{i}]", item

    def value(self, node: dict[str, Any], name: str, label: str, kind: type, expected: str) -> Any:
        """Return a member of a type."""
        path = f"{label}.{name}" if label else name
        if name not in node:
            raise self._error(f"{path} is missing", None, expected)
        if not isinstance(node[name], kind):
            raise self._error(f"{path} is invalid", _kind(node[name]), expected)
        return node[name]

    def integer(self, node: dict[str, Any], name: str, label: str, low: int, high: int) -> int:
        """Return a member that is an integer from `low` to `high`."""
        path = f"{label}.{name}" if label else name
        found = node.get(name)
        if type(found) is not int or not low <= found <= high:
            what = f"{path} is {'invalid' if name in node else 'missing'}"
            raise self._error(
                what, _kind(found) if type(found) is not int else found, f"an integer from {low} to {high}"
            )
        return found

    def sha256(self, value: object, label: str) -> str:
        """Return a hash."""
        if not isinstance(value, str) or not SHA256.fullmatch(value):
            raise self._error(f"{label} is no SHA-256", value if isinstance(value, str) else _kind(value), SHA256_TEXT)
        return value

    def _error(self, what: str, found: object, expected: str) -> ConfError:
        return ConfError(what, where=self._where, found=found, expected=expected)


def _reject_constant(text: str) -> None:
    raise ValueError(f"{text} is not a JSON number")


def _kind(value: object) -> str:
    """Return a JSON value in words."""
    match value:
        case dict():
            return "an object"
        case list():
            return "an array"
        case str():
            return "a text"
    return json.dumps(value) if value is None or isinstance(value, bool) else "a number"

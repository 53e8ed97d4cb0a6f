"""delta.json that is damaged or hostile: each is refused with one line, before anything is written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gptool
from gptool.delta.reading import read_document
from gptool.errors import CacheError, ConfError
from helpers.caches import jpeg_tile, make_cache, world
from helpers.checks import check_nothing_left
from helpers.deltas import change_delta, rewrite_delta
from helpers.tile_readers import read_member

OLD = world()
NEW = {place: tile for place, tile in OLD.items() if place[1] != 133 and place != (8, 124, 125)} | {
    (8, 122, 122): jpeg_tile(7)
}
LARGE = 2**32
HUGE = 10**400
HASH = "0" * 64


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of an old state and a delta."""
    folder = tmp_path_factory.mktemp("states")
    make_cache(folder / "old", OLD)
    gptool.diff(folder / "old", make_cache(folder / "new", NEW), folder / "delta.tpkx")
    return folder


def set_to(value: object, *path: str | int) -> Callable[[dict[str, Any]], None]:
    """Return a change of the value at a path."""

    def change(root: Any) -> None:
        for key in path[:-1]:
            root = root[key]
        root[path[-1]] = value

    return change


def remove(*path: str | int) -> Callable[[dict[str, Any]], None]:
    """Return a change that removes the value at a path."""

    def change(root: Any) -> None:
        for key in path[:-1]:
            root = root[key]
        del root[path[-1]]

    return change


def run(row: int, first: int, last: int, level: int = 8) -> Callable[[dict[str, Any]], None]:
    """Return a change that adds a run of deletions."""
    return lambda root: root["deletions"].append([level, row, first, last])


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "unknown version": (set_to(2, "format"), "format is unknown; found 2, expected 1, the only one that this version"),
    "no version": (remove("format"), "format is missing; found null, expected an integer"),
    "version as text": (set_to("1", "format"), "format is invalid; found a text, expected an integer"),
    "no base": (remove("base"), "base is missing; expected an object"),
    "base as text": (set_to("x", "base"), "base is invalid; found a text, expected an object"),
    "no levels": (remove("base", "levels"), "base.levels is missing; expected an array"),
    "level as text": (
        set_to("8", "base", "levels", 0),
        r"base.levels\[0\] is invalid; found a text, expected an object",
    ),
    "huge level": (set_to(HUGE, "base", "levels", 0, "level"), r"base.levels\[0\].level is invalid; found 1000"),
    "true as a level": (set_to(True, "base", "levels", 0, "level"), r"base.levels\[0\].level is invalid; found true"),
    "negative tiles": (set_to(-1, "base", "levels", 0, "tiles"), r"base.levels\[0\].tiles is invalid; found -1"),
    "fraction of tiles": (set_to(1.5, "base", "levels", 0, "tiles"), r"base.levels\[0\].tiles is invalid; found a num"),
    "no hash": (remove("base", "levels", 0, "sha256"), r"base.levels\[0\].sha256 is no SHA-256; found null"),
    "short hash": (
        set_to("00", "result", "levels", 0, "sha256"),
        r"result.levels\[0\].sha256 is no SHA-256; found 00,",
    ),
    "levels not sorted": (
        lambda root: root["base"]["levels"].reverse(),
        "base.levels is not sorted; found",
    ),
    "wrong sum": (set_to(7, "base", "tiles"), "base.tiles is not the sum of its levels; found 7, expected 165"),
    "name as number": (set_to(7, "base", "name"), "base.name is invalid; found a number, expected a text"),
    "extent as text": (set_to("all", "base", "extent"), "base.extent is invalid; found a text"),
    "extent without a side": (remove("base", "extent", "xmin"), "base.extent is invalid; found"),
    "huge extent": (set_to(HUGE, "base", "extent", "xmax"), "base.extent is invalid; found"),
    "turned extent": (set_to(-9e9, "base", "extent", "xmax"), "base.extent is invalid; found .*expected a box"),
    "counts not sorted": (set_to(9, "levels", 0, "level"), r"levels\[1\].level is invalid; found 1"),
    "counts of other tiles": (
        set_to(5, "levels", 0, "added"),
        "the counts of level 0 contradict those of new; found 1 tiles, expected 6 tiles",
    ),
    "level without counts": (lambda root: root["levels"].pop(0), "levels lacks level 0"),
    "bundle as object": (set_to({}, "bundles", 0), r"bundles\[0\] is invalid; found an object, expected an array"),
    "bundle without hashes": (set_to([8, 0, 0], "bundles", 0), r"bundles\[0\] is invalid; found 3 values"),
    "bundle off the grid": (set_to(64, "bundles", 0, 1), r"bundles\[0\] is invalid; found \(8, 64, 0\), expected mul"),
    "bundle out of the grid": (set_to(LARGE, "bundles", 0, 1), r"bundles\[0\] is invalid; found \[8, 4294967296, 0\]"),
    "bundle twice": (
        lambda root: root["bundles"].insert(0, root["bundles"][0]),
        r"bundles\[1\] is invalid; found \(8, 0, 0\), expected .*order",
    ),
    "bundle with a short hash": (set_to("aa", "bundles", 0, 3), r"bundles\[0\] is no SHA-256; found aa"),
    "bundle without a change": (
        lambda root: root["bundles"].insert(0, [7, 0, 0, HASH, HASH]),
        r"bundles\[0\] has no change",
    ),
    "no bundles": (set_to([], "bundles"), "level 8 has changes and no bundles, or bundles and no changes"),
    "run as text": (set_to("x", "deletions", 0), r"deletions\[0\] is invalid; found a text"),
    "run of three": (set_to([8, 1, 1], "deletions", 0), r"deletions\[0\] is invalid; found 3 values"),
    "run of texts": (set_to(["8", 1, 1, 1], "deletions", 0), r"deletions\[0\] is invalid; found \['8', 1, 1, 1\]"),
    "run out of the grid": (run(LARGE, 0, 0), r"deletions\[\d+\] is invalid; found \[8, 4294967296"),
    "run of a negative row": (run(-1, 0, 0), r"deletions\[\d+\] is invalid; found \[8, -1"),
    "run of a huge column": (run(0, 0, HUGE), r"deletions\[\d+\] is invalid"),
    "run backwards": (run(200, 130, 129), r"deletions\[\d+\] is invalid; found columns 130 to 129"),
    "run over two bundles": (run(200, 120, 130), r"deletions\[\d+\] is invalid; found columns 120 to 130"),
    "run of another level": (run(0, 0, 0, level=7), "a run of deletions is not in a bundle that differs"),
    "run of an unknown level": (run(0, 0, 0, level=100), r"deletions\[\d+\] is invalid; found \[100, 0, 0, 0\]"),
    "runs not sorted": (lambda root: root["deletions"].reverse(), "runs of deletions overlap or are not sorted"),
    "overlapping runs": (
        lambda root: root["deletions"].append([*root["deletions"][-1][:2], 133, 133]),
        "runs of deletions overlap or are not sorted",
    ),
    "missing run": (lambda root: root["deletions"].pop(), "deletions have not the number of deleted tiles of level 8"),
    "no documents": (remove("documents"), "documents is missing"),
    "document as number": (set_to(5, "documents", "confXml"), "documents.confXml is invalid; found a number"),
    "document that is no XML": (set_to("<", "documents", "confXml"), "is not well-formed XML"),
    "document with entities": (
        set_to('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "documents", "confXml"),
        "document type declarations are not allowed",
    ),
    "document that is no JSON": (set_to("{", "documents", "rootJson"), "is not valid JSON"),
    "unknown number of a domain": (set_to("1", "documents", "domain", "x"), "documents.domain.x is invalid"),
    "domain as number": (set_to(1, "documents", "domain", "falseX"), "documents.domain.falseX is invalid"),
    "domain as word": (set_to("nan", "documents", "domain", "falseX"), "documents.domain.falseX is invalid; found nan"),
}

TEXTS = {
    "truncated": (lambda data: data[: len(data) // 2], "is not valid JSON"),
    "empty": (lambda data: b"", "is not valid JSON"),
    "no object": (lambda data: b"[]", "is not an object; found an array, expected an object"),
    "deep": (lambda data: b"[" * 100_000, "is not valid JSON"),
    "not a number": (lambda data: data.replace(b'"format": 1', b'"format": NaN'), "NaN is not a JSON number"),
    "thousands of digits": (
        lambda data: data.replace(b'"format": 1', b'"format": ' + b"1" * 5000),
        "is not valid JSON",
    ),
    "no UTF-8": (lambda data: b"\xff\xfe\xfd", "is not valid JSON"),
    "17 MB": (lambda data: b" " * 17_000_000, "file is too large; found 17000000 bytes"),
}


def check_refused(states: Path, folder: Path, delta: Path, what: str) -> None:
    """Check that a delta is refused with one line, and that nothing is written."""
    with pytest.raises(CacheError, match=what) as caught:
        gptool.apply(states / "old", delta, folder / "out" / "x.tpkx")
    assert "delta.tpkx" in str(caught.value)
    assert len(str(caught.value)) < 1000
    check_nothing_left(folder, "delta.tpkx")


@pytest.mark.parametrize(("change", "what"), CHANGES.values(), ids=CHANGES)
def test_invalid_value_is_named(
    states: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object], what: str
) -> None:
    delta = shutil.copy(states / "delta.tpkx", tmp_path)
    change_delta(Path(delta), change)
    check_refused(states, tmp_path, Path(delta), what)


@pytest.mark.parametrize(("change", "what"), TEXTS.values(), ids=TEXTS)
def test_damaged_text_is_refused(states: Path, tmp_path: Path, change: Callable[[bytes], bytes], what: str) -> None:
    delta = Path(shutil.copy(states / "delta.tpkx", tmp_path))
    rewrite_delta(delta, change(read_member(delta, "delta.json")))
    check_refused(states, tmp_path, delta, what)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=200)
@given(data=st.data())
def test_any_value_anywhere_is_read_or_refused(states: Path, data: st.DataObject) -> None:
    """Whatever takes the place of a value: the document is read, or a ConfError is raised."""
    root = json.loads(read_member(states / "delta.tpkx", "delta.json"))
    node: Any = root
    while isinstance(node, dict | list) and node:
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        if not isinstance(node[key], dict | list) or not node[key] or data.draw(st.booleans()):
            node[key] = data.draw(values)
            break
        node = node[key]
    try:
        read_document(json.dumps(root).encode(), Path("delta.json"))
    except ConfError as error:
        assert str(error).startswith("delta.json: ")

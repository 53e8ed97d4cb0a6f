"""apply(diff(A, B), A) is B, for random pairs of states in every storage format."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gptool
from helpers.checks import check_nothing_left
from helpers.deltas import (
    FOLDERS,
    STORAGES,
    Extent,
    Numbers,
    Tiles,
    changed_tiles,
    describe_changes,
    describe_levels,
    digests,
    pairs,
    read_delta,
    to_tiles,
)
from helpers.tile_readers import read_tiles

PAIRS = int(os.environ.get("GPTOOL_DELTA_PAIRS", "10"))
"""Pairs for each storage format of the old state."""

OUTPUTS = {"x.tpkx": None, "x.tpk": None, "v2": "compactV2", "v1": "compact"}
EXTENTS = None, (-1e7, -1.5e7, 1.25e7, 2e7), (-2e7, -2e7, 2e7, 2e7)


def check_delta(path: Path, old: Tiles, new: Tiles, *, is_narrow: bool) -> None:
    """Check the tiles of a delta and its delta.json; tiles of a narrow cache lie outside of its extent."""
    assert digests(read_tiles(path)) == digests(changed_tiles(old, new))
    found, expected = read_delta(path), describe_changes(old, new)
    assert {name: found[name] for name in expected} == expected
    assert (found["base"]["levels"], found["result"]["levels"]) == (describe_levels(old), describe_levels(new))
    assert (found["base"]["tiles"], found["result"]["tiles"]) == (len(old), len(new))
    broken = {finding.rule for finding in gptool.verify(path).findings}
    assert broken <= ({"extent.tiles"} if is_narrow else set())


@pytest.mark.parametrize("storage", STORAGES)
@settings(max_examples=PAIRS)
@given(
    pair=pairs(),
    new_storage=st.sampled_from(list(STORAGES)),
    output=st.sampled_from(list(OUTPUTS)),
    extents=st.tuples(st.sampled_from(EXTENTS), st.sampled_from(EXTENTS)),
)
def test_result_is_the_new_state(
    storage: str,
    pair: tuple[Numbers, Numbers],
    new_storage: str,
    output: str,
    extents: tuple[Extent | None, Extent | None],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, old_tiles, new_tiles = Path(name), to_tiles(pair[0]), to_tiles(pair[1])
        if storage not in FOLDERS:  # there are no packages without tiles
            old_tiles = old_tiles or to_tiles({(0, 0, 0): 0})
        old = STORAGES[storage](folder / "old", old_tiles, extents[0])
        new = STORAGES[new_storage](folder / "new", new_tiles, extents[1])
        delta = gptool.diff(old, new, folder / "delta.tpkx")
        check_delta(delta.path, old_tiles, new_tiles, is_narrow=extents[1] is not None)
        result = gptool.apply(old, delta.path, folder / "out" / output, storage_format_type=OUTPUTS[output])
        assert digests(read_tiles(result.path)) == digests(new_tiles)
        exported = gptool.export_tiles(new, folder / "new out" / output, storage_format_type=OUTPUTS[output])
        check_same_description(result.path, exported.path)
        check_nothing_left(folder / "out", output)
        if storage in FOLDERS:
            gptool.apply(old, delta.path, in_place=True)
            assert digests(read_tiles(old)) == digests(new_tiles)
            check_in_place(old, new, extents)


def check_same_description(path: Path, expected: Path) -> None:
    """Check that two results have the same levels, format and extent."""
    found, other = gptool.open_cache(path), gptool.open_cache(expected)
    assert found.scheme == other.scheme
    assert (found.image, found.storage, found.declared_extent) == (other.image, other.storage, other.declared_extent)


def check_in_place(path: Path, new: Path, extents: tuple[Extent | None, Extent | None]) -> None:
    """Check that a folder has the levels and the extent of the new state, and nothing beside them."""
    found, other = gptool.open_cache(path), gptool.open_cache(new)
    assert found.scheme == other.scheme
    if other.declared_extent is not None:
        assert found.declared_extent == other.declared_extent
    assert (found.declared_extent is None) == (extents[0] is None and other.declared_extent is None)
    has_extent = found.declared_extent is not None
    check_nothing_left(path, "_alllayers", "conf.xml", *["conf.cdi"] * has_extent)

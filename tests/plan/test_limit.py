"""The tile limit, its advice, and the reserved bytes."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptool import export_tiles_job
from gptool.errors import TooManyTilesError
from gptool.model import BundleAddress, Lod, NumberText
from gptool.plan import BundlePlan, LevelPlan, make_plan
from gptool.plan.limit import check_count, deepest_fitting
from helpers.caches import make_cache
from helpers.plans import make_request


def levels_of(counts: list[int]) -> tuple[LevelPlan, ...]:
    """Return the plans of levels 0, 1, ... with these numbers of tiles."""
    one = NumberText("1")
    return tuple(
        LevelPlan(Lod(level, one, one), None, (BundlePlan(BundleAddress(level, 0, 0), tiles, tiles),))
        for level, tiles in enumerate(counts)
    )


@pytest.mark.parametrize(
    ("counts", "limit", "expected"),
    [
        ([1, 4, 16, 64], 84, [1, 2, 3]),
        ([1, 4, 16, 64], 85, [0, 1, 2, 3]),
        ([1, 4, 16, 64], 63, [0, 1, 2]),
        ([1, 4, 16, 64], 64, [3]),
        ([1, 4, 16, 64], 0, []),
        ([100, 4, 200], 99, [1]),
        ([100, 4, 200], 104, [0, 1]),
    ],
)
def test_deepest_levels_within_the_limit(counts: list[int], limit: int, expected: list[int]) -> None:
    assert [level.lod.level for level in deepest_fitting(levels_of(counts), limit)] == expected


def test_advice_names_only_requested_levels(tmp_path: Path) -> None:
    tiles = {
        (level, row, column): b"\xff\xd8\xff\xff\xd9"
        for level in range(4)
        for row in range(2**level)
        for column in range(2**level)
    }
    cache = make_cache(tmp_path / "cache", tiles)
    plan = make_plan(cache, make_request(levels="0,1,3"))
    with pytest.raises(TooManyTilesError) as caught:
        check_count(plan, 65)
    [levels, count] = re.findall(
        r"within the limit are levels=(\S+) \(exportBy=LevelID\) with ([0-9]+) tiles", caught.value.advice[1]
    )[0]
    assert (levels, count) == ("3", "64")
    assert "the coarsest are levels=0-1 (exportBy=LevelID) with 5 tiles" in caught.value.advice[1]
    with pytest.raises(TooManyTilesError) as caught:
        check_count(plan, 68)
    assert "levels=1,3 (exportBy=LevelID) with 68 tiles" in caught.value.advice[1]
    assert make_plan(cache, make_request(levels="1,3")).tiles == 68


@given(st.lists(st.integers(1, 50), min_size=1, max_size=7), st.integers(0, 120))
def test_deepest_levels_equal_brute_force(counts: list[int], limit: int) -> None:
    ranges = [range(*ends) for ends in combinations(range(len(counts) + 1), 2)]
    fitting = [levels for levels in ranges if sum(counts[level] for level in levels) <= limit]
    expected = max(fitting, key=lambda levels: (levels[-1], len(levels)), default=range(0))
    assert [level.lod.level for level in deepest_fitting(levels_of(counts), limit)] == list(expected)


@pytest.mark.parametrize("parameters", [{}, {"storageFormatType": "compact"}], ids=["compactV2", "compact"])
@pytest.mark.parametrize("package", ["true", "false"])
def test_reserved_bytes_are_an_upper_bound(
    cache: Path, tmp_path: Path, parameters: dict[str, str], package: str
) -> None:
    job = export_tiles_job({**parameters, "tilePackage": package}, cache=cache, output_directory=tmp_path)
    assert job.status == "esriJobSucceeded"
    assert job.planned
    assert job.planned.tiles == 165
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= job.planned.reserved_bytes

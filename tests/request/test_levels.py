"""Lists and ranges of levels as clients and people write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gptool.cache.conf_xml import read_conf_xml
from gptool.errors import ParameterError
from gptool.model import TilingScheme
from gptool.request.levels import ExportBy, range_notices, read_levels, select_levels
from helpers.caches import conf_text


@pytest.fixture
def scheme(tmp_path: Path) -> TilingScheme:
    """Levels 2-6 and 9."""
    path = tmp_path / "conf.xml"
    path.write_text(conf_text([2, 3, 4, 5, 6, 9]))
    return read_conf_xml(path.read_bytes(), path).scheme


def selected(scheme: TilingScheme, value: Any, export_by: ExportBy = "LevelID") -> list[int]:
    return [lod.level for lod in select_levels(read_levels(value), export_by, scheme)]


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ("2-6", [2, 3, 4, 5, 6]),
        ("6-2", [2, 3, 4, 5, 6]),
        ("2, 4,6", [2, 4, 6]),
        ("2-3, 6 - 9", [2, 3, 6, 9]),
        ("4,4,3-4", [3, 4]),
        ("09", [9]),
        ("2.0", [2]),
        (9, [9]),
        ([9, 2], [2, 9]),
        (range(2, 5), [2, 3, 4]),
        (np.arange(2, 4), [2, 3]),
        ({3, 2}, [2, 3]),
    ],
)
def test_lists_and_ranges_select_levels(scheme: TilingScheme, levels: object, expected: list[int]) -> None:
    assert selected(scheme, levels) == expected


def test_long_levels_are_rejected_in_linear_time() -> None:
    """The pattern must be unambiguous: backtracking over a long text would take forever."""
    for text in ("1" * 4000 + "-" + "1" * 4000 + "x", "1," * 4000 + "x", "." * 9000):
        with pytest.raises(ParameterError, match="value is not a list of levels"):
            read_levels(text)


def test_scales_closer_than_the_tolerance_are_distinguished(tmp_path: Path) -> None:
    lods = "".join(
        f"<LODInfo><LevelID>{level}</LevelID><Scale>{scale}</Scale><Resolution>{scale / 3779.5}</Resolution></LODInfo>"
        for level, scale in enumerate((9017.87105, 4508.9355, 4508.9353))
    )
    scheme = read_conf_xml(conf_text(lods=lods).encode(), tmp_path).scheme
    assert selected(scheme, "4508.9355-9017.87105", "Scale") == [0, 1]
    assert selected(scheme, "4508.9353", "Scale") == [2]


def test_all_levels_are_selected_by_default(scheme: TilingScheme) -> None:
    assert select_levels(None, "LevelID", scheme) == scheme.lods


@pytest.mark.parametrize(
    "levels",
    [
        "x",
        "1..3",
        "2-",
        "-2",
        "2,,3",
        "2-3-4",
        "2;3",
        "1e999",
        "1e",
        "9," * 9_999,
        [-1],
        [None],
        [float("nan")],
        [1e999],
    ],
)
def test_invalid_levels_are_rejected(levels: object) -> None:
    with pytest.raises(
        ParameterError, match=r"levels: value is not a list of levels; found .*, expected values and ranges such"
    ):
        read_levels(levels)


@pytest.mark.parametrize(
    ("levels", "found", "nearest"),
    [
        ("7", "7", "6 .*, 9 "),
        ("7-8", "7 in 7-8", "5 .*, 6 .*, 9 "),
        ("0-1", "0 in 0-1", "2 .*, 3 .*, 4 "),
        ("2-6.5", "6.5 in 2-6.5", "4 .*, 5 .*, 6 "),
        ("2,8", "8", "5 .*, 6 .*, 9 "),
        ("99", "99", "5 .*, 6 .*, 9 "),
        ("2.5", "2.5", "2 .*, 3 "),
    ],
)
def test_error_of_an_unknown_level_suggests_the_nearest(
    scheme: TilingScheme, levels: str, found: str, nearest: str
) -> None:
    message = rf"level is not in the tiling scheme; found {found}, expected .* nearest levels are .*{nearest}"
    with pytest.raises(ParameterError, match=message):
        selected(scheme, levels)


@pytest.mark.parametrize(
    ("levels", "expected", "used"),
    [
        ("0-99", [2, 3, 4, 5, 6, 9], "2-9"),
        ("2-7", [2, 3, 4, 5, 6], "2-6"),
        ("99-6", [6, 9], "6-9"),
        ("0-2,4", [2, 4], "2"),
        ("2-9", [2, 3, 4, 5, 6, 9], None),
        ("3,5-6,", [3, 5, 6], None),
    ],
)
def test_range_may_be_longer_than_the_scheme(
    scheme: TilingScheme, levels: str, expected: list[int], used: str | None
) -> None:
    assert selected(scheme, levels) == expected
    notices = range_notices(read_levels(levels), "LevelID", scheme)
    text = levels.partition(",")[0]
    assert notices == (
        [f"levels: the tiling scheme has no level at an end of {text}: levels {used} are used"] if used else []
    )


class TestScalesAndResolutions:
    @pytest.mark.parametrize("level", [2, 3, 4, 5, 6, 9])
    @pytest.mark.parametrize("digits", [6, 4, 1])
    def test_rounded_values_select_the_level(self, scheme: TilingScheme, level: int, digits: int) -> None:
        lod = scheme.lod(level)
        assert lod is not None
        assert selected(scheme, f"{lod.scale.value:.{digits}f}", "Scale") == [level]
        assert selected(scheme, f"{lod.resolution.value:.{digits}f}", "Resolution") == [level]
        assert selected(scheme, f"{lod.scale.value:.{digits}e}" if digits > 4 else lod.scale.text, "Scale") == [level]

    def test_ranges_are_accepted_in_either_order(self, scheme: TilingScheme) -> None:
        low, high = (scheme.lods[i].scale.value for i in (3, 1))
        assert selected(scheme, f"{low:.6f}-{high:.6f}", "Scale") == [3, 4, 5]
        assert selected(scheme, f"{high:.6f} - {low:.6f}", "Scale") == [3, 4, 5]
        assert selected(scheme, f"{high * 1.2}-{low * 0.8}", "Scale") == [3, 4, 5]

    def test_dash_of_an_exponent_does_not_make_a_range(self, scheme: TilingScheme) -> None:
        assert [(requested.first, requested.last) for requested in read_levels("1e-05, 2E-3-1e+2,.5")] == [
            (1e-05, 1e-05),
            (2e-3, 1e2),
            (0.5, 0.5),
        ]

    def test_error_of_an_unknown_scale_suggests_the_nearest(self, scheme: TilingScheme) -> None:
        scale = scheme.lods[2].scale.value
        for value in (f"{scale * 1.001}", f"{scale * 1.3}-{scale * 1.4}"):
            message = r"expected a scale of the tiling scheme; the nearest levels are .*4 \(res"
            with pytest.raises(ParameterError, match=message):
                selected(scheme, value, "Scale")

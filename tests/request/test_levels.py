"""Lists and ranges of levels as clients and people write them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gptool.cache.conf_xml import read_conf_xml
from gptool.errors import ParameterError
from gptool.model import TilingScheme
from gptool.request.levels import ExportBy, level_notices, read_levels, select_levels
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
        ("7", "7", "6 .*, 5 .*, 9 "),
        ("7-8", "7-8", "6 .*, 9 .*, 5 "),
        ("0-1", "0-1", "2 .*, 3 .*, 4 "),
        ("2-6.5", "6.5 in 2-6.5", "6 .*, 5 .*, 4 "),
        ("2,8", "8", "9 .*, 6 .*, 5 "),
        ("99", "99", "9 .*, 6 .*, 5 "),
        ("2.5", "2.5", "2 .*, 3 .*, 4 "),
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
        ("0-99", [2, 3, 4, 5, 6, 9], "levels 2-9 are used"),
        ("2-7", [2, 3, 4, 5, 6], "levels 2-6 are used"),
        ("99-6", [6, 9], "levels 6-9 are used"),
        ("0-2,4", [2, 4], "level 2 is used"),
        ("2-9", [2, 3, 4, 5, 6, 9], None),
        ("3,5-6,", [3, 5, 6], None),
    ],
)
def test_range_may_be_longer_than_the_scheme(
    scheme: TilingScheme, levels: str, expected: list[int], used: str | None
) -> None:
    assert selected(scheme, levels) == expected
    notices = [notice.description for notice in level_notices(read_levels(levels), "LevelID", scheme)]
    text = levels.partition(",")[0]
    assert notices == ([f"levels: the tiling scheme has no level at an end of {text}: {used}"] if used else [])


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


class TestNearestLevel:
    """A scale or resolution that no level has stands for the level that differs from it by the smallest factor."""

    @pytest.mark.parametrize("export_by", ["Scale", "Resolution"])
    def test_value_between_levels_selects_the_nearest(self, scheme: TilingScheme, export_by: ExportBy) -> None:
        values = {lod.level: lod.scale.value if export_by == "Scale" else lod.resolution.value for lod in scheme.lods}
        for factor in (1e-9, 0.01, 0.6, 0.72, 0.98, 1.001, 1.4, 1.5, 1.9, 7.0, 1e9):
            for value in (factor * value for value in values.values()):
                distances = {level: abs(math.log(value / own)) for level, own in values.items()}
                assert self.nearest(scheme, f"{value!r}", export_by) == [min(distances, key=distances.__getitem__)]

    def nearest(self, scheme: TilingScheme, levels: str, export_by: ExportBy) -> list[int]:
        lods = select_levels(read_levels(levels), export_by, scheme, nearest=True)
        return [lod.level for lod in lods]

    def test_list_with_and_without_exact_values(self, scheme: TilingScheme) -> None:
        assert self.nearest(scheme, "37000000,147914381.897889", "Scale") == [2, 4]
        notices = level_notices(read_levels("37000000,147914381.897889"), "Scale", scheme, nearest=True)
        assert [notice.type for notice in notices] == ["Informative"]
        assert notices[0].description.startswith(
            "levels: no level has the scale 37000000: the nearest level is used, 4 (resolution "
        )

    def test_range_without_a_level_selects_the_one_nearest_to_an_end(self, scheme: TilingScheme) -> None:
        scale = scheme.lods[2].scale.value
        assert self.nearest(scheme, f"{scale * 1.3!r}-{scale * 1.4!r}", "Scale") == [4]
        assert self.nearest(scheme, f"{scale * 1.4!r}-{scale * 1.95!r}", "Scale") == [3]
        assert self.nearest(scheme, f"{scale * 1.3!r}-{scale * 0.9!r}", "Scale") == [4]
        assert level_notices(read_levels(f"{scale * 1.3!r}-{scale * 0.9!r}"), "Scale", scheme, nearest=True) == []

    def test_extremes(self, scheme: TilingScheme) -> None:
        assert self.nearest(scheme, "0", "Scale") == [9]
        assert self.nearest(scheme, "5e-324", "Scale") == [9]
        assert self.nearest(scheme, "1e300", "Scale") == [2]

    def test_level_ids_are_never_replaced(self, scheme: TilingScheme) -> None:
        with pytest.raises(
            ParameterError, match=r"found 7, expected a level ID of the tiling scheme; the nearest .*\)$"
        ):
            self.nearest(scheme, "7", "LevelID")
        [notice] = level_notices(read_levels("2"), "LevelID", scheme, nearest=True)
        assert notice == ("Warning", "nearestLevel has no effect on level IDs, only on resolutions and scales")

    def test_thousands_of_values_give_few_messages(self, scheme: TilingScheme) -> None:
        levels = read_levels(",".join(map(str, range(11, 1511))))
        notices = level_notices(levels, "Scale", scheme, nearest=True)
        assert len(notices) == 11
        assert notices[-1].description == "levels: 1,490 more values or ranges not read literally"

    def test_without_levels_there_is_a_warning(self, scheme: TilingScheme) -> None:
        for export_by, nearest, name in (("Scale", False, "exportBy"), ("LevelID", True, "nearestLevel")):
            [notice] = level_notices(None, export_by, scheme, nearest=nearest)
            assert notice == ("Warning", f"{name} has no effect without levels: all levels with tiles are exported")
        assert level_notices(None, "LevelID", scheme) == []

    def test_error_names_the_parameter(self, scheme: TilingScheme) -> None:
        message = r"found 37000000, expected a scale .* 4 \(.*; with nearestLevel the nearest one is used$"
        with pytest.raises(ParameterError, match=message):
            selected(scheme, "37000000", "Scale")

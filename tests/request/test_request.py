"""Parsing of levels and extents as clients and people write them, and the parameter table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gptool.cache.conf_xml import read_conf_xml
from gptool.errors import ParameterError
from gptool.model import TilingScheme
from gptool.request.extent import read_extent
from gptool.request.levels import ExportBy, read_levels, select_levels
from gptool.request.parameters import INPUTS, invalid_inputs, known_inputs, read_inputs
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
        ("2-7", "7 in 2-7", "5 .*, 6 .*, 9 "),
        ("0-6", "0 in 0-6", "2 .*, 3 .*, 4 "),
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


@pytest.mark.parametrize(
    ("extent", "expected"),
    [
        ("0,1,2,3", (0, 1, 2, 3)),
        (" -1e3, 1.5 ,2,3 ", (-1000, 1.5, 2, 3)),
        ((0, 1, 2, 3), (0, 1, 2, 3)),
        ('{"xmin":0,"ymin":"1","xmax":2.0,"ymax":3}', (0, 1, 2, 3)),
        ("170,-10,-170,10", (170, -10, -170, 10)),
    ],
)
def test_texts_and_sequences_are_extents(extent: object, expected: tuple[float, ...]) -> None:
    requested = read_extent(extent)
    assert requested is not None
    assert (requested.extent, requested.reference) == (expected, None)


@pytest.mark.parametrize("extent", ["DEFAULT", "default", " DefaultExtent "])
def test_keywords_of_the_full_extent(extent: str) -> None:
    assert read_extent(extent) is None


@pytest.mark.parametrize(
    "extent",
    [
        "1",
        "0,1,2",
        "0,1,2,3,4",
        "a,b,c,d",
        "0,1,2,nan",
        "0,1,inf,2",
        "0,1,,2",
        (0, 1, 2),
        5,
        "{}",
        '{"xmin":1}',
        {},
        [],
    ],
)
def test_invalid_extents_are_rejected(extent: object) -> None:
    message = r"exportExtent: value is not an extent; found .*, expected xmin,ymin,xmax,ymax"
    with pytest.raises(ParameterError, match=message):
        read_extent(extent)


@pytest.mark.parametrize("extent", ["0,2,1,1", "0,0,0,1", (1, 1, 2, 1)])
def test_extents_without_area_are_rejected(extent: object) -> None:
    with pytest.raises(ParameterError, match="exportExtent: extent has no area"):
        read_extent(extent)


@pytest.mark.parametrize("extent", ['{"xmin":0', "{" + '"a":{' * 100_000, '{"xmin":' + "9" * 5000 + "}"])
def test_invalid_json_is_rejected(extent: str) -> None:
    with pytest.raises(ParameterError, match=r"exportExtent: (value is not valid JSON|JSON is nested too deeply)"):
        read_extent(extent)


class TestTable:
    """The parameter table."""

    def test_names(self) -> None:
        assert [(item.name, item.python_name, item.option) for item in INPUTS] == [
            ("levels", "levels", "--levels"),
            ("exportBy", "export_by", "--export-by"),
            ("exportExtent", "export_extent", "--export-extent"),
            ("areaOfInterest", "area_of_interest", "--area-of-interest"),
            ("tilePackage", "tile_package", "--tile-package"),
            ("storageFormatType", "storage_format_type", "--storage-format-type"),
            ("optimizeTilesForSize", "optimize_tiles_for_size", "--optimize-tiles-for-size"),
            ("compressionQuality", "compression_quality", "--compression-quality"),
        ]

    def test_every_choice_and_limit_is_a_valid_value(self) -> None:
        for item in INPUTS:
            for value in (*item.choices, *(item.limits or ())):
                item.read(str(value))
            assert item.default is None or item.read(item.default) == item.default

    def test_absent_inputs_have_their_defaults(self) -> None:
        values = read_inputs({})
        assert values.pop("exportBy") == "LevelID"
        assert (values.pop("tilePackage"), values.pop("optimizeTilesForSize")) == (False, False)
        assert set(values.values()) == {None}

    def test_unknown_and_absent_inputs_are_ignored(self) -> None:
        values = {"LEVELS": "1", "f": "json", "polygon": "", "storageFormat": "compact", "export_by": None, "x": 1}
        assert known_inputs(values) == {"levels": "1", "storageFormatType": "compact"}

    def test_every_invalid_input_has_a_message(self) -> None:
        messages = invalid_inputs({"levels": "x", "tilePackage": "maybe", "exportExtent": "1,2", "exportBy": "scale"})
        assert list(messages) == ["levels", "tilePackage", "exportExtent"]
        assert messages["tilePackage"] == "tilePackage: invalid choice; found 'maybe', expected true or false"

"""Levels and extents, as people and clients write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gptool.cache.conf_xml import read_conf_xml
from gptool.errors import ParameterError
from gptool.model import TilingScheme
from gptool.request.extent import read_extent
from gptool.request.levels import ExportBy, choose_levels, read_levels
from gptool.request.parameters import INPUTS, find_faults, known, read_values
from helpers.caches import conf_text


@pytest.fixture
def scheme(tmp_path: Path) -> TilingScheme:
    """Levels 2-6 and 9."""
    path = tmp_path / "conf.xml"
    path.write_text(conf_text([2, 3, 4, 5, 6, 9]))
    return read_conf_xml(path.read_bytes(), path).scheme


def chosen(scheme: TilingScheme, sent: Any, export_by: ExportBy = "LevelID") -> list[int]:
    return [lod.level for lod in choose_levels(read_levels(sent), export_by, scheme)]


@pytest.mark.parametrize(
    ("levels", "meant"),
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
def test_levels(scheme: TilingScheme, levels: object, meant: list[int]) -> None:
    assert chosen(scheme, levels) == meant


def test_long_levels_are_refused_at_once() -> None:
    """A text that could be cut up in many ways must not be tried in all of them."""
    for text in ("1" * 4000 + "-" + "1" * 4000 + "x", "1," * 4000 + "x", "." * 9000):
        with pytest.raises(ParameterError, match="not a list of levels"):
            read_levels(text)


def test_near_scales_are_told_apart(tmp_path: Path) -> None:
    lods = "".join(
        f"<LODInfo><LevelID>{level}</LevelID><Scale>{scale}</Scale><Resolution>{scale / 3779.5}</Resolution></LODInfo>"
        for level, scale in enumerate((9017.87105, 4508.9355, 4508.9353))
    )
    scheme = read_conf_xml(conf_text(lods=lods).encode(), tmp_path).scheme
    assert chosen(scheme, "4508.9355-9017.87105", "Scale") == [0, 1]
    assert chosen(scheme, "4508.9353", "Scale") == [2]


def test_no_levels_are_all(scheme: TilingScheme) -> None:
    assert choose_levels(None, "LevelID", scheme) == scheme.lods


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
def test_levels_that_can_not_be_read(levels: object) -> None:
    with pytest.raises(
        ParameterError, match=r"levels: not a list of levels; found .*, expected values and ranges such"
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
def test_levels_that_do_not_exist_come_with_the_nearest(
    scheme: TilingScheme, levels: str, found: str, nearest: str
) -> None:
    with pytest.raises(ParameterError, match=rf"no such level .*; found {found}, expected .* nearest are .*{nearest}"):
        chosen(scheme, levels)


class TestScalesAndResolutions:
    @pytest.mark.parametrize("level", [2, 3, 4, 5, 6, 9])
    @pytest.mark.parametrize("digits", [6, 4, 1])
    def test_as_clients_print_them(self, scheme: TilingScheme, level: int, digits: int) -> None:
        lod = scheme.lod(level)
        assert lod is not None
        assert chosen(scheme, f"{lod.scale.value:.{digits}f}", "Scale") == [level]
        assert chosen(scheme, f"{lod.resolution.value:.{digits}f}", "Resolution") == [level]
        assert chosen(scheme, f"{lod.scale.value:.{digits}e}" if digits > 4 else lod.scale.text, "Scale") == [level]

    def test_a_range_runs_either_way(self, scheme: TilingScheme) -> None:
        low, high = (scheme.lods[i].scale.value for i in (3, 1))
        assert chosen(scheme, f"{low:.6f}-{high:.6f}", "Scale") == [3, 4, 5]
        assert chosen(scheme, f"{high:.6f} - {low:.6f}", "Scale") == [3, 4, 5]
        assert chosen(scheme, f"{high * 1.2}-{low * 0.8}", "Scale") == [3, 4, 5]

    def test_exponents_are_no_ranges(self, scheme: TilingScheme) -> None:
        assert [(span.first, span.last) for span in read_levels("1e-05, 2E-3-1e+2,.5")] == [
            (1e-05, 1e-05),
            (2e-3, 1e2),
            (0.5, 0.5),
        ]

    def test_none_that_fits_comes_with_the_nearest(self, scheme: TilingScheme) -> None:
        scale = scheme.lods[2].scale.value
        for sent in (f"{scale * 1.001}", f"{scale * 1.3}-{scale * 1.4}"):
            with pytest.raises(ParameterError, match=r"expected a scale of the scheme's, nearest are levels .*4 \(res"):
                chosen(scheme, sent, "Scale")


@pytest.mark.parametrize(
    ("extent", "meant"),
    [
        ("0,1,2,3", (0, 1, 2, 3)),
        (" -1e3, 1.5 ,2,3 ", (-1000, 1.5, 2, 3)),
        ((0, 1, 2, 3), (0, 1, 2, 3)),
        ('{"xmin":0,"ymin":"1","xmax":2.0,"ymax":3}', (0, 1, 2, 3)),
        ("170,-10,-170,10", (170, -10, -170, 10)),
    ],
)
def test_extents(extent: object, meant: tuple[float, ...]) -> None:
    box = read_extent(extent)
    assert box is not None
    assert (box.extent, box.reference) == (meant, None)


@pytest.mark.parametrize("extent", ["DEFAULT", "default", " DefaultExtent "])
def test_words_for_all(extent: str) -> None:
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
def test_what_is_no_box(extent: object) -> None:
    with pytest.raises(ParameterError, match=r"exportExtent: not a box; found .*, expected xmin,ymin,xmax,ymax"):
        read_extent(extent)


@pytest.mark.parametrize("extent", ["0,2,1,1", "0,0,0,1", (1, 1, 2, 1)])
def test_boxes_without_area(extent: object) -> None:
    with pytest.raises(ParameterError, match="exportExtent: the box has no area"):
        read_extent(extent)


@pytest.mark.parametrize("extent", ['{"xmin":0', "{" + '"a":{' * 100_000, '{"xmin":' + "9" * 5000 + "}"])
def test_what_is_no_json(extent: str) -> None:
    with pytest.raises(ParameterError, match=r"exportExtent: (not JSON|JSON in too many layers)"):
        read_extent(extent)


class TestTable:
    """The table that everything is made from."""

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

    def test_every_choice_and_limit_is_one_that_it_reads(self) -> None:
        for item in INPUTS:
            for word in (*item.choices, *(item.limits or ())):
                item.read(str(word))
            assert item.default is None or item.read(item.default) == item.default

    def test_defaults(self) -> None:
        values = read_values({})
        assert values.pop("exportBy") == "LevelID"
        assert (values.pop("tilePackage"), values.pop("optimizeTilesForSize")) == (False, False)
        assert set(values.values()) == {None}

    def test_what_is_known_of_what_was_sent(self) -> None:
        sent = {"LEVELS": "1", "f": "json", "polygon": "", "storageFormat": "compact", "export_by": None, "x": 1}
        assert known(sent) == {"levels": "1", "storageFormatType": "compact"}

    def test_faults_are_found_for_each_without_a_cache(self) -> None:
        faults = find_faults({"levels": "x", "tilePackage": "maybe", "exportExtent": "1,2", "exportBy": "scale"})
        assert list(faults) == ["levels", "tilePackage", "exportExtent"]
        assert faults["tilePackage"] == "tilePackage: not one of its words; found 'maybe', expected true or false"

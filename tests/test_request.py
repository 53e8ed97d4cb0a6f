"""Levels and extents, as people and clients write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from caches import conf_text

from gptool.cache.conf import read_conf
from gptool.errors import ParameterError
from gptool.model import TilingScheme
from gptool.request import parse_extent, parse_levels


@pytest.fixture
def scheme(tmp_path: Path) -> TilingScheme:
    """Levels 2-6 and 9."""
    path = tmp_path / "conf.xml"
    path.write_text(conf_text([2, 3, 4, 5, 6, 9]))
    return read_conf(path.read_bytes(), path).scheme


@pytest.mark.parametrize(
    ("levels", "meant"),
    [
        (None, [2, 3, 4, 5, 6, 9]),
        ("", [2, 3, 4, 5, 6, 9]),
        (" ", [2, 3, 4, 5, 6, 9]),
        ("2-6", [2, 3, 4, 5, 6]),
        ("6-2", [2, 3, 4, 5, 6]),
        ("2, 4,6", [2, 4, 6]),
        ("2-3, 6 - 9", [2, 3, 6, 9]),
        ("4,4,3-4", [3, 4]),
        ("09", [9]),
        (9, [9]),
        ([9, 2], [2, 9]),
        (range(2, 5), [2, 3, 4]),
    ],
)
def test_levels(scheme: TilingScheme, levels: object, meant: list[int]) -> None:
    assert [lod.level for lod in parse_levels(levels, scheme)] == meant  # type: ignore[arg-type]


@pytest.mark.parametrize("levels", ["x", "1..3", "2-", "-2", "2,,3", "2-3-4", "2;3", "1e1", "9" * 20, [-1], [2.5]])
def test_levels_that_can_not_be_read(scheme: TilingScheme, levels: object) -> None:
    with pytest.raises(ParameterError, match=r"levels: not a list of level IDs, found .*, expected one such as 0-6"):
        parse_levels(levels, scheme)  # type: ignore[arg-type]


@pytest.mark.parametrize("levels", ["7", "2-7", "0-6", "2,8"])
def test_levels_that_do_not_exist(scheme: TilingScheme, levels: str) -> None:
    with pytest.raises(ParameterError, match=r"no such level .*, found [078], expected levels of 2, 3, 4, 5, 6, 9"):
        parse_levels(levels, scheme)


@pytest.mark.parametrize(
    ("extent", "meant"),
    [
        (None, None),
        ("", None),
        ("0,1,2,3", (0, 1, 2, 3)),
        (" -1e3, 1.5 ,2,3 ", (-1000, 1.5, 2, 3)),
        ((0, 1, 2, 3), (0, 1, 2, 3)),
    ],
)
def test_extents(extent: object, meant: tuple[float, ...] | None) -> None:
    assert parse_extent(extent) == meant  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "extent", ["1", "0,1,2", "0,1,2,3,4", "a,b,c,d", "0,1,2,nan", "0,1,inf,2", "0,1,,2", (0, 1, 2), 5]
)
def test_what_is_no_box(extent: object) -> None:
    with pytest.raises(ParameterError, match=r"export extent: not a box, found .*, expected xmin,ymin,xmax,ymax"):
        parse_extent(extent)  # type: ignore[arg-type]


@pytest.mark.parametrize("extent", ["2,0,1,1", "0,2,1,1", "0,0,0,1", (1, 1, 2, 1)])
def test_boxes_without_area(extent: object) -> None:
    with pytest.raises(ParameterError, match="no area"):
        parse_extent(extent)  # type: ignore[arg-type]

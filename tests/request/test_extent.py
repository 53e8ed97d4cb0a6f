"""Extents as clients and people write them."""

from __future__ import annotations

import pytest

from gptool.errors import ParameterError
from gptool.request.extent import read_extent


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


@pytest.mark.parametrize("extent", ["0,0,0,1", (1, 1, 2, 1)])
def test_extents_without_area_are_rejected(extent: object) -> None:
    with pytest.raises(ParameterError, match="exportExtent: extent has no area"):
        read_extent(extent)


def test_extent_with_its_y_in_reverse_is_rejected() -> None:
    with pytest.raises(ParameterError, match=r"exportExtent: ymin is greater than ymax; found 0\.0,2\.0,1\.0,1\.0, "):
        read_extent("0,2,1,1")


@pytest.mark.parametrize("extent", ['{"xmin":0', "{" + '"a":{' * 100_000, '{"xmin":' + "9" * 5000 + "}"])
def test_invalid_json_is_rejected(extent: str) -> None:
    with pytest.raises(ParameterError, match=r"exportExtent: (value is not valid JSON|JSON is nested too deeply)"):
        read_extent(extent)

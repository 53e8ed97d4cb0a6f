"""A tile at a compression quality, for the form."""

from __future__ import annotations

import pytest

from gptool import _jpeg
from helpers.caches import world
from helpers.rest_client import RestClient

PREVIEW = "services/World/ImageServer/preview"
SIDE = 20037508.342787
CORNER = {"x": -SIDE + 1, "y": SIDE - 1}


def test_tile_at_a_position_is_the_deepest_down_to_the_level(client: RestClient) -> None:
    """Level 8 has tiles in the middle only."""
    for level, expected in ((0, (0, 0, 0)), (2, (2, 0, 0)), (19, (2, 0, 0))):
        assert client.get(PREVIEW, **CORNER, level=level).body == world()[expected]
    middle = client.get(PREVIEW, x=1, y=-1, level=8)
    assert (middle.body, middle.headers["content-type"]) == (world()[8, 128, 128], "image/jpeg")


def test_tile_is_recompressed_as_by_an_export(client: RestClient) -> None:
    stored = world()[2, 0, 0]
    for tables in ("efficient", "exact"):
        expected, _ = _jpeg.recompress(stored, 20, tables=tables, declared_quality=75)
        assert len(expected) < len(stored)
        assert client.get(PREVIEW, **CORNER, level=2, compressionQuality=20, tables=tables).body == expected


def test_position_without_tiles_has_no_content(client: RestClient) -> None:
    reply = client.get(PREVIEW, x=5 * SIDE, y=0, level=8)
    assert (reply.status, reply.body) == (204, b"")


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({"x": "nan"}, "x: value is not a number within range"),
        ({"y": "1e300"}, "y: value is not a number within range"),
        ({"level": ""}, "level: is missing"),
        ({"level": "inf"}, "level: value is not a number within range"),
        ({"compressionQuality": 101}, "compressionQuality: "),
        ({"x": ""}, "x: is missing"),
        ({"y": "a"}, "y: value is not a number within range"),
        ({"tables": "x"}, "tables: "),
    ],
)
def test_invalid_parameters_are_rejected(client: RestClient, changes: dict[str, object], start: str) -> None:
    error = client.get(PREVIEW, **{**CORNER, "level": 2, **changes}).error()
    assert error["code"] == 400
    assert error["details"][0].startswith(start)

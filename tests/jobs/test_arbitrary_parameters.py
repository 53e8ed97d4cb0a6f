"""Arbitrary parameters: the job succeeds, or fails with a message about a parameter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gptool.request import INPUTS
from gptool.tool import estimate_export_tiles_size_job

numbers = st.integers(-(10**20), 10**20) | st.floats() | st.sampled_from([0, 1, -1, 180, 1e308, 20037508.342787])
words = st.sampled_from(
    [
        *("rings", "features", "geometry", "spatialReference", "wkid", "latestWkid", "wkt", "type", "coordinates"),
        *("xmin", "ymin", "xmax", "ymax", "Polygon", "MultiPolygon", "FeatureCollection", "Feature", "geometries"),
        *(
            "GeometryCollection",
            "crs",
            "properties",
            "name",
            "geometryType",
            "esriGeometryPolygon",
            "0-2",
            "1e5",
            "NaN",
        ),
    ]
)
leaves = st.none() | st.booleans() | numbers | words | st.text(max_size=8)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4), max_leaves=20
)

vertices = st.lists(st.lists(numbers, min_size=1, max_size=3), max_size=6)
references = st.fixed_dictionaries({"wkid": st.sampled_from([4326, 102100, 25833, 3031, 27700, 0, 5703, 104905, -1])})
points = st.lists(numbers, min_size=2, max_size=2)
curves = st.one_of(
    st.fixed_dictionaries({"c": st.lists(points, max_size=3)}),
    st.fixed_dictionaries({"b": st.lists(points, max_size=4)}),
    st.tuples(points, points, st.lists(numbers | values, max_size=6)).map(lambda parts: {"a": [*parts[:2], *parts[2]]}),
    values,
)
curve_rings = st.lists(st.lists(points | curves, max_size=5).map(lambda ring: [[0, 0], *ring]), max_size=3)
polygons = st.fixed_dictionaries(
    {"rings": st.lists(vertices, max_size=3)}, optional={"spatialReference": references | values}
) | st.fixed_dictionaries({"curveRings": curve_rings}, optional={"spatialReference": references | values})
areas = (
    values
    | polygons
    | st.fixed_dictionaries({"features": st.lists(polygons.map(lambda p: {"geometry": p}), max_size=2)})
)
envelopes = st.fixed_dictionaries(
    dict.fromkeys(("xmin", "ymin", "xmax", "ymax"), numbers), optional={"spatialReference": references | values}
)


def as_sent(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A value of Python, or as JSON, or as another text."""
    return strategy | strategy.map(json.dumps) | strategy.map(str)


requests = st.dictionaries(
    st.sampled_from([name for item in INPUTS for name in (item.name, *item.aliases)] + ["f", "nonsense"]),
    as_sent(values),
    max_size=4,
) | st.fixed_dictionaries({}, optional={"areaOfInterest": as_sent(areas), "exportExtent": as_sent(envelopes)})


@settings(max_examples=400, deadline=None)
@given(requests)
@example({"areaOfInterest": {"rings": [[[0, 0], [0, 1e308], [1e308, 1e308]]]}})
@example({"areaOfInterest": {"rings": [[[0, 0], [0, 1e200], [1e200, 0]]], "spatialReference": {"wkid": 4326}}})
@example({"exportExtent": {"xmin": -1e308, "ymin": -1e308, "xmax": 1e308, "ymax": 1e308}})
@example({"exportExtent": {"xmin": 0, "ymin": 0, "xmax": 5e-324, "ymax": 5e-324}})
@example({"exportExtent": {"xmin": 1e30, "ymin": 0, "xmax": -1e30, "ymax": 1}})
@example({"levels": "1" * 10_001})
@example({"levels": b"0-2"})
@example({"areaOfInterest": "\x00"})
def test_job_ends_without_an_internal_error(cache: Path, sent: dict[str, Any]) -> None:
    job = estimate_export_tiles_size_job(sent, cache=cache)
    assert job.status in ("esriJobSucceeded", "esriJobFailed")
    for message in job.messages:
        assert "internal error" not in message.description, sent
        assert message.description.isprintable()
    json.dumps(job.to_json())


@pytest.mark.parametrize("name", [item.name for item in INPUTS])
@pytest.mark.parametrize(
    "value", [object(), float("nan"), 1e999, -1, [[]], {"a": {}}, "\u202e\n\x1b[31m", "x" * 100_000, b"\xff"]
)
def test_message_is_a_short_line_that_names_the_parameter(cache: Path, name: str, value: Any) -> None:
    job = estimate_export_tiles_size_job({name: value}, cache=cache)
    first = next(message.description for message in job.messages if message.type == "Error")
    assert first.startswith(name)
    assert len(first) < 1000
    assert first.isprintable()

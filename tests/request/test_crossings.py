"""The cost of an area is bounded: crossings of its edges are counted before they are resolved."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from gptool.errors import ParameterError
from gptool.request.area_members import RequestedPolygon, Ring
from gptool.request.crossings import count_crossings, edges_of
from gptool.request.polygons import build_polygons

RANDOM = np.random.default_rng(18)


def box(xmin: float, ymin: float, xmax: float, ymax: float) -> Ring:
    return np.array([[xmin, ymin], [xmin, ymax], [xmax, ymax], [xmax, ymin], [xmin, ymin]], float)


def circle(x: float, y: float, vertices: int) -> Ring:
    angles = np.linspace(0, -2 * np.pi, vertices, endpoint=False)
    return np.stack([x + np.cos(angles), y + np.sin(angles)], axis=1)


def grid_of_strips(n: int) -> list[Ring]:
    """n strips across n others, which leave n² holes."""
    return [*(box(i, -1, i + 0.5, n) for i in range(n)), *(box(-1, i, n, i + 0.5) for i in range(n))]


def diagonals(n: int) -> Ring:
    """A valid ring of long parallel edges: the boxes of all of them overlap."""
    i = np.arange(n, dtype=float)
    zigzag = np.stack([np.stack([i, 0 * i], 1), np.stack([i + n + 0.5, 0 * i + n], 1)], 1).reshape(-1, 2)
    return np.concatenate([zigzag, [[3 * n, -1], [-1, -1]]])


def to_and_fro(n: int) -> Ring:
    x = RANDOM.random(n)
    return np.concatenate([np.stack([x, 0 * x], 1), [[0.5, 1]]])


def one(*rings: Ring) -> list[RequestedPolygon]:
    return [RequestedPolygon("geometry", list(rings), None)]


def many(rings: list[Ring]) -> list[RequestedPolygon]:
    return [RequestedPolygon(f"feature {i}", [ring], None) for i, ring in enumerate(rings)]


def crosses(one: shapely.LineString, other: shapely.LineString) -> bool:
    """Return whether edges meet elsewhere than in ends of both, and are not the same, according to shapely."""
    meeting = shapely.intersection(one, other)
    if meeting.length:
        return not shapely.equals(one, other)
    common_ends = {one.coords[0], one.coords[1]} & {other.coords[0], other.coords[1]}
    return not meeting.is_empty and meeting.coords[0] not in common_ends


def crossings_of(edges: list[tuple[float, ...]]) -> int:
    lines = [shapely.LineString([edge[:2], edge[2:]]) for edge in edges]
    return sum(crosses(one, other) for one, other in itertools.combinations(lines, 2))


corners = st.tuples(*[st.integers(-8, 8).map(float)] * 4).filter(lambda edge: edge[:2] != edge[2:])


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(edges=st.lists(corners, max_size=8))
def test_crossings_are_those_of_shapely(edges: list[tuple[float, ...]]) -> None:
    array = np.array(edges, float).reshape(-1, 2, 2)
    assert count_crossings(array, 1000).crossings == crossings_of(edges)


def test_count_ends_at_the_limit() -> None:
    edges = edges_of([RANDOM.random((2000, 2))])
    assert 100 < count_crossings(edges, 100).crossings < 110


TOO_MANY = "edges cross each other too often; found at least [0-9]+ crossings, expected at most [0-9]+: simplify"
NEAR = "too many edges are near each other; found at least [0-9]+ pairs of edges, expected at most [0-9]+: simplify"
NESTED = "rings are nested too often; found at least [0-9]+ pairs of a ring and one around it, expected at most [0-9]+"
COSTLY = {
    "random ring of 3,000 vertices": (one(RANDOM.random((3000, 2))), TOO_MANY),
    "random ring of 100,000 vertices": (one(RANDOM.random((100_000, 2))), TOO_MANY),
    "edges on each other": (one(to_and_fro(3000)), TOO_MANY),
    "crossing rings": (one(*grid_of_strips(300)), TOO_MANY),
    "crossing polygons": (many(grid_of_strips(1000)), TOO_MANY),
    "crossing holes": (one(box(-9, -9, 999, 999), *(ring[::-1] for ring in grid_of_strips(300))), TOO_MANY),
    "many polygons that cross themselves": (many([RANDOM.random((300, 2)) for _ in range(40)]), TOO_MANY),
    "valid ring of parallel edges": (one(diagonals(20_000)), NEAR),
    "concentric rings": (one(*(box(-r, -r, r, r) for r in range(1, 10_001))), NESTED),
}


@pytest.mark.parametrize("name", COSTLY)
def test_costly_area_is_refused(name: str) -> None:
    requested, message = COSTLY[name]
    with pytest.raises(ParameterError, match=f"^areaOfInterest: {message}"):
        build_polygons(requested)


ACCEPTED = {
    "circles on top of each other": many([circle(*centre, 33) for centre in RANDOM.random((3000, 2)) / 2]),
    "circles beside each other": many([circle(*centre, 33) for centre in RANDOM.random((3000, 2)) * 100]),
    "the same polygon many times": many([circle(0, 0, 100)] * 1000),
    "a coast": one(circle(0, 0, 100_000) * np.linspace(1, 1.1, 100_000)[:, None]),
    "concentric rings": one(*(box(-r, -r, r, r) for r in range(1, 501))),
    "a grid": one(*grid_of_strips(60)),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_other_areas_are_united(name: str) -> None:
    requested = ACCEPTED[name]
    polygons, _ = build_polygons(requested)
    expected = shapely.union_all([shapely.Polygon(ring) for polygon in requested for ring in polygon.rings])
    assert shapely.symmetric_difference(polygons[None], expected).area < 1e-9 * expected.area


PEAK = """
import json, resource, sys
from gptool.errors import ParameterError
from gptool.request.area import read_area
from gptool.request.polygons import build_polygons
area = sys.stdin.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    build_polygons(read_area(area).polygons)
except ParameterError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.posix("the peak of memory")
def test_memory_of_a_ring_that_crosses_itself() -> None:
    """It took 5 GB and more."""
    area = json.dumps({"rings": [RANDOM.random((10_000, 2)).tolist()]})
    run = subprocess.run([sys.executable, "-P", "-c", PEAK], input=area, capture_output=True, text=True, check=True)
    assert int(run.stdout) < 100_000  # kB

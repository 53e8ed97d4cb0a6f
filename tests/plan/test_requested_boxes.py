"""What messages say about the box of a request: as it was sent, beside that of the cache; and whether it is degrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gptool.errors import ParameterError
from gptool.plan import Plan, make_plan
from gptool.request.requested_boxes import FOR_DEGREES
from helpers.caches import conf_text, make_cache, square
from helpers.plans import make_request

WORLD = (-20037508.342787, -20037508.342787, 20037508.342787, 20037508.342787)
GEOGRAPHIC, UTM, FEET = ("<WKID>4326</WKID>", "<WKID>25833</WKID>", "<WKID>2263</WKID>")
CACHES: dict[str, dict[str, Any]] = {
    "world": {},
    "geographic": {"reference": GEOGRAPHIC, "x": -180, "y": 90},
    "town in UTM": {"reference": UTM, "cdi": (390000, 5810000, 395000, 5815000)},
    "feet": {"reference": FEET, "cdi": (900000, 100000, 1000000, 200000)},
    "plan of a building": {"reference": UTM, "x": 0, "y": 200, "cdi": (0, 0, 150, 89)},
    "unknown spatial reference": {"reference": "<WKID>999999</WKID>"},
}
LOOK_LIKE_DEGREES = (
    "the values look like longitude and latitude, but without a spatialReference they are coordinates of"
)
RING = [[5, 50], [5, 55], [15, 55], [15, 50], [5, 50]]


def plan_of(folder: Path, kind: str, **request: Any) -> Plan:
    values = dict(CACHES[kind])
    cdi = values.pop("cdi", WORLD)
    cache = make_cache(folder / "cache", square(0, range(1), range(1)), conf=conf_text(range(2), **values), cdi=cdi)
    return make_plan(cache, make_request(levels="0", **request))


def texts(plan: Plan) -> list[str]:
    return [notice.description for notice in plan.notices if notice.type == "Warning"]


@pytest.mark.parametrize(
    "request_",
    [{"export_extent": "5,50,15,55"}, {"export_extent": "0,-20,190,-10"},
     {"export_extent": {"xmin": -180.0000001, "ymin": -90, "xmax": 180, "ymax": 90}},
     {"area_of_interest": {"rings": [RING]}}, {"area_of_interest": {"features": [{"geometry": {"rings": [RING]}}]}}],
)  # fmt: skip
@pytest.mark.parametrize(("kind", "wkid"), [("world", 3857), ("town in UTM", 25833), ("feet", 2263)])
def test_values_that_look_like_degrees_are_warned_about(
    tmp_path: Path, kind: str, wkid: int, request_: dict[str, Any]
) -> None:
    """The request is done as it says: the one tile of level 0 contains the origin of coordinates."""
    plan = plan_of(tmp_path, kind, **request_)
    [text] = texts(plan)
    parameter = "exportExtent" if "export_extent" in request_ else "areaOfInterest"
    assert text == f"{parameter}: {LOOK_LIKE_DEGREES} the cache (WKID {wkid}); {FOR_DEGREES}"
    assert plan.tiles == 1
    bounds = plan.selection.area.bounds if plan.selection.area else plan.selection.extent
    assert bounds is not None
    assert max(map(abs, bounds)) < 191


@pytest.mark.parametrize(
    ("kind", "request_"),
    [
        ("geographic", {"export_extent": "5,50,15,55"}),
        ("plan of a building", {"export_extent": "5,50,15,55"}),
        ("unknown spatial reference", {"export_extent": "5,50,15,55"}),
        ("world", {"export_extent": "5,50,15,5500"}),
        ("world", {"export_extent": "5,50,1500,55"}),
        ("world", {"export_extent": {"xmin": 5, "ymin": 50, "xmax": 15, "ymax": 55, "spatialReference": 4326}}),
        ("world", {"export_extent": {"xmin": 5, "ymin": 50, "xmax": 15, "ymax": 55, "spatialReference": 3857}}),
        ("world", {"area_of_interest": {"rings": [RING], "spatialReference": {"wkid": 4326}}}),
        ("world", {"area_of_interest": {"type": "Polygon", "coordinates": [RING]}}),
        ("world", {"area_of_interest": {"rings": [[[0, 0], [0, 5e6], [5e6, 5e6]]]}, "export_extent": "5,50,15,55"}),
        ("world", {}),
    ],
)
def test_others_are_not(tmp_path: Path, kind: str, request_: dict[str, Any]) -> None:
    assert not [text for text in texts(plan_of(tmp_path, kind, **request_)) if "look like" in text]


def test_error_shows_the_extent_as_it_was_sent_and_that_of_the_cache(tmp_path: Path) -> None:
    folder = make_cache(tmp_path / "cache", square(1, range(1), range(1)), cdi=(-2e7, 1.0, -1.0, 2e7))
    sent: dict[str, Any] = {
        "xmin": 10.5,
        "ymin": -20.25,
        "xmax": 30.0,
        "ymax": -10.0,
        "spatialReference": {"wkid": 4326},
    }
    expected = "tiles of cache, which has level 1 within the extent -20000000.0,1.0,-1.0,20000000.0"
    cases = {
        "exportExtent: selection contains no tiles; found extent 10.5,-20.25,30.0,-10.0 in WKID 4326": {
            "export_extent": sent
        },
        "areaOfInterest: selection contains no tiles; found polygons within 10.0,-20.0,30.0,-10.0 in WKID 4326": {
            "area_of_interest": {"type": "Polygon", "coordinates": [[[10, -20], [30, -20], [30, -10], [10, -20]]]}
        },
        "areaOfInterest: selection contains no tiles; found polygons within 1.0,-20.0,7.0,-2.0 in GCS_WGS_1984 and "
        "polygons within 10.0,-10.0,30.0,-5.0 in WKID 25833": {
            "area_of_interest": {
                "features": [
                    {"geometry": {"rings": [[[x, -20], [x, -2], [7, -2]]], "spatialReference": {"wkt": WGS84}}}
                    for x in (1, 3)
                ]
                + [{"geometry": {"rings": [[[10, -5], [30, -5], [30, -10]]], "spatialReference": {"wkid": 25833}}}]
            }
        },
    }
    for message, request in cases.items():
        with pytest.raises(ParameterError) as caught:
            make_plan(folder, make_request(**request))
        assert str(caught.value) == f"{message}, expected {expected} in WKID 3857"


WGS84 = (
    'GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'
)


def test_error_says_that_values_look_like_degrees(tmp_path: Path) -> None:
    folder = make_cache(tmp_path / "cache", square(1, range(1), range(1)), cdi=(-2e7, 1.0, -1.0, 2e7))
    with pytest.raises(ParameterError) as caught:
        make_plan(folder, make_request(export_extent="5,-20,30,-10"))
    assert str(caught.value) == (
        f"exportExtent: selection contains no tiles; exportExtent: {LOOK_LIKE_DEGREES} the cache (WKID 3857); "
        f"{FOR_DEGREES}; "
        "found extent 5.0,-20.0,30.0,-10.0 in the spatial reference of the cache, "
        "expected tiles of cache, which has level 1 within the extent -20000000.0,1.0,-1.0,20000000.0"
    )

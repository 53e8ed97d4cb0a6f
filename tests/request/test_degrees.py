"""Coordinates in degrees that are on no map: what cannot be degrees is refused, the edges of views are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gptool import estimate_export_tiles_size
from gptool.errors import ParameterError

WGS84 = {"spatialReference": {"wkid": 4326}}
UNLIMITED = 1.7e308


def box(xmin: float, ymin: float, xmax: float, ymax: float) -> dict[str, Any]:
    return {"xmin": xmin, "ymin": ymin, "xmax": xmax, "ymax": ymax, **WGS84}


@pytest.mark.parametrize(
    ("sides", "found"),
    [
        ((-10, 0, 10, 5000), "ymax 5000"),
        ((-10, -200, 10, 10), "ymin -200"),
        ((1000, 0, 1010, 50), "xmin 1000"),
        ((-2e7, -2e7, 2e7, 2e7), "xmin -2e+07"),
    ],
)
@pytest.mark.parametrize("parameter", ["export_extent", "area_of_interest"])
def test_what_cannot_be_degrees_is_refused(
    cache: Path, parameter: str, sides: tuple[float, float, float, float], found: str
) -> None:
    with pytest.raises(ParameterError) as caught:
        estimate_export_tiles_size(cache, **{parameter: box(*sides)})
    assert str(caught.value) == (
        f"{parameter}: coordinates are not longitude and latitude; found {found} in WKID 4326, expected longitudes "
        "from -360 to 360 and latitudes from -90 to 90"
    )


@pytest.mark.parametrize(
    ("sides", "warnings"),
    [
        ((-180, -90, 180, 90), []),
        ((-180.0000001, -90.0000001, 180.0000001, 90.0000001), []),
        ((170, -10, 190, 10), []),
        ((-UNLIMITED, -UNLIMITED, UNLIMITED, UNLIMITED), []),
        ((-10, -80, 10, 100), ["ymax 100 lies beyond the pole; there are no tiles"]),
        ((350, -10, 370, 10), ["xmax 370 is outside -360 to 360 degrees; it is taken around the world"]),
    ],
)
def test_edges_of_views(cache: Path, sides: tuple[float, float, float, float], warnings: list[str]) -> None:
    estimate = estimate_export_tiles_size(cache, export_extent=box(*sides), levels="0")
    assert estimate.total_tiles_to_export == 1
    said = [message.description for message in estimate.messages if message.type == "Warning"]
    assert said == [f"export_extent: {warning}" for warning in warnings]


def test_values_of_other_units_are_not_compared(cache: Path) -> None:
    extent = {"xmin": 0, "ymin": 0, "xmax": 5e6, "ymax": 5e6, "spatialReference": {"wkid": 3857}}
    assert estimate_export_tiles_size(cache, export_extent=extent, levels="0").total_tiles_to_export == 1

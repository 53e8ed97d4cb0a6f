"""Properties of spatial references: extents in degrees, and units."""

from __future__ import annotations

import pytest
import rasterio.warp

from gptool.crs.reference import esri_unit, wgs84_extent
from gptool.model import Extent, SpatialReference


@pytest.mark.parametrize(
    ("wkid", "box"),
    [
        pytest.param(102100, (0, 0, 20037508.34, 20037508.34), id="web Mercator, Esri's WKID"),
        pytest.param(4326, (-10, -20, 30, 40), id="degrees"),
        pytest.param(2056, (2600000, 1200000, 2700000, 1250000), id="Swiss LV95"),
        pytest.param(27700, (0, 0, 700000, 1300000), id="British grid, curved edges"),
        pytest.param(3031, (-1e6, -1e6, 1e6, 1e6), id="around the south pole"),
    ],
)
def test_extents_in_degrees_equal_those_of_gdal(wkid: int, box: tuple[float, float, float, float]) -> None:
    crs = "EPSG:3857" if wkid == 102100 else f"EPSG:{wkid}"
    expected = rasterio.warp.transform_bounds(crs, "EPSG:4326", *box, densify_pts=21)
    assert wgs84_extent(SpatialReference(wkid, None, None), Extent(*box)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("wkid", [4326, 3857])
@pytest.mark.parametrize("xmax", [30056262.0, 40075016.0, 1e9])
def test_extents_beyond_the_world_are_clipped(wkid: int, xmax: float) -> None:
    """Longitudes that wrap around must not make the extent narrower."""
    extent = wgs84_extent(SpatialReference(wkid, None, None), Extent(-20037508.0, -1e9, xmax, 1e9))
    assert extent == pytest.approx((-180, -90, 180, 90))


def test_esri_unit() -> None:
    assert [esri_unit(SpatialReference(wkid, None, None)) for wkid in (3857, 4326, 2263)] == [
        "esriMeters",
        "esriDecimalDegrees",
        "esriFeet",
    ]

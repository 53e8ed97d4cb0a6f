"""Spatial references, by Esri's well-known ids or text, for PROJ. The only module that imports pyproj."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gptool.errors import ConfError
from gptool.model import Extent, SpatialReference

if TYPE_CHECKING:
    from pyproj import CRS

WORLD = Extent(-180.0, -90.0, 180.0, 90.0)
EDGE_POINTS = 21
"""Points along each edge of a box that is reprojected: its edges become curves."""

UNITS = {"metre": "esriMeters", "degree": "esriDecimalDegrees", "foot": "esriFeet", "US survey foot": "esriFeet"}


def to_crs(reference: SpatialReference) -> CRS:
    """Return the reference as PROJ knows it.

    Raises
    ------
    ConfError
        When neither ids nor text name one that PROJ knows.
    """
    # Imported here since it takes longer than everything else at start-up.
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    ids = [wkid for wkid in (reference.latest_wkid, reference.wkid) if wkid]
    for name in [f"{authority}:{wkid}" for wkid in ids for authority in ("EPSG", "ESRI")] + [reference.wkt]:
        try:
            if name:
                return CRS.from_user_input(name)
        except CRSError:
            continue
    raise ConfError(
        "a spatial reference that is not known",
        where="SpatialReference",
        found=f"WKID {reference.wkid}, LatestWKID {reference.latest_wkid}, WKT {reference.wkt}",
    )


def units(reference: SpatialReference) -> str | None:
    """Return Esri's word for the reference's unit, None for units it has none for."""
    return UNITS.get(to_crs(reference).axis_info[0].unit_name)


def wgs84_extent(reference: SpatialReference, extent: Extent) -> Extent:
    """Return the longitudes and latitudes that enclose a box, degrees; a box beyond the world's edge is cut there."""
    from pyproj import Transformer

    transformer = Transformer.from_crs(to_crs(reference), 4326, always_xy=True)
    xmin, ymin, xmax, ymax = transformer.transform_bounds(*extent, densify_pts=EDGE_POINTS)
    if not all(map(math.isfinite, (xmin, xmax))) or xmin >= xmax:
        xmin, xmax = WORLD.xmin, WORLD.xmax  # it crosses the antimeridian, or leaves the projection
    if not all(map(math.isfinite, (ymin, ymax))) or ymin >= ymax:
        ymin, ymax = WORLD.ymin, WORLD.ymax
    return Extent(xmin, ymin, xmax, ymax).intersection(WORLD) or WORLD

"""Spatial references given by WKID or well-known text, resolved by PROJ.

pyproj is imported only in this folder, and only when it is needed: the import takes longer than all others.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from gptool.model import Extent, SpatialReference

if TYPE_CHECKING:
    from pyproj import CRS, Transformer

WORLD = Extent(-180.0, -90.0, 180.0, 90.0)

CACHE_SIZE = 64
"""Spatial references whose PROJ objects are kept; bounded since requests may state any."""

POINTS_PER_EDGE = 21
"""Points along each edge of an extent that is reprojected, since its edges become curves."""

ESRI_UNITS = {"metre": "esriMeters", "degree": "esriDecimalDegrees", "foot": "esriFeet", "US survey foot": "esriFeet"}
"""Esri's names of units by those of PROJ."""


@lru_cache(maxsize=CACHE_SIZE)
def to_crs(reference: SpatialReference) -> CRS | None:
    """Return the PROJ coordinate reference system of a spatial reference, or None if PROJ knows neither ids nor text.

    The latest WKID is tried first, each WKID as one of EPSG and then of Esri, and the well-known text last.
    """
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    wkids = [wkid for wkid in (reference.latest_wkid, reference.wkid) if wkid]
    for name in [f"{authority}:{wkid}" for wkid in wkids for authority in ("EPSG", "ESRI")] + [reference.wkt]:
        try:
            if name:
                return CRS.from_user_input(name)
        except (CRSError, UnicodeError):
            continue
    return None


def well_known_id(reference: SpatialReference) -> int | None:
    """Return the WKID of a spatial reference: the stated one, or the one that PROJ identifies its text by, or None."""
    stated = reference.wkid or reference.latest_wkid
    if stated or not reference.wkt:
        return stated
    crs = to_crs(reference)
    authority = crs.to_authority(min_confidence=90) if crs else None
    return int(authority[1]) if authority and authority[1].isdecimal() else None


def is_geographic(reference: SpatialReference) -> bool:
    """Return True if coordinates are longitude and latitude; False if PROJ does not know the spatial reference."""
    crs = to_crs(reference)
    return bool(crs and crs.is_geographic)


def well_known_text(reference: SpatialReference) -> str | None:
    """Return the well-known text of a spatial reference: the stated one, or PROJ's in Esri's dialect, or None."""
    if reference.wkt:
        return reference.wkt
    from pyproj.enums import WktVersion
    from pyproj.exceptions import CRSError

    crs = to_crs(reference)
    try:
        return crs.to_wkt(WktVersion.WKT1_ESRI) if crs else None
    except CRSError:
        return None  # WKT 1 cannot express all coordinate reference systems


def reference_name(reference: SpatialReference) -> str:
    """Return the name in the well-known text, such as `WGS_1984_UTM_Zone_33N`; empty without a text."""
    name = re.match(r'\s*\w+\s*\[\s*"([^"]*)"', well_known_text(reference) or "")
    return name[1] if name else ""


def esri_unit(reference: SpatialReference) -> str | None:
    """Return Esri's name of the unit of coordinates, such as `esriMeters`, or None if there is none."""
    crs = to_crs(reference)
    return ESRI_UNITS.get(crs.axis_info[0].unit_name) if crs and crs.axis_info else None


@lru_cache(maxsize=CACHE_SIZE)
def wgs84_transformer(reference: SpatialReference) -> Transformer | None:
    """Return the transformation to WGS 84 longitude and latitude, or None if PROJ has none.

    PROJ has none for an unknown spatial reference, or one of another celestial body.
    """
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    crs = to_crs(reference)
    try:
        return Transformer.from_crs(crs, 4326, always_xy=True) if crs else None
    except ProjError:
        return None


def wgs84_extent(reference: SpatialReference, extent: Extent) -> Extent:
    """Return the WGS 84 longitudes and latitudes that enclose an extent, degrees.

    The result is clipped to the world. If PROJ has no transformation, it is the whole world; if the extent crosses the
    antimeridian or extends beyond the projection, it is the whole range of longitudes.
    """
    transformer = wgs84_transformer(reference)
    if transformer is None:
        return WORLD
    xmin, ymin, xmax, ymax = transformer.transform_bounds(*extent, densify_pts=POINTS_PER_EDGE)
    if not math.isfinite(xmax - xmin) or xmin >= xmax or not _round_trips(transformer, extent):
        xmin, xmax = WORLD.xmin, WORLD.xmax
    if not math.isfinite(ymax - ymin) or ymin >= ymax:
        ymin, ymax = WORLD.ymin, WORLD.ymax
    return Extent(xmin, ymin, xmax, ymax).intersection(WORLD) or WORLD


def _round_trips(transformer: Transformer, extent: Extent) -> bool:
    """Return True if both sides of an extent are restored by the inverse transformation.

    They are not beyond the edge of a projection, where longitudes start again.
    """
    if transformer.source_crs and transformer.source_crs.is_geographic:
        return True
    middle = (extent.ymin + extent.ymax) / 2
    for x in (extent.xmin, extent.xmax):
        restored, _ = transformer.transform(*transformer.transform(x, middle), direction="INVERSE")
        if not abs(restored - x) <= (extent.xmax - extent.xmin) / 100:
            return False
    return True

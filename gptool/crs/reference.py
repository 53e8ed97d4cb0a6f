"""Spatial references, by Esri's well-known ids or text, for PROJ. Only it and `reprojection` import pyproj."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from gptool.model import Extent, SpatialReference

if TYPE_CHECKING:
    from pyproj import CRS, Transformer

WORLD = Extent(-180.0, -90.0, 180.0, 90.0)
MOST_REMEMBERED = 64
"""References whose way through PROJ is remembered: requests may come with any."""

EDGE_POINTS = 21
"""Points along each edge of a box that is reprojected: its edges become curves."""

UNITS = {"metre": "esriMeters", "degree": "esriDecimalDegrees", "foot": "esriFeet", "US survey foot": "esriFeet"}


@lru_cache(maxsize=MOST_REMEMBERED)
def to_crs(reference: SpatialReference) -> CRS | None:
    """Return the reference as PROJ knows it, None when neither ids nor text name one that it knows."""
    # Imported here since it takes longer than everything else at start-up.
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    ids = [wkid for wkid in (reference.latest_wkid, reference.wkid) if wkid]
    for name in [f"{authority}:{wkid}" for wkid in ids for authority in ("EPSG", "ESRI")] + [reference.wkt]:
        try:
            if name:
                return CRS.from_user_input(name)
        except (CRSError, UnicodeError):
            continue
    return None


def well_known_id(reference: SpatialReference) -> int | None:
    """Return the reference's id: the one it states, else the one PROJ knows its text by, None when there is none."""
    stated = reference.wkid or reference.latest_wkid
    if stated or not reference.wkt:
        return stated
    crs = to_crs(reference)
    authority = crs.to_authority(min_confidence=90) if crs else None
    return int(authority[1]) if authority and authority[1].isdecimal() else None


def is_geographic(reference: SpatialReference) -> bool:
    """Tell whether coordinates are degrees, as far as PROJ knows the reference."""
    crs = to_crs(reference)
    return bool(crs and crs.is_geographic)


def well_known_text(reference: SpatialReference) -> str | None:
    """Return the reference's text: the one it states, else Esri's of the one PROJ knows, None when there is none."""
    if reference.wkt:
        return reference.wkt
    from pyproj.enums import WktVersion
    from pyproj.exceptions import CRSError

    crs = to_crs(reference)
    try:
        return crs.to_wkt(WktVersion.WKT1_ESRI) if crs else None
    except CRSError:
        return None  # WKT 1 can't say it


def reference_name(reference: SpatialReference) -> str:
    """Return the name in the reference's text, as in `WGS_1984_Web_Mercator_Auxiliary_Sphere`; empty without a text."""
    name = re.match(r'\s*\w+\s*\[\s*"([^"]*)"', well_known_text(reference) or "")
    return name[1] if name else ""


def units(reference: SpatialReference) -> str | None:
    """Return Esri's word for the reference's unit, None for units it has none for."""
    crs = to_crs(reference)
    return UNITS.get(crs.axis_info[0].unit_name) if crs and crs.axis_info else None


@lru_cache(maxsize=MOST_REMEMBERED)
def to_wgs84(reference: SpatialReference) -> Transformer | None:
    """Return the way to degrees, None when PROJ knows none: of an unknown reference, or one of the Moon."""
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    crs = to_crs(reference)
    try:
        return Transformer.from_crs(crs, 4326, always_xy=True) if crs else None
    except ProjError:
        return None


def wgs84_extent(reference: SpatialReference, extent: Extent) -> Extent:
    """Return the longitudes and latitudes that enclose a box, degrees.

    A box that reaches beyond the world is cut at its edge. One in a reference that PROJ can't bring there may be
    anywhere: then it is the world.
    """
    transformer = to_wgs84(reference)
    if transformer is None:
        return WORLD
    xmin, ymin, xmax, ymax = transformer.transform_bounds(*extent, densify_pts=EDGE_POINTS)
    if not math.isfinite(xmax - xmin) or xmin >= xmax or not _returns(transformer, extent):
        xmin, xmax = WORLD.xmin, WORLD.xmax  # it crosses the antimeridian, or leaves the projection
    if not math.isfinite(ymax - ymin) or ymin >= ymax:
        ymin, ymax = WORLD.ymin, WORLD.ymax
    return Extent(xmin, ymin, xmax, ymax).intersection(WORLD) or WORLD


def _returns(transformer: Transformer, extent: Extent) -> bool:
    """Tell whether both sides of a box come back from degrees: beyond a projection's edge, longitudes start again."""
    if transformer.source_crs and transformer.source_crs.is_geographic:
        return True
    middle = (extent.ymin + extent.ymax) / 2
    for x in (extent.xmin, extent.xmax):
        back, _ = transformer.transform(*transformer.transform(x, middle), direction="INVERSE")
        if not abs(back - x) <= (extent.xmax - extent.xmin) / 100:
            return False
    return True

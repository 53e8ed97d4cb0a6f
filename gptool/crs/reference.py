"""Spatial references given by WKID or well-known text, resolved by PROJ.

pyproj is imported only in this folder, and only when it is needed: the import takes longer than all others.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
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

WKT_TOKEN = re.compile(
    r'(?P<text>"(?:[^"]|"")*")|\b(?:AUTHORITY|ID)\s*[\[(]\s*"(?:EPSG|ESRI)"\s*,\s*"?(?P<id>[0-9]{1,9})"?\s*[\])]|[\[\]()]',
    re.IGNORECASE,
)
"""A quoted text, the id of an authority, or a bracket."""

MAX_QUOTED = 100
"""Characters of a well-known text without a name that messages quote."""

DEGREE_METRES = 6378137.0 * math.pi / 180
"""Metres of a degree as ArcGIS converts scales: along the equator of WGS 84."""

ESRI_UNITS = {"metre": "esriMeters", "degree": "esriDecimalDegrees", "foot": "esriFeet", "US survey foot": "esriFeet"}
"""Esri's names of units by those of PROJ."""


@lru_cache(maxsize=CACHE_SIZE)
def id_in_text(wkt: str) -> int | None:
    """Return the id of EPSG or Esri that a well-known text states for the whole of itself, or None.

    It is the `AUTHORITY` of WKT 1 (OGC 01-009, section 7) or the `ID` of WKT 2 (ISO 19162, section 7.3.4) that lies
    directly within the outermost brackets; those further inside are of parts.
    """
    depth = 0
    for match in WKT_TOKEN.finditer(wkt):
        if match["id"] and depth == 1:
            return int(match["id"])
        depth += match[0].count("[") + match[0].count("(") if not match["text"] else 0
        depth -= match[0].count("]") + match[0].count(")") if not match["text"] else 0
    return None


@lru_cache(maxsize=CACHE_SIZE)
def to_crs(reference: SpatialReference) -> CRS | None:
    """Return the PROJ coordinate reference system of a spatial reference, or None if PROJ knows neither ids nor text.

    The latest WKID is tried first, each WKID as one of EPSG and then of Esri, then the one that the well-known text
    states, and the text last.
    """
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    in_text = id_in_text(reference.wkt) if reference.wkt else None
    wkids = [wkid for wkid in (reference.latest_wkid, reference.wkid, in_text) if wkid]
    for name in [f"{authority}:{wkid}" for wkid in wkids for authority in ("EPSG", "ESRI")] + [reference.wkt]:
        try:
            if name:
                return CRS.from_user_input(name)
        except (CRSError, UnicodeError):
            continue
    return None


def well_known_id(reference: SpatialReference) -> int | None:
    """Return the WKID of a spatial reference, or None if it has none.

    It is the stated one, else the one that its text states, else the one that PROJ identifies its text by.
    """
    stated = reference.wkid or reference.latest_wkid
    if stated or not reference.wkt:
        return stated
    if in_text := id_in_text(reference.wkt):
        return in_text
    authority = authority_of(reference)
    return int(authority[1]) if authority and authority[1].isdecimal() else None


@lru_cache(maxsize=CACHE_SIZE)
def authority_of(reference: SpatialReference) -> tuple[str, str] | None:
    """Return the authority and the code that PROJ identifies a spatial reference by, or None.

    For a text it searches 0.2 s.
    """
    crs = to_crs(reference)
    return crs.to_authority(min_confidence=90) if crs else None


def urn(reference: SpatialReference) -> str | None:
    """Return the URN of a spatial reference (OGC 09-048r5), `urn:ogc:def:crs:EPSG::3857`; None if it has no code."""
    authority = authority_of(reference)
    return f"urn:ogc:def:crs:{authority[0]}::{authority[1]}" if authority else None


def is_northing_first(reference: SpatialReference) -> bool:
    """Return True if the first axis that the authority defines runs north or south, as latitude does in EPSG:4326."""
    crs = to_crs(reference)
    return bool(crs and crs.axis_info and crs.axis_info[0].direction in ("north", "south"))


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


def format_bounds(sides: Iterable[float]) -> str:
    """Return the sides of a box for messages, as in `-10,0,10,5.5`."""
    return ",".join(f"{side:g}" for side in sides)


def describe_reference(reference: SpatialReference) -> str:
    """Return the name of a spatial reference, or its WKID, for messages."""
    wkid = reference.latest_wkid or reference.wkid
    quoted = f"the text {reference.wkt[:MAX_QUOTED]!r}" if reference.wkt else "neither WKID nor text"
    return reference_name(reference) or (f"WKID {wkid}" if wkid else quoted)


def esri_unit(reference: SpatialReference) -> str | None:
    """Return Esri's name of the unit of coordinates, such as `esriMeters`, or None if there is none."""
    crs = to_crs(reference)
    return ESRI_UNITS.get(crs.axis_info[0].unit_name) if crs and crs.axis_info else None


def metres_per_unit(reference: SpatialReference) -> float:
    """Return the metres of one unit of coordinates; 1.0 if PROJ does not know the spatial reference."""
    crs = to_crs(reference)
    if crs is None or not crs.axis_info:
        return 1.0
    factor = float(crs.axis_info[0].unit_conversion_factor)  # to metres or radians
    return math.degrees(factor) * DEGREE_METRES if crs.is_geographic else factor


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

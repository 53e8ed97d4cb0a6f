"""Web Mercator's spatial reference, which has several well-known ids.

To ArcGIS they are one if the tiling scheme is the standard one: its packages always state 102100 and 3857.
"""

from __future__ import annotations

import math
from dataclasses import replace

from gptool.crs.reference import well_known_id
from gptool.model import DOMAIN_KEYS, Domain, NumberText, SpatialReference, TilingScheme

WKID, LATEST_WKID = 102100, 3857

ALIASES = frozenset({102100, 3857, 102113, 3785, 900913})

HALF_WORLD = 20037508.342787
"""Metres from the centre of the projection to its edges: pi times the semi-major axis of WGS 84."""

TILE_SIDE = 256
TOLERANCE = 1e-6
"""Relative difference of resolutions and of the origin; documents state them rounded to nine digits at least."""

DEFAULT_DOMAIN: Domain = tuple(
    (key, NumberText(text))
    for key, text in zip(
        DOMAIN_KEYS,
        ("0.001", "0.001", "0.001", "-20037700", "-30241100", "10000", "-100000", "10000", "-100000", "10000"),
        strict=True,
    )
)
"""The domain that ArcGIS Server states for web Mercator."""

WKT = (
    'PROJCS["WGS_1984_Web_Mercator_Auxiliary_Sphere",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",'
    'SPHEROID["WGS_1984",6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],'
    'PROJECTION["Mercator_Auxiliary_Sphere"],PARAMETER["False_Easting",0.0],PARAMETER["False_Northing",0.0],'
    'PARAMETER["Central_Meridian",0.0],PARAMETER["Standard_Parallel_1",0.0],PARAMETER["Auxiliary_Sphere_Type",0.0],'
    'UNIT["Meter",1.0],AUTHORITY["EPSG",3857]]'
)
"""The well-known text of Esri's documents."""


def _has_alias(reference: SpatialReference) -> bool:
    """Return True if a spatial reference is web Mercator by one of its ids."""
    return bool({well_known_id(reference), reference.latest_wkid} & ALIASES)


def is_web_mercator(scheme: TilingScheme) -> bool:
    """Return True if a tiling scheme is the standard one in one of web Mercator's spatial references.

    Its origin is the north-western corner of the square world, and each resolution is that of the world in 256 pixels,
    halved any number of times. Levels may be missing, and tiles may have another size.
    """
    if not _has_alias(scheme.reference):
        return False
    corner = (scheme.origin_x.value / -HALF_WORLD, scheme.origin_y.value / HALF_WORLD)
    halvings = (math.log2(2 * HALF_WORLD / TILE_SIDE / lod.resolution.value) for lod in scheme.lods)
    return all(abs(part - 1) <= TOLERANCE for part in corner) and all(
        abs(halving - round(halving)) <= TOLERANCE for halving in halvings
    )


def package_reference(scheme: TilingScheme) -> SpatialReference:
    """Return the spatial reference that a tile package states: 102100 and 3857 for web Mercator's tiling scheme.

    Web Mercator without a domain, in any tiling scheme, gets that of ArcGIS Server.
    """
    reference = scheme.reference
    if not is_web_mercator(scheme):
        return replace(reference, domain=reference.domain or DEFAULT_DOMAIN) if _has_alias(reference) else reference
    keeps_text = {reference.wkid, reference.latest_wkid} <= {WKID, LATEST_WKID, None} and reference.wkt
    domain = reference.domain or DEFAULT_DOMAIN
    return replace(
        reference, wkid=WKID, latest_wkid=LATEST_WKID, wkt=reference.wkt if keeps_text else WKT, domain=domain
    )

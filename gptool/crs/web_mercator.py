"""Web Mercator's spatial reference, which has several well-known ids.

To ArcGIS they are one if the tiling scheme is the standard one: its packages always state 102100 and 3857.
"""

from __future__ import annotations

import math
from dataclasses import replace

from gptool.crs.reference import well_known_id
from gptool.model import DOMAIN_KEYS, Domain, Extent, Lod, NumberText, SpatialReference, TilingScheme

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

ARCGIS_LEVELS = (
    ("156543.03392800014", "591657527.591555"),
    ("78271.51696399994", "295828763.795777"),
    ("39135.75848200009", "147914381.897889"),
    ("19567.87924099992", "73957190.948944"),
    ("9783.93962049996", "36978595.474472"),
    ("4891.96981024998", "18489297.737236"),
    ("2445.98490512499", "9244648.868618"),
    ("1222.992452562495", "4622324.434309"),
    ("611.4962262813797", "2311162.217155"),
    ("305.74811314055756", "1155581.108577"),
    ("152.87405657041106", "577790.554289"),
    ("76.43702828507324", "288895.277144"),
    ("38.21851414253662", "144447.638572"),
    ("19.10925707126831", "72223.819286"),
    ("9.554628535634155", "36111.909643"),
    ("4.77731426794937", "18055.954822"),
    ("2.388657133974685", "9027.977411"),
    ("1.1943285668550503", "4513.988705"),
    ("0.5971642835598172", "2256.994353"),
    ("0.29858214164761665", "1128.497176"),
    ("0.14929107082380833", "564.248588"),
    ("0.07464553541190416", "282.124294"),
    ("0.03732276770595208", "141.062147"),
    ("0.01866138385297604", "70.5310735"),
)
"""Resolution and scale of the levels of ArcGIS Online's basemaps, as the services state them.

Tiles have 256 x 256 pixels.
"""

MAX_LATITUDE = 85.05112877980659
"""The latitude of the northern edge of the square world, degrees."""


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


def standard_scheme(tile_side: int, levels: int) -> TilingScheme:
    """Return the tiling scheme of ArcGIS Online's basemaps, in which a level is a zoom level of the web.

    Parameters
    ----------
    tile_side : int
        Width and height of a tile, pixels. A tile of any size covers the same area at a level.
    levels : int
        Number of levels, from 0. Of those that ArcGIS has no numbers for, they are computed.
    """
    return TilingScheme(
        SpatialReference(WKID, LATEST_WKID, None),
        NumberText(repr(-HALF_WORLD)),
        NumberText(repr(HALF_WORLD)),
        tile_side,
        tile_side,
        NumberText("96"),
        tuple(_standard_lod(level, tile_side) for level in range(levels)),
    )


def _standard_lod(level: int, tile_side: int) -> Lod:
    halvings = level + math.log2(tile_side / TILE_SIDE)
    if halvings in range(len(ARCGIS_LEVELS)):
        resolution, scale = ARCGIS_LEVELS[int(halvings)]
    else:
        resolution, scale = (repr(float(text) / 2**halvings) for text in ARCGIS_LEVELS[0])
    return Lod(level, NumberText(resolution), NumberText(scale))


def project_degrees(box: Extent) -> Extent:
    """Return the extent of a box in degrees of WGS 84, cut off at the edges of the square world."""
    xs = (max(min(longitude, 180.0), -180.0) / 180 * HALF_WORLD for longitude in (box.xmin, box.xmax))
    ys = (_project_latitude(latitude) for latitude in (box.ymin, box.ymax))
    (xmin, xmax), (ymin, ymax) = xs, ys
    return Extent(xmin, ymin, xmax, ymax)


def _project_latitude(latitude: float) -> float:
    if abs(latitude) >= MAX_LATITUDE:
        return math.copysign(HALF_WORLD, latitude)
    return math.log(math.tan(math.radians(45 + latitude / 2))) / math.pi * HALF_WORLD

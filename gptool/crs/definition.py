"""Definitions of spatial references as GeoPackages state them: an organisation, its code, and a well-known text."""

from __future__ import annotations

from typing import NamedTuple

from gptool.crs.reference import authority_of, reference_name, to_crs
from gptool.crs.web_mercator import ALIASES, LATEST_WKID
from gptool.model import SpatialReference

UNDEFINED_ID, CUSTOM_ID = -1, 100_000
"""Ids of a spatial reference that is undefined, and of one without a code; EPSG and Esri use neither."""


class SrsDefinition(NamedTuple):
    """A spatial reference, in the order of the columns of `gpkg_spatial_ref_sys`."""

    name: str
    srs_id: int
    organization: str
    organization_id: int
    definition: str


def srs_definition(reference: SpatialReference) -> SrsDefinition | None:
    """Return the definition of a spatial reference; None if neither PROJ knows it nor it has a well-known text.

    Web Mercator is EPSG:3857 by whichever of its ids.
    """
    if {reference.wkid, reference.latest_wkid} & ALIASES:
        reference = SpatialReference(LATEST_WKID, LATEST_WKID, None)
    crs, code = to_crs(reference), authority_of(reference)
    if crs is None and not reference.wkt:
        return None
    name = crs.name if crs else reference_name(reference) or "unnamed"
    text = _text(reference)
    if code and code[1].isdecimal():
        return SrsDefinition(name, int(code[1]), code[0], int(code[1]), text)
    return SrsDefinition(name, CUSTOM_ID, "NONE", CUSTOM_ID, text)


def _text(reference: SpatialReference) -> str:
    """Return the well-known text (OGC 01-009) of a spatial reference, else the stated one, else `undefined`."""
    from pyproj.enums import WktVersion
    from pyproj.exceptions import CRSError

    crs = to_crs(reference)
    try:
        text = crs.to_wkt(WktVersion.WKT1_GDAL) if crs else None
    except CRSError:
        text = None  # WKT 1 cannot express all coordinate reference systems
    return text or reference.wkt or "undefined"

"""Parsing of spatial references in Esri's JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gptool.errors import ParameterError
from gptool.model import SpatialReference
from gptool.request.values import format_value, is_empty, read_integer

MAX_COORDINATE = 1e12
"""Largest absolute coordinate, in any unit: larger ones lie on no map, and their squares would lose precision."""

MAX_WKID = 2**31 - 1

MAX_WKT_LENGTH = 10_000
"""Maximum length of a well-known text in characters; those that PROJ writes have a few thousand."""

EXPECTED = f"wkid, latestWkid, or wkt of at most {MAX_WKT_LENGTH} characters"

WGS84 = SpatialReference(4326, 4326, None)
"""The spatial reference of all GeoJSON (RFC 7946, section 4)."""


def read_spatial_reference(value: Any, where: str) -> SpatialReference | None:
    """Return a spatial reference, or None if it is missing or empty.

    Parameters
    ----------
    value : mapping, int or None
        `{"wkid": ..., "latestWkid": ...}`, `{"wkt": ...}`, or a WKID alone.
    where : str
        The parameter or geometry it belongs to, for messages.

    Raises
    ------
    ParameterError
        If the value is not a spatial reference.
    """
    if is_empty(value):
        return None
    if not isinstance(value, Mapping):
        value = {"wkid": value}
    wkid, latest_wkid = (_read_wkid(value.get(name), f"{where}: {name}") for name in ("wkid", "latestWkid"))
    wkt = value.get("wkt")
    if not isinstance(wkt, str) or not 0 < len(wkt) <= MAX_WKT_LENGTH:
        wkt = None
    if not (wkid or latest_wkid or wkt):
        raise ParameterError("invalid spatial reference", where=where, found=format_value(value), expected=EXPECTED)
    return SpatialReference(wkid, latest_wkid, wkt)


def _read_wkid(value: Any, where: str) -> int | None:
    """Return a WKID, or None for 0 and -1, which Esri writes for a spatial reference without one."""
    wkid = 0 if value is None else read_integer(value, where, -1, MAX_WKID)
    return wkid if wkid > 0 else None

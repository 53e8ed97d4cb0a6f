"""Spatial references as requests state them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gptool.errors import ParameterError
from gptool.model import SpatialReference
from gptool.request.values import is_empty, read_whole_number, shown

FARTHEST = 1e12
"""Coordinates beyond are on no map, in whatever unit, and their squares are no numbers."""

LARGEST_ID = 2**31 - 1
LONGEST_WKT = 10_000
"""Characters; those that PROJ writes have some thousands."""

EXPECTED = f"wkid, latestWkid or wkt of {LONGEST_WKT} characters at most"

WGS84 = SpatialReference(4326, 4326, None)
"""Of GeoJSON, always (RFC 7946, section 4)."""


def read_reference(sent: Any, parameter: str) -> SpatialReference | None:
    """Return a reference, None when there is none: absent, or empty.

    Parameters
    ----------
    sent : mapping, number or None
        `{"wkid": ..., "latestWkid": ...}` or `{"wkt": ...}`, or the id alone.
    parameter : str
        Whose it is.

    Raises
    ------
    ParameterError
        When it can't be understood.
    """
    if is_empty(sent):
        return None
    if not isinstance(sent, Mapping):
        sent = {"wkid": sent}
    wkid, latest = (_read_id(sent.get(name), f"{parameter}: {name}") for name in ("wkid", "latestWkid"))
    wkt = sent.get("wkt")
    if not isinstance(wkt, str) or not 0 < len(wkt) <= LONGEST_WKT:
        wkt = None
    if not (wkid or latest or wkt):
        raise ParameterError("no spatial reference", where=parameter, found=shown(sent), expected=EXPECTED)
    return SpatialReference(wkid, latest, wkt)


def _read_id(sent: Any, what: str) -> int | None:
    """Return an id; 0 and -1 are what Esri writes for none."""
    number = 0 if sent is None else read_whole_number(sent, what, -1, LARGEST_ID)
    return number if number > 0 else None

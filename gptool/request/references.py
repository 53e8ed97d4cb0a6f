"""Spatial references as requests state them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gptool.errors import ParameterError
from gptool.model import SpatialReference
from gptool.request.values import read_whole_number

FARTHEST = 1e12
"""Coordinates beyond are on no map, in whatever unit, and their squares are no numbers."""

LARGEST_ID = 2**31 - 1
EXPECTED = "wkid, latestWkid or wkt"

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
    if sent is None or sent in ({}, ""):
        return None
    if not isinstance(sent, Mapping):
        sent = {"wkid": sent}
    wkid, latest = (_read_id(sent.get(name), f"{parameter}: {name}") for name in ("wkid", "latestWkid"))
    wkt = sent.get("wkt") or None
    if not (wkid or latest or isinstance(wkt, str)):
        raise ParameterError("no spatial reference", where=parameter, found=repr(sent), expected=EXPECTED)
    return SpatialReference(wkid, latest, wkt if isinstance(wkt, str) else None)


def _read_id(sent: Any, what: str) -> int | None:
    if isinstance(sent, float) and sent.is_integer():
        sent = int(sent)
    return None if sent is None else read_whole_number(sent, what, 1, LARGEST_ID)
